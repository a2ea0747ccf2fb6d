"""ASHA: successive halving that never waits.

Li, Jamieson, Rostamizadeh, Gonina, Ben-Tzur, Hardt, Recht & Talwalkar (2020), "A system for
massively parallel hyperparameter tuning", algorithm 2.

Implemented: whenever a worker is free, the highest rung that has a trial in its best 1/eta not yet
promoted promotes it; else a new architecture begins at the lowest rung. A wrapper of any strategy,
which proposes new architectures and sees the lowest rung alone, so that no promotion enters a
population twice. Deviations: an architecture that the inner strategy proposes twice is promoted
once; bounds rank before scores.
The tests check the promotions step by step.
"""

from __future__ import annotations

from bisect import insort
from dataclasses import dataclass, field
from random import Random
from typing import TYPE_CHECKING, Any, final

from nasturtium.strategy.halving import Schedule, promotion, rungs_of
from nasturtium.strategy.random import RandomSearch
from nasturtium.study.history import History
from nasturtium.study.strategy import Strategy
from nasturtium.study.trial import Proposal, Trial

if TYPE_CHECKING:
    from nasturtium.study.work import Work

__all__ = ["ASHA"]


@dataclass
class Ladder:
    """What each rung knows."""

    inner: Any
    told: list[int] = field(default_factory=list)  # finished trials taken in, by rung
    ranked: list[list[tuple[float, float, int]]] = field(default_factory=list)  # best first
    asked: list[int] = field(default_factory=list)  # trials looked at, by rung
    reached: list[set[str]] = field(default_factory=list)  # architectures asked for, by rung


@final
class ASHA(Strategy):
    """Asynchronous successive halving around any strategy.

    Args:
        strategy: proposes new architectures, and sees the lowest rung alone; random search if
            not given.
        least: epochs of the lowest rung, as a fraction of the full ones.
        eta: the best one in eta of a rung is promoted.
        schedule: ``complete`` trains a promotion anew, ``prefix`` resumes it.
    """

    def __init__(
        self,
        strategy: Strategy | None = None,
        least: float = 1 / 27,
        eta: float = 3,
        schedule: Schedule = "complete",
    ) -> None:
        self.strategy = RandomSearch() if strategy is None else strategy
        self.least = least
        self.eta = eta
        self.schedule = schedule
        self.rungs = rungs_of(least, eta, schedule)

    def prepare(self, work: Work) -> None:
        self.strategy.prepare(work)

    def start(self) -> Ladder:
        count = len(self.rungs)
        return Ladder(
            self.strategy.start(),
            [0] * count,
            [[] for _ in range(count)],
            [0] * count,
            [set() for _ in range(count)],
        )

    def fold(self, state: Ladder, trial: Trial) -> Ladder:
        if trial.fidelity == self.rungs[0]:
            state.inner = self.strategy.fold(state.inner, trial)
        return state

    def propose(self, state: Ladder, history: History, rng: Random) -> Proposal | None:
        views = [history.where(fidelity=rung) for rung in self.rungs]
        for rung, view in enumerate(views):
            self._look(state, rung, view)
        for rung in range(len(self.rungs) - 2, -1, -1):
            found = self._promotable(state, rung, views[rung])
            if found is not None:
                return promotion(found, self.rungs[rung + 1])
        proposal = self.strategy.propose(state.inner, views[0], rng)
        return None if proposal is None else proposal._replace(fidelity=self.rungs[0])

    def stops(self, state: Ladder, history: History, trial: Trial) -> bool:
        if trial.fidelity != self.rungs[0]:
            return False
        return self.strategy.stops(state.inner, history.where(fidelity=self.rungs[0]), trial)

    def _look(self, state: Ladder, rung: int, view: History) -> None:
        for trial in view.finished[state.told[rung] :]:
            violation, score = view.rank(trial)
            insort(state.ranked[rung], (-violation, -score, trial.number))
        state.told[rung] = len(view.finished)
        for trial in view[state.asked[rung] :]:
            state.reached[rung].add(trial.architecture.key)
        state.asked[rung] = len(view)

    def _promotable(self, state: Ladder, rung: int, view: History) -> Trial | None:
        ranked, above = state.ranked[rung], state.reached[rung + 1]
        for _, _, number in ranked[: int(len(ranked) / self.eta + 1e-9)]:
            trial = view.trial(number)
            if trial.architecture.key not in above:
                return trial
        return None
