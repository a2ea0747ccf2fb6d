"""A study: one search, recorded in a log that can be interrupted and resumed at any event."""

from __future__ import annotations

import gc
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, final

from nasturtium import renamed
from nasturtium.architecture import Architecture
from nasturtium.display.notebook import render_lines
from nasturtium.display.printable import to_one_line
from nasturtium.errors import StoreError, StrategyError
from nasturtium.study.confirmation import ANSWER_ARMS, answer, explain_no_answer, next_candidate
from nasturtium.study.event import Event
from nasturtium.study.event_order import damaged_log, order_problem
from nasturtium.study.fidelity import FULL
from nasturtium.study.files import Files
from nasturtium.study.history import History
from nasturtium.study.objective import Objective, parse_constraint, parse_objective
from nasturtium.study.proposer import Proposer, Trains
from nasturtium.study.screening import Screen, reject
from nasturtium.study.stores.base import Store
from nasturtium.study.stores.open_store import open_store
from nasturtium.study.strategy import Strategy
from nasturtium.study.trial import Arm, Outcome, Proposal, Trial
from nasturtium.study.trial_counts import TrialCounts
from nasturtium.study.validate import (
    unwrap_scalars,
    validate_curve,
    validate_metrics,
)

if TYPE_CHECKING:
    from nasturtium.space.base import Space
    from nasturtium.task.task import Task

__all__ = ["Study"]

COUNTS = ("searched", "uniform", "refused")
REJECTIONS = 20_000  # proposals in a row that may be rejected by their free metrics


@final
class Study:
    """Asks a strategy for trials, records their results, and is restored from its log.

    Args:
        space: the search space.
        strategy: proposes architectures; nothing is kept on the instance.
        objectives: metrics to maximise or minimise, e.g. ``("accuracy", "min:latency")``.
        constraints: limits on metrics, e.g. ``("params<50k",)``.
        store: a store, a path such as ``study.db``, or ``None`` for memory.
        name: the study's name within the store.
        seed: all randomness is keyed by it.
        screen: returns the free metrics of an architecture, so that constraints on them reject a
            proposal before it is estimated.
        trains: returns the fidelity that a proposal is really trained at, in whole epochs, examples
            and pixels, and its epochs; both are recorded with the trial.

    Example:
        >>> import nasturtium as nas
        >>> study = nas.Study(nas.zoo.nasbench201, nas.RandomSearch(), store=None)
        >>> trial = study.ask()
        >>> study.tell(trial, {"accuracy": 0.9})
        >>> study.best.number
        0
    """

    if not TYPE_CHECKING:
        __getattr__ = renamed.missing_attribute

    @renamed.with_new_arguments("Study")
    def __init__(
        self,
        space: Space,
        strategy: Strategy,
        *,
        objectives: Iterable[Objective | str] = ("accuracy",),
        constraints: Iterable[Objective | str] = (),
        store: Store | str | Path | None = None,
        name: str = "study",
        seed: int = 0,
        screen: Screen | None = None,
        trains: Trains | None = None,
    ) -> None:
        if not name or len(name) > 200 or name.startswith(".") or not set("/\\").isdisjoint(name):
            raise StrategyError(
                f"a study cannot be named {name!r}; its name is part of file names, so it has 1 to "
                "200 characters, no slash, and no dot at its beginning"
            )
        self.name = name
        self.space = space
        self.strategy = strategy
        self.store = open_store(store)
        self.files = None if self.store.folder is None else Files(self.store.folder)
        self.seed = seed
        self.task: Task | None = None
        self.manifest: Mapping[str, Any] = {}
        self.prepared: dict[str, str] = {}
        self.notes: list[Mapping[str, Any]] = []
        goals = tuple(map(parse_objective, objectives))
        if not goals:
            raise StrategyError(
                "a study needs at least one objective, e.g. objectives=('accuracy',)"
            )
        self.history = History(space, goals, tuple(map(parse_constraint, constraints)))
        self.searched = self.history.where(arm="search")
        self._screen = screen
        self._proposer = Proposer(space, strategy, seed, trains)
        self._counts = TrialCounts(self.history)
        self._state = strategy.start()
        self._stale = False  # whether the state has seen trials that were removed again
        learns = type(strategy).update is not Strategy.update
        self._update = strategy.update if learns else None
        with without_garbage_collection():
            self._restore()
        self._waiting = deque(self.history.pending)

    def _restore(self) -> None:
        """Restore the study from its log.

        Raises:
            StoreError: an event does not follow those before it; names it.
        """
        history, asked = self.history, self.history._trials
        for place, event in enumerate(self.store.read(self.name), 1):
            problem = order_problem(event, history._pending, len(asked), history)
            if problem is not None:
                raise StoreError(damaged_log(self.name, place, problem))
            self._apply(event)

    # -- asking ---------------------------------------------------------------------------------

    def ask(self, arm: Arm = "search") -> Trial | None:
        """Return the next trial to estimate, or ``None`` while the strategy waits for pending ones.

        Trials that an interrupted run left pending come first. Proposals that violate a constraint
        on a free metric are recorded as rejected and never returned.

        Args:
            arm: ``search`` asks the strategy; ``control`` draws uniformly from the space.

        Raises:
            StrategyError: the free metrics of thousands of proposals in a row violate constraints.
        """
        self._refresh_state()
        while self._waiting:
            trial = self._waiting.popleft()
            if trial.number in self.history._pending:
                return trial
        events: list[Event] = []
        first = len(self.history._trials)
        try:
            asked = self._propose(arm, events)
            if events:
                self.store.append(self.name, events)
        except BaseException:
            self.history._remove_from(first)  # trials exist only if they are logged
            self._stale |= any(event.kind == "rejected" for event in events)
            raise
        if asked is not None:
            self._counts.add(asked)
            self._update_state(asked)
        elif len(events) >= REJECTIONS:
            raise StrategyError(
                f"{REJECTIONS:,} proposals in a row violate the constraints "
                f"{', '.join(map(str, self.history.constraints))} (the last: "
                f"{self.history[-1].error}); loosen a constraint or restrict the space"
            )
        return asked

    def _propose(self, arm: Arm, events: list[Event]) -> Trial | None:
        """Return the next trial that satisfies the free constraints; add the events that led to it.

        Args:
            arm: ``search`` or ``control``.
            events: the rejected trials and the trial itself are added here.
        """
        history, screen = self.history, self._screen
        while len(events) < REJECTIONS:
            number = len(history._trials)
            trial = self._proposer.next_trial(arm, number, self._state, self.searched)
            if trial is None:
                return None
            rejected = None if screen is None else reject(trial, screen, history.constraints)
            if rejected is None:
                events.append(Event("asked", trial))
                history._insert(trial)
                return trial
            events.append(Event("rejected", rejected))
            history._insert(rejected)
            self._update_state(rejected)
        return None

    def confirm(self, count: int) -> Trial | None:
        """Ask for one more estimate of one of the best candidates, with another seed.

        Args:
            count: how many candidates are confirmed, each once.

        Returns:
            a trial of arm ``confirm``; ``None`` where all candidates are confirmed, fewer than two
            satisfy the constraints, or the first confirmations only repeated the first estimates.
        """
        candidate = next_candidate(self.history, count)
        if candidate is None:
            return None
        return self._ask_for(
            Proposal(candidate.architecture, candidate.proposal.fidelity), "confirm"
        )

    def add(self, architecture: Architecture, arm: Arm) -> Trial:
        """Ask for a given architecture outside the search, e.g. as a reference."""
        return self._ask_for(Proposal(architecture, FULL), arm)

    def _ask_for(self, proposal: Proposal, arm: Arm) -> Trial:
        trial = self._proposer.plan(Trial(len(self.history), arm, proposal))
        self.store.append(self.name, [Event("asked", trial)])
        self._apply_asked(trial)
        return trial

    # -- recording ------------------------------------------------------------------------------

    def tell(
        self,
        trial: Trial,
        metrics: Mapping[str, float],
        *,
        curve: Sequence[Mapping[str, float]] = (),
        files: Mapping[str, str] | None = None,
        seconds: float = 0.0,
        cpu_seconds: float = 0.0,
        epochs: float | None = None,
        stopped: bool = False,
    ) -> None:
        """Record a trial's metrics.

        A trial whose objectives are missing or not finite, or that lacks a constrained metric, is
        recorded as failed, with the reason. NumPy and torch scalars count as numbers; a constrained
        metric that is not given is taken from the study's screen. A trial that was ``stopped``
        before its planned end may lack any of them: its metrics are not a result.

        Raises:
            StrategyError: the trial is not pending.
        """
        history = self.history
        free = partial(self._free_metrics, trial)
        goals, limits = ((), ()) if stopped else (history.objectives, history.constraints)
        metrics, error = validate_metrics(metrics, goals, limits, free)
        curve, curve_error = validate_curve(curve)
        error = error or curve_error
        if error is not None:
            metrics, stopped = {}, False
        times = (seconds, cpu_seconds)
        self._record(
            Outcome(trial.number, metrics, curve, files or {}, error, *times, epochs, stopped)
        )

    def _free_metrics(self, trial: Trial) -> Mapping[str, float]:
        return {} if self._screen is None else self._screen(trial.proposal.architecture)

    def fail(
        self,
        trial: Trial,
        reason: str,
        *,
        metrics: Mapping[str, float] | None = None,
        curve: Sequence[Mapping[str, float]] = (),
        seconds: float = 0.0,
        cpu_seconds: float = 0.0,
        epochs: float | None = None,
    ) -> None:
        """Record that a trial failed, and why; the search continues.

        With metrics the trial counts as rejected: they violate a constraint, and the rest was not
        estimated.
        """
        numbers, times = unwrap_scalars(metrics or {}), (seconds, cpu_seconds)
        points = validate_curve(curve)[0]
        line = to_one_line(reason)
        self._record(Outcome(trial.number, numbers, points, {}, line, *times, epochs))

    def _record(self, outcome: Outcome) -> None:
        self._refresh_state()
        number = outcome.number
        if number not in self.history._pending:
            raise StrategyError(
                f"trial {number} of study {self.name!r} is not pending; report the result of a "
                "trial once, after ask() returned it"
            )
        event = Event("told" if outcome.error is None else "failed", outcome)
        self.store.append(self.name, (event,))
        self._apply_outcome(outcome)

    def log(self, kind: str, data: Mapping[str, Any]) -> None:
        """Append an event that is not of a trial: the manifest, what was prepared, a note."""
        event = Event(kind, data)
        self.store.append(self.name, [event])
        self._apply(event)

    # -- applying events ------------------------------------------------------------------------

    def _apply(self, event: Event) -> None:
        data = event.data
        if isinstance(data, Trial):
            self._apply_asked(data)
        elif isinstance(data, Outcome):
            self._apply_outcome(data)
        elif event.kind == "manifest":
            self.manifest = data
        elif event.kind == "prepared":
            self.prepared[data["part"]] = data["digest"]
        elif event.kind == "note":
            self.notes.append(data)

    def _apply_asked(self, trial: Trial) -> None:
        self.history._insert(trial)
        if trial.state == "pending":
            self._counts.add(trial)
        self._update_state(trial)

    def _apply_outcome(self, outcome: Outcome) -> None:
        trial = self.history._complete(outcome)
        self._counts.complete(trial)
        self._update_state(trial)

    def _update_state(self, trial: Trial) -> None:
        """Pass an event of the search to the strategy."""
        if self._update is not None and trial.arm == "search":
            self._state = self._update(self._state, self.searched, trial)

    def _refresh_state(self) -> None:
        """Compute the state from the log again if it has seen trials that were removed."""
        if self._stale and self._update is not None:
            objectives, constraints = self.history.objectives, self.history.constraints
            limits = [one for one in constraints if one not in objectives]
            self._state = Study(
                self.space, self.strategy, objectives=objectives, constraints=limits,
                store=self.store, name=self.name, seed=self.seed,
            )._state  # fmt: skip
        self._stale = False

    # -- results --------------------------------------------------------------------------------

    def count(self, what: str) -> int:
        """Return a number of trials: ``searched``, ``uniform``, or ``refused``.

        ``searched`` counts the search's trials that were handed out and not rejected; ``uniform``
        counts the uniform draws at full fidelity that can serve as a control, those of the search
        only while none of them was stopped; ``refused`` counts trials that were rejected by metrics
        of their estimate.
        """
        if what not in COUNTS:
            raise KeyError(what)
        number: int = getattr(self._counts, what)
        return number

    @property
    def cost(self) -> float:
        """The work of the search's trials, in trials at full fidelity: done, or planned.

        A trial that was stopped counts by the epochs that it was trained.
        """
        return self._counts.cost

    @property
    def interrupted(self) -> int:
        """Trials of an interrupted run that :meth:`ask` will return first."""
        return len(self._waiting)

    @property
    def state(self) -> Any:
        """The strategy's state after the events so far."""
        self._refresh_state()
        return self._state

    @property
    def best(self) -> Trial:
        """The best finished trial of search and control.

        Where candidates were confirmed, the one with the best mean of its estimates
        (:mod:`nasturtium.study.confirmation`); else the one with the best estimate.

        Raises:
            StrategyError: no trial has finished.
        """
        trial = answer(self.history)
        if trial is None:
            raise StrategyError(explain_no_answer(self.name, self.history))
        return trial

    @property
    def front(self) -> tuple[Trial, ...]:
        """The Pareto front of the finished trials of search and control."""
        return self.history.where(arm=ANSWER_ARMS).front()

    def _repr_html_(self) -> str:
        """Return what a notebook shows: the state, and the best trial."""
        best = answer(self.history)
        return render_lines(repr(self)[1:-1]) + ("" if best is None else best._repr_html_())

    def __repr__(self) -> str:
        history = self.history
        stopped = len(history.ended) - len(history.finished)
        early = f", {stopped} stopped early" if stopped else ""
        done = f"{len(history.finished)} of {len(history)} trials finished"
        return f"<study {self.name}: {done}{early}>"


@contextmanager
def without_garbage_collection() -> Iterator[None]:
    """Disable Python's cyclic garbage collector, whose passes slow down as records accumulate."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()
