"""Progress as plain lines, printed or logged."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, final

from rich.console import Console

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
from nasturtium.status.search_progress import measure_progress
from nasturtium.status.study_summary import format_metrics
from nasturtium.study.confirmation import answer
from nasturtium.study.study import Study
from nasturtium.study.trial import Trial

if TYPE_CHECKING:
    from nasturtium.analyse.comparison.prospect import Prospect
    from nasturtium.analyse.comparison.retrained import Training
    from nasturtium.train.fit import Progress

__all__ = ["Lines"]

logger = logging.getLogger("nasturtium")

SELDOM = 10.0  # seconds after which a line is due in any case
LINE = 1.0  # seconds between the lines of ordinary trials


@final
class Lines(ProgressView):
    """Plain lines, for logs: new best trials and failures at once, others a second apart.

    Args:
        console: prints the lines; ``None`` for the logger.
        trials: the budget.
        hours: the limit of time, if there is one.
    """

    def __init__(self, console: Console | None, trials: int, hours: float | None = None) -> None:
        super().__init__(trials, hours)
        self.console = console
        self._stage: Stage | None = None
        self._last = 0.0
        self._best: tuple[float, float] | None = None

    def say(self, text: str) -> None:
        """Print or log a line."""
        self._last, text = self.elapsed, to_one_line(text)
        if self.console is None:
            logger.info("%s", text)
            return
        line = f"[{self._last:6.1f} s] {text}"
        self.console.print(line, markup=False, highlight=False, soft_wrap=True)

    def __call__(self, study: Study, stage: Stage, trial: Trial | None) -> None:
        if stage == "epoch":
            return
        if stage != self._stage:
            self._stage = stage
            if stage == "search":
                self.say(format_start(study))
                for note in format_notes(study):
                    self.say(note)
                best = answer(study.history)
                if best is not None and trial is None:
                    self._best = study.history.rank(best)
            elif stage != "done":
                self.say(STAGES[stage])
        if trial is not None:
            self._report_trial(study, trial)
        elif stage == "search" and self.elapsed - self._last > SELDOM:
            now = measure_progress(study, self.trials, self.hours, self.elapsed)
            self.say(f"{now.budget()}; running {format_running(now.running)}")

    def epoch(self, point: Progress) -> None:
        if point.epoch in (1, point.epochs) or self.elapsed - self._last > LINE:
            self.say(format_epoch(point))

    def foreseen(self, prospect: Prospect) -> None:
        self.say(str(prospect))

    def trained(self, training: Training, done: int, wanted: int) -> None:
        self.say(f"trained {done} of {wanted}: {format_training(training)}")

    def _report_trial(self, study: Study, trial: Trial) -> None:
        if trial.state == "failed":
            self.say(f"trial {trial.number} failed: {trial.error}")
            return
        better = False
        if trial.state == "finished":
            rank = study.history.rank(trial)
            leads = self._best is None or rank > self._best
            better = trial.fidelity.full and trial.arm != "confirm" and leads
            self._best = rank if better else self._best
        if not better and self.elapsed - self._last < LINE:
            return
        now = measure_progress(study, self.trials, self.hours, self.elapsed)
        if trial.state == "rejected":
            self.say(f"trial {trial.number} rejected: {trial.error}; {now.budget()}")
            return
        mark = " (best so far)" if better else ""
        if trial.arm == "confirm":
            mark = " when it was trained again"
        if trial.state == "stopped":
            mark = " when it was stopped early"
        self.say(f"trial {trial.number}: {format_metrics(study, trial)}{mark}; {now.budget()}")
