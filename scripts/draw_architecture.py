#!/usr/bin/env python3
"""Draw the parts of the package and the imports between them: docs/architecture.svg.

    scripts/draw_architecture.py            draw it
    scripts/draw_architecture.py --check    only say whether it is up to date; exit code 1 if not

The parts are the folders and modules right below the package. Their layers are the layers of the
import-linter contract in ``pyproject.toml``, so an import only points down; one that points up, or
that closes a circle, is drawn in red. An arrow that follows from others (A to B to C makes A to C)
is left out, and so are the arrows to the lowest layer. The captions are the first sentences of the
parts' docstrings.
"""

from __future__ import annotations

import argparse
import ast
import re
import sys
import textwrap
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import NamedTuple

from import_graph import circles, imports_of, modules_of
from layered_layout import HEIGHT, MARGIN, PAD, WIDTH, Edge, Layout, layout_of, width_of

ROOT = Path(__file__).resolve().parent.parent
PICTURE = ROOT / "docs" / "architecture.svg"

CAPTION = 31  # letters of a caption's line
NOTE = (
    "An arrow is an import. Arrows that follow from others are left out; "
    "every part may import the lowest layer."
)
STYLE = """
text { font-family: system-ui, -apple-system, "Segoe UI", Roboto, Helvetica, Arial, sans-serif; }
.paper { fill: #ffffff; } .layer { fill: #f3f5f8; } .name { font-size: 15px; font-weight: 600; }
.caption { font-size: 11.5px; fill: #4a5568; } .note { font-size: 12.5px; fill: #5b6675; }
.name { fill: #17202e; } .box { fill: #ffffff; stroke-width: 1.6; }
.arrow { fill: none; stroke-width: 1.6; } .wrong { fill: none; stroke: #d02020; stroke-width: 2;
stroke-dasharray: 6 4; }
@media (prefers-color-scheme: dark) {
.paper { fill: #0f141b; } .layer { fill: #171e28; } .box { fill: #1f2834; } .name { fill: #eef2f7; }
.caption { fill: #aeb9c7; } .note { fill: #93a0b0; }
}
"""


class Graph(NamedTuple):
    """The parts of a package.

    Attributes:
        layers: the parts on each layer, the highest first.
        captions: what each part is.
        arrows: the imports that are drawn.
        wrong: those that point up, or close a circle.
    """

    layers: list[list[str]]
    captions: dict[str, str]
    arrows: list[Edge]
    wrong: list[Edge]


# -- the graph ----------------------------------------------------------------------------------


def graph_of(folder: Path, project: Path) -> Graph:
    """Read the parts, their layers and the imports between them.

    Raises:
        SystemExit: a part is in no layer of the contract.
    """
    modules = modules_of(folder)
    start = f"{folder.name}."
    tops = {name: one for name, one in modules.items() if name.count(".") == 1}
    layers = []
    for layer in layers_in(project):
        names = [name for name in re.findall(r"\w+", layer) if start + name in tops]
        layers += [names] if names else []
    layer_of = {name: number for number, names in enumerate(layers) for name in names}
    parts = [name.removeprefix(start) for name in tops]
    if lost := [name for name in parts if name not in layer_of]:
        raise SystemExit(f"error: {', '.join(lost)}: in no layer of {project}; add it there")
    captions = {
        name: caption_of(ast.get_docstring(tops[start + name].tree) or "") for name in parts
    }
    edges: set[Edge] = set()
    for one in imports_of(modules):
        names = [end.split(".")[1] for end in one[:2] if "." in end]
        if len(names) == 2 and names[0] != names[1] and names[1] not in layers[-1]:
            edges.add((names[0], names[1]))
    wrong = {edge for edge in edges if layer_of[edge[0]] > layer_of[edge[1]]}
    level = edges - wrong
    for circle in circles(arrows_from(level)):
        wrong |= {edge for edge in level if {*edge} <= {*circle}}
    return Graph(layers, captions, reduced(edges - wrong), sorted(wrong))


def layers_in(project: Path) -> list[str]:
    """Return the layers of the contract, the highest first."""
    tools = tomllib.loads(project.read_text(encoding="utf-8"))["tool"]
    contracts = tools["importlinter"]["contracts"]
    return next(one["layers"] for one in contracts if one["type"] == "layers")


def caption_of(docstring: str) -> str:
    """Return a docstring's first sentence as plain text; where it is long, up to its colon."""
    first = " ".join(docstring.partition("\n\n")[0].split()).replace("``", "")
    sentence = re.split(r"\.(?:\s|$)", first)[0]
    fits = len(textwrap.wrap(sentence, CAPTION)) <= 2
    return sentence if fits else re.split(r":\s", sentence)[0]


def arrows_from(edges: Iterable[Edge]) -> dict[str, set[str]]:
    """Return where the arrows from each part lead."""
    found: dict[str, set[str]] = {}
    for start, end in edges:
        found.setdefault(start, set()).add(end)
        found.setdefault(end, set())
    return found


def reduced(edges: Iterable[Edge]) -> list[Edge]:
    """Return the arrows of an acyclic graph that do not follow from others."""
    arrows = arrows_from(edges)

    def reaches(start: str, end: str) -> bool:
        return any(one == end or reaches(one, end) for one in arrows[start])

    return sorted(
        (start, end)
        for start, ends in arrows.items()
        for end in ends
        if not any(reaches(other, end) for other in ends - {end})
    )


# -- the picture --------------------------------------------------------------------------------


def svg_of(graph: Graph, layout: Layout) -> str:
    """Return the picture as SVG."""
    width = max(x + width_of(name) / 2 for name, x in layout.x.items()) + MARGIN + PAD
    height = layout.y[-1] + HEIGHT + PAD + 58
    row_of = {name: number for number, row in enumerate(layout.rows) for name in row}
    hues = {
        name: round(205 + 150 * number / len(graph.layers)) % 360
        for number, names in enumerate(graph.layers)
        for name in names
    }
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height:.0f}" '
        'role="img" aria-label="The parts of nasturtium and the imports between them">',
        f"<style>{STYLE}</style>",
        f'<rect class="paper" width="{width:.0f}" height="{height:.0f}"/>',
        "<defs>",
        *(marker(f"head{hue}", shade(hue)) for hue in sorted(set(hues.values()))),
        marker("headwrong", "#d02020"),
        "</defs>",
    ]
    for names in graph.layers:
        rows = [layout.y[row_of[name]] for name in names]
        lines.append(
            f'<rect class="layer" x="{MARGIN}" y="{min(rows) - PAD:.1f}" '
            f'width="{width - 2 * MARGIN:.1f}" height="{max(rows) - min(rows) + HEIGHT + 2 * PAD}" '
            'rx="12"/>'
        )
    ports = ports_of(layout)
    for edge, chain in layout.chains.items():
        hue = hues[edge[0]]
        way = way_of(edge, chain, layout, row_of, ports)
        lines.append(
            f'<path class="arrow" stroke="{shade(hue)}" marker-end="url(#head{hue})" d="{way}"/>'
        )
    for name, hue in hues.items():
        lines += box_of(
            name, graph.captions[name], layout.x[name], layout.y[row_of[name]], shade(hue)
        )
    for start, end in graph.wrong:
        ends = ((layout.x[name], layout.y[row_of[name]] + HEIGHT / 2) for name in (start, end))
        (x1, y1), (x2, y2) = ends
        lines.append(
            f'<path class="wrong" marker-end="url(#headwrong)" '
            f'd="M{x1:.1f} {y1:.1f} L{x2:.1f} {y2:.1f}"/>'
        )
    lines.append(f'<text class="note" x="{MARGIN}" y="{height - 24:.1f}">{escape(NOTE)}</text>')
    return "\n".join([*lines, "</svg>", ""])


def shade(hue: int) -> str:
    """Return a shade that is readable on light and on dark paper."""
    return f"hsl({hue} 48% 52%)"


def marker(name: str, fill: str) -> str:
    """Return the head of an arrow."""
    return (
        f'<marker id="{name}" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="7" '
        f'markerHeight="7" orient="auto"><path d="M0 1 L10 5 L0 9 z" fill="{fill}"/></marker>'
    )


def ports_of(layout: Layout) -> dict[tuple[Edge, str], float]:
    """Return where each arrow leaves its first box and meets its last: spread along the edges."""
    found: dict[tuple[Edge, str], float] = {}
    for side in ("start", "end"):
        groups: dict[str, list[tuple[float, Edge]]] = {}
        for edge, chain in layout.chains.items():
            box, near = (chain[0], chain[1]) if side == "start" else (chain[-1], chain[-2])
            groups.setdefault(box, []).append((layout.x[near], edge))
        for box, arrows in groups.items():
            step = min(26.0, (WIDTH - 40) / max(1, len(arrows) - 1))
            for index, (_, edge) in enumerate(sorted(arrows)):
                found[edge, side] = layout.x[box] + (index - (len(arrows) - 1) / 2) * step
    return found


def way_of(
    edge: Edge,
    chain: Sequence[str],
    layout: Layout,
    row_of: Mapping[str, int],
    ports: Mapping[tuple[Edge, str], float],
) -> str:
    """Return the way of an arrow: curves between rows, straight lines through them."""
    x, y = ports[edge, "start"], layout.y[row_of[chain[0]]] + HEIGHT
    parts = [f"M{x:.1f} {y:.1f}"]
    for name in chain[1:]:
        last = name == chain[-1]
        next_x = ports[edge, "end"] if last else layout.x[name]
        next_y = layout.y[row_of[name]]
        bend = (next_y - y) * 0.55
        parts.append(
            f"C{x:.1f} {y + bend:.1f} {next_x:.1f} {next_y - bend:.1f} {next_x:.1f} {next_y:.1f}"
        )
        x, y = next_x, next_y + HEIGHT
        if not last:
            parts.append(f"L{x:.1f} {y:.1f}")
    return " ".join(parts)


def box_of(name: str, caption: str, x: float, y: float, stroke: str) -> list[str]:
    """Return the box of a part: its name, and what it is."""
    lines = textwrap.wrap(caption, CAPTION, max_lines=2, placeholder=" ...")
    first = y + (27 if len(lines) == 2 else 32) - (0 if lines else -5)
    found = [
        f'<rect class="box" x="{x - WIDTH / 2:.1f}" y="{y:.1f}" width="{WIDTH}" '
        f'height="{HEIGHT}" rx="8" stroke="{stroke}"/>',
        f'<text class="name" x="{x:.1f}" y="{first - 5:.1f}" text-anchor="middle">'
        f"{escape(name)}</text>",
    ]
    for number, line in enumerate(lines):
        found.append(
            f'<text class="caption" x="{x:.1f}" y="{first + 12 + 14 * number:.1f}" '
            f'text-anchor="middle">{escape(line)}</text>'
        )
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    """Draw the picture, or say whether it is up to date."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--check", action="store_true", help="only compare")
    parser.add_argument("--package", type=Path, default=ROOT / "src" / "nasturtium")
    parser.add_argument("--project", type=Path, default=ROOT / "pyproject.toml")
    parser.add_argument("--picture", type=Path, default=PICTURE)
    given = parser.parse_args(arguments)
    graph = graph_of(given.package.resolve(), given.project)
    picture = svg_of(graph, layout_of(graph.layers, graph.arrows))
    if not given.check:
        given.picture.write_text(picture, encoding="utf-8")
    elif not given.picture.exists() or given.picture.read_text(encoding="utf-8") != picture:
        print(
            f"error: {given.picture} is out of date; run scripts/draw_architecture.py",
            file=sys.stderr,
        )
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
