"""The interface of a search strategy: a reducer over the events of a study."""

from __future__ import annotations

from abc import ABC, abstractmethod
from random import Random
from typing import TYPE_CHECKING, Any

from nasturtium import renamed
from nasturtium.study.history import History
from nasturtium.study.trial import Proposal, Trial

if TYPE_CHECKING:
    from nasturtium.study.preparation import Preparation

__all__ = ["Strategy"]


class Strategy(ABC):
    """Proposes the next architecture from the history and from its own state.

    A plain strategy has one method, :meth:`propose`. A strategy that learns also has
    :meth:`start`, its state before any trial, and :meth:`update`, which is called with every event
    of the search. Nothing is kept on the instance: one instance may serve two studies, and a study
    is resumed by calling :meth:`update` with the events of its log again.

    The constructor only stores its arguments, each in an attribute of the same name. An argument
    may not have the name of a method: an argument called ``start`` hides :meth:`start`.

    Example:
        >>> import nasturtium as nas
        >>> class Greedy(nas.Strategy):
        ...     def propose(self, state, history, rng):
        ...         if not history.finished:
        ...             return nas.Proposal(history.space.sample(rng), uniform=True)
        ...         best = history.best()[0]
        ...         child = history.space.mutate(best.architecture, rng)
        ...         return nas.Proposal(child, parent=best.number)
        >>> class Annealing(nas.Strategy):
        ...     def start(self):
        ...         return None
        ...     def update(self, state, history, trial):
        ...         if trial.state != "finished":
        ...             return state
        ...         better = state is None or history.score(trial) > history.score(state)
        ...         return trial if better else state
        ...     def propose(self, state, history, rng):
        ...         if state is None:
        ...             return nas.Proposal(history.space.sample(rng), uniform=True)
        ...         child = history.space.mutate(state.architecture, rng)
        ...         return nas.Proposal(child, parent=state.number)
        >>> study = nas.Study(nas.zoo.nasbench201, Annealing(), store=None)
        >>> study.tell(study.ask(), {"accuracy": 0.9})
        >>> study.state.number
        0
    """

    def __init_subclass__(cls) -> None:
        renamed.refuse_hooks("Strategy", vars(cls), cls.__name__)

    def prepare(self, preparation: Preparation) -> None:  # noqa: B027 - optional hook
        """Do lengthy work once, before the first proposal; files go through ``preparation``."""

    def start(self) -> Any:
        """Return the state before any trial."""
        return None

    def update(self, state: Any, history: History, trial: Trial) -> Any:
        """Return the state after an event of ``trial``; may change and return the given one.

        Called once when a trial is asked for (``trial.state`` is ``pending``, or ``rejected`` where
        its free metrics break a constraint), and once when it ends: ``finished``, ``stopped``,
        ``failed``, or ``rejected`` by its estimate. Metrics of a stopped trial are not a result;
        only its curve may be learned from.

        Resuming a study calls this for every event of its log, so it should only record. A
        surrogate is fitted in :meth:`propose` and kept in a :class:`~nasturtium.study.memo.Memo` of
        the state. If randomness is needed, make a ``Random`` whose seed follows from the log, e.g.
        ``Random(f"{history[0].architecture.key} {trial.number}")``.

        Args:
            state: the state so far.
            history: the search's trials as they stood after the event; ``trial`` is among them.
            trial: the trial in its new state.
        """
        return state

    @abstractmethod
    def propose(self, state: Any, history: History, rng: Random) -> Proposal | None:
        """Return the next proposal, or ``None`` to wait for pending trials.

        Changes nothing: neither the state (a :class:`~nasturtium.study.memo.Memo` in it aside) nor
        the instance. Read from ``history.pending`` whatever depends on pending trials.

        Args:
            state: the state after the events so far.
            history: the search's trials.
            rng: a generator keyed by the study's seed and the trial's number; draw from no other.
        """

    def stops(self, state: Any, history: History, trial: Trial) -> bool:
        """Return whether to stop a running trial early, given its reports in ``trial.curve``.

        With several workers other trials finish meanwhile, in another order in each run. So that a
        study can be repeated, the answer depends on the trial and on ``history.before(trial)``, the
        trials that had ended when it was asked for, and not on later ones.

        A trial that is stopped is in ``history.stopped``, and never in ``history.finished``.
        """
        return False
