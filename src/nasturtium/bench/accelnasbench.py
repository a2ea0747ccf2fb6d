"""Accel-NASBench: 5,125 MnasNet-like networks, trained on ImageNet and run on six accelerators.

Ahmad et al. (2023/24), "Accel-NASBench". A proxy schedule of one seed, so accuracies lie below
those of full training.

Implemented: top-1 and top-5, training seconds, multiply-accumulates, parameters, and throughput or
latency of a device. Deviations: 13 of the 5,138 records repeat an architecture; the first is kept.
Rows that a device could not run have no number for it, and fail where it is an objective.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from nasturtium.bench.pool_benchmark import PoolBenchmark, find_distinct_rows
from nasturtium.bench.table_files import check_option, load_table
from nasturtium.space.pool_space import PoolSpace

__all__ = ["DEVICES", "accelnasbench"]

RECORDS = 5138
DEVICES = ("a100", "3090", "tpuv2", "tpuv3", "zcu102", "vck190")
PARTS = ("expand", "kernel", "layers", "se")


def accelnasbench(
    device: str | None = None, *, near: int = 16, data: str | Path | None = None
) -> PoolBenchmark:
    """Return the table of Accel-NASBench (ImageNet).

    Args:
        device: adds ``throughput`` in images per second and, on the FPGAs zcu102 and vck190,
            ``latency`` in milliseconds.
        near: the least number of rows that a mutation can reach.
        data: folder of the tables; the value of NASTURTIUM_DATA if not given.

    Raises:
        EstimateError: an unknown device, or a table that is missing, truncated or of another
            version.

    Example:
        >>> import nasturtium as nas
        >>> bench = nas.accelnasbench("zcu102")  # doctest: +SKIP
        >>> bench.metrics  # doctest: +SKIP
        ('accuracy', 'top5', 'seconds', 'macs', 'params', 'throughput', 'latency')
        >>> nas.accelnasbench("zcu10")  # doctest: +ELLIPSIS
        Traceback (most recent call last):
        nasturtium.errors.EstimateError: device of Accel-NASBench: there is no 'zcu10'; ...
    """
    metrics = {
        "accuracy": ("val_top1", 0.01),
        "top5": ("val_top5", 0.01),
        "seconds": ("train_time", 1.0),
        "macs": ("macs", 1e6),
        "params": ("params", 1e6),
    }
    if device is not None:
        check_option("device of Accel-NASBench", device, DEVICES)
        metrics["throughput"] = (f"throughput_{device}_mean", 1.0)
        if device in ("zcu102", "vck190"):
            metrics["latency"] = (f"latency_{device}_mean", 1.0)
    wanted: dict[str, tuple[int, ...]] = {column: (RECORDS,) for column, _ in metrics.values()}
    wanted["arch"] = (RECORDS, 7, len(PARTS))
    held = load_table("accel_nasbench/accel_nasbench_imagenet.npz", data, wanted)
    records: list[dict[str, Any]] = [
        {
            f"block{place}.{part}": value
            for place, block in enumerate(blocks)
            for part, value in zip(PARTS, block, strict=True)
        }
        for blocks in held["arch"].tolist()
    ]
    rows = find_distinct_rows(records)
    pool = PoolSpace(
        "accelnasbench",
        [records[row] for row in rows],
        held["arch"][rows].reshape(len(rows), -1),
        near,
    )
    columns = {m: held[column][rows].astype(float) * unit for m, (column, unit) in metrics.items()}
    columns["params"], columns["macs"] = np.rint(columns["params"]), np.rint(columns["macs"])
    name = "accelnasbench-imagenet" if device is None else f"accelnasbench-imagenet-{device}"
    return PoolBenchmark(name, pool, columns)
