"""ASHA: asynchronous successive halving, which never waits for a rung.

Li, Jamieson, Rostamizadeh, Gonina, Ben-Tzur, Hardt, Recht & Talwalkar (2020), "A system for
massively parallel hyperparameter tuning", algorithm 2.

Implemented: whenever a worker is free, the highest rung that has a trial in its best 1/eta not yet
promoted promotes it; else a new architecture begins at the lowest rung. It wraps any strategy,
which proposes new architectures and sees the lowest rung alone, so that no promotion enters a
population twice. Deviations: an architecture that the inner strategy proposes twice is promoted
once; constraints rank before scores.
The tests check the promotions step by step, and against sorting all of a rung.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from heapq import heappop, heappush, heappushpop
from random import Random
from typing import TYPE_CHECKING, Any, final

from nasturtium.architecture import Architecture
from nasturtium.strategy.multifidelity.rungs import InnerStrategy, Schedule, promotion, rungs_of
from nasturtium.strategy.random_search import RandomSearch
from nasturtium.study.fidelity import Fidelity
from nasturtium.study.history import History
from nasturtium.study.strategy import Strategy
from nasturtium.study.trial import Proposal, Trial

if TYPE_CHECKING:
    from nasturtium.study.preparation import Preparation

__all__ = ["ASHA"]

Place = tuple[float, float, int]  # violation, minus the score, number: smaller is better


@dataclass
class Rung:
    """The results of one rung, in heaps, so that an update takes logarithmic time."""

    results: int = 0
    asked: set[Architecture] = field(default_factory=set)
    waiting: list[Place] = field(default_factory=list)  # not yet promoted, best first
    best: list[Place] = field(default_factory=list)  # the best 1/eta, negated: worst first
    rest: list[Place] = field(default_factory=list)  # the others, best first

    def add(self, rank: tuple[float, float], number: int, eta: float) -> None:
        """Record the result of a trial of this rung."""
        place = (-rank[0], -rank[1], number)
        heappush(self.waiting, place)
        heappush(self.rest, _negated(heappushpop(self.best, _negated(place))))
        self.results += 1
        if len(self.best) < int(self.results / eta + 1e-9):
            heappush(self.best, _negated(heappop(self.rest)))

    def drop_promoted(self, history: History, above: Rung) -> None:
        """Drop the best trials whose architectures were asked for at the rung above."""
        while self.waiting:
            if history.trial(self.waiting[0][2]).architecture not in above.asked:
                break
            heappop(self.waiting)

    def promotable(self) -> int | None:
        """Return the number of the best trial that waits, if it is among the best 1/eta."""
        inside = self.waiting and self.best and self.waiting[0] <= _negated(self.best[0])
        return self.waiting[0][2] if inside else None


def _negated(place: Place) -> Place:
    return -place[0], -place[1], -place[2]


@dataclass
class Ladder:
    """The rungs, and the states of the inner strategy."""

    rungs: list[Rung]
    inner: dict[Fidelity, Any] = field(default_factory=dict)


@final
class ASHA(Strategy):
    """Asynchronous successive halving around any strategy.

    Args:
        strategy: proposes new architectures, and sees the lowest rung alone; random search if
            not given.
        least: epochs of the lowest rung, as a fraction of the full ones.
        eta: the best one in eta of a rung is promoted.
        schedule: ``complete`` trains a promotion from scratch, ``prefix`` resumes its checkpoint.
        epochs: epochs of a full training, where they are known: rungs are whole numbers of epochs,
            and equal ones are one. :func:`nasturtium.search` fills it in.

    Example:
        >>> import nasturtium as nas
        >>> study = nas.Study(nas.zoo.nasbench201, nas.ASHA(least=1 / 3, eta=3), store=None)
        >>> for _ in range(4):
        ...     trial = study.ask()
        ...     study.tell(trial, {"accuracy": len(set(trial.architecture.values()))})
        >>> study.history[3].fidelity.full  # the best of three is trained in full
        True
    """

    def __init__(
        self,
        strategy: Strategy | None = None,
        least: float = 1 / 27,
        eta: float = 3,
        schedule: Schedule = "complete",
        epochs: int | None = None,
    ) -> None:
        self.strategy = RandomSearch() if strategy is None else strategy
        self.least = least
        self.eta = eta
        self.schedule = schedule
        self.epochs = epochs
        self.rungs = rungs_of(least, eta, schedule, epochs)
        self._inner = InnerStrategy(self.strategy)

    def prepare(self, preparation: Preparation) -> None:
        self.strategy.prepare(preparation)

    def start(self) -> Ladder:
        return Ladder([Rung() for _ in self.rungs])

    def update(self, state: Ladder, history: History, trial: Trial) -> Ladder:
        fidelity = trial.proposal.fidelity
        if fidelity not in self.rungs:
            return state
        level = self.rungs.index(fidelity)
        rung = state.rungs[level]
        rung.asked.add(trial.architecture)
        if trial.state == "finished":
            rung.add(history.rank(trial), trial.number, self.eta)
            if level + 1 < len(state.rungs):
                rung.drop_promoted(history, state.rungs[level + 1])
        if level == 0:
            self._inner.update(state.inner, history, trial)
        else:
            state.rungs[level - 1].drop_promoted(history, rung)
        return state

    def propose(self, state: Ladder, history: History, rng: Random) -> Proposal | None:
        for level in range(len(self.rungs) - 2, -1, -1):
            number = state.rungs[level].promotable()
            if number is not None:
                return promotion(history.trial(number), self.rungs[level + 1])
        return self._inner.propose(state.inner, history, self.rungs[0], rng)

    def stops(self, state: Ladder, history: History, trial: Trial) -> bool:
        lowest = trial.proposal.fidelity == self.rungs[0]
        return lowest and self._inner.stops(state.inner, history, trial)
