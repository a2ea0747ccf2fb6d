"""The interface of executors, which run jobs and return their outcomes."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence

from nasturtium.study.context import StudyContext
from nasturtium.study.estimator import Estimator
from nasturtium.study.job import Job
from nasturtium.study.trial import Outcome

__all__ = ["MAX_DEATHS", "Executor", "Listen", "count_cores"]

Listen = Callable[[int, Sequence[Mapping[str, float]]], bool]
MAX_DEATHS = 2  # times that a job may end its process before the trial fails


class Executor(ABC):
    """Runs jobs and returns their outcomes in the order in which they end.

    Attributes:
        workers: how many jobs run at a time.

    Example:
        An executor that has run nothing yet has no outcomes:

        >>> import nasturtium as nas
        >>> isinstance(nas.Here(), nas.Executor), nas.Here().wait(timeout=0.0)
        (True, [])
    """

    workers: int

    @abstractmethod
    def start(
        self, context: StudyContext, estimator: Estimator, listen: Listen | None = None
    ) -> None:
        """Prepare to run jobs in this context; may be called again with another context.

        Args:
            context: what all jobs share.
            estimator: estimates the jobs' architectures.
            listen: called with a job's number and its curve after each point that the job reports
                in the process that runs it; false stops the job early.
        """

    @abstractmethod
    def submit(self, job: Job) -> None:
        """Queue a job."""

    @abstractmethod
    def wait(self, timeout: float) -> list[Outcome]:
        """Return the outcomes that arrive within ``timeout`` seconds, each of them once."""

    @abstractmethod
    def stop(self) -> None:
        """Drop the queued jobs and end all worker processes; may be called twice."""


def count_cores() -> int:
    """Return the number of processor cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return max(1, len(os.sched_getaffinity(0)))
    return os.cpu_count() or 1
