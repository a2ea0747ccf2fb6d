"""NAS-Bench-201: all 15,625 cells, trained on three data sets.

Dong & Yang (2020), "NAS-Bench-201"; Dong, Liu, Musial & Gabrys (2021), "NATS-Bench" (its topology
space, whose records these are); latencies: Lee, Lee, Chong & Hwang (2021), "HELP".

Implemented: the papers' protocol (search on the validation accuracy of the 12-epoch schedule,
report the mean test accuracy after 200 epochs), search on 200 epochs with one of the runs drawn,
and search on the reported number itself, which has no noise and is for testing search code.
Deviations: 12-epoch runs are one seed (CIFAR-10: the mean of two), so their queries have no noise;
the runs after 200 epochs of CIFAR-100 and ImageNet16-120 were measured on the whole held-out set,
of which the reported test images are half. Training on CIFAR-10 uses half of the training images,
as in the papers. Seconds are the training time of the schedule plus one pass over the validation
images, at the per-image cost that the benchmark's authors recorded for CIFAR-10. The file keeps
multiply-accumulates to seven digits.
The tests reproduce the published optima, means and the search table.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any, Literal, final

import numpy as np

from nasturtium.architecture import Architecture
from nasturtium.bench.benchmark import Benchmark
from nasturtium.bench.table_files import check_option, list_arrays, load_table
from nasturtium.errors import EstimateError
from nasturtium.space.zoo.nasbench201 import EDGES, OPS, nasbench201
from nasturtium.study.fidelity import FULL, Fidelity

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["DATASETS", "PROXIES", "NASBench201"]

ROWS = len(OPS) ** len(EDGES)
NAMES = tuple(f"edge{source}_{target}" for source, target in EDGES)
PLACES = {op: place for place, op in enumerate(OPS)}
# Images of a validation pass, classes, and the columns of training time and of the runs.
DATASETS: Mapping[str, tuple[int, int, str, str]] = {
    "cifar10": (25_000, 10, "cifar10valid_train_time_200_s", "cifar10_valid_acc_200_seeds"),
    "cifar100": (5_000, 100, "cifar100_train_time_200_s", "cifar100_valtest_acc_200_seeds"),
    "in16": (3_000, 120, "in16_train_time_200_s", "in16_valtest_acc_200_seeds"),
}
PROXIES = Path(__file__).with_name("nasbench201_proxies.npz")
LATENCIES = "nb201/nasbench201_latency_27devices.npz"


@final
class NASBench201(Benchmark):
    """The table of NAS-Bench-201, one data set of it.

    Args:
        dataset: ``cifar10``, ``cifar100`` or ``in16`` (ImageNet16-120).
        epochs: the schedule that searches query: 12, as in the paper, or 200, of which 12 epochs
            are then the lower fidelity.
        fitness: ``validation``; or ``test``, the reported number itself, to test search code.
        device: adds ``latency`` in milliseconds; one of 27, e.g. ``pixel3`` or
            ``1080ti_32`` (the number is the batch size).
        data: folder of the tables; the value of NASTURTIUM_DATA if not given.

    Raises:
        EstimateError: an unknown data set, schedule or device, or a table that is missing,
            truncated or of another version.

    Example:
        >>> from random import Random
        >>> import nasturtium as nas
        >>> bench = nas.NASBench201("cifar10")  # doctest: +SKIP
        >>> bench.query(bench.space.sample(Random(0)))["accuracy"]  # doctest: +SKIP
        >>> sorted(nas.NASBench201.proxies())
        ['grad_norm', 'jacov', 'naswot', 'snip', 'synflow']
    """

    def __init__(
        self,
        dataset: str = "cifar10",
        *,
        epochs: int = 12,
        fitness: Literal["validation", "test"] = "validation",
        device: str | None = None,
        data: str | Path | None = None,
    ) -> None:
        images, classes, time, seeds = DATASETS[check_option("data set", dataset, tuple(DATASETS))]
        check_option("fitness", fitness, ("validation", "test"))
        if epochs not in (12, 200):
            raise EstimateError(
                f"NAS-Bench-201 has no schedule of {epochs} epochs; it has 12 and 200"
            )
        self._arguments = (dataset, epochs, fitness, device, data)
        self.dataset = dataset
        self.name = f"nasbench201-{dataset}"
        size = 16 if dataset == "in16" else 32
        self.space = nasbench201.bind(inputs=(3, size, size), classes=classes)
        self.metrics = ("accuracy", "seconds", "params", "macs")
        self.noisy = fitness == "validation" and epochs == 200
        self.fidelities = (Fidelity(epochs=12 / 200), FULL) if self.noisy else (FULL,)

        wanted = {f"{dataset}_valid_acc_12": (ROWS,), time: (ROWS,), seeds: (ROWS, 3)}
        wanted |= {f"{name}_test_acc_200_mean": (ROWS,) for name in DATASETS}
        wanted |= {f"{dataset}_{count}_M": (ROWS,) for count in ("params", "flops")}
        wanted |= {"ops": (ROWS, 6), "cifar10valid_valid_eval_time_per_epoch_s": (ROWS,)}
        if dataset != "cifar10":
            wanted[f"{dataset}_valid_acc_200_mean"] = (ROWS,)
        held = load_table("nb201/nasbench201_tss.npz", data, wanted)

        self._row = np.empty(ROWS, np.int64)
        self._row[held["ops"].astype(np.int64) @ 5 ** np.arange(6)] = np.arange(ROWS)
        self._truth = {name: held[f"{name}_test_acc_200_mean"] / 100.0 for name in DATASETS}
        self.best = float(self._truth[dataset].max())
        self._runs = held[seeds] / 100.0
        if fitness == "test":
            accuracy, schedules = [self._truth[dataset]], [200]
        else:
            late = held.get(f"{dataset}_valid_acc_200_mean")
            mean = np.nanmean(self._runs, 1) if late is None else late / 100.0
            both = {12: held[f"{dataset}_valid_acc_12"] / 100.0, 200: mean}
            schedules = [12, 200] if epochs == 200 else [12]
            accuracy = [both[schedule] for schedule in schedules]
        # The time of a pass is proportional to its images; training times to their epochs.
        one_pass = held["cifar10valid_valid_eval_time_per_epoch_s"] * (images / 25_000)
        self._accuracy = accuracy
        self._seconds = [held[time] * (schedule / 200) + one_pass for schedule in schedules]
        self._params = np.rint(held[f"{dataset}_params_M"] * 1e6)
        self._macs = np.rint(held[f"{dataset}_flops_M"] * 1e6)
        self._latency = None
        if device is not None:
            check_option("device of NAS-Bench-201", device, list_arrays(LATENCIES, data))
            self._latency = load_table(LATENCIES, data, {device: (ROWS,)})[device]
            self.metrics += ("latency",)

    def row(self, architecture: Architecture) -> int:
        """Return the architecture's index in the official order.

        Raises:
            EstimateError: it is not one of NAS-Bench-201.
        """
        code = 0
        try:
            for name in reversed(NAMES):
                code = code * 5 + PLACES[architecture[name]]  # type: ignore[index]
        except (KeyError, TypeError):
            raise EstimateError(
                f"{architecture!r} is not a cell of NAS-Bench-201; expected answers to "
                f"{', '.join(NAMES)} out of {', '.join(OPS)}"
            ) from None
        return int(self._row[code])

    def query(
        self,
        architecture: Architecture,
        *,
        fidelity: Fidelity = FULL,
        run: Random | int | None = None,
    ) -> Mapping[str, float]:
        row = self.row(architecture)
        level = 0 if fidelity is FULL and len(self.fidelities) == 1 else self.level(fidelity)
        accuracy = self._accuracy[level].item(row)
        if run is not None and self.noisy and self.fidelities[level].full:
            accuracy = self._run(row, run)
        metrics = {
            "accuracy": accuracy,
            "seconds": self._seconds[level].item(row),
            "params": self._params.item(row),
            "macs": self._macs.item(row),
        }
        if self._latency is not None:
            metrics["latency"] = self._latency.item(row)
        return metrics

    def _run(self, row: int, run: Random | int) -> float:
        runs = self._runs[row]
        held = 2 if np.isnan(runs[2]) else 3
        index = int(run.random() * held) if isinstance(run, Random) else run
        if not 0 <= index < held:
            raise EstimateError(f"architecture {row} has runs 0 to {held - 1}; asked for {index}")
        return float(runs[index])

    @staticmethod
    def proxies() -> Mapping[str, NDArray[np.float64]]:
        """Return zero-cost scores of all cells in the official order; NaN where one is undefined.

        They come with the package: one draw of weights and 32 training images of CIFAR-10, made by
        ``scripts/reproduce/proxies.py``; :mod:`nasturtium.proxy.zero_cost_scores` defines each
        score.
        """
        with np.load(PROXIES) as held:
            scores = {name: held[name].astype(float) for name in held.files if name != "done"}
        return {name: np.where(np.isfinite(x), x, np.nan) for name, x in scores.items()}

    def truth(self, architecture: Architecture, dataset: str | None = None) -> float:
        """Return the mean test accuracy after 200 epochs, on this data set or another one."""
        truth = self._truth[self.dataset if dataset is None else dataset]
        return float(truth[self.row(architecture)])

    def __reduce__(self) -> tuple[Any, ...]:
        return _open_again, self._arguments


def _open_again(dataset: str, epochs: int, fitness: Any, device: Any, data: Any) -> NASBench201:
    return NASBench201(dataset, epochs=epochs, fitness=fitness, device=device, data=data)
