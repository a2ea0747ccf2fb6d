"""LEMONADE: evolve the Pareto front, and look where the cheap objectives are thinly covered.

Elsken, Metzen & Hutter (2019), "Efficient multi-objective neural architecture search via
Lamarckian evolution", algorithm 1. Parents are drawn from the front with a chance in inverse
proportion to the density of its cheap objectives; of the children, those that are trained are
drawn likewise; the front of all is kept. Children inherit their parents' weights.

Implemented: both draws, with a Gaussian kernel density over the logarithms of the cheap objectives,
standardised (Scott's bandwidth). Deviations: one child at a time instead of generations, so workers
never wait (each is one of ``brood`` children of one parent); mutations are the space's own, network
morphisms come in where the estimator inherits weights; children that were tried before are passed
over; without ``cheap`` the first other one is trained.
The tests check the density and the draws, and hold the front on NAS-Bench-201 against random
search.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from random import Random
from typing import TYPE_CHECKING, final

import numpy as np

from nasturtium.architecture import Architecture
from nasturtium.errors import StrategyError
from nasturtium.study.history import History
from nasturtium.study.strategy import Strategy
from nasturtium.study.trial import FULL, Proposal, Trial

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Lemonade", "density"]


@dataclass
class Front:
    """The trials that no other dominates, with their objectives (larger is better)."""

    seen: int = 0
    place: int = 0  # trials of the history looked at
    tried: set[str] = field(default_factory=set)
    members: list[tuple[tuple[float, ...], Trial]] = field(default_factory=list)


@final
class Lemonade(Strategy):
    """Multi-objective evolution of the front, guided by density.

    The first objective is the expensive one, the others are cheap.

    Args:
        population: how many architectures are drawn uniformly at first.
        cheap: gives the cheap objectives of an architecture without training, in the order of the
            study's objectives (all but the first), as positive numbers.
        brood: how many children of a parent one is chosen from: of those that were not tried
            before, by the density of their cheap objectives, or the first without ``cheap``.
    """

    def __init__(
        self,
        population: int = 20,
        cheap: Callable[[Architecture], Sequence[float]] | None = None,
        brood: int = 10,
    ) -> None:
        if population < 1 or brood < 1:
            raise StrategyError(
                f"LEMONADE got population={population}, brood={brood}; both have to be at least 1"
            )
        self.population = population
        self.cheap = cheap
        self.brood = brood

    def start(self) -> Front:
        return Front()

    def propose(self, state: Front, history: History, rng: Random) -> Proposal:
        if len(history.objectives) < 2:
            raise StrategyError(
                f"LEMONADE got the objective {history.objectives[0]} alone; it needs an expensive "
                "one and then at least one cheap one, e.g. objectives=('accuracy', 'params')"
            )
        finished = history.finished
        for trial in finished[state.seen :]:
            _join(state, history, trial)
        state.seen = len(finished)
        if len(finished) + len(history.pending) < self.population or not state.members:
            return Proposal(history.space.sample(rng), FULL, None, None, True)
        known = _scaled([_costs(history, trial) for _, trial in state.members])
        parent = state.members[_thin(known, known, rng)][1]
        for trial in history[state.place :]:
            state.tried.add(trial.architecture.key)
        state.place = len(history)
        brood = [history.space.mutate(parent.architecture, rng) for _ in range(self.brood)]
        brood = [child for child in brood if child.key not in state.tried] or brood
        if self.cheap is None:
            return Proposal(brood[0], FULL, parent.number)
        costs = [list(self.cheap(child)) for child in brood]
        if len(costs[0]) != len(history.objectives) - 1:
            raise StrategyError(
                f"LEMONADE's cheap() gave {len(costs[0])} numbers; the study has "
                f"{len(history.objectives) - 1} cheap objectives: "
                f"{', '.join(map(str, history.objectives[1:]))}"
            )
        base = [_costs(history, trial) for _, trial in state.members]
        everything = _scaled(base + costs)
        chosen = _thin(everything[: len(base)], everything[len(base) :], rng)
        return Proposal(brood[chosen], FULL, parent.number)


def _join(state: Front, history: History, trial: Trial) -> None:
    """Take a trial into the front unless one of it is at least as good in everything."""
    if history.violation(trial) > 0.0:
        return
    vector = history.vector(trial)
    if any(all(a >= b for a, b in zip(other, vector, strict=True)) for other, _ in state.members):
        return
    state.members = [
        (other, member)
        for other, member in state.members
        if not all(a >= b for a, b in zip(vector, other, strict=True))
    ]
    state.members.append((vector, trial))


def _costs(history: History, trial: Trial) -> list[float]:
    return [trial.metrics[objective.metric] for objective in history.objectives[1:]]


def _scaled(costs: list[list[float]]) -> NDArray[np.float64]:
    """Logarithms where all are positive, standardised: (points, cheap objectives)."""
    values = np.array(costs, dtype=float)
    values = np.where((values > 0).all(0), np.log(np.maximum(values, 1e-300)), values)
    spread = values.std(0)
    scaled: NDArray[np.float64] = (values - values.mean(0)) / np.where(spread > 0, spread, 1.0)
    return scaled


def density(known: NDArray[np.float64], points: NDArray[np.float64]) -> NDArray[np.float64]:
    """A Gaussian kernel density up to a constant: (points,).

    Args:
        known: (n, d), standardised.
        points: (m, d), in the same scale.
    """
    count, width = known.shape
    bandwidth = count ** (-1.0 / (width + 4))
    apart = ((points[:, None] - known[None]) ** 2).sum(2) / bandwidth**2
    estimate: NDArray[np.float64] = np.exp(-0.5 * apart).mean(1)
    return estimate


def _thin(known: NDArray[np.float64], points: NDArray[np.float64], rng: Random) -> int:
    """One of the points, with a chance in inverse proportion to the density there."""
    # Far from all that is known the density underflows; a floor keeps one child from taking all.
    chances = 1.0 / np.maximum(density(known, points), 1e-3 / len(known))
    bounds = list(accumulate(chances.tolist()))
    return min(bisect_right(bounds, rng.random() * bounds[-1]), len(bounds) - 1)
