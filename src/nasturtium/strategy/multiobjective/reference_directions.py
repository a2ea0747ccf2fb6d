"""Selection by reference directions, for three objectives and more.

Deb & Jain (2014), "An evolutionary many-objective optimization algorithm using
reference-point-based nondominated sorting approach, part I" (NSGA-III), sections IV.A to IV.E;
Das & Dennis (1998), "Normal-boundary intersection", for the directions.

Implemented: directions evenly spread over a simplex, in one layer, or two where one would have none
inside; losses scaled by the ideal point and the intercepts of the plane through the extreme points;
niching, which fills the directions with the fewest members first, each with its nearest point.
Deviation: extreme points are remembered from generation to generation, as the ideal point is, since
an extreme of the present front alone makes the scale jump.
The tests check directions, intercepts and niches by hand; the documentation compares DTLZ2 with
another implementation.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import combinations
from random import Random
from typing import TYPE_CHECKING

import numpy as np

from nasturtium.errors import StrategyError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

__all__ = ["Scale", "directions", "directions_for", "nearest", "niched"]

OFF_AXIS = 1e-6  # weight of the other objectives where an extreme point is looked for
NOTHING = 1e-10


def directions(objectives: int, parts: int) -> Array:
    """Return all points of the unit simplex whose coordinates are multiples of 1 / parts.

    Returns:
        (C(parts + objectives - 1, objectives - 1), objectives), each of them summing to 1.
    """
    walls = combinations(range(parts + objectives - 1), objectives - 1)
    bars = np.array([(-1, *wall, parts + objectives - 1) for wall in walls])
    return (np.diff(bars) - 1) / parts


def directions_for(objectives: int, most: int) -> Array:
    """Return at most so many directions, with an inner layer where the first has none inside.

    Raises:
        StrategyError: fewer are allowed than there are objectives.
    """
    if most < objectives:
        raise StrategyError(
            f"reference directions for {objectives} objectives need a population of at least "
            f"{objectives}; got {most}"
        )
    if objectives == 1:
        return np.ones((1, 1))
    parts = _parts(objectives, most)
    outer = directions(objectives, parts)
    inner = most - len(outer)
    if parts >= objectives or inner < objectives:
        return outer
    layer = directions(objectives, min(parts, _parts(objectives, inner)))
    return np.vstack([outer, (layer + 1 / objectives) / 2])


def _parts(objectives: int, most: int) -> int:
    parts = 1
    while math.comb(parts + objectives, objectives - 1) <= most:
        parts += 1
    return parts


@dataclass
class Scale:
    """The range of losses: the ideal point, and the intercepts of a plane."""

    ideal: Array = field(default_factory=lambda: np.array(np.inf))
    worst: Array = field(default_factory=lambda: np.array(-np.inf))
    extremes: Array | None = None  # (objectives, objectives)

    def scaled(self, losses: Array, front: Sequence[int]) -> Array:
        """Record a generation, and return its losses scaled to about 0 to 1.

        Args:
            losses: (points, objectives) of all points that may survive.
            front: the points of the first front.
        """
        objectives = losses.shape[1]
        self.ideal = np.minimum(self.ideal, losses.min(0))
        self.worst = np.maximum(self.worst, losses.max(0))
        known = losses[front]
        if self.extremes is not None:
            known = np.vstack([self.extremes, known])
        weights = np.where(np.eye(objectives, dtype=bool), 1.0, 1.0 / OFF_AXIS)
        reach = ((known - self.ideal)[:, None] * weights).max(2)  # (points, axes)
        self.extremes = known[reach.argmin(0)]
        shifted: Array = losses - self.ideal
        return shifted / self._ends(shifted, front)

    def _ends(self, shifted: Array, front: Sequence[int]) -> Array:
        """Return the intercepts, or the front's own ends where there is no such plane."""
        assert self.extremes is not None
        try:
            slopes = np.linalg.solve(self.extremes - self.ideal, np.ones(shifted.shape[1]))
        except np.linalg.LinAlgError:
            slopes = np.zeros(shifted.shape[1])
        ends = shifted[front].max(0)
        if (slopes > NOTHING).all():
            intercepts = 1.0 / slopes
            if (intercepts <= self.worst - self.ideal + NOTHING).all():
                ends = intercepts
        ends = np.where(ends > NOTHING, ends, shifted.max(0))
        found: Array = np.where(ends > NOTHING, ends, 1.0)
        return found


def nearest(scaled: Array, rays: Array) -> tuple[NDArray[np.int64], Array]:
    """Return the nearest direction of each point, and the distance from that line."""
    units = rays / np.linalg.norm(rays, axis=1, keepdims=True)
    along = scaled @ units.T
    squares = np.maximum((scaled**2).sum(1)[:, None] - along**2, 0.0)
    niche = squares.argmin(1)
    return niche, np.sqrt(squares[np.arange(len(scaled)), niche])


def niched(
    niche: NDArray[np.int64],
    distance: Array,
    count: NDArray[np.int64],
    room: int,
    rng: Random,
) -> list[int]:
    """Return the points of the last front that survive.

    Args:
        niche: (points,), the direction of each.
        distance: (points,), how far from it.
        count: (directions,), members that survive already.
        room: how many there is room for.
        rng: breaks ties.
    """
    members: dict[int, list[int]] = {}
    for point in sorted(range(len(niche)), key=lambda point: distance[point], reverse=True):
        members.setdefault(int(niche[point]), []).append(point)  # the nearest is last
    filled = {direction: int(count[direction]) for direction in members}
    kept: list[int] = []
    while len(kept) < room:
        least = min(filled.values())
        direction = rng.choice([d for d, members in filled.items() if members == least])
        points = members[direction]
        place = -1 if least == 0 else int(rng.random() * len(points))
        kept.append(points.pop(place))
        filled[direction] += 1
        if not points:
            del filled[direction]
    return kept
