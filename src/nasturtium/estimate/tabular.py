"""Look-ups: metrics that somebody measured before, by architecture."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import final

from nasturtium.architecture import Architecture
from nasturtium.errors import EstimateError
from nasturtium.study.estimator import Estimator
from nasturtium.study.job import Job

__all__ = ["Tabular"]


@final
class Tabular(Estimator):
    """Metrics by look-up.

    Args:
        lookup: a mapping from architectures (or their keys) to metrics, or a function of the
            architecture.
        metrics: names of the metrics that it gives.
    """

    def __init__(
        self,
        lookup: Mapping[str, Mapping[str, float]] | Callable[[Architecture], Mapping[str, float]],
        metrics: tuple[str, ...] = ("accuracy",),
    ) -> None:
        self.lookup = lookup
        self.metrics = metrics

    def estimate(self, job: Job) -> Mapping[str, float]:
        architecture = job.architecture
        if callable(self.lookup):
            return self.lookup(architecture)
        try:
            return self.lookup[architecture.key]
        except KeyError:
            raise EstimateError(
                f"the table of {len(self.lookup):,} rows has no row for {architecture!r} "
                f"(key {architecture.key})"
            ) from None
