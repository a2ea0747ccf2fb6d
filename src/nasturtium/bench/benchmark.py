"""The interface of tabular benchmarks: a space, queries of metrics, and the true accuracy."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from random import Random
from typing import final

from nasturtium.architecture import Architecture
from nasturtium.bench.table_files import check_option
from nasturtium.errors import EstimateError
from nasturtium.space.base import Space
from nasturtium.study.estimator import Estimator
from nasturtium.study.fidelity import FULL, Fidelity
from nasturtium.study.job import Job
from nasturtium.study.objective import Objective, parse_objective

__all__ = ["Benchmark", "Query"]


class Benchmark(ABC):
    """A table of trained networks, whose metrics are looked up in microseconds.

    Accuracies are fractions, as everywhere in nasturtium; seconds are those of the machine that
    filled the table; latencies are in milliseconds; counts are plain numbers.

    Attributes:
        name: table and data set, e.g. ``nasbench201-cifar10``.
        space: the architectures that the table holds.
        metrics: names of the metrics of :meth:`query`; ``seconds`` is its simulated cost.
        fidelities: the fidelities in the table, in ascending order; the last is the full one.
        best: the highest :meth:`truth` in the table.
        noisy: whether a query with a generator draws one of several training runs.

    Example:
        >>> import nasturtium as nas
        >>> from nasturtium.study.trial import FULL
        >>> @nas.space
        ... def widths(choose):
        ...     choose("width", (8, 16, 32))
        >>> class Widths(nas.Benchmark):
        ...     name, space, metrics, best = "widths", widths, ("accuracy",), 0.9
        ...
        ...     def query(self, architecture, *, fidelity=FULL, run=None):
        ...         return {"accuracy": self.truth(architecture)}
        ...
        ...     def truth(self, architecture):
        ...         return 0.9 - 1 / architecture["width"]
        >>> narrow, *_ = widths.every()
        >>> Widths().query(narrow)
        {'accuracy': 0.775}
    """

    name: str
    space: Space
    metrics: tuple[str, ...]
    fidelities: tuple[Fidelity, ...] = (FULL,)
    best: float
    noisy: bool = False

    @abstractmethod
    def query(
        self,
        architecture: Architecture,
        *,
        fidelity: Fidelity = FULL,
        run: Random | int | None = None,
    ) -> Mapping[str, float]:
        """Return the metrics of an architecture that a search sees.

        Args:
            architecture: one of :attr:`space`.
            fidelity: one of :attr:`fidelities`.
            run: the index of a training run, a generator that draws one, or ``None`` for the
                mean over runs.

        Raises:
            EstimateError: the table does not hold the architecture, the fidelity or the run.
        """

    @abstractmethod
    def truth(self, architecture: Architecture) -> float:
        """Return the accuracy that comparisons report; searches must not see it."""

    def estimator(self) -> Estimator:
        """Return the benchmark as an estimator, which draws a run for each trial."""
        return Query(self)

    def check(self, objectives: Iterable[Objective | str]) -> None:
        """Check that the table has the metric of every objective.

        Raises:
            EstimateError: a metric is missing; the message names the nearest one.
        """
        for objective in map(parse_objective, objectives):
            if objective.metric not in self.metrics:
                check_option(f"objective of {self.name}", objective.metric, self.metrics)

    def level(self, fidelity: Fidelity) -> int:
        """Return the index of a fidelity in :attr:`fidelities`.

        Raises:
            EstimateError: the table has no such fidelity.
        """
        for index, known in enumerate(self.fidelities):
            if (
                abs(known.epochs - fidelity.epochs) < 1e-9
                and (known.data, known.resolution) == (fidelity.data, fidelity.resolution)
                and known.schedule == fidelity.schedule
            ):
                return index
        held = ", ".join(f"epochs={known.epochs:.6g}" for known in self.fidelities)
        raise EstimateError(
            f"{self.name} was asked for {fidelity}; it holds complete schedules of {held} of the "
            "full epochs, all data, full resolution"
        )

    def __repr__(self) -> str:
        return f"<benchmark {self.name}>"


@final
class Query(Estimator):
    """Estimates by looking up metrics in a benchmark.

    Args:
        benchmark: the table.
    """

    def __init__(self, benchmark: Benchmark) -> None:
        self.benchmark = benchmark
        self.metrics = benchmark.metrics

    def estimate(self, job: Job) -> Mapping[str, float]:
        run = Random(job.seed("run")) if self.benchmark.noisy else None
        return self.benchmark.query(job.architecture, fidelity=job.fidelity, run=run)
