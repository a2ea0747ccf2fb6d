"""Published results of DARTS cells: 1,000 trained ones, and 725 predicted by a surrogate.

Peng et al. (2024), "SWAP-NAS" (1,000 random cells, trained on CIFAR-10 for 200 epochs, normal and
reduction cell equal); Krishnakumar et al. (2022), "NAS-Bench-Suite-Zero" (725 cells whose accuracy
the surrogate of NAS-Bench-301 predicts, with zero-cost proxies).

Implemented: both as pools. Deviations: the surrogate's accuracies are predictions, not results.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from nasturtium.bench.pool_benchmark import PoolBenchmark
from nasturtium.bench.table_files import check_option, load_table
from nasturtium.space.pool_space import PoolSpace

__all__ = ["PROXIES", "dartscells"]

OPS = (
    "max_pool_3x3",
    "avg_pool_3x3",
    "skip_connect",
    "sep_conv_3x3",
    "sep_conv_5x5",
    "dil_conv_3x3",
    "dil_conv_5x5",
)
PROXIES = (
    "epe_nas",
    "fisher",
    "grad_norm",
    "grasp",
    "jacov",
    "l2_norm",
    "nwot",
    "plain",
    "snip",
    "synflow",
)


def dartscells(
    source: str = "trained", *, near: int = 16, data: str | Path | None = None
) -> PoolBenchmark:
    """Return a table of DARTS cells with accuracies on CIFAR-10.

    An architecture is a record of ``normal`` and ``reduce``, each eight pairs of an operation and
    its input node, two for each node in order.

    Args:
        source: ``trained`` (1,000 cells) or ``surrogate`` (725 cells, with ``params``, ``macs``
            and proxies as metrics).
        near: the least number of rows that a mutation can reach.
        data: folder of the tables; the value of NASTURTIUM_DATA if not given.

    Raises:
        EstimateError: another source, or a table that is missing, truncated or of another version.

    Example:
        >>> import nasturtium as nas
        >>> bench = nas.dartscells("surrogate")  # doctest: +SKIP
        >>> len(bench.space), bench.metrics[:2]  # doctest: +SKIP
        (725, ('accuracy', 'epe_nas'))
        >>> nas.dartscells("predicted")  # doctest: +ELLIPSIS
        Traceback (most recent call last):
        nasturtium.errors.EstimateError: source of DARTS cells: there is no 'predicted' (...)
    """
    if check_option("source of DARTS cells", source, ("trained", "surrogate")) == "trained":
        file = "darts_swap/darts_1000_cifar10.npz"
        cells = ("normal", "reduce")
        held = load_table(
            file, data, {**dict.fromkeys(cells, (1000, 8, 2)), "val_acc": (1000,), "op_names": (8,)}
        )
        names = [str(name) for name in held["op_names"]]
        codes = np.stack([held[cell] for cell in cells], 1).astype(int)
        columns = {"accuracy": held["val_acc"] / 100.0}
    else:
        shapes: dict[str, tuple[int, ...]] = dict.fromkeys((*PROXIES, "params", "flops"), (725,))
        shapes |= {"arch": (725, 2, 8, 2), "val_acc_surrogate": (725,)}
        held = load_table("nasbench301/nasbench301_725_zerocost.npz", data, shapes)
        names = list(OPS)
        codes = held["arch"][..., ::-1].astype(int)  # stored as (node, operation)
        columns = {"accuracy": held["val_acc_surrogate"] / 100.0}
        columns |= {proxy: held[proxy] for proxy in PROXIES}
        columns |= {"params": held["params"] * 1e6, "macs": held["flops"] * 1e6}

    def cell(pairs: list[list[int]]) -> tuple[Any, ...]:
        return tuple((names[op], node) for op, node in pairs)

    records = [
        {"normal": cell(normal), "reduce": cell(reduce)} for normal, reduce in codes.tolist()
    ]
    pool = PoolSpace(f"dartscells-{source}", records, codes.reshape(len(codes), -1), near)
    return PoolBenchmark(f"dartscells-{source}", pool, columns)
