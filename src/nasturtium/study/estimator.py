"""What an estimator is: numbers about an architecture."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nasturtium.study.job import Job
    from nasturtium.study.preparation import Preparation

__all__ = ["Estimator"]


class Estimator(ABC):
    """Turns a job (an architecture at a fidelity) into metrics.

    Training, weight sharing, hardware cost, proxies and table look-ups are all estimators.
    Instances hold arguments only and are sent to workers; what :meth:`prepare` makes goes to
    files.

    Attributes:
        metrics: names of the numbers that :meth:`estimate` gives.
        free: whether an estimate costs so little that it is made before a trial is asked for, where
            the study has a bound on one of its metrics: an architecture that breaks the bound is
            rejected and never becomes a trial. It has to need no :meth:`prepare` and no files.
    """

    metrics: tuple[str, ...] = ()
    free: bool = False

    def prepare(self, preparation: Preparation) -> None:  # noqa: B027 - optional hook
        """Do lengthy work once, before the first estimate; files go through ``work``."""

    def full_epochs(self) -> int | None:
        """Epochs of a training at full fidelity; ``None`` where nothing is trained in epochs.

        An estimator that says so trains ``max(1, round(full_epochs * fidelity.epochs))`` epochs,
        and reports once after each, or sets ``job.epochs`` to the epochs that it has trained.
        A search merges rungs that mean equal epochs, and reckons its cost from them.
        """
        return None

    @abstractmethod
    def estimate(self, job: Job) -> Mapping[str, float]:
        """The metrics of one job.

        Where ``job.report`` answers false the estimate should end, with the metrics that it has;
        the trial is then recorded as stopped.

        Raises:
            EstimateError: there is no number to give; the trial fails with this reason.
        """
