"""Draw a network as an SVG of its blocks with shapes and costs, or list the same as a table."""

from __future__ import annotations

import re
from collections.abc import Sequence
from html import escape
from importlib.resources import files
from itertools import pairwise
from textwrap import wrap

from torch import nn

from nasturtium.report.boxes import Box
from nasturtium.report.format import format_number
from nasturtium.report.graph import Frame, Graph, graph
from nasturtium.report.layered_layout import Point
from nasturtium.report.layout import Plan, Rectangle, plan

__all__ = ["SIGNS", "box_size", "draw", "picture", "rows", "shape"]

WIDTH, HEIGHT, ROUND = 172.0, 68.0, 22.0
MARGIN = 16.0
LINE = 14.0  # height of a line of the note
SHRINK = 0.8  # smallest share of its natural width; a narrower page scrolls it
SIGNS = {"sum": "+", "difference": "−", "product": "×", "concat": "∥", "stack": "∥", "unused": "·"}
LETTERS = 26  # of the small text that fit into a box


def draw(network: nn.Module, inputs: Sequence[int], *, alone: bool = False) -> str:
    """Return an SVG of a network's blocks: shapes, costs, and how data flow between them.

    Args:
        network: any network; it is neither moved nor run nor altered.
        inputs: shape of one example, (C, H, W) for an image.
        alone: whether it is a separate file, which contains its style; in a page, colours come from
            the style sheet of the page.

    Raises:
        EstimateError: the network does not accept the input.
    """
    return picture(graph(network, inputs), alone=alone)


def _style() -> str:
    """Return the page's rules for pictures, with the defaults of its variables."""
    sheet = (files("nasturtium.report") / "assets" / "network.css").read_text(encoding="utf-8")
    plain = re.sub(r"var\(--[\w-]+, ([^)]+)\)", r"\1", sheet)
    return plain.replace("font-family: inherit", "font-family: sans-serif")


def picture(drawn: Graph, *, alone: bool = False) -> str:
    """Return the SVG of a graph, as :func:`draw` does."""
    sizes = {box.number: box_size(box) for box in drawn.boxes}
    laid = plan(sizes, drawn.edges, [frame.members for frame in drawn.frames])
    most = max((box.macs * box.copies for box in drawn.boxes), default=0)
    note = _note(drawn.missing, laid)
    width = laid.width + 2 * MARGIN
    height = laid.height + 2 * MARGIN + LINE * len(note)
    style = f"<style>{_style()}</style>" if alone else ""
    parts = [
        f'<svg class="network" role="img" aria-label="{escape(_title(drawn))}" '
        f'width="{width:.0f}" style="min-width:{SHRINK * width:.0f}px" '
        f'viewBox="0 0 {width:.0f} {height:.0f}" '
        f'xmlns="http://www.w3.org/2000/svg">{style}<defs><marker id="tip" viewBox="0 0 8 8" '
        'refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto"><path class="tip" '
        f'd="M0 0L8 4L0 8z"/></marker></defs><g transform="translate({MARGIN} {MARGIN})">'
    ]
    framed = list(zip(drawn.frames, laid.frames, strict=True))
    parts += [_frame(frame, rectangle) for frame, rectangle in framed]
    parts += [_edge(route) for route in laid.routes.values()]
    parts += [_name(title, at) for title, at in zip(_titles(drawn), laid.frames, strict=True)]
    innermost = {
        number: (frame.name, drawn.copies(frame))
        for frame in drawn.frames
        for number in frame.members
    }
    for box in drawn.boxes:
        frame, copies = innermost.get(box.number, ("", 1))
        parts.append(_box(box, laid.places[box.number], most, frame, copies))
    parts += note
    return "".join([*parts, "</g></svg>"])


def rows(drawn: Graph) -> list[tuple[str, str, str, int, int]]:
    """Return name, type, output shape, parameters and multiply-accumulates of each block.

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
    """Return a dotted name that a browser may break after its dots (at a space without width)."""
    return name.replace(".", ".\u200b")


def _tail(name: str, letters: int) -> str:
    """Return as many of the last parts of a dotted name as have room."""
    parts = name.split(".")
    while len(parts) > 1 and len(".".join(parts)) > letters:
        parts = parts[1:]
    return ".".join(parts)


def _times(box: Box) -> str:
    return f" ×{box.copies}" if box.copies > 1 else ""


def _costs(box: Box) -> tuple[int, int]:
    return box.params * box.copies, box.macs * box.copies


def shape(sizes: Sequence[int]) -> str:
    """Return a shape as text: ``16×32×32``."""
    return "×".join(map(str, sizes)) or "a number"


def _title(drawn: Graph) -> str:
    params = sum(box.params * box.copies for box in drawn.boxes)
    blocks = sum(box.kind == "block" for box in drawn.boxes)
    return f"the network's graph: {blocks} kinds of blocks, {format_number(params)} parameters"


def box_size(box: Box) -> tuple[float, float]:
    """Return the width and height of a box."""
    if box.kind in ("block", "unused"):
        return WIDTH, HEIGHT
    return (WIDTH, 30.0) if box.kind in ("input", "output") else (ROUND, ROUND)


def _box(box: Box, place: Point, most: int, frame: str, copies: int) -> str:
    """Draw a box; its name is shortened by that of its frame, of which there are some copies."""
    width, height = box_size(box)
    middle, x, y = place[0], place[0] - width / 2, place[1] - height / 2
    if box.kind in ("input", "output"):
        return (
            f'<g class="end"><rect x="{x:.1f}" y="{y:.1f}" width="{width}" height="{height}" '
            f'rx="15"/>{_text(middle, place[1] + 4, f"{box.kind} {shape(box.shape)}", "name")}</g>'
        )
    if box.kind not in ("block", "unused"):
        sign = SIGNS.get(box.kind, box.kind[:1])
        return (
            f'<g class="join"><title>{escape(box.kind)} to {shape(box.shape)}</title><circle '
            f'cx="{middle:.1f}" cy="{place[1]:.1f}" r="{ROUND / 2}"/>'
            f"{_text(middle, place[1] + 5, sign, 'sign')}</g>"
        )
    share = box.macs * box.copies / most if most else 0.0
    times = f" ×{box.copies // copies}" if box.copies > copies else ""
    name = _tail((box.name or box.type).removeprefix(f"{frame}."), 20 - len(times)) + times
    kind = "function" if box.name.endswith(box.type) else box.type
    lines = [
        _text(middle, y + 16, _cut(name, 22), "name"),
        _text(middle, y + 30, _cut(kind, LETTERS), "small"),
        _text(middle, y + 43, shape(box.shape) if box.kind == "block" else "", "small"),
        _text(middle, y + 57, _cost(box), "small"),
    ]
    free = "" if box.kind == "block" and (box.macs or box.params) else " free"
    return (
        f'<g class="block{free}"><title>{escape(_about(box))}</title>'
        f'<rect x="{x:.1f}" y="{y:.1f}" width="{width}" height="{height}" rx="7"/>'
        f'<rect class="share" x="{x:.1f}" y="{y + height - 5:.1f}" width="{width * share:.1f}" '
        f'height="5" rx="2"/>' + "".join(lines) + "</g>"
    )


def _cost(box: Box) -> str:
    """Return parameters and multiply-accumulates of one copy, in few letters."""
    parts = [f"{format_number(box.params)} par"] if box.params else []
    parts += ["shared"] if box.shared else []
    parts += [f"{format_number(box.macs)} MAC"] if box.macs else []
    return " · ".join(parts) or "free"


def _about(box: Box) -> str:
    """Return all that is known of a box, for its tooltip."""
    params, macs = _costs(box)
    text = f"{box.name}: {box.type}"
    if box.kind == "block":
        text += f", output {shape(box.shape)}"
    text += f", {params:,} parameters, {macs:,} multiply-accumulates"
    text += f" in {box.copies} equal copies" if box.copies > 1 else ""
    return text + (", and parameters shared with an earlier block" if box.shared else "")


def _frame(frame: Frame, at: Rectangle) -> str:
    return (
        f'<g class="frame"><title>{escape(frame.name)}</title><rect x="{at.x:.1f}" y="{at.y:.1f}" '
        f'width="{at.width:.1f}" height="{at.height:.1f}" rx="9"/></g>'
    )


def _titles(drawn: Graph) -> list[str]:
    """Return the names of frames, each without the name of the frame around it."""
    titles = []
    for place, frame in enumerate(drawn.frames):
        members = set(frame.members)
        around = [one.name for one in drawn.frames[:place] if members <= set(one.members)]
        name = frame.name.removeprefix(f"{around[-1]}.") if around else frame.name
        titles.append(f"{name} ×{frame.copies}" if frame.copies > 1 else name)
    return titles


def _name(title: str, at: Rectangle) -> str:
    """Write the name of a frame, over the edges that enter it."""
    return _text(at.x + 6, at.y + 12, _cut(title, int(at.width / 6)), "frame-name")


def _edge(route: Sequence[Point]) -> str:
    path = f"M{route[0][0]:.1f} {route[0][1]:.1f}"
    for (x0, y0), (x1, y1) in pairwise(route):
        middle = (y0 + y1) / 2
        bend = f"C{x0:.1f} {middle:.1f} {x1:.1f} {middle:.1f} {x1:.1f} {y1:.1f}"
        path += f"V{y1:.1f}" if abs(x0 - x1) < 0.1 else bend
    return f'<path class="edge" d="{path}" marker-end="url(#tip)"/>'


def _note(text: str, laid: Plan) -> list[str]:
    """Write below the picture why a part of the network is not drawn."""
    lines = wrap(text, max(int(laid.width / 6), 20))
    return [
        _text(0, laid.height + LINE * place, line, "frame-name")
        for place, line in enumerate(lines, 1)
    ]


def _text(x: float, y: float, text: str, kind: str) -> str:
    return f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}">{escape(text)}</text>'


def _cut(text: str, letters: int) -> str:
    return text if len(text) <= letters else text[: letters - 1] + "…"
