"""Small tables and paragraphs in HTML for notebooks, with every text escaped."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from nasturtium.display.html import render

__all__ = ["render_lines", "render_table"]


def render_table(heads: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Render a table.

    Args:
        heads: the first row; none if empty.
        rows: texts are shown as they are, numbers with six digits.

    Example:
        >>> render_table(["net"], [["<b>"], [0.5]])
        '<table><tr><th>net</th></tr><tr><td>&lt;b&gt;</td></tr><tr><td>0.5</td></tr></table>'
    """
    return render("nasturtium.display", "notebook_table.html.jinja", heads=heads, rows=rows)


def render_lines(title: str, texts: Iterable[str] = ()) -> str:
    """Render a bold title with texts below it, each on its own line.

    Example:
        >>> render_lines("net", ["a=1"])
        '<p><b>net</b><br>a=1</p>'
    """
    return render("nasturtium.display", "notebook_lines.html.jinja", title=title, texts=texts)
