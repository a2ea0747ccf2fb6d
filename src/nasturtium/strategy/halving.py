"""Successive halving and Hyperband: many short trainings, fewer long ones.

Jamieson & Talwalkar (2016), "Non-stochastic best arm identification" (successive halving); Li,
Jamieson, DeSalvo, Rostamizadeh & Talwalkar (2018, JMLR), "Hyperband", algorithm 1.

Implemented: both as wrappers of any strategy, which proposes the first rung of each bracket and
sees the trials of that rung's fidelity alone, each once. Bracket s of Hyperband has
n = ceil((s_max + 1) / (s + 1) * eta^s) architectures at eta^-s of the full training and keeps
floor(n_i / eta) of a rung. With ``prefix`` schedules a promotion resumes the trial's training, with
``complete`` ones it trains anew. A rung is waited for, as in the papers; a worker that is free
meanwhile begins the next bracket. Deviations: a bracket whose trials fail goes on with those that
are left; an architecture that was trained at a rung's fidelity before is not trained there again.
The tests hold the rung counts against the papers' tables for R = 81, eta = 3.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from random import Random
from typing import TYPE_CHECKING, final

from nasturtium.errors import StrategyError
from nasturtium.strategy.brackets import Brackets, Halving, Plan
from nasturtium.strategy.random import RandomSearch
from nasturtium.strategy.rungs import Schedule, rungs_of
from nasturtium.study.fidelity import Fidelity
from nasturtium.study.history import History
from nasturtium.study.strategy import Strategy
from nasturtium.study.trial import Proposal, Trial

if TYPE_CHECKING:
    from nasturtium.study.preparation import Preparation

__all__ = ["Hyperband", "SuccessiveHalving"]


@final
class SuccessiveHalving(Strategy):
    """Brackets of one size, one after the other.

    Args:
        strategy: proposes the architectures of the first rung; random search if not given.
        count: architectures in the first rung.
        least: epochs of the first rung, as a fraction of the full ones.
        eta: one in eta is promoted.
        schedule: ``complete`` or ``prefix``.
        epochs: epochs of a full training, where they are known: rungs are whole numbers of epochs,
            and equal ones are one. :func:`nasturtium.search` fills it in.
    """

    def __init__(
        self,
        strategy: Strategy | None = None,
        count: int = 27,
        least: float = 1 / 27,
        eta: float = 3,
        schedule: Schedule = "complete",
        epochs: int | None = None,
    ) -> None:
        self.strategy = RandomSearch() if strategy is None else strategy
        self.count = count
        self.least = least
        self.eta = eta
        self.schedule = schedule
        self.epochs = epochs
        self.brackets = (_plan(count, rungs_of(least, eta, schedule, epochs), eta),)
        self._halving = Halving(self.strategy, self.brackets)

    def prepare(self, preparation: Preparation) -> None:
        self.strategy.prepare(preparation)

    def start(self) -> Brackets:
        return Brackets()

    def fold(self, state: Brackets, trial: Trial) -> Brackets:
        self._halving.inside.fold(state.inner, trial)
        return state

    def propose(self, state: Brackets, history: History, rng: Random) -> Proposal | None:
        return self._halving.propose(state, history, rng)

    def stops(self, state: Brackets, history: History, trial: Trial) -> bool:
        return self._halving.inside.stops(state.inner, history, trial)


@final
class Hyperband(Strategy):
    """Brackets from many short trainings to few full ones, over and over.

    Args:
        strategy: proposes the architectures of the first rungs; random search if not given.
        least: the shortest training, as a fraction of the full one: r_min / R.
        eta: one in eta is promoted.
        schedule: ``complete`` or ``prefix``.
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
        rungs = rungs_of(least, eta, schedule, epochs)
        top = len(rungs) - 1
        self.brackets = tuple(
            _plan(math.ceil((top + 1) / (s + 1) * eta**s - 1e-9), rungs[top - s :], eta)
            for s in range(top, -1, -1)
        )
        self._halving = Halving(self.strategy, self.brackets)

    def prepare(self, preparation: Preparation) -> None:
        self.strategy.prepare(preparation)

    def start(self) -> Brackets:
        return Brackets()

    def fold(self, state: Brackets, trial: Trial) -> Brackets:
        self._halving.inside.fold(state.inner, trial)
        return state

    def propose(self, state: Brackets, history: History, rng: Random) -> Proposal | None:
        return self._halving.propose(state, history, rng)

    def stops(self, state: Brackets, history: History, trial: Trial) -> bool:
        return self._halving.inside.stops(state.inner, history, trial)


def _plan(count: int, rungs: Sequence[Fidelity], eta: float) -> Plan:
    """How many trials each rung has, at which fidelity."""
    counts = [count]
    while len(counts) < len(rungs):
        counts.append(math.floor(counts[-1] / eta + 1e-9))
    if counts[-1] < 1:
        raise StrategyError(
            f"{count} architectures do not reach the last of {len(rungs)} rungs when one in "
            f"{eta:g} is promoted; give at least {math.ceil(eta ** (len(rungs) - 1))}"
        )
    return tuple(zip(counts, rungs, strict=True))
