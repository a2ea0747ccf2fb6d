"""Comparison by several objectives: Pareto fronts, crowding distance, hypervolume contributions.

Deb, Pratap, Agarwal & Meyarivan (2002), "A fast and elitist multiobjective genetic algorithm:
NSGA-II", sections III.A, III.B and VI (sorting, crowding, bounds); Beume, Naujoks & Emmerich
(2007), "SMS-EMOA", for hypervolume contributions. Losses here: smaller is better.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]
    Places = NDArray[np.int64]

__all__ = ["contributions", "crowding", "fronts", "largest"]


def fronts(losses: Array, violations: Array | None = None) -> list[list[int]]:
    """Return indices by non-dominated front, best first.

    Acceptable points are sorted by domination; the others follow, by violation (Deb's rule).

    Args:
        losses: (points, objectives), smaller is better.
        violations: (points,), of constraints; 0 is acceptable.
    """
    from moocore import pareto_rank

    broken = np.zeros(len(losses)) if violations is None else np.asarray(violations, dtype=float)
    able = np.flatnonzero(broken <= 0.0)
    found: list[list[int]] = []
    if len(able):
        ranks = pareto_rank(np.asarray(losses, dtype=float)[able])
        found = [able[ranks == rank].tolist() for rank in range(int(ranks.max()) + 1)]
    for level in np.unique(broken[broken > 0.0]):
        found.append(np.flatnonzero(broken == level).tolist())
    return found


def crowding(losses: Array) -> Array:
    """Return the crowding distance within one front: (points,), infinite at its ends.

    The first of equal points has the distance, and the others none.

    Args:
        losses: (points, objectives) of one front.
    """
    distinct, first = np.unique(losses, axis=0, return_index=True)
    spread = np.ptp(distinct, axis=0)
    apart = np.zeros(len(distinct))
    for column in range(losses.shape[1]):
        order = np.argsort(distinct[:, column], kind="stable")
        values = distinct[order, column]
        apart[order[[0, -1]]] = np.inf
        if spread[column] > 0:
            apart[order[1:-1]] += (values[2:] - values[:-2]) / spread[column]
    distance = np.zeros(len(losses))
    distance[first] = apart
    return distance


def contributions(losses: Array, reference: Array | None = None) -> Array:
    """Return the hypervolume contribution of each point of a front: (points,).

    Args:
        losses: (points, objectives) of one front.
        reference: (objectives,), what volume is measured from; if not given, a tenth beyond the
            front's own range, over which objectives are scaled. The two ends of a front between two
            objectives are then worth most, as in SMS-EMOA.
    """
    from moocore import hv_contributions

    low = losses.min(0)
    high = losses.max(0) if reference is None else np.maximum(reference, low)
    scaled = (losses - low) / np.where(high > low, high - low, 1.0)
    corner = np.full(losses.shape[1], 1.1 if reference is None else 1.0)
    volume: Array = hv_contributions(scaled, ref=corner)
    if reference is None and losses.shape[1] == 2:
        volume[losses.argmin(0)] = np.inf
    return volume


def largest(losses: Array, room: int, reference: Array | None = None) -> Places:
    """Remove the least contributor until ``room`` points are left; return these."""
    left = np.arange(len(losses))
    while len(left) > room:
        left = np.delete(left, np.argmin(contributions(losses[left], reference)))
    return left
