"""Where the boxes of a graph go: in layers, from top to bottom, with few crossings.

The usual way of layered drawing (Sugiyama, Tagawa & Toda, 1981, "Methods for visual understanding
of hierarchical system structures"): a box lies one layer below the lowest box that it reads; an
edge over several layers gets a place in each; layers are ordered by the means of their neighbours;
then places are moved towards their neighbours as far as the others let them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import final

__all__ = ["Place", "Plan", "plan"]

SWEEPS = 12
LANE = 16.0  # width of an edge that passes a layer
GAP = 18.0  # between places of a layer


@final
@dataclass(frozen=True)
class Place:
    """The middle of a box, and its layer."""

    x: float
    y: float
    layer: int


@final
@dataclass(frozen=True)
class Plan:
    """Places by box, the points that each edge passes, and the size of the whole.

    An edge passes a layer by two points, at its top and at its bottom.
    """

    places: Mapping[int, Place]
    routes: Mapping[tuple[int, int], tuple[tuple[float, float], ...]]
    width: float
    height: float


def plan(
    sizes: Mapping[int, tuple[float, float]],
    edges: Sequence[tuple[int, int]],
    *,
    between: float = 30.0,
) -> Plan:
    """Places for boxes of given sizes, read from above.

    Args:
        sizes: (width, height) of each box; keys in an order in which every edge points forward.
        edges: (source, reader) pairs.
        between: free height between two layers.
    """
    layer = dict.fromkeys(sizes, 0)
    for box in sizes:
        layer[box] = max((layer[a] + 1 for a, b in edges if b == box), default=0)
    rows: list[list[int]] = [[] for _ in range(max(layer.values(), default=0) + 1)]
    for box in sizes:
        rows[layer[box]].append(box)
    width = {box: size[0] for box, size in sizes.items()}
    links, paths = _lanes(edges, layer, rows, width)
    above: dict[int, list[int]] = {}
    below: dict[int, list[int]] = {}
    for a, b in links:
        above.setdefault(b, []).append(a)
        below.setdefault(a, []).append(b)
    _order(rows, above, below)
    x = _across(rows, width, above, below)
    heights = [max((sizes[box][1] for box in row if box in sizes), default=0.0) for row in rows]
    y, top = [], 0.0
    for height in heights:
        y.append(top + height / 2)
        top += height + between
    left = min((x[box] - width[box] / 2 for box in x), default=0.0)
    right = max((x[box] + width[box] / 2 for box in x), default=0.0)
    places = {box: Place(x[box] - left, y[layer[box]], layer[box]) for box in sizes}
    routes = {}
    for edge, lanes in paths.items():
        passed = enumerate(lanes, layer[edge[0]] + 1)
        ends = [(x[lane] - left, y[row], heights[row] / 2) for row, lane in passed]
        routes[edge] = tuple((a, b + side) for a, b, half in ends for side in (-half, half))
    return Plan(places, routes, right - left, max(top - between, 0.0))


def _lanes(
    edges: Sequence[tuple[int, int]],
    layer: Mapping[int, int],
    rows: list[list[int]],
    width: dict[int, float],
) -> tuple[list[tuple[int, int]], dict[tuple[int, int], list[int]]]:
    """Give each edge a lane in the layers that it passes; links join neighbouring layers only."""
    links: list[tuple[int, int]] = []
    paths: dict[tuple[int, int], list[int]] = {}
    free = -1
    for a, b in edges:
        lanes = []
        before = a
        for row in range(layer[a] + 1, layer[b]):
            lane, free = free, free - 1
            width[lane] = LANE
            rows[row].append(lane)
            lanes.append(lane)
            links.append((before, lane))
            before = lane
        links.append((before, b))
        paths[a, b] = lanes
    return links, paths


def _order(
    rows: list[list[int]], above: Mapping[int, list[int]], below: Mapping[int, list[int]]
) -> None:
    """Sort each layer by the mean place of what it is linked to, downwards and upwards in turn."""
    place = {box: index for row in rows for index, box in enumerate(row)}
    best, crossed = [list(row) for row in rows], _crossings(rows, below, place)
    for sweep in range(SWEEPS):
        down = sweep % 2 == 0
        near = above if down else below
        for row in rows if down else reversed(rows):
            key = {box: _mean([place[n] for n in near.get(box, ())], place[box]) for box in row}
            row.sort(key=lambda box: key[box])
            place.update((box, index) for index, box in enumerate(row))
        now = _crossings(rows, below, place)
        if now < crossed:
            best, crossed = [list(row) for row in rows], now
    rows[:] = best


def _crossings(
    rows: list[list[int]], below: Mapping[int, list[int]], place: Mapping[int, int]
) -> int:
    total = 0
    for row in rows:
        ends = [(index, place[b]) for index, box in enumerate(row) for b in below.get(box, ())]
        total += sum(
            (a[0] - b[0]) * (a[1] - b[1]) < 0 for i, a in enumerate(ends) for b in ends[:i]
        )
    return total


def _across(
    rows: list[list[int]],
    width: Mapping[int, float],
    above: Mapping[int, list[int]],
    below: Mapping[int, list[int]],
) -> dict[int, float]:
    """The middles of boxes and lanes: near their neighbours, in order, without overlaps."""
    x: dict[int, float] = {}
    for row in rows:
        total = sum(width[box] for box in row) + GAP * (len(row) - 1)
        left = -total / 2
        for box in row:
            x[box] = left + width[box] / 2
            left += width[box] + GAP
    for sweep in range(2 * SWEEPS):
        down = sweep % 2 == 0
        for row in rows if down else reversed(rows):
            near = above if down else below
            wanted = [_mean([x[n] for n in near.get(box, ())], x[box]) for box in row]
            for box, middle in zip(row, _apart(row, wanted, width), strict=True):
                x[box] = middle
    return x


def _apart(row: list[int], wanted: list[float], width: Mapping[int, float]) -> list[float]:
    """The middles nearest to the wanted ones (least squares) that keep order and distance."""
    # With the distances subtracted, what is left is isotonic regression: pool what falls.
    offsets = [0.0]
    for a, b in pairwise(row):
        offsets.append(offsets[-1] + (width[a] + width[b]) / 2 + GAP)
    pools: list[tuple[float, int]] = []
    for want, offset in zip(wanted, offsets, strict=True):
        total, count = want - offset, 1
        while pools and pools[-1][0] / pools[-1][1] > total / count:
            before, times = pools.pop()
            total, count = total + before, count + times
        pools.append((total, count))
    level = [total / count for total, count in pools for _ in range(count)]
    return [value + offset for value, offset in zip(level, offsets, strict=True)]


def _mean(values: Sequence[float], otherwise: float) -> float:
    return sum(values) / len(values) if values else otherwise
