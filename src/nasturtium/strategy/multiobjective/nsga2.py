"""NSGA-II: non-dominated sorting; within a front, crowding, reference directions or hypervolume.

Deb, Pratap, Agarwal & Meyarivan (2002), "A fast and elitist multiobjective genetic algorithm:
NSGA-II" (used for architectures by NSGA-Net, Lu et al. 2019). For three objectives and more, where
crowding says little: Deb & Jain (2014), NSGA-III, reference directions
(:mod:`.reference_directions`); Beume, Naujoks & Emmerich (2007), SMS-EMOA, hypervolume
(:mod:`.pareto`).

Implemented: constrained domination, binary tournaments on (front, crowding) in which all parents
take turns, truncation of parents and children together; simulated binary crossover and polynomial
mutation where a space asks for numbers (:mod:`.variation`), else the space's
own crossover and mutation of one decision. A generation is a number of results, so workers never
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
from nasturtium.strategy.multiobjective.pareto import contributions, crowding, fronts, largest
from nasturtium.strategy.multiobjective.reference_directions import (
    Scale,
    directions_for,
    nearest,
    niched,
)
from nasturtium.strategy.multiobjective.variation import away, fine, varied
from nasturtium.study.fidelity import FULL
from nasturtium.study.history import History
from nasturtium.study.memo import Memo
from nasturtium.study.strategy import Strategy
from nasturtium.study.trial import Proposal, Trial
from nasturtium.train.seeds import derive_seed

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

__all__ = ["NSGA2"]

AGAIN = 10  # variations of a child that was tried before

Selection = Literal["auto", "crowding", "reference", "hypervolume"]


class Fitness(NamedTuple):
    """The values that a tournament compares."""

    violation: float
    front: int  # 0 for all where numbers are blended
    vector: tuple[float, ...]  # objectives, larger is better
    distance: float  # to the others of its front, by crowding or volume

    def loses(self, other: Fitness) -> bool:
        """Compare by violation and front, then by domination, then by distance."""
        if self[:2] != other[:2]:
            return self[:2] > other[:2]
        if all(map(le, self.vector, other.vector)):
            return self.vector != other.vector
        if all(map(ge, self.vector, other.vector)):
            return False
        return self.distance < other.distance


@dataclass
class Generation:
    """The parents with their fitness, and the children so far."""

    born: list[Trial] = field(default_factory=list)  # finished since the last selection
    seen: int = 0  # finished trials taken in, in whole generations
    parents: list[Trial] = field(default_factory=list)
    fitness: list[Fitness] = field(default_factory=list)
    tried: set[Architecture] = field(default_factory=set)
    numbers: bool = False  # whether the space asks for numbers, which are blended
    scale: Scale = field(default_factory=Scale)
    order: Memo[list[int]] = field(default_factory=Memo)  # of the parents in a lap of tournaments


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

    Example:
        >>> import nasturtium as nas
        >>> strategy = nas.NSGA2(6)
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

    def update(self, state: Generation, history: History, trial: Trial) -> Generation:
        state.tried.add(trial.architecture)
        if trial.state == "finished":
            state.born.append(trial)
            if len(state.born) == (self.offspring if state.parents else self.population):
                self._select(state, history)
        return state

    def propose(self, state: Generation, history: History, rng: Random) -> Proposal:
        if not history:
            self._check(history)
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

    # -- selection -------------------------------------------------------------------------------

    def _select(self, state: Generation, history: History) -> None:
        """Keep the best of parents and children, and their values in tournaments."""
        if not state.parents:
            state.numbers = _asks_numbers(history.space, state.born)
        pool = state.parents + state.born
        state.seen += len(state.born)
        state.born = []
        vectors = [history.vector(trial) for trial in pool]
        violations = [history.violation(trial) for trial in pool]
        losses = -np.array(vectors)
        sorted_out = fronts(losses, np.array(violations))
        if self._kind(losses.shape[1]) == "reference":
            # Keyed by the log, so that any proposal may be the one that selects.
            rng = Random(derive_seed(pool[0].architecture.key, state.seen))
            kept = self._by_directions(state.scale, losses, violations, sorted_out, rng)
        else:
            kept = self._by_distance(losses, sorted_out, history)
        state.parents = [pool[index] for index in kept]
        rank = {i: 0 if state.numbers else at for at, front in enumerate(sorted_out) for i in front}
        state.fitness = [
            Fitness(violations[i], rank[i], vectors[i], apart) for i, apart in kept.items()
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

    # -- variation ------------------------------------------------------------------------------

    def _new(self, state: Generation, history: History, rng: Random) -> Architecture:
        """Return a uniform draw that was not tried, if one is found soon."""
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
        """Return the better of two parents; each parent has its turn once in a lap."""
        one, two = _place(state, 2 * turn), _place(state, 2 * turn + 1)
        return state.parents[two if state.fitness[one].loses(state.fitness[two]) else one]


def _place(state: Generation, turn: int) -> int:
    """Return the place of the next parent; each lap goes through all of them in its own order."""
    count = len(state.parents)
    lap, place = divmod(turn, count)
    return state.order.get((lap, count), lambda: _shuffled(lap, count))[place]


def _shuffled(lap: int, count: int) -> list[int]:
    order = list(range(count))
    Random(derive_seed("lap", lap)).shuffle(order)
    return order


def _asks_numbers(space: Any, trials: Sequence[Trial]) -> bool:
    if not hasattr(space, "decide"):
        return False
    return any(fine(d) for trial in trials for d in space.decisions(trial.architecture))
