"""A view of a running search, and one that shows nothing."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from types import TracebackType
from typing import TYPE_CHECKING, Self, final

from nasturtium.run.stages import Stage
from nasturtium.study.study import Study
from nasturtium.study.trial import Trial

if TYPE_CHECKING:
    from nasturtium.analyse.comparison.prospect import Prospect
    from nasturtium.analyse.comparison.retrained import Training
    from nasturtium.train.fit import Progress

__all__ = ["ProgressView", "Silent"]


class ProgressView(ABC):
    """Shows a search, a retraining or the collection of evidence; a context manager around it.

    Args:
        trials: the budget.
        hours: the limit of time, if there is one.
    """

    def __init__(self, trials: int, hours: float | None = None) -> None:
        self.trials = trials
        self.hours = hours
        self.started = time.monotonic()

    @property
    def elapsed(self) -> float:
        """Seconds since the run started."""
        return time.monotonic() - self.started

    @abstractmethod
    def __call__(self, study: Study, stage: Stage, trial: Trial | None) -> None:
        """Show a stage, or a trial; ``None`` while the search waits."""

    @abstractmethod
    def epoch(self, point: Progress) -> None:
        """Show an epoch of a network that is retrained."""

    @abstractmethod
    def foreseen(self, prospect: Prospect) -> None:
        """Show the differences that retrainings could detect."""

    @abstractmethod
    def trained(self, training: Training, done: int, wanted: int) -> None:
        """Show a retraining that ended."""

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
