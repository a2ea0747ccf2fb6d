"""What a search shows while it goes on: a live panel on a terminal, plain lines elsewhere.

Both write to the error stream: what a command answers goes to its output alone.
"""

from __future__ import annotations

import math
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, final

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from nasturtium.run.summary import in_words, metrics_in_words
from nasturtium.study.confirm import answer
from nasturtium.study.strategy import Strategy
from nasturtium.study.study import Study
from nasturtium.study.trial import Trial
from nasturtium.train.epochs import whole_epochs

if TYPE_CHECKING:
    from nasturtium.train.fit import Progress

__all__ = ["Lines", "Panel", "Show", "Silent", "standing"]

STAGES = {
    "start": "starting",
    "check": "trying out the space: every option once",
    "tune": "measuring which workers, threads and precision train fastest here",
    "prepare": "preparing",
    "search": "searching",
    "done": "done",
}
RECENT = 20  # trials of which the mean time tells what is left
OFTEN = 0.2  # seconds between two looks at the study
SELDOM = 10.0  # seconds after which a line is due, whatever happened
LINE = 1.0  # seconds between the lines of ordinary trials


@final
@dataclass(frozen=True)
class Standing:
    """How far a search is.

    Attributes:
        done: trials of search and control that ended, without rejected ones.
        total: how many there will be.
        control: how many of these are control.
        failed: of those done.
        stopped: of those done, before the end of their training.
        rejected: trials that a bound refused.
        best: the best so far.
        front: size of the front.
        left: seconds left, estimated; ``None`` while nothing is known.
        running: the trials that workers have now.
    """

    done: int
    total: int
    control: int
    failed: int
    stopped: int
    rejected: int
    best: Trial | None
    front: int
    left: float | None
    running: tuple[Trial, ...]

    def budget(self) -> str:
        """The counts in words."""
        control = f" with {self.control} as control" if self.control else ""
        parts = [f"{self.done} of {self.total}{control}"]
        parts += [f"{self.failed} failed"] if self.failed else []
        parts += [f"{self.stopped} stopped early"] if self.stopped else []
        parts += [f"{self.rejected} rejected"] if self.rejected else []
        if self.left is not None and self.done < self.total:
            parts.append(f"about {in_words('seconds', self.left)} left")
        return ", ".join(parts)


def standing(study: Study, trials: int, hours: float | None, elapsed: float) -> Standing:
    """How far a study is on the way to its budget.

    Args:
        study: the study.
        trials: how many are searched.
        hours: the limit of time, if there is one.
        elapsed: seconds since this run began.
    """
    history = study.history
    control = history.where(arm="control")
    searched = study.count("searched") - len(study.searched.pending)
    checked = len(control.finished) + len(control.where(state="failed"))
    asked = checked + len(control.pending)
    aim = max(trials, searched)
    cost = study.cost / max(1, study.count("searched"))  # of a trial; controls get equal work
    share = study.manifest.get("control", 0.0)
    wanted = math.ceil(share * aim * cost - 1e-9) - study.count("uniform")
    again = history.where(arm="confirm")
    done = searched + checked + len(again) - len(again.pending)
    total = aim + asked + max(0, wanted) + len(again)
    workers = max(1, study.manifest.get("workers", 1))
    recent = history.ended[-RECENT:]
    left: float | None = None
    if recent:
        mean = sum(trial.seconds for trial in recent) / len(recent)
        left = mean * (total - done) / workers
        if hours is not None:
            left = min(left, max(0.0, hours * 3600 - elapsed))
    best = answer(history)
    return Standing(
        done,
        total,
        asked + max(0, wanted),
        len(history.where(state="failed")),
        len(history.ended) - len(history.finished),
        len(history.where(state="rejected")),
        best,
        len(study.front) if len(history.objectives) > 1 else 0,
        left,
        history.pending[:workers],
    )


class Show(ABC):
    """Watches a search; a context manager around it.

    Args:
        trials: the budget.
        hours: the limit of time, if there is one.
    """

    def __init__(self, trials: int, hours: float | None = None) -> None:
        self.trials = trials
        self.hours = hours
        self.begun = time.monotonic()

    @property
    def elapsed(self) -> float:
        """Seconds since the run began."""
        return time.monotonic() - self.begun

    @abstractmethod
    def __call__(self, study: Study, stage: str, trial: Trial | None) -> None:
        """Take note of a stage, or of a trial that was logged; often called with neither."""

    @abstractmethod
    def epoch(self, point: Progress) -> None:
        """Take note of an epoch of a network that is finished."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        return None


@final
class Silent(Show):
    """Shows nothing."""

    def __call__(self, study: Study, stage: str, trial: Trial | None) -> None:
        return None

    def epoch(self, point: Progress) -> None:
        return None


@final
class Lines(Show):
    """Plain lines, for logs: new bests and failures at once, others a second apart."""

    def __init__(self, console: Console, trials: int, hours: float | None = None) -> None:
        super().__init__(trials, hours)
        self.console = console
        self._stage = ""
        self._said = 0.0
        self._best: tuple[float, float] | None = None

    def say(self, text: str) -> None:
        self._said = self.elapsed
        line = f"[{self._said:6.1f} s] {text}"
        self.console.print(line, markup=False, highlight=False, soft_wrap=True)

    def __call__(self, study: Study, stage: str, trial: Trial | None) -> None:
        if stage != self._stage:
            self._stage = stage
            if stage == "search":
                self.say(_opening(study))
                for note in _notes(study):
                    self.say(note)
                best = answer(study.history)
                if best is not None and trial is None:
                    self._best = study.history.rank(best)
            elif stage != "done":
                self.say(STAGES[stage])
        if trial is not None:
            self._tell(study, trial)
        elif stage == "search" and self.elapsed - self._said > SELDOM:
            now = standing(study, self.trials, self.hours, self.elapsed)
            self.say(f"{now.budget()}; running {_numbers(now.running)}")

    def epoch(self, point: Progress) -> None:
        if point.epoch in (1, point.epochs) or self.elapsed - self._said > LINE:
            self.say(_epoch(point))

    def _tell(self, study: Study, trial: Trial) -> None:
        if trial.state == "failed":
            self.say(f"trial {trial.number} failed: {trial.error}")
            return
        better = False
        if trial.state == "finished":
            rank = study.history.rank(trial)
            leads = self._best is None or rank > self._best
            better = trial.fidelity.full and trial.arm != "confirm" and leads
            self._best = rank if better else self._best
        if not better and self.elapsed - self._said < LINE:
            return
        now = standing(study, self.trials, self.hours, self.elapsed)
        if trial.state == "rejected":
            self.say(f"trial {trial.number} rejected: {trial.error}; {now.budget()}")
            return
        mark = " (best so far)" if better else ""
        if trial.arm == "confirm":
            mark = " when it was trained once more"
        if trial.state == "stopped":
            mark = " when it was stopped early"
        self.say(f"trial {trial.number}: {metrics_in_words(study, trial)}{mark}; {now.budget()}")


@final
class Panel(Show):
    """A panel that is drawn anew while the search goes on, and gone afterwards."""

    def __init__(self, console: Console, trials: int, hours: float | None = None) -> None:
        super().__init__(trials, hours)
        self.console = console
        self._stage = "start"
        self._looked = 0.0
        self._facts: Mapping[str, Any] = {}
        self._now: Standing | None = None
        self._study: Study | None = None
        self._trouble = ""
        self._words = ""
        self._spinner = Spinner("dots")
        self._live = Live(
            console=console, get_renderable=self._drawn, refresh_per_second=8, transient=True
        )

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._live.stop()

    def say(self, text: str) -> None:
        self.console.print(text, markup=False, highlight=False, soft_wrap=True)

    def __call__(self, study: Study, stage: str, trial: Trial | None) -> None:
        if stage == "search" and self._stage != "search":
            self.say(_opening(study))
            for note in _notes(study):
                self.say(note)
        if trial is not None and trial.state == "failed":
            self._trouble = f"trial {trial.number}: {trial.error}"
        # The panel is drawn by another thread: it sees this snapshot, never the study.
        if stage != self._stage or self.elapsed - self._looked > OFTEN:
            self._stage, self._looked, self._study = stage, self.elapsed, study
            if stage == "search":
                self._now = standing(study, self.trials, self.hours, self.elapsed)

    def epoch(self, point: Progress) -> None:
        self._words = _epoch(point)

    def _drawn(self) -> RenderableType:
        now, study = self._now, self._study
        words = self._words or STAGES[self._stage]
        self._spinner.update(text=Text(f"{words}, {self.elapsed:.0f} s"))
        if now is None or study is None or self._stage != "search":
            return self._spinner
        table = Table.grid(padding=(0, 2))
        table.add_column(style="dim")
        table.add_column(overflow="fold")
        bar = ProgressBar(total=max(1, now.total), completed=now.done, width=40)
        table.add_row("trials", bar)
        table.add_row("", now.budget())
        if now.best is not None:
            best = f"trial {now.best.number}: {metrics_in_words(study, now.best)}"
            table.add_row("best", Text(best, style="bold"))
        if now.front:
            table.add_row("front", f"{now.front} trials")
        if now.running:
            table.add_row("running", _numbers(now.running))
        if self._trouble:
            table.add_row("failed", Text(self._trouble, style="yellow"))
        return Group(self._spinner, table)


def _opening(study: Study) -> str:
    """What the search starts from, and with which settings of the machine."""
    facts = study.manifest
    numerics = facts.get("numerics", {})
    device, threads = numerics.get("device", "cpu"), numerics.get("threads", 1)
    crew = f"{facts.get('workers', 1)} x {threads} threads" if device == "cpu" else device
    text = f"{study.name}: {crew}, {numerics.get('precision', 'fp32')}"
    speeds = facts.get("tuning", {})
    if speeds:
        text += f", {max(speeds.values()):,.0f} images/s"
    if rungs := _rungs(study.strategy):
        text += f"; rungs of {', '.join(map(str, rungs))} epochs"
    done = len(study.history.finished)
    return text + (f"; goes on after {len(study.history)} trials" if done > 1 else "")


def _notes(study: Study) -> list[str]:
    """What was done to the data on the way."""
    return [f"note: {note}" for note in study.manifest.get("data", {}).get("notes", ())]


def _rungs(strategy: Any) -> list[int]:
    """The epochs that a strategy's rungs train for; rungs of equal ones were merged."""
    epochs = getattr(strategy, "epochs", None)
    brackets = getattr(strategy, "brackets", ())
    rungs = getattr(strategy, "rungs", None) or [rung for _, rung in (brackets or ((),))[0]]
    if isinstance(epochs, int) and rungs:
        return [whole_epochs(epochs, rung.epochs) for rung in rungs]
    inner = getattr(strategy, "strategy", None)
    return _rungs(inner) if isinstance(inner, Strategy) else []


def _epoch(point: Progress) -> str:
    return f"epoch {point.epoch} of {point.epochs}, loss {point.train_loss:.3f}"


def _numbers(trials: tuple[Trial, ...]) -> str:
    parts = []
    for trial in trials:
        parent = trial.proposal.parent
        parts.append(f"{trial.number}" + ("" if parent is None else f" (from {parent})"))
    return ", ".join(parts) or "nothing yet"
