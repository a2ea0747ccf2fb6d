"""The layout of a layered graph: boxes in rows, and arrows that pass between them.

This is the usual way (Sugiyama, Tagawa & Toda 1981, "Methods for Visual Understanding of
Hierarchical System Structures"): an arrow across several rows gets a lane in each of them,
barycentres order the rows, and least squares place the boxes. Used by ``draw_architecture.py``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import NamedTuple

__all__ = ["HEIGHT", "MARGIN", "PAD", "WIDTH", "Edge", "Layout", "layout_of", "width_of"]

WIDTH, HEIGHT = 208, 62  # of a box
GAP, ROW_GAP, LAYER_GAP = 24, 44, 58  # between boxes, rows of a layer, and layers
LANE = 14  # width of a lane
MARGIN, PAD = 24, 16  # around the picture, and within a layer
SWEEPS = 24  # of ordering and of placing

Edge = tuple[str, str]


class Layout(NamedTuple):
    """The places of boxes and arrows.

    Attributes:
        rows: boxes and lanes from left to right.
        x: the middle of each.
        y: the upper end of each row.
        chains: for each arrow, what it passes: a box, lanes, a box.
    """

    rows: list[list[str]]
    x: dict[str, float]
    y: list[float]
    chains: dict[Edge, list[str]]


def layout_of(layers: Sequence[Sequence[str]], arrows: Sequence[Edge]) -> Layout:
    """Place the boxes of some layers and the arrows down, with few crossings and short ways."""
    rows, tops = rows_of(layers, arrows)
    row_of = {name: number for number, row in enumerate(rows) for name in row}
    chains: dict[Edge, list[str]] = {}
    for start, end in arrows:
        lanes = [f"{start}>{end}@{row}" for row in range(row_of[start] + 1, row_of[end])]
        for row, lane in enumerate(lanes, row_of[start] + 1):
            rows[row].append(lane)
        chains[start, end] = [start, *lanes, end]
    above: dict[str, list[str]] = {name: [] for row in rows for name in row}
    below: dict[str, list[str]] = {name: [] for row in rows for name in row}
    for chain in chains.values():
        for upper, lower in pairwise(chain):
            below[upper].append(lower)
            above[lower].append(upper)
    rows = ordered(rows, above, below)
    return Layout(rows, placed(rows, above, below), tops, chains)


def rows_of(
    layers: Sequence[Sequence[str]], arrows: Sequence[Edge]
) -> tuple[list[list[str]], list[float]]:
    """Return the rows of boxes and their upper ends; arrows within a layer point down as well."""
    rows: list[list[str]] = []
    tops: list[float] = []
    y = float(MARGIN + PAD)
    for names in layers:
        inner = [edge for edge in arrows if {*edge} <= {*names}]
        depth = dict.fromkeys(names, 0)
        for _ in names:
            for start, end in inner:
                depth[end] = max(depth[end], depth[start] + 1)
        for level in range(max(depth.values()) + 1):
            rows.append([name for name in names if depth[name] == level])
            tops.append(y)
            y += HEIGHT + ROW_GAP
        y += LAYER_GAP - ROW_GAP
    return rows, tops


def ordered(
    rows: list[list[str]], above: Mapping[str, list[str]], below: Mapping[str, list[str]]
) -> list[list[str]]:
    """Return the rows in an order with few crossings: each by the mean place of its neighbours."""
    best, fewest = [list(row) for row in rows], crossings(rows, below)
    for sweep in range(SWEEPS):
        numbers = range(len(rows)) if sweep % 2 == 0 else reversed(range(len(rows)))
        neighbours = above if sweep % 2 == 0 else below
        for number in numbers:
            place = {
                name: (index + 0.5) / len(row) for row in rows for index, name in enumerate(row)
            }

            def mean(name: str, place: Mapping[str, float] = place) -> float:
                near = neighbours[name]  # noqa: B023 - used within the loop
                return sum(place[one] for one in near) / len(near) if near else place[name]

            rows[number] = sorted(rows[number], key=mean)
        count = crossings(rows, below)
        if count < fewest:
            best, fewest = [list(row) for row in rows], count
    return best


def crossings(rows: Sequence[Sequence[str]], below: Mapping[str, list[str]]) -> int:
    """Return how many pairs of arrows cross between neighbouring rows."""
    count = 0
    for upper, lower in pairwise(rows):
        place = {name: index for index, name in enumerate(lower)}
        ends = [place[end] for name in upper for end in sorted(below[name], key=place.__getitem__)]
        count += sum(one > other for i, one in enumerate(ends) for other in ends[i + 1 :])
    return count


def placed(
    rows: Sequence[Sequence[str]], above: Mapping[str, list[str]], below: Mapping[str, list[str]]
) -> dict[str, float]:
    """Return the middle of each box and lane: near its neighbours, and in the order of its row."""
    x: dict[str, float] = {}
    for row in rows:
        starts = offsets(row)
        x |= {name: start - starts[-1] / 2 for name, start in zip(row, starts, strict=True)}
    for sweep in range(2 * SWEEPS):
        for row in rows if sweep % 2 == 0 else reversed(rows):
            starts = offsets(row)
            wanted, weights = [], []
            for name, start in zip(row, starts, strict=True):
                near = [*above[name], *below[name]]
                middle = sum(x[one] for one in near) / len(near) if near else x[name]
                wanted.append(middle - start)
                weights.append(4.0 if "@" in name else 1.0)
            for name, start, at in zip(row, starts, increasing(wanted, weights), strict=True):
                x[name] = at + start
    left = min(x[name] - width_of(name) / 2 for name in x)
    right = max(x[name] + width_of(name) / 2 for name in x)
    for row in rows:
        if len(row) == 1 and not above[row[0]] and not below[row[0]]:
            x[row[0]] = (left + right) / 2  # no arrow says where
    return {name: at - left + MARGIN + PAD for name, at in x.items()}


def width_of(name: str) -> float:
    """Return the width of a box or of a lane."""
    return LANE if "@" in name else WIDTH


def offsets(row: Sequence[str]) -> list[float]:
    """Return the middles in a row that is packed."""
    found = [0.0]
    for one, other in pairwise(row):
        gap = GAP if "@" not in one + other else GAP / 2
        found.append(found[-1] + (width_of(one) + width_of(other)) / 2 + gap)
    return found


def increasing(wanted: Sequence[float], weights: Sequence[float]) -> list[float]:
    """Return the nearest numbers that do not fall (pool adjacent violators)."""
    pools: list[tuple[float, float, int]] = []
    for value, weight in zip(wanted, weights, strict=True):
        pools.append((value, weight, 1))
        while len(pools) > 1 and pools[-2][0] > pools[-1][0]:
            (v2, w2, n2), (v1, w1, n1) = pools.pop(), pools.pop()
            pools.append(((v1 * w1 + v2 * w2) / (w1 + w2), w1 + w2, n1 + n2))
    return [value for value, _, count in pools for _ in range(count)]
