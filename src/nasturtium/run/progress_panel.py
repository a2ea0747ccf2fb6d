"""Progress as a panel on a terminal."""

from __future__ import annotations

import sys
from types import TracebackType
from typing import TYPE_CHECKING, Self, final

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from nasturtium.display.printable import to_one_line
from nasturtium.run.progress_text import (
    STAGES,
    format_epoch,
    format_notes,
    format_running,
    format_start,
    format_training,
)
from nasturtium.run.progress_view import ProgressView
from nasturtium.run.stages import Stage
from nasturtium.status.search_progress import SearchProgress, measure_progress
from nasturtium.status.study_summary import format_metrics
from nasturtium.study.study import Study
from nasturtium.study.trial import Trial

if TYPE_CHECKING:
    from nasturtium.analyse.comparison.prospect import Prospect
    from nasturtium.analyse.comparison.retrained import Training
    from nasturtium.train.fit import Progress

__all__ = ["Panel"]

OFTEN = 0.2  # seconds between two updates


@final
class Panel(ProgressView):
    """A panel that is updated during the search, and removed afterwards."""

    def __init__(self, console: Console, trials: int, hours: float | None = None) -> None:
        super().__init__(trials, hours)
        self.console = console
        self._stage: Stage | None = None
        self._updated = 0.0
        self._epochs: dict[int, int] = {}
        self._standing: SearchProgress | None = None
        self._study: Study | None = None
        self._failure = ""
        self._activity = ""
        self._running = ""
        self._spinner = Spinner("dots")
        self._live = Live(
            console=console,
            get_renderable=self._render,
            refresh_per_second=8,
            transient=True,
            redirect_stdout=sys.stdout.isatty(),  # output to a file is left alone
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
        """Print a line above the panel."""
        self.console.print(to_one_line(text), markup=False, highlight=False, soft_wrap=True)

    def __call__(self, study: Study, stage: Stage, trial: Trial | None) -> None:
        if stage == "search" and self._standing is None:
            self.say(format_start(study))
            for note in format_notes(study):
                self.say(note)
        if trial is not None and trial.state == "failed":
            self._failure = to_one_line(f"trial {trial.number}: {trial.error}")
        if trial is not None and stage == "epoch":
            self._epochs[trial.number] = len(trial.curve)
        elif trial is not None:
            self._epochs.pop(trial.number, None)
        # Another thread draws the panel, from this snapshot and not from the study.
        if stage != self._stage or self.elapsed - self._updated > OFTEN:
            self._stage, self._updated, self._study = stage, self.elapsed, study
            if stage in ("search", "epoch"):
                self._standing = measure_progress(study, self.trials, self.hours, self.elapsed)
                self._running = format_running(self._standing.running, self._epochs)

    def epoch(self, point: Progress) -> None:
        self._activity = format_epoch(point)

    def foreseen(self, prospect: Prospect) -> None:
        self.say(str(prospect))

    def trained(self, training: Training, done: int, wanted: int) -> None:
        self.say(f"trained {done} of {wanted}: {format_training(training)}")
        self._activity = f"trained {done} of {wanted}"

    def _render(self) -> RenderableType:
        now, study = self._standing, self._study
        words = self._activity or ("starting" if self._stage is None else STAGES[self._stage])
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
            best = f"trial {now.best.number}: {format_metrics(study, now.best)}"
            table.add_row("best", Text(best, style="bold"))
        if now.front:
            table.add_row("front", f"{now.front} trials")
        if now.running:
            table.add_row("running", self._running)
        if self._failure:
            table.add_row("failed", Text(self._failure, style="yellow"))
        return Group(self._spinner, table)
