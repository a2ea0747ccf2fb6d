"""NSGA-II: non-dominated sorting, and within a front crowding, reference directions or hypervolume.

Deb, Pratap, Agarwal & Meyarivan (2002), "A fast and elitist multiobjective genetic algorithm:
NSGA-II" (used for architectures by NSGA-Net, Lu et al. 2019). For three objectives and more, where
crowding says little: Deb & Jain (2014), NSGA-III, reference directions
(:mod:`~nasturtium.strategy.reference`); Beume, Naujoks & Emmerich (2007), SMS-EMOA, hypervolume
(:mod:`~nasturtium.strategy.pareto`).

Implemented: constrained domination, binary tournaments on (front, crowding) in which all parents
take turns, truncation of parents and children together; simulated binary crossover and polynomial
mutation where a space asks for numbers (:mod:`~nasturtium.strategy.variation`), else the space's
own crossover and mutation of one decision. A generation is counted by trials told, so workers never
wait for it. Deviations: where numbers are blended, a tournament asks who dominates instead of whose
front is better (by fronts, most runs on ZDT2 lose all but one end of the front); children that were
tried before are varied again, and in the end walk away from their parents; of equal points one
counts, and the others are crowded; fronts that do not fit are truncated by least hypervolume
contribution, one at a time, where that is the selection.
The tests check sorting, crowding, contributions, directions and niches against brute force, and the
documentation holds hypervolumes on ZDT and DTLZ against another implementation's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from operator import ge, le
from random import Random
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, final, get_args

import numpy as np

from nasturtium.architecture import Architecture
from nasturtium.errors import Rejected, StrategyError
from nasturtium.strategy.pareto import contributions, crowding, fronts, largest
from nasturtium.strategy.reference import Scale, directions_for, nearest, niched
from nasturtium.strategy.variation import away, fine, varied
from nasturtium.study.fidelity import FULL
from nasturtium.study.history import History
from nasturtium.study.strategy import Strategy
from nasturtium.study.trial import Proposal, Trial
from nasturtium.train.seeds import mix

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

__all__ = ["NSGA2"]

AGAIN = 10  # variations of a child that was tried before

Selection = Literal["auto", "crowding", "reference", "hypervolume"]


class CostBenefit(NamedTuple):
    """What a tournament compares."""

    violation: float
    front: int  # 0 for all where numbers are blended
    vector: tuple[float, ...]  # objectives, larger is better
    distance: float  # to the others of its front, by crowding or volume

    def loses(self, other: CostBenefit) -> bool:
        """By violation and front, then domination, then distance."""
        if self[:2] != other[:2]:
            return self[:2] > other[:2]
        if all(map(le, self.vector, other.vector)):
            return self.vector != other.vector
        if all(map(ge, self.vector, other.vector)):
            return False
        return self.distance < other.distance


@dataclass
class Generation:
    """The parents, and how good they are for tournaments."""

    seen: int = 0  # finished trials taken in, in whole generations
    parents: list[Trial] = field(default_factory=list)
    worth: list[CostBenefit] = field(default_factory=list)
    place: int = 0  # trials of the history looked at
    tried: set[Architecture] = field(default_factory=set)
    numbers: bool = False  # whether the space asks for numbers, which are blended
    scale: Scale = field(default_factory=Scale)
    lap: tuple[int, int] = (0, 0)  # of tournaments: the turns that all parents have once
    order: list[int] = field(default_factory=list)  # of this lap


@final
class NSGA2(Strategy):
    """Elitist multi-objective evolution.

    Args:
        population: how many parents are kept; the first ones are drawn uniformly.
        offspring: children for each generation; as many as parents if not given.
        crossover: chance that a child has two parents.
        mutation: chance that a child is mutated; one that is not crossed always is.
        selection: within a front, ``crowding`` (NSGA-II), ``reference`` (directions, NSGA-III),
            ``hypervolume`` (SMS-EMOA); ``auto`` is crowding for two objectives, and hypervolume
            for more, where crowding spreads the population badly.
        reference: the point that hypervolume is measured from, a number for each of the study's
            objectives; a tenth beyond the front's own range if not given.
    """

    def __init__(
        self,
        population: int = 40,
        offspring: int | None = None,
        crossover: float = 0.9,
        mutation: float = 1.0,
        selection: Selection = "auto",
        reference: Sequence[float] | None = None,
    ) -> None:
        if population < 2 or (offspring is not None and offspring < 1):
            raise StrategyError(
                f"NSGA-II got population={population}, offspring={offspring}; expected at least 2 "
                "parents and 1 child (NSGA-Net uses 40 and 20)"
            )
        if not (0 <= crossover <= 1 and 0 <= mutation <= 1):
            raise StrategyError(
                f"NSGA-II got crossover={crossover}, mutation={mutation}; expected chances from 0 "
                "to 1"
            )
        if selection not in get_args(Selection):
            raise StrategyError(
                f"NSGA-II got selection={selection!r}; expected auto, crowding, reference or "
                "hypervolume"
            )
        if reference is not None and selection in ("crowding", "reference"):
            raise StrategyError(
                f"NSGA-II got reference={tuple(reference)} with selection={selection!r}; a "
                "reference point is what selection='hypervolume' measures from"
            )
        self.population = population
        self.offspring = population if offspring is None else offspring
        self.crossover = crossover
        self.mutation = mutation
        self.selection = selection
        self.reference = reference

    def start(self) -> Generation:
        return Generation()

    def propose(self, state: Generation, history: History, rng: Random) -> Proposal:
        if not history:
            self._check(history)
        self._advance(state, history)
        for trial in history[state.place :]:
            state.tried.add(trial.architecture)
        state.place = len(history)
        if not state.parents:
            return Proposal(self._new(state, history, rng), FULL, None, None, True)
        for _ in range(AGAIN):
            child, parent = self._child(state, history, rng)
            if child not in state.tried:
                return Proposal(child, FULL, parent.number)
        return Proposal(away(history.space, child, state.tried, rng), FULL, parent.number)

    def _check(self, history: History) -> None:
        """Refuse a study that the selection is not made for.

        Raises:
            StrategyError: a reference point, or a population, of the wrong size.
        """
        goals = ", ".join(map(str, history.objectives))
        objectives = len(history.objectives)
        if self.reference is not None and len(self.reference) != objectives:
            raise StrategyError(
                f"NSGA-II got a reference point of {len(self.reference)} numbers, "
                f"{tuple(self.reference)}; the study has {objectives} objectives: {goals}"
            )
        if self.selection == "reference":
            directions_for(objectives, self.population)

    def _kind(self, objectives: int) -> str:
        if objectives == 1:
            return "crowding"  # a front is a point then, whatever selects within it
        if self.selection != "auto":
            return self.selection
        return "hypervolume" if objectives > 2 or self.reference is not None else "crowding"

    # -- who survives ---------------------------------------------------------------------------

    def _advance(self, state: Generation, history: History) -> None:
        finished = history.finished
        while True:
            size = self.offspring if state.parents else self.population
            if len(finished) - state.seen < size:
                return
            told = list(finished[state.seen : state.seen + size])
            if not state.parents:
                state.numbers = _asks_numbers(history.space, told)
            state.seen += size
            self._survive(state, state.parents + told, history)

    def _survive(self, state: Generation, pool: list[Trial], history: History) -> None:
        """Keep the best of a pool, and what they are worth in tournaments."""
        vectors = [history.vector(trial) for trial in pool]
        violations = [history.violation(trial) for trial in pool]
        losses = -np.array(vectors)
        sorted_out = fronts(losses, np.array(violations))
        if self._kind(losses.shape[1]) == "reference":
            # Keyed by the log, so that any proposal may be the one that selects.
            rng = Random(mix(pool[0].architecture.key, state.seen))
            kept = self._by_directions(state.scale, losses, violations, sorted_out, rng)
        else:
            kept = self._by_distance(losses, sorted_out, history)
        state.parents = [pool[index] for index in kept]
        rank = {i: 0 if state.numbers else at for at, front in enumerate(sorted_out) for i in front}
        state.worth = [
            CostBenefit(violations[i], rank[i], vectors[i], apart) for i, apart in kept.items()
        ]

    def _by_distance(
        self, losses: Array, sorted_out: list[list[int]], history: History
    ) -> dict[int, float]:
        """Whole fronts, and of the one that does not fit those far from others: with distances."""
        volume = self._kind(losses.shape[1]) == "hypervolume"
        point = None
        if self.reference is not None:
            signs = np.array([objective.sign for objective in history.objectives])
            point = -signs * np.array(self.reference, dtype=float)
        kept: dict[int, float] = {}
        for front in sorted_out:
            room = self.population - len(kept)
            if room == 0:
                break
            here = losses[front]
            distance = contributions(here, point) if volume else crowding(here)
            order = np.argsort(-distance, kind="stable")
            if len(front) > room and volume:
                order = largest(here, room, point)
            kept |= {front[place]: float(distance[place]) for place in order[:room].tolist()}
        return kept

    def _by_directions(
        self,
        scale: Scale,
        losses: Array,
        violations: list[float],
        sorted_out: list[list[int]],
        rng: Random,
    ) -> dict[int, float]:
        """Whole fronts, and of the one that does not fit those in the emptiest directions."""
        kept: list[int] = []
        for front in sorted_out:
            room = self.population - len(kept)
            if room == 0:
                break
            if len(front) > room and violations[front[0]] <= 0.0:
                rays = directions_for(losses.shape[1], self.population)
                scaled = scale.scaled(losses[kept + front], range(len(sorted_out[0])))
                niche, distance = nearest(scaled, rays)
                count = np.bincount(niche[: len(kept)], minlength=len(rays))
                taken = niched(niche[len(kept) :], distance[len(kept) :], count, room, rng)
                front = [front[place] for place in taken]
            kept += front[:room]
        return dict.fromkeys(kept, 0.0)

    # -- what is tried --------------------------------------------------------------------------

    def _new(self, state: Generation, history: History, rng: Random) -> Architecture:
        """A uniform draw that was not tried, if one is found soon."""
        for _ in range(AGAIN):
            drawn = history.space.sample(rng)
            if drawn not in state.tried:
                break
        return drawn

    def _child(
        self, state: Generation, history: History, rng: Random
    ) -> tuple[Architecture, Trial]:
        turn = 2 * len(history)
        mother = self._winner(state, turn)
        parents, crossed = [mother.architecture], rng.random() < self.crossover
        if crossed:
            parents.append(self._winner(state, turn + 1).architecture)
        mutated = not crossed or rng.random() < self.mutation
        space: Any = history.space
        if state.numbers:
            try:
                return varied(space, parents, rng, mutates=mutated), mother
            except Rejected:
                pass  # the space's own variation tries until something is accepted
        child = space.cross(*parents, rng) if crossed else parents[0]
        return (space.mutate(child, rng) if mutated else child), mother

    def _winner(self, state: Generation, turn: int) -> Trial:
        """The better of two parents; all of them have their turns, lap by lap."""
        one, two = _place(state, 2 * turn), _place(state, 2 * turn + 1)
        return state.parents[two if state.worth[one].loses(state.worth[two]) else one]


def _place(state: Generation, turn: int) -> int:
    """The parent whose turn it is: every one comes once in a lap, in an order of that lap's own."""
    count = len(state.parents)
    lap, place = divmod(turn, count)
    if state.lap != (lap, count):
        order = list(range(count))
        Random(mix("lap", lap)).shuffle(order)
        state.lap, state.order = (lap, count), order
    return state.order[place]


def _asks_numbers(space: Any, trials: Sequence[Trial]) -> bool:
    if not hasattr(space, "decide"):
        return False
    return any(fine(d) for trial in trials for d in space.decisions(trial.architecture))
