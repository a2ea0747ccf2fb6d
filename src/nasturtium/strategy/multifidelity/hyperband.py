"""Hyperband: brackets of successive halving, from many short trainings to few full ones.

Li, Jamieson, DeSalvo, Rostamizadeh & Talwalkar (2018, JMLR), "Hyperband: a novel bandit-based
approach to hyperparameter optimization", algorithm 1.

Implemented: a wrapper of any strategy, as successive halving (:mod:`.successive_halving`). Bracket
s has n = ceil((s_max + 1) / (s + 1) * eta^s) architectures at eta^-s of the full training. The
tests compare the rung counts with the paper's table for R = 81, eta = 3.
"""

from __future__ import annotations

import math
from random import Random
from typing import TYPE_CHECKING, final

from nasturtium.strategy.multifidelity.brackets import Brackets, Halving, rung_counts
from nasturtium.strategy.multifidelity.rungs import Schedule, rungs_of
from nasturtium.strategy.random_search import RandomSearch
from nasturtium.study.history import History
from nasturtium.study.strategy import Strategy
from nasturtium.study.trial import Proposal, Trial

if TYPE_CHECKING:
    from nasturtium.study.preparation import Preparation

__all__ = ["Hyperband"]


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

    Example:
        >>> import nasturtium as nas
        >>> for bracket in nas.Hyperband(least=1 / 9, eta=3).brackets:
        ...     print([(count, round(fidelity.epochs, 2)) for count, fidelity in bracket])
        [(9, 0.11), (3, 0.33), (1, 1)]
        [(5, 0.33), (1, 1)]
        [(3, 1)]
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
            rung_counts(math.ceil((top + 1) / (s + 1) * eta**s - 1e-9), rungs[top - s :], eta)
            for s in range(top, -1, -1)
        )
        self._halving = Halving(self.strategy, self.brackets)

    def prepare(self, preparation: Preparation) -> None:
        self.strategy.prepare(preparation)

    def start(self) -> Brackets:
        return Brackets()

    def update(self, state: Brackets, history: History, trial: Trial) -> Brackets:
        return self._halving.update(state, history, trial)

    def propose(self, state: Brackets, history: History, rng: Random) -> Proposal | None:
        return self._halving.propose(state, history, rng)

    def stops(self, state: Brackets, history: History, trial: Trial) -> bool:
        return self._halving.inner.stops(state.inner, history, trial)
