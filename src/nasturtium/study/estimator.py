"""The interface of an estimator: it returns metrics of an architecture."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nasturtium.study.job import Job
    from nasturtium.study.preparation import Preparation

__all__ = ["Estimator"]


class Estimator(ABC):
    """Estimates metrics of a job (an architecture at a fidelity).

    Training, weight sharing, hardware cost, proxies and table look-ups are all estimators.
    Instances hold arguments only and are sent to workers; results of :meth:`prepare` are files.

    Attributes:
        metrics: names of the numbers that :meth:`estimate` returns.
        free: whether an estimate costs so little that it is made before a trial is asked for, where
            the study has a constraint on one of its metrics: an architecture that violates the
            constraint is rejected and never becomes a trial. A free estimator uses neither
            :meth:`prepare` nor files.

    Example:
        >>> import nasturtium as nas
        >>> from nasturtium.study.context import StudyContext
        >>> class Depth(nas.Estimator):
        ...     metrics = ("decisions",)
        ...     free = True
        ...     def estimate(self, job):
        ...         return {"decisions": len(job.architecture)}
        >>> study = nas.Study(nas.zoo.nasbench201, nas.RandomSearch(), store=None)
        >>> job = nas.Job(0, study.ask().proposal, StudyContext("study", 0, study.space))
        >>> Depth().estimate(job)
        {'decisions': 6}
    """

    metrics: tuple[str, ...] = ()
    free: bool = False

    def prepare(self, preparation: Preparation) -> None:  # noqa: B027 - optional hook
        """Do lengthy work once, before the first estimate; files go through ``preparation``."""

    def full_epochs(self) -> int | None:
        """Return the epochs of a training at full fidelity; ``None`` where there are no epochs.

        An estimator with epochs trains ``max(1, round(full_epochs * fidelity.epochs))`` of them,
        and reports once after each, or sets ``job.epochs`` to the epochs that it has trained.
        A search merges rungs with equal numbers of epochs, and computes its cost from them.
        """
        return None

    @abstractmethod
    def estimate(self, job: Job) -> Mapping[str, float]:
        """Return the metrics of one job.

        Where ``job.report`` returns false the estimate should end, with the metrics that it has;
        the trial is then recorded as stopped.

        Raises:
            EstimateError: there is no number to return; the trial fails with this reason.
        """
