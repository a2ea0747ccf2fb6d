"""ASHA: successive halving that never waits.

Li, Jamieson, Rostamizadeh, Gonina, Ben-Tzur, Hardt, Recht & Talwalkar (2020), "A system for
massively parallel hyperparameter tuning", algorithm 2.

Implemented: whenever a worker is free, the highest rung that has a trial in its best 1/eta not yet
promoted promotes it; else a new architecture begins at the lowest rung. A wrapper of any strategy,
which proposes new architectures and sees the lowest rung alone, so that no promotion enters a
population twice. Deviations: an architecture that the inner strategy proposes twice is promoted
once; bounds rank before scores.
The tests check the promotions step by step, and against sorting all of a rung.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from heapq import heappop, heappush, heappushpop
from random import Random
from typing import TYPE_CHECKING, Any, final

from nasturtium.architecture import Architecture
from nasturtium.strategy.random import RandomSearch
from nasturtium.strategy.rungs import Inside, Schedule, promotion, rungs_of
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
    """What one rung knows, in heaps, so that a trial costs the same however many there are."""

    told: int = 0  # finished trials taken in
    place: int = 0  # trials looked at
    asked: set[Architecture] = field(default_factory=set)  # architectures
    waiting: list[Place] = field(default_factory=list)  # not yet promoted, best first
    best: list[Place] = field(default_factory=list)  # the best 1/eta, negated: worst first
    rest: list[Place] = field(default_factory=list)  # the others, best first

    def look(self, view: History, eta: float) -> None:
        """Take in what was asked and told since the last look."""
        for trial in view.finished[self.told :]:
            violation, score = view.rank(trial)
            here = (-violation, -score, trial.number)
            heappush(self.waiting, here)
            heappush(self.rest, _negated(heappushpop(self.best, _negated(here))))
            self.told += 1
            if len(self.best) < int(self.told / eta + 1e-9):
                heappush(self.best, _negated(heappop(self.rest)))
        for trial in view[self.place :]:
            self.asked.add(trial.architecture)
        self.place = len(view)

    def promotable(self, view: History, above: set[Architecture]) -> Trial | None:
        """The best trial that is among the best 1/eta and was not asked for above."""
        while self.waiting:
            trial = view.trial(self.waiting[0][2])
            if trial.architecture not in above:
                inside = self.best and self.waiting[0] <= _negated(self.best[0])
                return trial if inside else None
            heappop(self.waiting)
        return None


def _negated(place: Place) -> Place:
    return -place[0], -place[1], -place[2]


@dataclass
class Ladder:
    """The rungs, and the inner strategy's state."""

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
        schedule: ``complete`` trains a promotion anew, ``prefix`` resumes it.
        epochs: epochs of a full training, where they are known: rungs are whole numbers of epochs,
            and equal ones are one. :func:`nasturtium.search` fills it in.
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
        self._inside = Inside(self.strategy)

    def prepare(self, preparation: Preparation) -> None:
        self.strategy.prepare(preparation)

    def start(self) -> Ladder:
        return Ladder([Rung() for _ in self.rungs])

    def fold(self, state: Ladder, trial: Trial) -> Ladder:
        if trial.proposal.fidelity == self.rungs[0]:
            self._inside.fold(state.inner, trial)
        return state

    def propose(self, state: Ladder, history: History, rng: Random) -> Proposal | None:
        views = [history.where(fidelity=rung) for rung in self.rungs]
        for rung, view in zip(state.rungs, views, strict=True):
            rung.look(view, self.eta)
        for level in range(len(self.rungs) - 2, -1, -1):
            above = state.rungs[level + 1].asked
            found = state.rungs[level].promotable(views[level], above)
            if found is not None:
                return promotion(found, self.rungs[level + 1])
        return self._inside.propose(state.inner, history, self.rungs[0], rng)

    def stops(self, state: Ladder, history: History, trial: Trial) -> bool:
        lowest = trial.proposal.fidelity == self.rungs[0]
        return lowest and self._inside.stops(state.inner, history, trial)
