"""Benchmarks whose tables hold sampled architectures, one in each row."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from random import Random
from typing import Any, final

import numpy as np

from nasturtium.architecture import Architecture
from nasturtium.bench.benchmark import Benchmark
from nasturtium.errors import EstimateError
from nasturtium.space.pool_space import PoolSpace
from nasturtium.study.fidelity import FULL, Fidelity

__all__ = ["PoolBenchmark"]


@final
class PoolBenchmark(Benchmark):
    """A benchmark of columns over a pool of rows; a query omits metrics that a row lacks.

    Args:
        name: name of the table.
        space: the rows.
        columns: one number for each row, by metric; NaN where it was not measured.
        truth: the metric that comparisons report.

    Example:
        >>> import nasturtium as nas
        >>> records = [{"width": width} for width in (8, 16, 32)]
        >>> pool = nas.PoolSpace("widths", records, [[0], [1], [2]], near=1)
        >>> bench = nas.PoolBenchmark("widths", pool, {"accuracy": [0.7, 0.8, 0.9]})
        >>> bench.best, bench.query(pool.architectures[0])
        (0.9, {'accuracy': 0.7})
    """

    def __init__(
        self, name: str, space: PoolSpace, columns: Mapping[str, Any], truth: str = "accuracy"
    ) -> None:
        self.name = name
        self.space = self._pool = space
        self.columns = {metric: np.asarray(c, dtype=float) for metric, c in columns.items()}
        self.metrics = tuple(columns)
        self.report = truth
        for metric, column in self.columns.items():
            if column.shape != (len(space),):
                raise EstimateError(
                    f"column {metric!r} of {name} has shape {column.shape}; expected one number "
                    f"for each of {len(space)} rows"
                )
        sign = -1.0 if truth == "latency" else 1.0
        self.best = float(sign * np.nanmax(sign * self.columns[truth]))

    def query(
        self,
        architecture: Architecture,
        *,
        fidelity: Fidelity = FULL,
        run: Random | int | None = None,
    ) -> Mapping[str, float]:
        self.level(fidelity)
        row = self._pool.row(architecture)
        # NaN marks networks that a device could not run.
        return {m: v for m, c in self.columns.items() if (v := c.item(row)) == v}

    def truth(self, architecture: Architecture) -> float:
        """Return the reported metric of the row."""
        return float(self.columns[self.report][self._pool.row(architecture)])


def find_distinct_rows(records: Sequence[Mapping[str, Any]]) -> list[int]:
    """Return the rows of the distinct records, the first row of each."""
    seen: dict[Any, int] = {}
    for row, record in enumerate(records):
        seen.setdefault(tuple(record.values()), row)
    return list(seen.values())
