"""Published latency tables: whole networks on many devices, and blocks of networks.

Lee, Lee, Chong & Hwang (2021), "HELP" (5,000 FBNet and 5,000 OFA-MobileNetV3 networks); Hu et al.
(2020), "TF-NAS" (blocks on a Titan RTX and a Xeon, by middle channels); Cai, Zhu & Han (2019),
"ProxylessNAS" (blocks on a Pixel 1).

Implemented: the networks as pools, to fit and evaluate latency predictors; the blocks as plain
tables. They are not for comparisons of strategies, which report accuracies. Deviations: none known.
Some blocks of TF-NAS have small negative values at tiny widths, since they were measured as
differences; they are returned unchanged.
"""

from __future__ import annotations

import csv
import gzip
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from nasturtium.bench.pool_benchmark import PoolBenchmark, find_distinct_rows
from nasturtium.bench.table_files import check_option, find_table, list_arrays, load_table
from nasturtium.errors import EstimateError
from nasturtium.space.pool_space import PoolSpace

__all__ = ["fbnet_latency", "ofa_latency", "pixel_blocks", "tfnas_blocks"]

ROWS = 5000
FBNET = "help_latency/fbnet_5000_latency.npz"
OFA = "help_latency/ofa_mbv3_5000_latency.npz"


def fbnet_latency(
    device: str = "pixel3", *, near: int = 16, data: str | Path | None = None
) -> PoolBenchmark:
    """Return FBNet networks (22 layers out of nine blocks) with their latency in milliseconds.

    Raises:
        EstimateError: an unknown device, or a table that is missing, truncated or of another
            version.
    """
    column = _column("FBNet", FBNET, device, data)
    held = load_table(
        FBNET,
        data,
        {"arch": (ROWS, 22), "op_names": (9,), column: (ROWS,)},
    )
    names = [str(name) for name in held["op_names"]]
    records = [
        {f"layer{place}": names[op] for place, op in enumerate(row)}
        for row in held["arch"].tolist()
    ]
    return _latency(f"fbnet-{device}", "fbnet", records, held["arch"], held[column], near)


def ofa_latency(
    device: str = "2080ti_1", *, near: int = 16, data: str | Path | None = None
) -> PoolBenchmark:
    """Return once-for-all MobileNetV3 subnets with their latency in milliseconds.

    Raises:
        EstimateError: an unknown device, or a table that is missing, truncated or of another
            version.
    """
    column = _column("OFA", OFA, device, data)
    shapes = {"ks": (ROWS, 20), "e": (ROWS, 20), "d": (ROWS, 5), "r": (ROWS,), column: (ROWS,)}
    held = load_table(OFA, data, shapes)
    codes = np.hstack([held["ks"], held["e"], held["d"], held["r"][:, None]])
    names = [
        f"{part}{place}"
        for part, n in (("kernel", 20), ("expand", 20), ("depth", 5))
        for place in range(n)
    ]
    names.append("resolution")
    records = [dict(zip(names, row, strict=True)) for row in codes.tolist()]
    return _latency(f"ofa-{device}", "ofa", records, codes, held[column], near)


def _latency(
    name: str, space: str, records: Any, codes: Any, column: Any, near: int
) -> PoolBenchmark:
    kept = find_distinct_rows(records)
    pool = PoolSpace(space, [records[row] for row in kept], codes[kept], near)
    return PoolBenchmark(name, pool, {"latency": column[kept]}, truth="latency")


def _column(what: str, file: str, device: str, data: str | Path | None) -> str:
    devices = [name[4:] for name in list_arrays(file, data) if name.startswith("lat_")]
    return f"lat_{check_option(f'device of the {what} table', device, devices)}"


def tfnas_blocks(
    device: str = "gpu", *, data: str | Path | None = None
) -> tuple[float, Mapping[str, tuple[float, ...]]]:
    """Return the latency in milliseconds of TF-NAS's blocks by middle channels, from 1.

    Args:
        device: ``gpu`` (Titan RTX, batch 32) or ``cpu`` (Xeon 6130, batch 1).
        data: folder of the tables; the value of NASTURTIUM_DATA if not given.

    Returns:
        the latency of stem and head, and that of every block, by the name of the block.
    """
    part = check_option("device of the TF-NAS table", device, ("gpu", "cpu"))
    path = find_table(f"latency_lut/tfnas_{part}.json.gz", data)
    try:
        held = json.loads(gzip.decompress(path.read_bytes()))
        return float(held["base_ms"]), {name: tuple(row) for name, row in held["blocks"].items()}
    except (OSError, EOFError, ValueError, KeyError, TypeError) as error:
        raise EstimateError(
            f"the table {path} cannot be read ({error}); it is truncated or of another version"
        ) from error


def pixel_blocks(*, data: str | Path | None = None) -> Mapping[str, float]:
    """Return the mean latency in milliseconds of ProxylessNAS's blocks on a Pixel 1, by name."""
    path = find_table("latency_lut/proxylessnas_pixel_trim.csv", data)
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    try:
        return {row["op"]: float(row["mean_ms"]) for row in rows}
    except (KeyError, TypeError, ValueError) as error:
        raise EstimateError(
            f"the table {path} cannot be read ({error!r}); it is truncated or of another version"
        ) from error
