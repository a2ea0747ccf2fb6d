"""Tables of sampled architectures, one row each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from random import Random
from typing import Any, final

import numpy as np

from nasturtium.architecture import Architecture
from nasturtium.bench.base import Benchmark
from nasturtium.errors import EstimateError
from nasturtium.space.pool_space import PoolSpace
from nasturtium.study.fidelity import FULL, Fidelity

__all__ = ["PoolBenchmark"]


@final
class PoolBenchmark(Benchmark):
    """Columns of numbers over a pool; a metric that a row lacks is an error of that query.

    Args:
        name: what was measured.
        space: the rows.
        columns: one number for each row, by metric; NaN where it was not measured.
        truth: the metric that results are reported in.
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
        # A device that could not run a network leaves a gap, which no number may fill.
        return {m: v for m, c in self.columns.items() if (v := c.item(row)) == v}

    def truth(self, architecture: Architecture) -> float:
        """The reported metric of the row."""
        return float(self.columns[self.report][self._pool.row(architecture)])


def distinct(records: Sequence[Mapping[str, Any]]) -> list[int]:
    """Rows of the first record of each kind."""
    seen: dict[Any, int] = {}
    for row, record in enumerate(records):
        seen.setdefault(tuple(record.values()), row)
    return list(seen.values())
