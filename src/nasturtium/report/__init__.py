"""A study as one HTML page: ``nas.report(study, "report.html")``.

The package can be called, since ``nasturtium.report`` names both it and the function.
"""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any


class _Report(ModuleType):
    """This package: called, it is :func:`nasturtium.report.page.report`."""

    def __call__(self, *args: Any, **options: Any) -> Any:
        from nasturtium.report.page import report

        return report(*args, **options)


sys.modules[__name__].__class__ = _Report
