"""nasturtium: neural architecture search for PyTorch.

The public names are listed once, in ``__init__.pyi``, where type checkers see them. Each is
imported when it is first used, so that importing the package takes milliseconds, and torch is only
imported when something needs it.
"""

from __future__ import annotations

import re
from importlib import import_module
from pkgutil import get_data
from typing import Any

from nasturtium import renamed

# Imported at once: the decorator shares its name with a package, which would hide it if that
# package were loaded first. It needs no torch.
from nasturtium.space.decorator import space as space

# "import nasturtium.space.zoo as zoo" looks for zoo in what nasturtium.space is, the decorator, and
# then among the imported modules, under the name that it finds there.
space.__name__ = "nasturtium.space"

_LISTED = (get_data(__name__, "__init__.pyi") or b"").decode()
_LINES = re.findall(r"^from (\S+) import \(?\s*(\w+) as", _LISTED, re.M)
_HOMES = {name: home for home, name in _LINES}

__all__ = sorted(_HOMES)


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(
            renamed.public(name) or f"module 'nasturtium' has no attribute {name!r}"
        )
    if name in ("report", "zoo"):  # packages: the report is called, the zoo holds spaces
        return import_module(f"{_HOMES[name]}.{name}")
    value = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
