"""Published search spaces, one file each.

Example:
    >>> import nasturtium as nas
    >>> nas.zoo.nasbench201.size().value
    15625
"""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType
from typing import Any

# name -> module of this package; loaded when first used, since they need torch
SPACES = {
    "anynet": "anynet",
    "anynet_b": "anynet",
    "anynet_c": "anynet",
    "anynet_d": "anynet",
    "anynet_e": "anynet",
    "chain": "chain",
    "darts": "darts",
    "efficientnet": "efficientnet",
    "evonet": "evonet",
    "mlp": "mlp",
    "mobilenet": "mobilenet",
    "nasbench101": "nasbench101",
    "nasbench201": "nasbench201",
    "nasbenchmacro": "nasbenchmacro",
    "nasnet": "nasnet",
    "nasrl": "nasrl",
    "ofa": "ofa",
    "proxyless": "proxyless",
    "randwired": "randwired",
    "regnet": "regnet",
}

__all__ = ["SPACES"]


def __getattr__(name: str) -> Any:
    if name in SPACES:
        return getattr(import_module(f"{__name__}.{SPACES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


class _Zoo(ModuleType):
    """This package: an attribute is the space, though its module has the same name.

    Importing a module sets it as an attribute of its package, which would hide the space.
    """

    def __setattr__(self, name: str, value: object) -> None:
        if not (name in SPACES and isinstance(value, ModuleType)):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Zoo
