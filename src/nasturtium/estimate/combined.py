"""Several estimators as one, with the metrics of all."""

from __future__ import annotations

from collections.abc import Mapping
from typing import final

from nasturtium.errors import EstimateError
from nasturtium.study.estimator import Estimator
from nasturtium.study.job import Job
from nasturtium.study.preparation import Preparation

__all__ = ["Combined"]


@final
class Combined(Estimator):
    """Estimators that run one after the other; put cheap ones first.

    If the metrics so far violate a constraint of the study, the remaining estimators are not run
    and the trial is rejected: a network that is too slow is never trained. The estimators after a
    stopped one are not run either.

    Args:
        *parts: the estimators; no two of them may have the same metric.

    Example:
        >>> import nasturtium as nas
        >>> recipe = nas.Recipe(epochs=5)
        >>> estimator = nas.Combined(nas.Hardware(metrics=("macs",)), nas.Train(recipe))
        >>> estimator.metrics
        ('macs', 'accuracy', 'balanced_accuracy', 'loss', 'train_loss')
    """

    def __init__(self, *parts: Estimator) -> None:
        names = [name for part in parts for name in part.metrics]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice or not parts:
            raise EstimateError(
                f"Combined got {len(parts)} estimators"
                + (f", two of which have the metric {twice[0]!r}; remove one" if twice else "")
            )
        self.parts = parts
        self.metrics = tuple(names)
        self.free = all(part.free for part in parts)

    def prepare(self, preparation: Preparation) -> None:
        for place, part in enumerate(self.parts):
            part.prepare(preparation.of(f"{place}.{type(part).__name__}"))

    def full_epochs(self) -> int | None:
        schedules = (part.full_epochs() for part in self.parts)
        return next((epochs for epochs in schedules if epochs is not None), None)

    def estimate(self, job: Job) -> Mapping[str, float]:
        metrics: dict[str, float] = {}
        full = self.full_epochs()
        for part in self.parts:
            metrics.update(part.estimate(job))
            job.check(metrics)
            if job.stopped(full):
                break
        return metrics
