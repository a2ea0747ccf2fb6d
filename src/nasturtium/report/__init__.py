"""A study as one HTML page: ``nas.report(study, "report.html")``.

The package can be called, since ``nasturtium.report`` names both it and the function.
"""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType
from typing import Any


class _Report(ModuleType):
    """This package: called, it is :func:`nasturtium.report.page.report`."""

    def __call__(self, *args: Any, **options: Any) -> Any:
        from nasturtium.report.page import report

        return report(*args, **options)

    def __reduce__(self) -> tuple[Any, ...]:
        # Cloudpickle sends the modules that a function of the main program may use to workers.
        return import_module, (self.__name__,)


sys.modules[__name__].__class__ = _Report
