"""Estimates by looking up metrics that were measured before."""

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
    """Metrics from a table or a function of the architecture.

    Args:
        lookup: a mapping from architectures (or their keys) to metrics, or a function of the
            architecture.
        metrics: names of the metrics that ``lookup`` returns.

    Example:
        >>> import nasturtium as nas
        >>> from nasturtium.study.context import StudyContext
        >>> from nasturtium.study.job import Job
        >>> from nasturtium.study.trial import Proposal
        >>> @nas.space
        ... def widths(choose):
        ...     choose("width", (8, 16, 32))
        >>> narrow, *_ = widths.every()
        >>> estimator = nas.Tabular(lambda architecture: {"accuracy": architecture["width"] / 64})
        >>> estimator.estimate(Job(0, Proposal(narrow), StudyContext("example", 0, widths)))
        {'accuracy': 0.125}
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
