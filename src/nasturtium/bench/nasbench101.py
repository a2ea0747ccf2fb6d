"""NAS-Bench-101: a random 30,001 of its 423,624 cells, at four lengths of training.

Ying et al. (2019), "NAS-Bench-101", section 2. The rows are two gap-free runs of the cells sorted
by the benchmark's own hash, and so a random sample of the space.

Implemented: the validation accuracy of one run after 4, 12, 36 and 108 epochs (each a complete
schedule), training seconds, parameters. Deviations: the sample has one of the three runs and no
test accuracy, so the truth is the validation accuracy after 108 epochs; it is not closed under
mutation, so moves go to near rows (:class:`~nasturtium.space.pool_space.PoolSpace`). Seconds of
shorter schedules are in proportion to their epochs.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from random import Random
from typing import Any, final

import numpy as np

from nasturtium.architecture import Architecture
from nasturtium.bench.benchmark import Benchmark
from nasturtium.bench.table_files import load_table, read_metadata
from nasturtium.predict.cell_to_graph import vertex_cell
from nasturtium.space.pool_space import PoolSpace
from nasturtium.study.fidelity import FULL, Fidelity

__all__ = ["EPOCHS", "NASBench101"]

EPOCHS = (4, 12, 36, 108)
CELLS, ROWS = 423_624, 30_001


@final
class NASBench101(Benchmark):
    """The sampled table of NAS-Bench-101 (CIFAR-10), for multi-fidelity search.

    Architectures are records of ``edges``, pairs of vertices, and ``ops``, one for each vertex
    between input and output.

    Args:
        near: the least number of rows that a mutation can reach.
        data: folder of the tables; the value of NASTURTIUM_DATA if not given.

    Raises:
        EstimateError: the table is missing, truncated or of another version.

    Example:
        >>> from random import Random
        >>> import nasturtium as nas
        >>> bench = nas.NASBench101()  # doctest: +SKIP
        >>> bench.query(bench.space.sample(Random(0)))["accuracy"]  # doctest: +SKIP
        >>> nas.NASBench101(data="absent")  # doctest: +ELLIPSIS
        Traceback (most recent call last):
        nasturtium.errors.EstimateError: there is no table absent/nb101/...; pass ...
    """

    def __init__(self, *, near: int = 16, data: str | Path | None = None) -> None:
        wanted: dict[str, tuple[int, ...]] = {
            "meta_json": (-1,),
            "adj_bits": (CELLS,),
            "ops": (CELLS, 5),
            "num_vertices": (CELLS,),
            "m_index": (ROWS,),
            "m_train_time_108_s": (ROWS,),
            "m_params": (ROWS,),
        }
        wanted |= {f"m_valid_acc_{epochs}": (ROWS,) for epochs in EPOCHS}
        held = load_table("nb101/nasbench101_partial.npz", data, wanted)
        about, rows = read_metadata(held), held["m_index"]
        pairs = [(int(source), int(target)) for source, target in about["pairs"]]
        edges = (held["adj_bits"][rows, None] >> np.arange(len(pairs), dtype=np.uint32)) & 1
        ops, counts = held["ops"][rows], held["num_vertices"][rows].tolist()
        names: list[str] = about["ops"]
        records = [
            {
                "edges": tuple(pairs[place] for place in np.flatnonzero(bits).tolist()),
                "ops": tuple(names[op] for op in cell[: count - 2]),
            }
            for bits, cell, count in zip(edges, ops.tolist(), counts, strict=True)
        ]
        self._arguments = (near, data)
        self.name = "nasbench101-30001"
        self.space = self._pool = PoolSpace(
            "nasbench101",
            records,
            np.hstack([edges, ops]).astype(np.uint8),
            near,
            graph=vertex_cell,
        )
        self.metrics = ("accuracy", "seconds", "params")
        self.fidelities = (*(Fidelity(epochs=e / 108) for e in EPOCHS[:-1]), FULL)
        self._accuracy = [held[f"m_valid_acc_{epochs}"] for epochs in EPOCHS]
        self._seconds = held["m_train_time_108_s"]
        self._params = held["m_params"].astype(float)
        self.best = float(self._accuracy[-1].max())

    def query(
        self,
        architecture: Architecture,
        *,
        fidelity: Fidelity = FULL,
        run: Random | int | None = None,
    ) -> Mapping[str, float]:
        row, level = self._pool.row(architecture), self.level(fidelity)
        return {
            "accuracy": self._accuracy[level].item(row),
            "seconds": self._seconds.item(row) * EPOCHS[level] / 108,
            "params": self._params.item(row),
        }

    def truth(self, architecture: Architecture) -> float:
        """Return the validation accuracy after 108 epochs; the sample has no test accuracy."""
        return float(self._accuracy[-1][self._pool.row(architecture)])

    def __reduce__(self) -> tuple[Any, ...]:
        return _open_again, self._arguments


def _open_again(near: int, data: Any) -> NASBench101:
    return NASBench101(near=near, data=data)
