"""Texts that can be printed and stored anywhere, whatever characters they contained."""

from __future__ import annotations

__all__ = ["escape_unprintable", "to_one_line"]

LONGEST = 2000  # characters of one line


def escape_unprintable(text: str, *, keep: str = "") -> str:
    r"""Return a text with every character that does not print written as an escape.

    Escaped are control characters, line ends, separators other than the space, invisible and
    direction characters, and bytes that are not UTF-8, which Python reads from file names as lone
    surrogates. A terminal, a log or a page then shows the text as it is.

    Args:
        text: any text.
        keep: characters that are left as they are, e.g. line ends.

    Example:
        >>> print(escape_unprintable("caf\udce9\n\x1b[2J"))
        caf\xe9\n\x1b[2J
    """
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c in keep else _escaped(c) for c in text)


def to_one_line(text: str) -> str:
    r"""Return a text as one printable line of at most 2,000 characters; white space becomes spaces.

    Example:
        >>> print(to_one_line("no such file:\ncaf\udce9.png"))
        no such file: caf\xe9.png
    """
    if len(text) > LONGEST:
        text = text[: LONGEST - 1] + "…"
    if text.isprintable():
        return text
    return escape_unprintable("".join(" " if c.isspace() else c for c in text))


def _escaped(character: str) -> str:
    code = ord(character)
    if 0xDC80 <= code <= 0xDCFF:  # a byte of a file name that is not UTF-8
        return f"\\x{code - 0xDC00:02x}"
    return character.encode("unicode_escape").decode()
