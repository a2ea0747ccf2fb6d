"""Options of :func:`nasturtium.load` as text or a mapping, for a search and its command."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import Any

from nasturtium.errors import TaskError
from nasturtium.run.arguments import parse_arguments

__all__ = ["format_load_options", "parse_load_options"]

_OPTIONS = ("fractions", "layout", "missing", "size", "skip_unreadable")
EXAMPLE = "skip_unreadable=True,layout=NHWC,size=(32, 48)"


def parse_load_options(given: Mapping[str, Any] | str | None) -> dict[str, Any]:
    """Parse options of ``load`` into a mapping; texts need no quotation marks.

    Raises:
        TaskError: the text is of another form, or an option is unknown.

    Example:
        >>> parse_load_options("layout=NHWC, size=(32, 48), skip_unreadable=True")
        {'layout': 'NHWC', 'size': (32, 48), 'skip_unreadable': True}
    """
    if given is not None and not isinstance(given, str | Mapping):
        raise TaskError(
            f"load={given!r} is {type(given).__name__}; expected a mapping, or text such as "
            "skip_unreadable=True,layout=NHWC"
        )
    options = (
        parse_arguments("load", given, TaskError, EXAMPLE)
        if isinstance(given, str)
        else dict(given or {})
    )
    for name, value in options.items():
        if name not in _OPTIONS:
            near = difflib.get_close_matches(str(name), _OPTIONS, 1)
            hint = f"did you mean {near[0]!r}? " if near else ""
            raise TaskError(
                f"load has no option {name!r}; {hint}the options are {', '.join(_OPTIONS)}"
            )
        if name == "skip_unreadable" and not isinstance(value, bool):
            raise TaskError(f"load: skip_unreadable={value!r}; expected True or False")
        if name in ("size", "fractions"):
            options[name] = _numbers(name, value)
    return options


def format_load_options(options: Mapping[str, Any]) -> str | None:
    """Return options as the text that :func:`parse_load_options` reads; ``None`` without any."""
    return ", ".join(f"{name}={value!r}" for name, value in options.items()) or None


def _numbers(name: str, value: Any) -> Any:
    if isinstance(value, int) and not isinstance(value, bool) and name == "size":
        return value
    kinds = (int,) if name == "size" else (int, float)
    pair = isinstance(value, tuple | list) and len(value) == 2
    if pair and all(isinstance(one, kinds) and not isinstance(one, bool) for one in value):
        return tuple(value)
    what = "a height and width such as 32 or (32, 48)" if name == "size" else "(valid, test)"
    raise TaskError(f"load: {name}={value!r}; expected {what}")
