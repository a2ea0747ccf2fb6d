"""What a search shows while it goes on: a live panel on a terminal, plain lines elsewhere.

Both write to the error stream: what a command answers goes to its output alone. A call from Python
shows the panel on a terminal and lines in a notebook; elsewhere its lines go to the logger
``nasturtium``, at the level INFO, which Python does not print unless a program asks for it.
"""

from __future__ import annotations

import logging
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, Self, final

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from nasturtium.status.standing import Standing, standing
from nasturtium.status.summary import in_words, metrics_in_words
from nasturtium.study.confirmation import answer
from nasturtium.study.strategy import Strategy
from nasturtium.study.study import Study
from nasturtium.study.trial import Trial
from nasturtium.study.validate import printable_line
from nasturtium.train.epochs import whole_epochs

if TYPE_CHECKING:
    from nasturtium.analyse.prospect import Prospect
    from nasturtium.analyse.retrained import Training
    from nasturtium.train.fit import Progress

__all__ = [
    "Lines",
    "Panel",
    "ProgressView",
    "Silent",
    "Stage",
    "Watch",
    "automatic",
    "both",
    "training_in_words",
]

logger = logging.getLogger("nasturtium")

Stage = Literal["check", "tune", "prepare", "search", "epoch", "done"]
Watch = Callable[[Study, Stage, Trial | None], None]

STAGES: Mapping[Stage, str] = {
    "check": "trying out the space: every option once",
    "tune": "measuring which workers, threads and precision train fastest here",
    "prepare": "preparing",
    "search": "searching",
    "epoch": "searching",
    "done": "done",
}
OFTEN = 0.2  # seconds between two looks at the study
SELDOM = 10.0  # seconds after which a line is due, whatever happened
LINE = 1.0  # seconds between the lines of ordinary trials


class ProgressView(ABC):
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
    def __call__(self, study: Study, stage: Stage, trial: Trial | None) -> None:
        """Take note of a stage, or of a trial; often called with neither."""

    @abstractmethod
    def epoch(self, point: Progress) -> None:
        """Take note of an epoch of a network that is finished."""

    @abstractmethod
    def foreseen(self, prospect: Prospect) -> None:
        """Take note of what trainings in full could show."""

    @abstractmethod
    def trained(self, training: Training, done: int, wanted: int) -> None:
        """Take note of a training in full."""

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
class Silent(ProgressView):
    """Shows nothing."""

    def __call__(self, study: Study, stage: Stage, trial: Trial | None) -> None:
        return None

    def epoch(self, point: Progress) -> None:
        return None

    def foreseen(self, prospect: Prospect) -> None:
        return None

    def trained(self, training: Training, done: int, wanted: int) -> None:
        return None


@final
class Lines(ProgressView):
    """Plain lines, for logs: new bests and failures at once, others a second apart.

    Args:
        console: where they are printed; ``None`` for the logger.
        trials: the budget.
        hours: the limit of time, if there is one.
    """

    def __init__(self, console: Console | None, trials: int, hours: float | None = None) -> None:
        super().__init__(trials, hours)
        self.console = console
        self._stage: Stage | None = None
        self._said = 0.0
        self._best: tuple[float, float] | None = None

    def say(self, text: str) -> None:
        self._said, text = self.elapsed, printable_line(text)
        if self.console is None:
            logger.info("%s", text)
            return
        line = f"[{self._said:6.1f} s] {text}"
        self.console.print(line, markup=False, highlight=False, soft_wrap=True)

    def __call__(self, study: Study, stage: Stage, trial: Trial | None) -> None:
        if stage == "epoch":
            return
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

    def foreseen(self, prospect: Prospect) -> None:
        self.say(str(prospect))

    def trained(self, training: Training, done: int, wanted: int) -> None:
        self.say(f"trained {done} of {wanted}: {training_in_words(training)}")

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
class Panel(ProgressView):
    """A panel that is drawn anew while the search goes on, and gone afterwards."""

    def __init__(self, console: Console, trials: int, hours: float | None = None) -> None:
        super().__init__(trials, hours)
        self.console = console
        self._stage: Stage | None = None
        self._looked = 0.0
        self._epochs: dict[int, int] = {}
        self._facts: Mapping[str, Any] = {}
        self._now: Standing | None = None
        self._study: Study | None = None
        self._trouble = ""
        self._words = ""
        self._running = ""
        self._spinner = Spinner("dots")
        self._live = Live(
            console=console,
            get_renderable=self._drawn,
            refresh_per_second=8,
            transient=True,
            redirect_stdout=sys.stdout.isatty(),  # what is printed to a file stays there
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
        self.console.print(printable_line(text), markup=False, highlight=False, soft_wrap=True)

    def __call__(self, study: Study, stage: Stage, trial: Trial | None) -> None:
        if stage == "search" and self._now is None:
            self.say(_opening(study))
            for note in _notes(study):
                self.say(note)
        if trial is not None and trial.state == "failed":
            self._trouble = printable_line(f"trial {trial.number}: {trial.error}")
        if trial is not None and stage == "epoch":
            self._epochs[trial.number] = len(trial.curve)
        elif trial is not None:
            self._epochs.pop(trial.number, None)
        # The panel is drawn by another thread: it sees this snapshot, never the study.
        if stage != self._stage or self.elapsed - self._looked > OFTEN:
            self._stage, self._looked, self._study = stage, self.elapsed, study
            if stage in ("search", "epoch"):
                self._now = standing(study, self.trials, self.hours, self.elapsed)
                self._running = _numbers(self._now.running, self._epochs)

    def epoch(self, point: Progress) -> None:
        self._words = _epoch(point)

    def foreseen(self, prospect: Prospect) -> None:
        self.say(str(prospect))

    def trained(self, training: Training, done: int, wanted: int) -> None:
        self.say(f"trained {done} of {wanted}: {training_in_words(training)}")
        self._words = f"trained {done} of {wanted}"

    def _drawn(self) -> RenderableType:
        now, study = self._now, self._study
        words = self._words or ("starting" if self._stage is None else STAGES[self._stage])
        self._spinner.update(text=Text(f"{words}, {self.elapsed:.0f} s"))
        if now is None or study is None or self._stage not in ("search", "epoch"):
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
            table.add_row("running", self._running)
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


def training_in_words(training: Training) -> str:
    """One training in full: of what, and what it gave."""
    who = training.key if training.trial is None else f"trial {training.trial}"
    if training.error is not None:
        return f"{who}, seed {training.seed}: failed, {training.error}"
    told = ", ".join(
        f"{name} {in_words(name, training.metrics[name])}"
        for name in ("accuracy", "loss")
        if name in training.metrics
    )
    return f"{who}, seed {training.seed}: {told or 'no accuracy'} on the test examples, " + (
        f"{training.seconds:.1f} s"
    )


def _numbers(trials: tuple[Trial, ...], epochs: Mapping[int, int] | None = None) -> str:
    """The trials that run: their numbers, parents, and the epochs that are known."""
    parts = []
    for trial in trials:
        words = [] if trial.proposal.parent is None else [f"from {trial.proposal.parent}"]
        if epochs and trial.number in epochs:
            of = "" if trial.planned is None else f" of {trial.planned:g}"
            words.append(f"epoch {epochs[trial.number]}{of}")
        parts.append(f"{trial.number}" + (f" ({', '.join(words)})" if words else ""))
    return ", ".join(parts) or "nothing yet"


def automatic(
    progress: bool | None, watched: bool, trials: int = 0, hours: float | None = None
) -> ProgressView | None:
    """How a call from Python shows what goes on; ``None`` where it shows nothing.

    Args:
        progress: what the caller wants: something, nothing, or (``None``) what suits the place.
        watched: whether a function of the caller's is told already.
        trials: the budget.
        hours: the limit of time, if there is one.
    """
    if progress is False or (progress is None and watched):
        return None
    if Console().is_jupyter:
        return Lines(Console(force_jupyter=False, force_terminal=False), trials, hours)
    if sys.stderr is not None and sys.stderr.isatty():
        return Panel(Console(stderr=True), trials, hours)
    if progress:
        return Lines(Console(stderr=True), trials, hours)
    return Lines(None, trials, hours) if logger.isEnabledFor(logging.INFO) else None


def both(first: Callable[..., None], second: Callable[..., None] | None) -> Callable[..., None]:
    """A function that tells two others, one of which may be missing."""
    if second is None:
        return first

    def told(*words: Any) -> None:
        first(*words)
        second(*words)

    return told
