"""A study: one search, as a log that can be killed at any moment and gone on with."""

from __future__ import annotations

import gc
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any, final

from nasturtium.architecture import Architecture
from nasturtium.display.notebook import render_lines
from nasturtium.errors import StoreError, StrategyError
from nasturtium.study.confirmation import ANSWER_ARMS, answer, next_candidate
from nasturtium.study.event import Event
from nasturtium.study.event_order import damaged_log, order_problem
from nasturtium.study.fidelity import FULL, Fidelity
from nasturtium.study.files import Files
from nasturtium.study.history import History
from nasturtium.study.objective import Objective, parse_constraint, parse_objective
from nasturtium.study.stores.base import Store
from nasturtium.study.stores.open_store import open_store
from nasturtium.study.strategy import Strategy
from nasturtium.study.trial import Arm, Outcome, Proposal, Trial
from nasturtium.study.validate import (
    printable_line,
    unwrap_scalars,
    validate_curve,
    validate_metrics,
)

if TYPE_CHECKING:
    from nasturtium.space.base import Space
    from nasturtium.task.task import Task

__all__ = ["Study"]

PROPOSE, CONTROL = 1, 2  # purposes of random generators
COUNTS = ("searched", "uniform", "refused")
REJECTIONS = 20_000  # proposals in a row that free counts may reject

Screen = Callable[[Architecture], Mapping[str, float]]
Trains = Callable[[Proposal], tuple[Fidelity, float | None]]


@final
class Study:
    """Asks a strategy, records what comes of it, and can always be folded from its log again.

    Args:
        space: what is searched.
        strategy: who proposes; nothing is kept on the instance.
        objectives: metrics to make large or small, e.g. ``("accuracy", "min:latency")``.
        constraints: bounds to keep, e.g. ``("params<50k",)``.
        store: a store, a path such as ``study.db``, or ``None`` for memory.
        name: the study's name within the store.
        seed: all randomness is keyed by it.
        screen: gives the metrics that cost nothing, so that bounds on them reject a proposal
            before it becomes work.
        trains: gives the fidelity that a proposal is really trained at, in whole epochs, examples
            and pixels, and its epochs; both are logged with the trial.

    Example:
        >>> import nasturtium as nas
        >>> study = nas.Study(nas.zoo.nasbench201, nas.RandomSearch(), store=None)
        >>> trial = study.ask()
        >>> study.tell(trial, {"accuracy": 0.9})
        >>> study.best.number
        0
    """

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
        self._trains = trains
        self._counts = dict.fromkeys(COUNTS, 0)
        self._cost = 0.0
        self._drawn: int | None = 0  # uniform draws of the search; none once one was stopped
        self._state = strategy.start()
        self._rng = Random()
        self._fold = strategy.fold if type(strategy).fold is not Strategy.fold else None
        with without_collections():
            self._read()
        self._waiting = deque(self.history.pending)

    def _read(self) -> None:
        """Fold the log.

        Raises:
            StoreError: an event does not follow those before it; names it.
        """
        history, asked = self.history, self.history._trials
        for place, event in enumerate(self.store.read(self.name), 1):
            problem = order_problem(event, history._pending, len(asked), history)
            if problem is not None:
                raise StoreError(damaged_log(self.name, place, problem))
            self._apply(event)

    # -- ask and tell ---------------------------------------------------------------------------

    def ask(self, arm: Arm = "search") -> Trial | None:
        """The next trial to work on, or ``None`` while the strategy waits for pending ones.

        Work that an interrupted run left pending is handed out first. Proposals that break a
        bound on a free metric are logged as rejected and never handed out.

        Args:
            arm: ``search`` asks the strategy; ``control`` draws uniformly from the space.

        Raises:
            StrategyError: free counts rejected thousands of proposals in a row.
        """
        while self._waiting:
            trial = self._waiting.popleft()
            if trial.number in self.history._pending:
                return trial
        events: list[Event] = []
        first = len(self.history._trials)
        try:
            asked = self._screened(arm, events)
            if events:
                self.store.append(self.name, events)
        except BaseException:
            self.history._remove_from(first)  # what is not in the log has not happened
            raise
        if asked is not None:
            self._count(asked)
        elif len(events) >= REJECTIONS:
            raise StrategyError(
                f"{REJECTIONS:,} proposals in a row break the bounds "
                f"{', '.join(map(str, self.history.constraints))} (the last: "
                f"{self.history[-1].error}); loosen a bound or restrict the space"
            )
        return asked

    def _screened(self, arm: Arm, events: list[Event]) -> Trial | None:
        """The next trial that free counts let pass, those that they reject noted before it."""
        while len(events) < REJECTIONS:
            trial = self._proposed(arm)
            if trial is None:
                return None
            rejected = None if self._screen is None else self._rejection(trial)
            if rejected is None:
                events.append(Event("asked", trial))
                self.history._insert(trial)
                return trial
            events.append(Event("rejected", rejected))
            self.history._insert(rejected)
        return None

    def _proposed(self, arm: Arm) -> Trial | None:
        number = len(self.history._trials)
        rng = self._rng
        if arm == "search":
            rng.seed(_key(self.seed, number, PROPOSE))
            proposal = self.strategy.propose(self._state, self.searched, rng)
            if proposal is None:
                return None
            if not isinstance(proposal, Proposal):
                raise StrategyError(
                    f"{type(self.strategy).__name__}.propose gave {proposal!r}; expected a "
                    "Proposal, e.g. nas.Proposal(architecture), or None to wait"
                )
            return self._planned(Trial(number, "search", proposal))
        if arm != "control":
            raise StrategyError(
                f"ask() got arm={arm!r}; expected 'search' or 'control' (a given architecture of "
                "another arm goes through add())"
            )
        rng.seed(_key(self.seed, number, CONTROL))
        return self._planned(Trial(number, arm, Proposal(self.space.sample(rng), uniform=True)))

    def _planned(self, trial: Trial) -> Trial:
        """The trial with the fidelity that is really trained, and its epochs."""
        if self._trains is None:
            return trial
        fidelity, epochs = self._trains(trial.proposal)
        trained = None if fidelity == trial.proposal.fidelity else fidelity
        return trial._replace(planned=epochs, trained=trained)

    def _rejection(self, trial: Trial) -> Trial | None:
        assert self._screen is not None
        metrics = self._screen(trial.proposal.architecture)
        for bound in self.history.constraints:
            value = metrics.get(bound.metric)
            if value is not None and bound.excess(value) > 0.0:
                reason = f"{bound.metric} = {value:g}, bound {bound}"
                return trial._replace(state="rejected", metrics=metrics, error=reason)
        return None

    def confirm(self, count: int) -> Trial | None:
        """Ask for one more estimate of one of the best candidates (with another seed).

        Args:
            count: how many candidates are confirmed, each once.

        Returns:
            a trial of arm ``confirm``; ``None`` where all are confirmed, fewer than two candidates
            keep the bounds, or the first second estimates only repeated the numbers of the first.
        """
        candidate = next_candidate(self.history, count)
        if candidate is None:
            return None
        return self._added(Proposal(candidate.architecture, candidate.proposal.fidelity), "confirm")

    def add(self, architecture: Architecture, arm: Arm) -> Trial:
        """Ask for a given architecture outside the search, e.g. as a reference."""
        return self._added(Proposal(architecture, FULL), arm)

    def _added(self, proposal: Proposal, arm: Arm) -> Trial:
        trial = self._planned(Trial(len(self.history), arm, proposal))
        self.store.append(self.name, [Event("asked", trial)])
        self._asked(trial)
        return trial

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

        A trial whose objectives are missing or not finite, or that lacks a metric with a bound, is
        recorded as failed, with the reason. NumPy and torch scalars are taken as numbers; a
        bound's metric that is not given is taken from the study's screen. Of a trial that was
        ``stopped`` before its planned end nothing is required: its metrics are no result.

        Raises:
            StrategyError: the trial is not pending.
        """
        history = self.history
        free = partial(self._free, trial)
        goals, bounds = ((), ()) if stopped else (history.objectives, history.constraints)
        metrics, error = validate_metrics(metrics, goals, bounds, free)
        curve, wrong = validate_curve(curve)
        error = error or wrong
        if error is not None:
            metrics, stopped = {}, False
        times = (seconds, cpu_seconds)
        self._settle(
            Outcome(trial.number, metrics, curve, files or {}, error, *times, epochs, stopped)
        )

    def _free(self, trial: Trial) -> Mapping[str, float]:
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
        """Record that a trial failed, and why; the search goes on.

        With metrics it counts as rejected: they break a bound, and the rest was not estimated.
        """
        numbers, times = unwrap_scalars(metrics or {}), (seconds, cpu_seconds)
        points = validate_curve(curve)[0]
        self._settle(
            Outcome(trial.number, numbers, points, {}, printable_line(reason), *times, epochs)
        )

    def _settle(self, outcome: Outcome) -> None:
        number = outcome.number
        if number not in self.history._pending:
            raise StrategyError(
                f"trial {number} of study {self.name!r} is not pending; a trial is told "
                "once, and only after ask() gave it"
            )
        event = Event("told" if outcome.error is None else "failed", outcome)
        self.store.append(self.name, (event,))
        self._told(outcome)

    def _asked(self, trial: Trial) -> None:
        self.history._insert(trial)
        if trial.state == "pending":
            self._count(trial)

    def _count(self, trial: Trial) -> None:
        self._tally(trial, 1)

    def _tally(self, trial: Trial, sign: int) -> None:
        """Count a trial that was handed out, or take it back."""
        fidelity = trial.fidelity
        searched = trial.arm == "search"
        if searched:
            self._counts["searched"] += sign
            resumes = trial.proposal.resume is not None
            work = self.history.cost(trial._replace(epochs=None)) if resumes else fidelity.cost
            self._cost += sign * work
        if trial.proposal.uniform and fidelity.full:  # else it can be compared with no answer
            if searched and self._drawn is not None:
                self._drawn += sign
            if not searched or self._drawn is not None:
                self._counts["uniform"] += sign

    def _told(self, outcome: Outcome) -> None:
        trial = self.history._complete(outcome)
        if trial.state == "rejected":
            self._tally(trial, -1)
            self._counts["refused"] += 1
            return
        if trial.arm != "search":
            return
        if trial.epochs is not None:
            self._cost += (trial.share - 1.0) * trial.fidelity.cost
        if outcome.stopped and trial.proposal.uniform and self._drawn is not None:
            # Those that go on to the end are a selection from here on, and no control.
            self._counts["uniform"] -= self._drawn
            self._drawn = None
        if self._fold is not None:
            self._state = self._fold(self._state, trial)

    def count(self, what: str) -> int:
        """How many trials: ``searched``, ``uniform``, or ``refused``.

        The first two are those handed out and not rejected; uniform ones only at full fidelity,
        where they can serve as a control, and of the search only while none was stopped.
        """
        return self._counts[what]

    @property
    def cost(self) -> float:
        """The work of the search's trials, in trials at full fidelity: done, or planned.

        A trial that was stopped counts by the epochs that it had.
        """
        return self._cost

    @property
    def interrupted(self) -> int:
        """Trials of an interrupted run that :meth:`ask` will hand out first."""
        return len(self._waiting)

    @property
    def state(self) -> Any:
        """What the strategy folded from the trials so far."""
        return self._state

    # -- the log --------------------------------------------------------------------------------

    def log(self, kind: str, data: Mapping[str, Any]) -> None:
        """Append an event that is not a trial's: the manifest, what was prepared, a note."""
        event = Event(kind, data)
        self.store.append(self.name, [event])
        self._apply(event)

    def _apply(self, event: Event) -> None:
        data = event.data
        if isinstance(data, Trial):
            self._asked(data)
        elif isinstance(data, Outcome):
            self._told(data)
        elif event.kind == "manifest":
            self.manifest = data
        elif event.kind == "prepared":
            self.prepared[data["part"]] = data["digest"]
        elif event.kind == "note":
            self.notes.append(data)

    # -- what came out --------------------------------------------------------------------------

    @property
    def best(self) -> Trial:
        """The best finished trial of search and control.

        Where candidates were confirmed, the one with the best mean of its estimates
        (:mod:`nasturtium.study.confirmation`); else the one with the best estimate.

        Raises:
            StrategyError: none has finished.
        """
        found = answer(self.history)
        if found is None:
            states = Counter(trial.state for trial in self.history)
            early = f", {states['stopped']} stopped early" if states["stopped"] else ""
            if early and not states["pending"]:
                raise StrategyError(
                    f"study {self.name!r} has no finished trial: of {len(self.history)} trials "
                    f"{states['stopped']} were stopped early and none was trained to its end; "
                    "resume it with more trials, or with a strategy that stops fewer"
                )
            raise StrategyError(
                f"study {self.name!r} has no finished trial yet ({len(self.history)} asked for, "
                f"{states['failed']} failed{early}); run or resume it first"
            )
        return found

    @property
    def front(self) -> tuple[Trial, ...]:
        """The finished trials of search and control that no other beats in all objectives."""
        return self.history.where(arm=ANSWER_ARMS).front()

    def _repr_html_(self) -> str:
        """What a notebook shows: the state, and the best trial."""
        found = answer(self.history)
        return render_lines(repr(self)[1:-1]) + ("" if found is None else found._repr_html_())

    def __repr__(self) -> str:
        history = self.history
        stopped = len(history.ended) - len(history.finished)
        early = f", {stopped} stopped early" if stopped else ""
        done = f"{len(history.finished)} of {len(history)} trials finished"
        return f"<study {self.name}: {done}{early}>"


@contextmanager
def without_collections() -> Iterator[None]:
    """Without Python's searches for cycles, which take longer the more records are read."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


_MASK = (1 << 64) - 1


def _key(seed: int, number: int, purpose: int) -> int:
    """A 64-bit integer that mixes all bits of its three parts (SplitMix64's finaliser)."""
    z = (seed * 0x9E3779B97F4A7C15 + number * 0xD1B54A32D192ED03 + purpose) & _MASK
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & _MASK
    return z ^ (z >> 31)
