"""Names and advice as they stand in messages: one printable line each."""

from __future__ import annotations

import re

from nasturtium.display.printable import escape_unprintable

__all__ = ["file_name", "option", "reason"]

_LONGEST = 64  # characters of a name that becomes part of a file's name


def file_name(text: str) -> str:
    """Return a text as part of a file's name: no separators, not too long.

    Example:
        >>> file_name("a/b c")
        'a_b_c'
    """
    return re.sub(r"[^\w.-]", "_", escape_unprintable(text))[:_LONGEST]


def option(setting: str) -> str:
    """Say how to pass an option of ``load``, from wherever the data are loaded.

    Example:
        >>> print(option("missing='median'"))
        missing='median' to nas.load, or load="missing='median'" to nas.search (--load)
    """
    return f'{setting} to nas.load, or load="{setting}" to nas.search (--load)'


def reason(error: BaseException) -> str:
    """Return an error of another library in one short line.

    Example:
        >>> reason(ValueError("too short"))
        'ValueError: too short'
    """
    text = escape_unprintable(" ".join((getattr(error, "strerror", None) or str(error)).split()))
    kind = type(error).__name__
    return f"{kind}: {text[:200]}" if text else kind
