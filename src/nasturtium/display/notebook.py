"""What notebooks show: small tables and paragraphs in HTML, with every text escaped."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

__all__ = ["lines", "table"]


def table(heads: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A table.

    Args:
        heads: the first row; none if empty.
        rows: texts are shown as they are, numbers with six digits.

    Example:
        >>> table(["net"], [["<b>"], [0.5]])
        '<table><tr><th>net</th></tr><tr><td>&lt;b&gt;</td></tr><tr><td>0.5</td></tr></table>'
    """
    head = _row("th", heads) if heads else ""
    return f"<table>{head}{''.join(_row('td', row) for row in rows)}</table>"


def lines(title: str, texts: Iterable[str] = ()) -> str:
    """A bold title, and texts below it, each on a line of its own.

    Example:
        >>> lines("net", ["a=1"])
        '<p><b>net</b><br>a=1</p>'
    """
    return f"<p>{'<br>'.join([f'<b>{escape(title)}</b>', *map(escape, texts)])}</p>"


def _row(tag: str, cells: Iterable[object]) -> str:
    texts = (f"{cell:.6g}" if isinstance(cell, float) else str(cell) for cell in cells)
    return f"<tr>{''.join(f'<{tag}>{escape(text)}</{tag}>' for text in texts)}</tr>"
