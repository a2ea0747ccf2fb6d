"""A study as one HTML page: ``nas.report(study, "report.html")``.

The package is callable, since ``nasturtium.report`` is the name of both it and the function.

Example:
    >>> import nasturtium as nas, tempfile, pathlib
    >>> study = nas.Study(nas.zoo.nasbench201, nas.RandomSearch())
    >>> study.tell(study.ask(), {"accuracy": 0.9})
    >>> nas.report(study, pathlib.Path(tempfile.mkdtemp()) / "report.html").name
    'report.html'
"""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType
from typing import Any


class _Report(ModuleType):
    """The class of this package; a call is one of :func:`nasturtium.report.page.report`."""

    def __call__(self, *args: Any, **options: Any) -> Any:
        from nasturtium.report.page import report

        return report(*args, **options)

    def __reduce__(self) -> tuple[Any, ...]:
        # Cloudpickle sends the modules that a function of the main program may use to workers.
        return import_module, (self.__name__,)


sys.modules[__name__].__class__ = _Report
