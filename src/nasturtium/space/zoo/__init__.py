"""The field's known search spaces, one file each."""

from __future__ import annotations

from importlib import import_module
from typing import Any

# name -> module of this package; loaded when first used, since they need torch
SPACES = {"mobilenet": "mobilenet", "nasbench201": "nasbench201"}

__all__ = ["SPACES"]


def __getattr__(name: str) -> Any:
    if name in SPACES:
        return getattr(import_module(f"{__name__}.{SPACES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
