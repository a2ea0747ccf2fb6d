"""Descriptions of spaces, strategies and estimators as plain JSON, for manifests."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nasturtium.space.base import Space

__all__ = ["describe_decisions", "describe_part", "shorten", "without_addresses"]

LISTED = 200  # decisions that a manifest lists
OPTIONS = 200  # characters of a decision's options


def describe_part(part: object) -> Any:
    """Return a strategy or an estimator as plain JSON: its class and the arguments it stores.

    Example:
        >>> from nasturtium import RegularizedEvolution
        >>> describe_part(RegularizedEvolution(population=7))
        {'name': 'RegularizedEvolution', 'population': 7, 'sample': 5}
    """
    if isinstance(part, (str, int, float, bool, type(None))):
        return part
    if isinstance(part, (list, tuple)):
        return [describe_part(one) for one in part]
    if isinstance(part, Path):
        return str(part)
    to_json = getattr(part, "to_json", None)
    if callable(to_json):
        return to_json()
    if isinstance(part, Mapping):
        return f"a mapping of {len(part)}"
    if callable(part) and hasattr(part, "__qualname__"):
        return f"{part.__module__}.{part.__qualname__}"
    arguments = {
        name: describe_part(value)
        for name, value in sorted(getattr(part, "__dict__", {}).items())
        if not name.startswith("_")
    }
    return {"name": type(part).__qualname__, **arguments}


def without_addresses(value: Any) -> Any:
    """Return a value without the memory addresses in its texts, which differ between runs.

    Example:
        >>> without_addresses(["<object at 0x7f00>", 1])
        ['<object>', 1]
    """
    if isinstance(value, str):
        return re.sub(r" at 0x[0-9a-fA-F]+", "", value)
    if isinstance(value, Mapping):
        return {key: without_addresses(one) for key, one in value.items()}
    return [without_addresses(one) for one in value] if isinstance(value, (list, tuple)) else value


def describe_decisions(space: Space) -> dict[str, str] | None:
    """Return the first 200 decisions of a space with their options, so that a change can be named.

    Returns:
        ``None`` for a space that cannot list its decisions.
    """
    discover = getattr(space, "discover", None)
    if not callable(discover):
        return None
    decisions = list(discover())[:LISTED]
    return {one.name: without_addresses(shorten(one.options_text(), OPTIONS)) for one in decisions}


def shorten(text: str, length: int) -> str:
    """Return a text cut to a length, with dots where something was cut.

    Example:
        >>> shorten("one of (4, 8, 16)", 12)
        'one of (4...'
    """
    return text if len(text) <= length else f"{text[: length - 3]}..."
