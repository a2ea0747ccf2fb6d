"""The progress of a search: trials done and to do, time left, the best so far."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import final

from nasturtium.status.study_summary import format_metric
from nasturtium.study.confirmation import answer, default_count, next_candidate
from nasturtium.study.study import Study
from nasturtium.study.trial import Trial

__all__ = ["SearchProgress", "measure_progress"]

RECENT = 20  # trials whose mean time estimates the time left


@final
@dataclass(frozen=True)
class SearchProgress:
    """The progress of a search.

    Attributes:
        done: number of ended trials, without rejected ones.
        total: expected number of trials.
        control: how many of the total are control.
        confirm: how many of the total confirm the best candidates.
        failed: how many trials failed.
        stopped: how many trials were stopped early.
        rejected: how many trials a constraint rejected.
        best: the best trial so far.
        front: size of the front.
        left: estimated seconds left; ``None`` if unknown.
        running: the trials that workers are running.
    """

    done: int
    total: int
    control: int
    confirm: int
    failed: int
    stopped: int
    rejected: int
    best: Trial | None
    front: int
    left: float | None
    running: tuple[Trial, ...]

    def budget(self) -> str:
        """Return the counts as text."""
        more = f" + {self.control} control" if self.control else ""
        more += f" + {self.confirm} to confirm" if self.confirm else ""
        sum_of = f" ({self.total - self.control - self.confirm}{more})" if more else ""
        parts = [f"{self.done} of {self.total}{sum_of}"]
        parts += [f"{self.failed} failed"] if self.failed else []
        parts += [f"{self.stopped} stopped early"] if self.stopped else []
        parts += [f"{self.rejected} rejected"] if self.rejected else []
        if self.left is not None and self.done < self.total:
            parts.append(f"about {format_metric('seconds', self.left)} left")
        return ", ".join(parts)


def measure_progress(
    study: Study, trials: int, hours: float | None, elapsed: float
) -> SearchProgress:
    """Return the progress of a study towards its budget.

    Args:
        study: the study.
        trials: number of trials of the search.
        hours: the time limit, if there is one.
        elapsed: seconds since this run began.
    """
    history = study.history
    control = history.where(arm="control")
    searched = study.count("searched") - len(study.searched.pending)
    checked = len(control.finished) + len(control.where(state="failed"))
    asked = checked + len(control.pending)
    aim = max(trials, searched)
    counted = study.count("searched")
    cost = study.cost / counted if counted else 1.0  # of a trial; the control gets the same work
    share = study.manifest.get("control", 0.0)
    wanted = math.ceil(share * aim * cost - 1e-9) - study.count("uniform")
    again = history.where(arm="confirm")
    done = searched + checked + len(again) - len(again.pending)
    confirm = _confirmations(study, trials, searched)
    total = aim + asked + max(0, wanted) + confirm
    workers = max(1, study.manifest.get("workers", 1))
    recent = history.ended[-RECENT:]
    left: float | None = None
    if recent:
        mean = sum(trial.seconds for trial in recent) / len(recent)
        left = mean * (total - done) / workers
        if hours is not None:
            left = min(left, max(0.0, hours * 3600 - elapsed))
    best = answer(history)
    return SearchProgress(
        done,
        total,
        asked + max(0, wanted),
        confirm,
        len(history.where(state="failed")),
        len(history.ended) - len(history.finished),
        len(history.where(state="rejected")),
        best,
        len(study.front) if len(history.objectives) > 1 else 0,
        left,
        history.pending[:workers],
    )


def _confirmations(study: Study, trials: int, searched: int) -> int:
    """Return the number of trials that confirm candidates, including future ones."""
    history = study.history
    asked = len(history.where(arm="confirm"))
    count = study.manifest.get("call", {}).get("confirm")
    if not isinstance(count, int):
        count = default_count(trials, len(history.objectives))
    if searched >= trials and next_candidate(history, count) is None:
        return asked
    return max(asked, count)
