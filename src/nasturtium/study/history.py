"""The history of a study: its trials, as strategies and reports see them."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, final, get_args, overload

from nasturtium.display.notebook import render_lines, render_table
from nasturtium.errors import StrategyError
from nasturtium.study.fidelity import Fidelity
from nasturtium.study.objective import Objective
from nasturtium.study.trial import Arm, Outcome, State, Trial

if TYPE_CHECKING:
    from nasturtium.space.base import Space

__all__ = ["ESTIMATED_STATES", "History"]

SHOWN = 10  # best trials that a printed history shows
ESTIMATED_STATES: tuple[State, ...] = (
    "finished",
    "stopped",
    "failed",
)  # states of trials that were worked on


@final
class History(Sequence[Trial]):
    """The trials of a study in the order of their numbers; only the study changes it.

    ``where`` returns incremental views, which grow with the history at constant cost per trial.
    ``finished`` holds final results only: a training that was ended early is in ``stopped``.

    Attributes:
        space: the search space.
        objectives: metrics to maximise or minimise; single-objective methods use the first.
        constraints: objectives with bounds that an acceptable trial has to satisfy.

    Example:
        >>> import nasturtium as nas
        >>> study = nas.Study(nas.zoo.nasbench201, nas.RandomSearch(), store=None)
        >>> for accuracy in (0.8, 0.9, 0.7):
        ...     study.tell(study.ask(), {"accuracy": accuracy})
        >>> history: nas.History = study.history
        >>> [trial.number for trial in history.best(2)]
        [1, 0]
        >>> len(history.where(arm="control"))
        0
    """

    def __init__(
        self,
        space: Space,
        objectives: Sequence[Objective],
        constraints: Sequence[Objective] = (),
    ) -> None:
        self.space = space
        self.objectives = tuple(objectives)
        self.constraints = tuple(constraints) + tuple(o for o in objectives if o.bound is not None)
        self._trials: list[Trial] = []
        self._numbers: list[int] = []  # of the trials, ascending, to find a trial's place
        self._finished: list[Trial] = []
        self._pending: dict[int, Trial] = {}
        self._ended: list[Trial] = []  # finished or stopped, in the order of their results
        self._order: list[int] = []  # the place of each of these among all that ended
        self._ended_before: dict[int, int] = {}  # trials that had ended when one was asked for
        self._root = self
        self._conditions: dict[str, Any] = {}
        self._views: dict[tuple[tuple[str, Any], ...], History] = {}

    # -- reading --------------------------------------------------------------------------------

    @property
    def finished(self) -> Sequence[Trial]:
        """Trials with final metrics, in the order in which they were reported."""
        return self._finished

    @property
    def stopped(self) -> Sequence[Trial]:
        """Trials whose training was ended early, in the order in which they were reported."""
        if len(self._ended) == len(self._finished):
            return ()
        return [trial for trial in self._ended if trial.state == "stopped"]

    @property
    def ended(self) -> Sequence[Trial]:
        """Finished and stopped trials, in the order in which they were reported."""
        return self._ended

    @property
    def pending(self) -> tuple[Trial, ...]:
        """Trials that were asked for and not reported yet."""
        return tuple(self._pending.values())

    def where(
        self,
        *,
        arm: str | tuple[str, ...] | None = None,
        fidelity: Fidelity | None = None,
        state: str | None = None,
        uniform: bool | None = None,
    ) -> History:
        """Return the trials that satisfy all conditions, as a history that grows with this one.

        Args:
            arm: the trial's arm, or a tuple of arms.
            fidelity: the fidelity that was proposed.
            state: ``finished``, ``stopped``, ``failed`` or ``rejected``; a trial appears once it
                is in that state.
            uniform: whether the architecture was drawn uniformly.

        Raises:
            StrategyError: there is no arm or state of that name.
        """
        arms = (arm,) if isinstance(arm, str) else arm
        given = {"arm": arms, "fidelity": fidelity, "state": state, "uniform": uniform}
        key = tuple((name, value) for name, value in given.items() if value is not None)
        if not key:
            return self
        view = self._views.get(key)
        if view is None:
            for name in arms or ():
                _check_name("arm", name, get_args(Arm))
            if state is not None:
                # A view only grows, and pending trials would leave it: use ``history.pending``.
                _check_name("state", state, [name for name in get_args(State) if name != "pending"])
            view = History(self.space, self.objectives)
            view.constraints = self.constraints
            view._conditions = dict(key)
            view._trials = [trial for trial in self._trials if view._wants(trial)]
            view._numbers = [trial.number for trial in view._trials]
            view._pending = {n: t for n, t in self._pending.items() if view._wants(t)}
            view._finished = [trial for trial in self._finished if view._wants(trial)]
            view._ended = [trial for trial in self._ended if view._wants(trial)]
            both = zip(self._ended, self._order, strict=True)
            view._order = [place for trial, place in both if view._wants(trial)]
            view._root = self._root
            self._views[key] = view
        return view

    def trial(self, number: int) -> Trial:
        """Return the trial with that number.

        Raises:
            StrategyError: this history has no such trial.
        """
        place = bisect_left(self._numbers, number)
        if place == len(self._numbers) or self._numbers[place] != number:
            raise StrategyError(f"there is no trial {number} among {len(self._trials)} trials here")
        return self._trials[place]

    def before(self, trial: Trial, *, stopped: bool = False) -> Sequence[Trial]:
        """Return the trials that had finished when ``trial`` was asked for, in order of results.

        In a study whose outcomes are reported in the order of trials these are the same in every
        run, whatever the number of workers and their speed.

        Args:
            trial: the trial.
            stopped: also return the trials that had been stopped.
        """
        count = self._root._ended_before.get(trial.number, 0)
        ended = self._ended[: bisect_left(self._order, count)]
        if stopped or len(self._ended) == len(self._finished):
            return ended
        return [one for one in ended if one.state == "finished"]

    def cost(self, trial: Trial) -> float:
        """Return the work of a trial, in trials at full fidelity: planned, or done once it ended.

        A trial that resumes a checkpoint only does the work beyond it.
        """
        work = trial.fidelity.cost * trial.share
        if trial.proposal.resume is not None:
            earlier = self._root.trial(trial.proposal.resume)
            if "checkpoint" in earlier.files:
                work -= earlier.fidelity.cost * earlier.share
        return work

    def uniform_draws(self) -> list[Trial]:
        """Return uniform draws that can serve as a control: finished, at full fidelity.

        Where uniform draws of an arm were stopped early, those of it that finished are a selection,
        and left out.
        """
        stopped_arms = {trial.arm for trial in self.stopped if trial.proposal.uniform}
        return [
            trial
            for trial in self._finished
            if trial.proposal.uniform and trial.fidelity.full and trial.arm not in stopped_arms
        ]

    def score(self, trial: Trial) -> float:
        """Return the first objective, where larger is better."""
        objective = self.objectives[0]
        return objective.sign * self._metric(trial, objective)

    def vector(self, trial: Trial) -> tuple[float, ...]:
        """Return all objectives, where larger is better."""
        return tuple(o.sign * self._metric(trial, o) for o in self.objectives)

    def violation(self, trial: Trial) -> float:
        """Return the sum of relative constraint violations; 0 if all are satisfied."""
        if not self.constraints:
            return 0.0
        return sum(o.excess(self._metric(trial, o)) for o in self.constraints)

    def rank(self, trial: Trial) -> tuple[float, float]:
        """Return a sort key, larger is better: acceptable trials by score, others by violation."""
        return (-self.violation(trial) if self.constraints else 0.0, self.score(trial))

    def best(self, k: int = 1) -> tuple[Trial, ...]:
        """Return the best ``k`` finished trials at the highest fidelity, one for each architecture.

        Acceptable trials come first; of equal trials the earlier one comes first.
        """
        if not self._finished:
            return ()
        top = max(trial.fidelity.cost for trial in self._finished)
        comparable = [trial for trial in self._finished if trial.fidelity.cost == top]
        comparable.sort(key=lambda t: (*(-part for part in self.rank(t)), t.number))
        unique: dict[str, Trial] = {}
        for trial in comparable:
            unique.setdefault(trial.architecture.key, trial)
            if len(unique) == k:
                break
        return tuple(unique.values())

    def front(self) -> tuple[Trial, ...]:
        """Return the Pareto front: the acceptable finished trials that no other trial dominates.

        They are in the order of the first objective, best first; of equal vectors the earliest
        trial is on the front.
        """
        top = max((trial.fidelity.cost for trial in self._finished), default=0.0)
        acceptable = [
            trial
            for trial in sorted(self._finished, key=lambda trial: trial.number)
            if trial.fidelity.cost == top and self.violation(trial) == 0.0
        ]
        if not acceptable or len(self.objectives) == 1:
            return (max(acceptable, key=self.score),) if acceptable else ()
        import numpy as np
        from moocore import is_nondominated

        values = np.array([self.vector(trial) for trial in acceptable])
        on_front = is_nondominated(-values, keep_weakly=False)
        return tuple(
            sorted(
                (trial for trial, keep in zip(acceptable, on_front, strict=True) if keep),
                key=lambda trial: (-self.score(trial), trial.number),
            )
        )

    def _metric(self, trial: Trial, objective: Objective) -> float:
        try:
            return trial.metrics[objective.metric]
        except KeyError:
            raise StrategyError(
                f"trial {trial.number} ({trial.state}) has no metric {objective.metric!r}; it has "
                f"{sorted(trial.metrics) or 'none'}"
            ) from None

    @overload
    def __getitem__(self, index: int) -> Trial: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Trial]: ...
    def __getitem__(self, index: int | slice) -> Trial | Sequence[Trial]:
        return self._trials[index]

    def __len__(self) -> int:
        return len(self._trials)

    def __iter__(self) -> Iterator[Trial]:
        return iter(self._trials)

    def __repr__(self) -> str:
        return f"<history of {len(self)} trials, {len(self._finished)} finished>"

    def __str__(self) -> str:
        """Return the number of trials, and the best of them."""
        best = [trial.summary for trial in self.best(SHOWN)]
        return "\n".join([repr(self)[1:-1], *(f"  {line}" for line in best)])

    def _repr_html_(self) -> str:
        """Return what a notebook shows: the best trials with their metrics."""
        best = self.best(SHOWN)
        compared = [objective.metric for objective in (*self.objectives, *self.constraints)]
        names = dict.fromkeys([*compared, *(name for trial in best for name in trial.metrics)])
        rows = [
            [trial.number, trial.arm, *(trial.metrics.get(name, "") for name in names)]
            for trial in best
        ]
        html = render_table(["trial", "arm", *names], rows) if rows else ""
        return render_lines(repr(self)[1:-1]) + html

    # -- changes, made by the study -------------------------------------------------------------

    def _insert(self, trial: Trial) -> None:
        """Insert a trial that is new or in a new state, here and in the views."""
        number, numbers = trial.number, self._numbers
        # Most trials are new and come last, or end soon after they were asked for.
        place = bisect_left(numbers, number) if numbers and number <= numbers[-1] else len(numbers)
        if place < len(numbers) and numbers[place] == number:
            self._trials[place] = trial
        else:
            numbers.insert(place, number)
            self._trials.insert(place, trial)
            self._ended_before[number] = len(self._root._ended)
        if trial.state == "pending":
            self._pending[number] = trial
        else:
            self._pending.pop(number, None)
            if trial.state == "finished" or trial.state == "stopped":
                if trial.state == "finished":
                    self._finished.append(trial)
                self._ended.append(trial)
                self._order.append(len(self._root._ended) - 1)
        for view in self._views.values():
            if view._wants(trial):
                view._insert(trial)

    def _complete(self, outcome: Outcome) -> Trial:
        """Complete a pending trial with its outcome, and return it."""
        trial = self._pending[outcome.number].completed(outcome)
        self._insert(trial)
        return trial

    def _remove_from(self, number: int) -> None:
        """Remove the trials from a number on, which were asked for but could not be logged."""
        place = bisect_left(self._numbers, number)
        for trial in self._trials[place:]:
            self._pending.pop(trial.number, None)
            self._ended_before.pop(trial.number, None)
        del self._trials[place:], self._numbers[place:]
        for view in self._views.values():
            view._remove_from(number)

    def _wants(self, trial: Trial) -> bool:
        for name, value in self._conditions.items():
            if name == "arm":
                if trial.arm not in value:
                    return False
            elif name == "fidelity":
                if trial.proposal.fidelity != value:
                    return False
            elif name == "state":
                if trial.state != value:
                    return False
            elif trial.proposal.uniform != value:
                return False
        return True


def _check_name(what: str, given: str, known: Sequence[str]) -> None:
    if given not in known:
        near = get_close_matches(given, known, n=1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise StrategyError(
            f"history.where got {what}={given!r}; expected one of {', '.join(known)}{hint}"
            + ("; pending trials are in history.pending" if given == "pending" else "")
        )
