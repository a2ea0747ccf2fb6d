"""NSGA-II: non-dominated sorting, and crowding or hypervolume within a front.

Deb, Pratap, Agarwal & Meyarivan (2002), "A fast and elitist multiobjective genetic algorithm:
NSGA-II" (used for architectures by NSGA-Net, Lu et al. 2019); Beume, Naujoks & Emmerich (2007),
"SMS-EMOA", for the selection by hypervolume, which crowding serves badly beyond two objectives.

Implemented: constrained domination, binary tournaments on (front, crowding), uniform crossover of
architectures and mutation, truncation of parents and children together. A generation is counted by
trials told, so workers never wait for it. Deviations: children that were tried before are varied
again, up to ten times; fronts that do not fit are truncated by least hypervolume contribution,
one at a time, for three and more objectives (``selection="auto"``); variation is the space's own
instead of SBX and polynomial mutation.
The tests check sorting and crowding against brute force, and hold hypervolumes on ZDT and DTLZ.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random
from typing import TYPE_CHECKING, Literal, final

import numpy as np

from nasturtium.architecture import Architecture
from nasturtium.errors import StrategyError
from nasturtium.study.history import History
from nasturtium.study.strategy import Strategy
from nasturtium.study.trial import FULL, Proposal, Trial

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["NSGA2", "crowding", "fronts"]

AGAIN = 10  # variations of a child that was tried before


@dataclass
class Generation:
    """The parents, and how good they are for tournaments."""

    seen: int = 0  # finished trials taken in, in whole generations
    parents: list[Trial] = field(default_factory=list)
    worth: list[tuple[float, float]] = field(default_factory=list)  # larger is better
    place: int = 0
    tried: set[str] = field(default_factory=set)


@final
class NSGA2(Strategy):
    """Elitist multi-objective evolution.

    Args:
        population: how many parents are kept; the first ones are drawn uniformly.
        offspring: children for each generation; as many as parents if not given.
        crossover: chance that a child has two parents.
        mutation: chance that a child is mutated; one that is not crossed always is.
        selection: ``crowding``, ``hypervolume``, or ``auto``: hypervolume for three and more
            objectives.
    """

    def __init__(
        self,
        population: int = 40,
        offspring: int | None = None,
        crossover: float = 0.9,
        mutation: float = 1.0,
        selection: Literal["auto", "crowding", "hypervolume"] = "auto",
    ) -> None:
        if population < 2 or (offspring is not None and offspring < 1):
            raise StrategyError(
                f"NSGA-II got population={population}, offspring={offspring}; expected at least 2 "
                "parents and 1 child (NSGA-Net uses 40 and 40)"
            )
        if not (0 <= crossover <= 1 and 0 <= mutation <= 1):
            raise StrategyError(
                f"NSGA-II got crossover={crossover}, mutation={mutation}; expected chances from 0 "
                "to 1"
            )
        if selection not in ("auto", "crowding", "hypervolume"):
            raise StrategyError(
                f"NSGA-II got selection={selection!r}; expected auto, crowding or hypervolume"
            )
        self.population = population
        self.offspring = population if offspring is None else offspring
        self.crossover = crossover
        self.mutation = mutation
        self.selection = selection

    def start(self) -> Generation:
        return Generation()

    def propose(self, state: Generation, history: History, rng: Random) -> Proposal:
        self._advance(state, history)
        if not state.parents:
            return Proposal(history.space.sample(rng), FULL, None, None, True)
        for trial in history[state.place :]:
            state.tried.add(trial.architecture.key)
        state.place = len(history)
        for _ in range(AGAIN):
            child, parent = self._child(state, history, rng)
            if child.key not in state.tried:
                break
        return Proposal(child, FULL, parent.number)

    def _advance(self, state: Generation, history: History) -> None:
        finished = history.finished
        while True:
            size = self.offspring if state.parents else self.population
            if len(finished) - state.seen < size:
                return
            pool = state.parents + list(finished[state.seen : state.seen + size])
            state.seen += size
            state.parents, state.worth = self._survivors(pool, history)

    def _survivors(
        self, pool: list[Trial], history: History
    ) -> tuple[list[Trial], list[tuple[float, float]]]:
        """The best of a pool, with (minus front, distance) for tournaments."""
        losses = -np.array([history.vector(trial) for trial in pool])
        violations = np.array([history.violation(trial) for trial in pool])
        objectives = losses.shape[1]
        least = {"crowding": math.inf, "hypervolume": 2, "auto": 3}[self.selection]
        volume = objectives >= least
        kept: list[int] = []
        worth: list[tuple[float, float]] = []
        for rank, front in enumerate(fronts(losses, violations)):
            room = self.population - len(kept)
            if room == 0:
                break
            distance = (contributions if volume else crowding)(losses[front])
            order = np.argsort(-distance, kind="stable")
            if len(front) > room and volume:
                order = _least_out(losses[front], room)
            for place in order[:room].tolist():
                kept.append(front[place])
                worth.append((-float(rank), float(distance[place])))
        return [pool[index] for index in kept], worth

    def _child(
        self, state: Generation, history: History, rng: Random
    ) -> tuple[Architecture, Trial]:
        mother = self._winner(state, rng)
        child, crossed = mother.architecture, rng.random() < self.crossover
        if crossed:
            father = self._winner(state, rng)
            child = history.space.cross(child, father.architecture, rng)
        if not crossed or rng.random() < self.mutation:
            child = history.space.mutate(child, rng)
        return child, mother

    def _winner(self, state: Generation, rng: Random) -> Trial:
        count = len(state.parents)
        one, two = int(rng.random() * count), int(rng.random() * count)
        return state.parents[one if state.worth[one] >= state.worth[two] else two]


def fronts(
    losses: NDArray[np.float64], violations: NDArray[np.float64] | None = None
) -> list[list[int]]:
    """Indices by non-dominated front, best first.

    Acceptable points are sorted by domination; the others follow, by violation (Deb's rule).

    Args:
        losses: (points, objectives), smaller is better.
        violations: (points,), how far bounds are broken; 0 is acceptable.
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


def crowding(losses: NDArray[np.float64]) -> NDArray[np.float64]:
    """The crowding distance within one front: (points,), infinite at its ends.

    Args:
        losses: (points, objectives) of one front.
    """
    count, objectives = losses.shape
    distance = np.zeros(count)
    for column in range(objectives):
        order = np.argsort(losses[:, column], kind="stable")
        values = losses[order, column]
        spread = values[-1] - values[0]
        distance[order[[0, -1]]] = np.inf
        if spread > 0:
            distance[order[1:-1]] += (values[2:] - values[:-2]) / spread
    return distance


def contributions(losses: NDArray[np.float64]) -> NDArray[np.float64]:
    """What each point adds to the hypervolume of its front, over the scaled objectives."""
    from moocore import hv_contributions

    low, high = losses.min(0), losses.max(0)
    scaled = (losses - low) / np.where(high > low, high - low, 1.0)
    volume: NDArray[np.float64] = hv_contributions(scaled, ref=np.full(losses.shape[1], 1.1))
    return volume


def _least_out(losses: NDArray[np.float64], room: int) -> NDArray[np.int64]:
    """The points that remain when the least contributor is taken out again and again."""
    left: Sequence[int] = list(range(len(losses)))
    while len(left) > room:
        least = int(np.argmin(contributions(losses[left])))
        left = [point for place, point in enumerate(left) if place != least]
    return np.array(left)
