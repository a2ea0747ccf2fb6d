"""Checks of the fields of frozen settings, with messages that name the nearest valid one."""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Iterable, Mapping
from typing import Any

from nasturtium.errors import EstimateError

__all__ = ["check_choice", "checked_fields"]


def check_choice(name: str, value: str, options: Iterable[str]) -> None:
    """Raise an ``EstimateError`` that names the nearest option unless ``value`` is one."""
    if value not in (options := list(options)):
        near = difflib.get_close_matches(str(value), options, 1)
        hint = f"did you mean {near[0]!r}? " if near else ""
        raise EstimateError(f"{name}={value!r}; {hint}expected one of {', '.join(options)}")


def checked_fields(kind: type[Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """Return ``values`` if every name is a field of the record ``kind``.

    Raises:
        EstimateError: naming the nearest field otherwise.
    """
    names = [f.name for f in dataclasses.fields(kind)]
    for name in values:
        if name not in names:
            check_choice(f"a field of {kind.__name__}", name, names)
    return dict(values)
