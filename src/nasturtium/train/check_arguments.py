"""Checks of arguments: their names, types and choices, with the nearest valid one in messages."""

from __future__ import annotations

import collections.abc
import dataclasses
import difflib
import functools
import inspect
import types
import typing
from collections.abc import Hashable, Iterable, Mapping
from pathlib import PurePath
from typing import Any

from nasturtium.errors import EstimateError, NasturtiumError

__all__ = ["check_choice", "check_fields", "check_types", "find_type_hints"]

WORDS = {int: "a whole number", float: "a number", str: "a text", bool: "True or False"}


def check_choice(name: str, value: str, options: Iterable[str]) -> None:
    """Raise an ``EstimateError`` that names the nearest option unless ``value`` is one."""
    if value not in (options := list(options)):
        near = difflib.get_close_matches(str(value), options, 1)
        hint = f"did you mean {near[0]!r}? " if near else ""
        raise EstimateError(f"{name}={value!r}; {hint}expected one of {', '.join(options)}")


def check_fields(kind: type[Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """Return ``values`` if every name is a field of the record ``kind``, and of its type.

    Raises:
        EstimateError: an unknown field (the nearest is named), or a value of another type.
    """
    if not isinstance(values, Mapping):
        shown = repr(values)[:60]
        raise EstimateError(f"{kind.__name__.lower()}={shown}; expected a dict of settings")
    names = [f.name for f in dataclasses.fields(kind)]
    for name in values:
        if name not in names:
            near = difflib.get_close_matches(str(name), names, 1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            raise EstimateError(
                f"{kind.__name__.lower()} has no setting {str(name)!r}{hint} (it has: "
                f"{', '.join(names)})"
            )
    check_types(kind.__name__.lower(), values, _hints(kind))  # type: ignore[arg-type]
    return dict(values)


@functools.cache
def _hints(kind: Hashable) -> Mapping[str, Any]:
    return typing.get_type_hints(kind)


def find_type_hints(part: Any) -> Mapping[str, Any]:
    """Return the annotated types of a class's or a function's arguments that can be resolved."""
    function = inspect.getattr_static(part, "__init__") if isinstance(part, type) else part
    function = inspect.unwrap(function)
    known = getattr(function, "__globals__", {})
    hints = {}
    for name, hint in getattr(function, "__annotations__", {}).items():
        try:
            hints[name] = eval(hint, known) if isinstance(hint, str) else hint
        except Exception:  # a name that is imported for type checkers only
            continue
    return hints


def check_types(
    owner: str,
    values: Mapping[str, Any],
    hints: Mapping[str, Any],
    error: type[NasturtiumError] = EstimateError,
) -> None:
    """Raise unless each value is of its annotated type.

    Plain values (numbers, texts, truth values, containers) and arguments annotated with one class
    of this package are checked; other values pass.

    Args:
        owner: name of the class or function in the message.
        values: the arguments by name.
        hints: the annotations, as ``typing.get_type_hints`` returns them.
        error: class of the error that is raised.
    """
    for name, value in values.items():
        hint = hints.get(name, Any)
        ours = isinstance(hint, type) and hint.__module__.startswith("nasturtium.")
        if not _fits(value, hint) or (ours and not isinstance(value, hint)):
            shown = repr(value)
            shown = shown if len(shown) <= 80 else f"{shown[:77]}..."
            raise error(f"{owner}: {name}={shown}; expected {_describe_type(hint)}")


def _fits(value: Any, hint: Any) -> bool:
    if hint is Any:
        return True
    origin = typing.get_origin(hint)
    if origin in (typing.Union, types.UnionType):
        return any(_fits(value, one) for one in typing.get_args(hint))
    if origin is typing.Literal:
        return any(value == one and type(value) is type(one) for one in typing.get_args(hint))
    if hint is None or hint is type(None):
        return value is None
    if hint in (int, float) and not isinstance(value, bool):
        if isinstance(value, (int, float)):
            return hint is float or isinstance(value, int)
        return not isinstance(
            value, (str, bytes, tuple, list, dict, type(None))
        )  # NumPy numbers pass
    if hint in (int, float, str, bool):
        return isinstance(value, hint) and not (hint is int and isinstance(value, bool))
    kind = origin if isinstance(origin, type) else hint
    if kind in (collections.abc.Sequence, collections.abc.Iterable, tuple, list):
        return not isinstance(value, (str, bytes, int, float, dict, type(None)))
    if kind in (collections.abc.Mapping, dict):
        return isinstance(value, Mapping)
    plain = isinstance(value, (str, bytes, int, float, tuple, list, dict, type(None)))
    if isinstance(kind, type) and plain and not getattr(kind, "_is_protocol", False):
        return isinstance(value, str) if issubclass(kind, PurePath) else isinstance(value, kind)
    return True


def _describe_type(hint: Any) -> str:
    origin = typing.get_origin(hint)
    if origin in (typing.Union, types.UnionType):
        return " or ".join(dict.fromkeys(_describe_type(one) for one in typing.get_args(hint)))
    if origin is typing.Literal:
        return f"one of {', '.join(map(repr, typing.get_args(hint)))}"
    if hint is None or hint is type(None):
        return "None"
    kind = origin if isinstance(origin, type) else hint
    if kind in (collections.abc.Sequence, collections.abc.Iterable, tuple, list):
        return "a tuple or list"
    if kind in (collections.abc.Mapping, dict):
        return "a dict"
    return WORDS.get(kind, getattr(kind, "__name__", str(kind)))
