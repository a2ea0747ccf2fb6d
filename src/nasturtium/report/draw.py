"""A network as a picture: an SVG of its blocks with shapes and costs, and the same as a table."""

from __future__ import annotations

import re
from collections.abc import Sequence
from html import escape
from importlib.resources import files
from itertools import pairwise

from torch import nn

from nasturtium.report.format import short
from nasturtium.report.graph import Box, Graph, graph
from nasturtium.report.layout import Plan, plan

__all__ = ["draw", "picture", "rows"]

WIDTH, HEIGHT, ROUND = 172.0, 68.0, 22.0
MARGIN = 16.0
SHRINK = 0.8  # of its natural size, down to which the picture shrinks before it is scrolled
SIGNS = {"sum": "+", "concat": "∥", "product": "×"}
LETTERS = 26  # of the small text that fit into a box


def draw(network: nn.Module, inputs: Sequence[int], *, alone: bool = False) -> str:
    """An SVG of a network's blocks: shapes, costs, and how data flow between them.

    In a page, colours come from its style sheet.

    Args:
        network: any network; it is neither moved nor run nor altered.
        inputs: shape of one example, (C, H, W) for an image.
        alone: whether it is to be a file of its own, which brings its style along.

    Raises:
        EstimateError: the network does not accept the input.
    """
    made = picture(graph(network, inputs))
    return made.replace("<defs>", f"<style>{_style()}</style><defs>", 1) if alone else made


def _style() -> str:
    """The page's rules for pictures, its variables replaced by their defaults."""
    sheet = (files("nasturtium.report") / "parts.css").read_text(encoding="utf-8")
    rules = "".join(re.findall(r"^\.network[^{]*\{[^}]*\}", sheet, re.MULTILINE))
    plain = re.sub(r"var\(--[\w-]+, ([^)]+)\)", r"\1", rules)
    return plain.replace("font-family: inherit", "font-family: sans-serif")


def picture(drawn: Graph) -> str:
    """The SVG of a graph."""
    sizes = {box.number: _size(box) for box in drawn.boxes}
    laid = plan(sizes, drawn.edges)
    most = max((box.macs * box.copies for box in drawn.boxes), default=0)
    width, height = laid.width + 2 * MARGIN, laid.height + 2 * MARGIN
    parts = [
        f'<svg class="network" role="img" aria-label="{escape(_title(drawn))}" '
        f'width="{width:.0f}" style="min-width:{SHRINK * width:.0f}px" '
        f'viewBox="0 0 {width:.0f} {height:.0f}" '
        'xmlns="http://www.w3.org/2000/svg"><defs><marker id="tip" viewBox="0 0 8 8" refX="7" '
        'refY="4" markerWidth="7" markerHeight="7" orient="auto"><path class="tip" '
        f'd="M0 0L8 4L0 8z"/></marker></defs><g transform="translate({MARGIN} {MARGIN})">'
    ]
    parts += [
        _frame(frame.name, frame.copies, frame.members, laid, sizes) for frame in drawn.frames
    ]
    parts += [_edge(edge, laid, sizes) for edge in drawn.edges]
    parts += [_box(box, laid, most) for box in drawn.boxes]
    return "".join([*parts, "</g></svg>"])


def rows(drawn: Graph) -> list[tuple[str, str, str, int, int]]:
    """Name, type, output shape, parameters and multiply-accumulates of each block.

    Costs are those of all copies together.
    """
    return [
        (
            _breaking(box.name or "the network itself") + _times(box),
            box.type,
            shape(box.shape),
            *_costs(box),
        )
        for box in drawn.boxes
        if box.kind == "block" or box.params or box.macs
    ]


def _breaking(name: str) -> str:
    """A dotted name that may be broken after its dots (by a space without width)."""
    return name.replace(".", ".\u200b")


def _tail(name: str, letters: int) -> str:
    """As many of the last parts of a dotted name as have room."""
    parts = name.split(".")
    while len(parts) > 1 and len(".".join(parts)) > letters:
        parts = parts[1:]
    return ".".join(parts)


def _times(box: Box) -> str:
    return f" ×{box.copies}" if box.copies > 1 else ""


def _costs(box: Box) -> tuple[int, int]:
    return box.params * box.copies, box.macs * box.copies


def shape(sizes: Sequence[int]) -> str:
    """A shape in words: ``16×32×32``."""
    return "×".join(map(str, sizes)) or "a number"


def _title(drawn: Graph) -> str:
    params = sum(box.params * box.copies for box in drawn.boxes)
    blocks = sum(box.kind == "block" for box in drawn.boxes)
    return f"the network's graph: {blocks} kinds of blocks, {short(params)} parameters"


def _size(box: Box) -> tuple[float, float]:
    if box.kind == "block":
        return WIDTH, HEIGHT
    return (WIDTH, 30.0) if box.kind in ("input", "output") else (ROUND, ROUND)


def _box(box: Box, laid: Plan, most: int) -> str:
    place = laid.places[box.number]
    width, height = _size(box)
    x, y = place.x - width / 2, place.y - height / 2
    if box.kind in ("input", "output"):
        return (
            f'<g class="end"><rect x="{x:.1f}" y="{y:.1f}" width="{width}" height="{height}" '
            f'rx="15"/>{_text(place.x, place.y + 4, f"{box.kind} {shape(box.shape)}", "name")}</g>'
        )
    if box.kind != "block":
        sign = SIGNS.get(box.kind, box.kind[:1])
        return (
            f'<g class="join"><title>{escape(box.kind)} to {shape(box.shape)}</title><circle '
            f'cx="{place.x:.1f}" cy="{place.y:.1f}" r="{ROUND / 2}"/>'
            f"{_text(place.x, place.y + 5, sign, 'sign')}</g>"
        )
    params, macs = _costs(box)
    share = macs / most if most else 0.0
    times = _times(box)
    cost = f"{short(box.params)} par · {short(box.macs)} MAC" if box.params or box.macs else "free"
    about = (
        f"{box.name}: {box.type}, output {shape(box.shape)}, {params:,} parameters, "
        f"{macs:,} multiply-accumulates" + (f" in {box.copies} equal copies" if times else "")
    )
    return (
        f'<g class="block{"" if macs or params else " free"}"><title>{escape(about)}</title>'
        f'<rect x="{x:.1f}" y="{y:.1f}" width="{width}" height="{height}" rx="7"/>'
        f'<rect class="share" x="{x:.1f}" y="{y + height - 5:.1f}" width="{width * share:.1f}" '
        f'height="5" rx="2"/>'
        + _text(
            place.x, y + 16, _cut(_tail(box.name or box.type, 20 - len(times)) + times, 22), "name"
        )
        + _text(place.x, y + 30, _cut(box.type, LETTERS), "small")
        + _text(place.x, y + 43, shape(box.shape), "small")
        + _text(place.x, y + 57, cost, "small")
        + "</g>"
    )


def _frame(
    name: str,
    copies: int,
    members: Sequence[int],
    laid: Plan,
    sizes: dict[int, tuple[float, float]],
) -> str:
    spots = [(laid.places[n], sizes[n]) for n in members]
    left = min(place.x - size[0] / 2 for place, size in spots) - 9
    right = max(place.x + size[0] / 2 for place, size in spots) + 9
    top = min(place.y - size[1] / 2 for place, size in spots) - 15
    bottom = max(place.y + size[1] / 2 for place, size in spots) + 7
    title = f"{name} ×{copies}" if copies > 1 else name
    return (
        f'<g class="frame"><rect x="{left:.1f}" y="{top:.1f}" width="{right - left:.1f}" '
        f'height="{bottom - top:.1f}" rx="9"/>'
        + _text(left + 6, top + 11, _cut(title, 34), "frame-name")
        + "</g>"
    )


def _edge(edge: tuple[int, int], laid: Plan, sizes: dict[int, tuple[float, float]]) -> str:
    source, reader = laid.places[edge[0]], laid.places[edge[1]]
    points = [
        (source.x, source.y + sizes[edge[0]][1] / 2),
        *laid.routes[edge],
        (reader.x, reader.y - sizes[edge[1]][1] / 2),
    ]
    path = f"M{points[0][0]:.1f} {points[0][1]:.1f}"
    for (x0, y0), (x1, y1) in pairwise(points):
        middle = (y0 + y1) / 2
        bend = f"C{x0:.1f} {middle:.1f} {x1:.1f} {middle:.1f} {x1:.1f} {y1:.1f}"
        path += f"V{y1:.1f}" if abs(x0 - x1) < 0.1 else bend
    return f'<path class="edge" d="{path}" marker-end="url(#tip)"/>'


def _text(x: float, y: float, text: str, kind: str) -> str:
    return f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}">{escape(text)}</text>'


def _cut(text: str, letters: int) -> str:
    return text if len(text) <= letters else text[: letters - 1] + "…"
