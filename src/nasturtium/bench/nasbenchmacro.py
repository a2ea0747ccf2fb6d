"""NAS-Bench-Macro: all 6,561 networks of eight layers out of three, three runs each.

Su et al. (2021), "Prioritized architecture sampling with Monte-Carlo tree search", section 5.

Implemented: CIFAR-10 test accuracies of the three runs, parameters and multiply-accumulates. A
query draws a run; the truth is the mean of the three. Deviations: the table has test accuracies
only, so searches see the same images that results are reported on; it has no training times, so
races on it are counted in trials. The space asks and does not build.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any, final

import numpy as np

from nasturtium.architecture import Architecture
from nasturtium.bench.benchmark import Benchmark
from nasturtium.bench.table_files import load_table
from nasturtium.errors import EstimateError, SpaceError
from nasturtium.space.decorator import space
from nasturtium.study.fidelity import FULL, Fidelity

if TYPE_CHECKING:
    from nasturtium.space.choose import Choose

__all__ = ["LAYERS", "NASBenchMacro", "nasbenchmacro"]

LAYERS, OPS = 8, ("identity", "mbconv3_k3", "mbconv6_k5")
NAMES = tuple(f"layer{place}" for place in range(LAYERS))
PLACES = {op: place for place, op in enumerate(OPS)}
ROWS = len(OPS) ** LAYERS


@space
def nasbenchmacro(choose: Choose) -> Callable[[], Any]:
    """Eight layers, each the identity or one of two inverted residual blocks; not built."""
    for name in NAMES:
        choose(name, OPS)

    def build() -> Any:
        raise SpaceError("nasbenchmacro is the space of a table; its networks are not built here")

    return build


@final
class NASBenchMacro(Benchmark):
    """The table of NAS-Bench-Macro (CIFAR-10).

    Args:
        data: folder of the tables; the value of NASTURTIUM_DATA if not given.

    Raises:
        EstimateError: the table is missing, truncated or of another version.

    Example:
        >>> from random import Random
        >>> import nasturtium as nas
        >>> bench = nas.NASBenchMacro()  # doctest: +SKIP
        >>> bench.query(bench.space.sample(Random(0)))["accuracy"]  # doctest: +SKIP
        >>> nas.NASBenchMacro(data="absent")  # doctest: +ELLIPSIS
        Traceback (most recent call last):
        nasturtium.errors.EstimateError: there is no table absent/nasbench_macro/...; pass ...
    """

    def __init__(self, *, data: str | Path | None = None) -> None:
        wanted = {
            "arch": (ROWS, LAYERS),
            "test_acc": (ROWS, 3),
            "params": (ROWS,),
            "flops": (ROWS,),
        }
        held = load_table("nasbench_macro/nasbench_macro_cifar10.npz", data, wanted)
        order = np.argsort(held["arch"].astype(np.int64) @ 3 ** np.arange(LAYERS)[::-1])
        self._data = data
        self.name = "nasbenchmacro-cifar10"
        self.space = nasbenchmacro
        self.metrics = ("accuracy", "params", "macs")
        self.noisy = True
        self._runs = held["test_acc"][order].astype(float) / 100.0
        self._mean = self._runs.mean(1)
        self._params = held["params"][order].astype(float)
        self._macs = held["flops"][order].astype(float)
        self.best = float(self._mean.max())

    def _row(self, architecture: Architecture) -> int:
        row = 0
        try:
            for name in NAMES:
                row = row * 3 + PLACES[architecture[name]]  # type: ignore[index]
        except (KeyError, TypeError):
            raise EstimateError(
                f"{architecture!r} is not of NAS-Bench-Macro; expected answers to layer0 to layer7 "
                f"out of {', '.join(OPS)}"
            ) from None
        return row

    def query(
        self,
        architecture: Architecture,
        *,
        fidelity: Fidelity = FULL,
        run: Random | int | None = None,
    ) -> Mapping[str, float]:
        self.level(fidelity)
        row = self._row(architecture)
        if run is None:
            accuracy = self._mean.item(row)
        else:
            index = int(run.random() * 3) if isinstance(run, Random) else run
            if not 0 <= index < 3:
                raise EstimateError(f"NAS-Bench-Macro has runs 0, 1 and 2; asked for {index}")
            accuracy = self._runs.item(row, index)
        return {
            "accuracy": accuracy,
            "params": self._params.item(row),
            "macs": self._macs.item(row),
        }

    def truth(self, architecture: Architecture) -> float:
        """Return the mean test accuracy of the three runs."""
        return float(self._mean[self._row(architecture)])

    def __reduce__(self) -> tuple[Any, ...]:
        return _open_again, (self._data,)


def _open_again(data: Any) -> NASBenchMacro:
    return NASBenchMacro(data=data)
