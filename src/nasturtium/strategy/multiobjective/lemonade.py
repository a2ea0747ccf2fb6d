"""LEMONADE: evolve the Pareto front, more often where its cheap objectives are sparse.

Elsken, Metzen & Hutter (2019), "Efficient multi-objective neural architecture search via
Lamarckian evolution", algorithm 1. Parents are drawn from the front with a chance in inverse
proportion to the density of its cheap objectives; of the children, those that are trained are
drawn likewise; the front of all is kept. Children inherit their parents' weights.

Implemented: both draws, with a Gaussian kernel density over the logarithms of the cheap objectives,
standardised (Scott's bandwidth). Deviations: one child at a time instead of generations, so workers
never wait (each is one of ``brood`` children of one parent); mutations are the space's own, network
morphisms are used where the estimator inherits weights; children that were tried before are
skipped, and if all were, one is mutated further; without ``cheap`` the first new one is trained;
where the front has more than 256 members, the density is taken from an even selection of them. The
tests check the density and the draws, and compare the front on NAS-Bench-201 with random search.
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
from nasturtium.strategy.multiobjective.variation import away
from nasturtium.study.fidelity import FULL
from nasturtium.study.history import History
from nasturtium.study.memo import Memo
from nasturtium.study.strategy import Strategy
from nasturtium.study.trial import Proposal, Trial

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

__all__ = ["LEMONADE", "Terrain", "density"]

KERNELS = 256  # members that the density is taken from, evenly, where the front has more


@dataclass
class Front:
    """The trials that no other dominates, and where their cheap objectives lie."""

    tried: set[Architecture] = field(default_factory=set)
    members: list[Trial] = field(default_factory=list)
    vectors: Array | None = None  # (members, objectives), larger is better
    joined: int = -1  # number of the trial that joined last
    terrain: Memo[Terrain] = field(default_factory=Memo)  # of these members


@final
class LEMONADE(Strategy):
    """Multi-objective evolution of the front, guided by density.

    The first objective is the expensive one, the others are cheap.

    Args:
        population: how many architectures are drawn uniformly at first.
        cheap: gives the cheap objectives of an architecture without training, in the order of the
            study's objectives (all but the first), as positive numbers.
        brood: how many children of a parent one is chosen from: of those that were not tried
            before, by the density of their cheap objectives, or the first without ``cheap``.

    Example:
        >>> import nasturtium as nas
        >>> strategy = nas.LEMONADE(5)
        >>> goals = ("accuracy", "min:size")
        >>> study = nas.Study(nas.zoo.nasbench201, strategy, objectives=goals, store=None)
        >>> for _ in range(12):
        ...     trial = study.ask()
        ...     study.tell(trial, {"accuracy": 0.5, "size": trial.number})
        >>> len(study.history.finished)
        12
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

    def update(self, state: Front, history: History, trial: Trial) -> Front:
        state.tried.add(trial.architecture)
        if trial.state == "finished" and len(history.objectives) > 1:
            _join(state, history, trial)
        return state

    def propose(self, state: Front, history: History, rng: Random) -> Proposal:
        if len(history.objectives) < 2:
            raise StrategyError(
                f"LEMONADE got the objective {history.objectives[0]} alone; it needs an expensive "
                "one and then at least one cheap one, e.g. objectives=('accuracy', 'params')"
            )
        if len(history.finished) + len(history.pending) < self.population or not state.members:
            return Proposal(history.space.sample(rng), FULL, None, None, True)
        terrain = state.terrain.get(
            state.joined, lambda: Terrain([_costs(history, trial) for trial in state.members])
        )
        parent = state.members[terrain.thin(rng)]
        brood = self._brood(state, history, parent.architecture, rng)
        if self.cheap is None or len(brood) == 1:
            return Proposal(brood[0], FULL, parent.number)
        costs = [list(self.cheap(child)) for child in brood]
        if len(costs[0]) != len(history.objectives) - 1:
            raise StrategyError(
                f"LEMONADE's cheap() gave {len(costs[0])} numbers; the study has "
                f"{len(history.objectives) - 1} cheap objectives: "
                f"{', '.join(map(str, history.objectives[1:]))}"
            )
        return Proposal(brood[terrain.thin(rng, costs)], FULL, parent.number)

    def _brood(
        self, state: Front, history: History, parent: Architecture, rng: Random
    ) -> list[Architecture]:
        """Children that were not tried, and one at least."""
        wanted = 1 if self.cheap is None else self.brood
        found: dict[Architecture, None] = {}
        for _ in range(self.brood):
            child = history.space.mutate(parent, rng)
            if child not in state.tried:
                found[child] = None
            if len(found) == wanted:
                break
        return list(found) or [away(history.space, child, state.tried, rng)]


def _join(state: Front, history: History, trial: Trial) -> None:
    """Take a trial into the front unless one of it is at least as good in everything."""
    if history.violation(trial) > 0.0:
        return
    vector = np.array([history.vector(trial)])
    if state.vectors is None:
        state.vectors = vector[:0]
    if (state.vectors >= vector).all(1).any():
        return
    left = np.flatnonzero(~(vector >= state.vectors).all(1))
    state.members = [state.members[place] for place in left.tolist()] + [trial]
    state.vectors = np.vstack([state.vectors[left], vector])
    state.joined = trial.number


def _costs(history: History, trial: Trial) -> list[float]:
    return [trial.metrics[objective.metric] for objective in history.objectives[1:]]


@final
class Terrain:
    """The density of the front in the cheap objectives; draws where it is low.

    Args:
        costs: the cheap objectives of each member; logarithms are taken where all are positive.
    """

    def __init__(self, costs: Sequence[Sequence[float]]) -> None:
        values = np.array(costs, dtype=float)
        self._logs = (values > 0).all(0)
        values = self._logged(values)
        spread = values.std(0)
        self._centre, self._spread = values.mean(0), np.where(spread > 0, spread, 1.0)
        points = (values - self._centre) / self._spread
        self._known = points[:: -(-len(points) // KERNELS)]
        self._bounds = self._chances(points)

    def thin(self, rng: Random, costs: Sequence[Sequence[float]] | None = None) -> int:
        """Draw an index with probability inversely proportional to density.

        Args:
            rng: draws.
            costs: the cheap objectives of some points; the members if not given.
        """
        bounds = self._bounds
        if costs is not None:
            values = self._logged(np.array(costs, dtype=float))
            bounds = self._chances((values - self._centre) / self._spread)
        return min(bisect_right(bounds, rng.random() * bounds[-1]), len(bounds) - 1)

    def _logged(self, values: Array) -> Array:
        return np.where(self._logs, np.log(np.maximum(values, 1e-300)), values)

    def _chances(self, points: Array) -> list[float]:
        # Far from all that is known the density underflows; a floor keeps one from taking all.
        floor = 1e-3 / len(self._known)
        return list(accumulate((1.0 / np.maximum(density(self._known, points), floor)).tolist()))


def density(known: Array, points: Array) -> Array:
    """Return a Gaussian kernel density up to a constant: (points,).

    Args:
        known: (n, d), standardised.
        points: (m, d), in the same scale.
    """
    count, width = known.shape
    bandwidth = count ** (-1.0 / (width + 4))
    apart = ((points[:, None] - known[None]) ** 2).sum(2) / bandwidth**2
    estimate: Array = np.exp(-0.5 * apart).mean(1)
    return estimate
