"""What a strategy is: a reducer over the log."""

from __future__ import annotations

from abc import ABC, abstractmethod
from random import Random
from typing import TYPE_CHECKING, Any

from nasturtium.study.history import History
from nasturtium.study.trial import Proposal, Trial

if TYPE_CHECKING:
    from nasturtium.study.preparation import Preparation

__all__ = ["Strategy"]


class Strategy(ABC):
    """Proposes what to try next, from the history and a state folded from it.

    Nothing is kept on the instance: one instance may serve two studies, and resuming a study is
    folding its log again. A plain strategy is :meth:`propose` alone.

    Example:
        >>> import nasturtium as nas
        >>> class Greedy(nas.Strategy):
        ...     def propose(self, state, history, rng):
        ...         if not history.finished:
        ...             return nas.Proposal(history.space.sample(rng), uniform=True)
        ...         best = history.best()[0]
        ...         child = history.space.mutate(best.architecture, rng)
        ...         return nas.Proposal(child, parent=best.number)
    """

    def prepare(self, preparation: Preparation) -> None:  # noqa: B027 - optional hook
        """Do lengthy work once, before the first proposal; files go through ``work``."""

    def start(self) -> Any:
        """The state before any trial."""
        return None

    def fold(self, state: Any, trial: Trial) -> Any:
        """The state after one more trial was told, in that order.

        The trial is finished, failed, or stopped early (``trial.state``); the metrics of a stopped
        one are no result, and only its curve may be learned from.
        """
        return state

    @abstractmethod
    def propose(self, state: Any, history: History, rng: Random) -> Proposal | None:
        """What to try next; ``None`` to wait for pending trials.

        Args:
            state: what :meth:`fold` made of the trials so far.
            history: the search arm's trials.
            rng: a generator keyed by the study's seed and the trial's number; use no other.
        """

    def stops(self, state: Any, history: History, trial: Trial) -> bool:
        """Whether to stop a running trial early, given what it reported in ``trial.curve``.

        With several workers others finish meanwhile, in another order in each run. So that a study
        can be repeated, the answer depends on the trial and on ``history.before(trial)``, the
        trials that had ended when it was asked for, and not on later ones.

        A trial that is stopped is in ``history.stopped``, and never in ``history.finished``.
        """
        return False
