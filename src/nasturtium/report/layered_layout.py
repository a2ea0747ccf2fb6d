"""Place the nodes of a graph in layers, from top to bottom, with few crossings.

The usual way of layered drawing (Sugiyama, Tagawa & Toda, 1981, "Methods for visual understanding
of hierarchical system structures"): a node lies one layer below the lowest node that it reads; an
edge over several layers gets a lane in each, which it shares with other edges of its source; layers
are ordered by the means of their neighbours; then nodes are moved towards their neighbours as far
as the others let them.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple, final

__all__ = ["GAP", "LANE", "Arrangement", "Link", "Point", "arrange"]

SWEEPS = 12
LANE = 16.0  # width of an edge that passes a layer
GAP = 18.0  # between nodes of a layer

Point = tuple[float, float]


class Link(NamedTuple):
    """An edge; ``tail`` and ``head`` are where it ends, right of the middles of its nodes."""

    source: int
    reader: int
    tail: float = 0.0
    head: float = 0.0


@final
@dataclass(frozen=True)
class Arrangement:
    """Middles of nodes, the points that each link passes, and the size of the whole.

    A link starts at the bottom of its source and ends at the top of its reader; it passes a layer
    between them by two points, at the layer's top and bottom.
    """

    places: Mapping[int, Point]
    routes: Mapping[Link, tuple[Point, ...]]
    width: float
    height: float


def arrange(
    sizes: Mapping[int, tuple[float, float]],
    links: Collection[Link],
    *,
    between: float,
    first: Collection[int] = (),
    last: Collection[int] = (),
    borders: tuple[float, float] | None = None,
) -> Arrangement:
    """Return places for nodes of given sizes.

    Args:
        sizes: (width, height) of each node; keys in an order in which every link points forward.
        links: the edges.
        between: free height between two layers.
        first: nodes of the first layer, which is kept free of others.
        last: nodes of the last layer, which is kept free of others.
        borders: free height below the first and above the last layer, which then exist even where
            ``first`` and ``last`` are empty.
    """
    layer = _layers(sizes, links, first, last, borders is not None)
    # Nodes of the graph are not negative; lanes are counted downwards from the least key.
    rows: list[list[int]] = [[] for _ in range(max(layer.values(), default=0) + 1)]
    if borders is not None and not last:
        rows.append([])
    for node in sizes:
        rows[layer[node]].append(node)
    width = {node: size[0] for node, size in sizes.items()}
    lanes, steps = _lanes(links, layer, rows, width)
    above: dict[int, list[tuple[int, float, float]]] = {}
    below: dict[int, list[tuple[int, float, float]]] = {}
    for step in steps:
        above.setdefault(step.reader, []).append((step.source, step.tail, step.head))
        below.setdefault(step.source, []).append((step.reader, step.head, step.tail))
    _order(rows, above, below, width)
    x = _across(rows, width, above, below)
    left = min((x[node] - width[node] / 2 for node in x), default=0.0)
    right = max((x[node] + width[node] / 2 for node in x), default=0.0)
    heights = [max((sizes[n][1] for n in row if n in sizes), default=0.0) for row in rows]
    gaps = [between] * (len(rows) - 1)
    if borders is not None:
        gaps[0], gaps[-1] = borders
    middles, top = [], 0.0
    for height, gap in zip(heights, [*gaps, 0.0], strict=True):
        middles.append(top + height / 2)
        top += height + gap
    places = {node: (x[node] - left, middles[layer[node]]) for node in sizes}
    # Bends lie between layers only, so that an edge crosses no node.
    edges = [(middle - h / 2, middle + h / 2) for middle, h in zip(middles, heights, strict=True)]
    routes = {}
    for link in links:
        (x_tail, y_tail), (x_head, y_head) = places[link.source], places[link.reader]
        start, end = layer[link.source], layer[link.reader]
        points = [(x_tail + link.tail, y_tail + sizes[link.source][1] / 2)]
        points.append((x_tail + link.tail, edges[start][1]))
        for row, lane in enumerate(lanes[link], start + 1):
            points += [(x[lane] - left, y) for y in edges[row]]
        points.append((x_head + link.head, edges[end][0]))
        points.append((x_head + link.head, y_head - sizes[link.reader][1] / 2))
        routes[link] = tuple(dict.fromkeys(points))
    return Arrangement(places, routes, right - left, top)


def _layers(
    sizes: Mapping[int, object],
    links: Collection[Link],
    first: Collection[int],
    last: Collection[int],
    bordered: bool,
) -> dict[int, int]:
    """Return each node's layer: one below the lowest node that it reads."""
    sources: dict[int, list[int]] = {}
    for link in links:
        sources.setdefault(link.reader, []).append(link.source)
    layer: dict[int, int] = {}
    for node in sizes:
        least = 1 if bordered and node not in first else 0
        layer[node] = max((layer[a] + 1 for a in sources.get(node, ())), default=least)
        layer[node] = max(layer[node], least)
    lowest = max((layer[node] for node in sizes if node not in last), default=0)
    layer.update((node, lowest + 1) for node in last)
    return layer


def _lanes(
    links: Collection[Link],
    layer: Mapping[int, int],
    rows: list[list[int]],
    width: dict[int, float],
) -> tuple[dict[Link, list[int]], list[Link]]:
    """Give each link a lane in the layers that it passes; steps join neighbouring layers only.

    Links that leave a node at the same point share their lanes.
    """
    steps: dict[Link, None] = {}
    lanes: dict[Link, list[int]] = {}
    shared: dict[tuple[int, float, int], int] = {}
    free = min(width, default=0) - 1
    for link in links:
        passed: list[int] = []
        before, tail = link.source, link.tail
        for row in range(layer[link.source] + 1, layer[link.reader]):
            lane = shared.get((link.source, link.tail, row))
            if lane is None:
                lane, free = free, free - 1
                shared[link.source, link.tail, row] = lane
                width[lane] = LANE
                rows[row].append(lane)
            passed.append(lane)
            steps[Link(before, lane, tail)] = None
            before, tail = lane, 0.0
        steps[Link(before, link.reader, tail, link.head)] = None
        lanes[link] = passed
    return lanes, list(steps)


Neighbours = Mapping[int, list[tuple[int, float, float]]]  # (neighbour, its end, the node's end)


def _order(
    rows: list[list[int]], above: Neighbours, below: Neighbours, width: Mapping[int, float]
) -> None:
    """Sort each layer by the mean place of its neighbours, downwards and upwards in turn."""
    place = {node: index for row in rows for index, node in enumerate(row)}

    def end(node: int, offset: float) -> float:
        return place[node] + offset / max(width[node], 1.0)

    best, crossed = [list(row) for row in rows], _crossings(rows, below, place, width)
    for sweep in range(SWEEPS):
        down = sweep % 2 == 0
        near = above if down else below
        for row in rows if down else reversed(rows):
            key = {
                node: _mean([end(n, offset) for n, offset, _ in near.get(node, ())], place[node])
                for node in row
            }
            row.sort(key=lambda node: key[node])
            place.update((node, index) for index, node in enumerate(row))
        now = _crossings(rows, below, place, width)
        if now < crossed:
            best, crossed = [list(row) for row in rows], now
    rows[:] = best


def _crossings(
    rows: list[list[int]],
    below: Neighbours,
    place: Mapping[int, int],
    width: Mapping[int, float],
) -> int:
    """Return how many pairs of steps cross."""
    total = 0
    for row in rows:
        ends = [
            (index + own / max(width[node], 1.0), place[other] + offset / max(width[other], 1.0))
            for index, node in enumerate(row)
            for other, offset, own in below.get(node, ())
        ]
        total += sum(
            (a[0] - b[0]) * (a[1] - b[1]) < 0 for i, a in enumerate(ends) for b in ends[:i]
        )
    return total


def _across(
    rows: list[list[int]], width: Mapping[int, float], above: Neighbours, below: Neighbours
) -> dict[int, float]:
    """Return the middles of nodes and lanes: near their neighbours, in order, without overlaps."""
    x: dict[int, float] = {}
    for row in rows:
        total = sum(width[node] for node in row) + GAP * (len(row) - 1)
        left = -total / 2
        for node in row:
            x[node] = left + width[node] / 2
            left += width[node] + GAP
    for sweep in range(2 * SWEEPS):
        down = sweep % 2 == 0
        for row in rows if down else reversed(rows):
            near = above if down else below
            wanted = [
                _mean([x[n] + offset - own for n, offset, own in near.get(node, ())], x[node])
                for node in row
            ]
            for node, middle in zip(row, _apart(row, wanted, width), strict=True):
                x[node] = middle
    return x


def _apart(row: list[int], wanted: list[float], width: Mapping[int, float]) -> list[float]:
    """Return the middles nearest to the wanted ones (least squares) in order and at a distance."""
    # Without the distances this is isotonic regression: pool offsets that decrease.
    offsets = [0.0]
    for a, b in pairwise(row):
        offsets.append(offsets[-1] + (width[a] + width[b]) / 2 + GAP)
    pools: list[tuple[float, int]] = []
    for want, offset in zip(wanted, offsets, strict=False):
        total, count = want - offset, 1
        while pools and pools[-1][0] / pools[-1][1] > total / count:
            before, times = pools.pop()
            total, count = total + before, count + times
        pools.append((total, count))
    level = [total / count for total, count in pools for _ in range(count)]
    return [value + offset for value, offset in zip(level, offsets, strict=False)]


def _mean(values: Sequence[float], otherwise: float) -> float:
    return sum(values) / len(values) if values else otherwise
