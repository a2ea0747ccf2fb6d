"""Successive halving: many short trainings, then fewer and longer ones.

Jamieson & Talwalkar (2016), "Non-stochastic best arm identification and hyperparameter
optimization".

Implemented: a wrapper of any strategy, which proposes the first rung of each bracket and sees the
trials of that rung's fidelity alone, each once; floor(n / eta) of the n trials of a rung are
promoted. With ``prefix`` schedules a promotion resumes the trial's checkpoint, with ``complete``
ones it is trained from scratch. The trials of a rung have to end before the next begins, as in the
paper; a worker that is free meanwhile begins the next bracket. Deviations: a bracket whose trials
fail continues with the others; an architecture is not trained twice at one fidelity.
"""

from __future__ import annotations

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

__all__ = ["SuccessiveHalving"]


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

    Example:
        >>> import nasturtium as nas
        >>> strategy = nas.SuccessiveHalving(count=9, least=1 / 9, eta=3)
        >>> [(count, round(fidelity.epochs, 2)) for count, fidelity in strategy.brackets[0]]
        [(9, 0.11), (3, 0.33), (1, 1)]
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
        self.brackets = (rung_counts(count, rungs_of(least, eta, schedule, epochs), eta),)
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
