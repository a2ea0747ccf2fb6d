"""Names and advice as they stand in messages: one printable line each."""

from __future__ import annotations

import re
import unicodedata

__all__ = ["file_name", "option", "reason", "visible"]

_HIDDEN = ("Cc", "Cs", "Zl", "Zp")  # control characters, lone surrogates, line separators
_LONGEST = 64  # characters of a name that becomes part of a file's name


def visible(text: str) -> str:
    r"""Return a text in one line that can be printed and stored anywhere.

    Control characters, line ends and bytes that are not UTF-8 (lone surrogates, as Python reads
    them from file names) are written as escapes.

    Example:
        >>> print(visible("caf\udce9\n"))
        caf\xe9\n
    """
    return "".join(_escaped(c) if unicodedata.category(c) in _HIDDEN else c for c in text)


def file_name(text: str) -> str:
    """Return a text as part of a file's name: no separators, not too long.

    Example:
        >>> file_name("a/b c")
        'a_b_c'
    """
    return re.sub(r"[^\w.-]", "_", visible(text))[:_LONGEST]


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
    text = visible(" ".join((getattr(error, "strerror", None) or str(error)).split()))
    kind = type(error).__name__
    return f"{kind}: {text[:200]}" if text else kind


def _escaped(character: str) -> str:
    code = ord(character)
    if 0xDC80 <= code <= 0xDCFF:
        return f"\\x{code - 0xDC00:02x}"
    return character.encode("unicode_escape").decode()
