"""What a tabular benchmark is: a space, what a query gives, and the truth it is judged by."""

from __future__ import annotations

import json
import os
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any, final

import numpy as np

from nasturtium.errors import EstimateError
from nasturtium.study.estimator import Estimator
from nasturtium.study.fidelity import FULL, Fidelity
from nasturtium.study.objective import Objective, parse_objective

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from nasturtium.architecture import Architecture
    from nasturtium.space.base import Space
    from nasturtium.study.job import Job

__all__ = ["Benchmark", "Query", "choice", "columns", "locate", "meta", "table"]


class Benchmark(ABC):
    """A table of trained networks that answers in microseconds what takes hours to train.

    Accuracies are fractions, as everywhere in nasturtium; seconds are those of the machine that
    filled the table; latencies are in milliseconds; counts are plain numbers.

    Attributes:
        name: what was measured, e.g. ``nasbench201-cifar10``.
        space: the architectures that the table holds.
        metrics: what :meth:`query` gives; ``seconds`` is the simulated cost of the query.
        fidelities: what can be asked for, in rising order; the last is the full one.
        best: the highest :meth:`truth` in the table.
        noisy: whether a query with a generator draws one of several training runs.
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
        """What a search is told of an architecture.

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
        """The accuracy that results are reported in; searches must not see it."""

    def estimator(self) -> Estimator:
        """The benchmark as an estimator of a study, a run drawn for each trial."""
        return Query(self)

    def check(self, objectives: Iterable[Objective | str]) -> None:
        """Refuse objectives that the table cannot give, before any work.

        Raises:
            EstimateError: a metric is missing; the nearest one is named.
        """
        for objective in map(parse_objective, objectives):
            if objective.metric not in self.metrics:
                choice(f"objective of {self.name}", objective.metric, self.metrics)

    def level(self, fidelity: Fidelity) -> int:
        """The place of a fidelity among :attr:`fidelities`.

        Raises:
            EstimateError: the table has no such fidelity.
        """
        for place, known in enumerate(self.fidelities):
            if (
                abs(known.epochs - fidelity.epochs) < 1e-9
                and (known.data, known.resolution) == (fidelity.data, fidelity.resolution)
                and known.schedule == fidelity.schedule
            ):
                return place
        held = ", ".join(f"epochs={known.epochs:.6g}" for known in self.fidelities)
        raise EstimateError(
            f"{self.name} was asked for {fidelity}; it holds complete schedules of {held} of the "
            "full epochs, all data, full resolution"
        )

    def __repr__(self) -> str:
        return f"<benchmark {self.name}>"


@final
class Query(Estimator):
    """Look-ups in a benchmark.

    Args:
        benchmark: the table.
    """

    def __init__(self, benchmark: Benchmark) -> None:
        self.benchmark = benchmark
        self.metrics = benchmark.metrics

    def estimate(self, job: Job) -> Mapping[str, float]:
        run = Random(job.seed("run")) if self.benchmark.noisy else None
        return self.benchmark.query(job.architecture, fidelity=job.fidelity, run=run)


def choice(what: str, given: str, options: Sequence[str]) -> str:
    """``given`` if it is an option.

    Raises:
        EstimateError: it is not; the nearest one is named.
    """
    if given in options:
        return given
    near = get_close_matches(given, options, n=1)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    raise EstimateError(f"{what}: there is no {given!r}{hint} (there are: {', '.join(options)})")


def meta(arrays: Mapping[str, NDArray[Any]]) -> Mapping[str, Any]:
    """The JSON that a table keeps about itself."""
    made: Mapping[str, Any] = json.loads(arrays["meta_json"].tobytes())
    return made


def table(
    name: str, data: str | Path | None, shapes: Mapping[str, tuple[int, ...]]
) -> dict[str, NDArray[Any]]:
    """The named arrays of an ``.npz`` file in the data folder, their shapes checked.

    Args:
        name: path within the folder, e.g. ``nb201/nasbench201_tss.npz``.
        data: the folder; what the variable NASTURTIUM_DATA names if not given.
        shapes: the arrays wanted; a size of -1 is any.

    Raises:
        EstimateError: no folder, no such file, a truncated file, or another version of it.
    """
    path = locate(name, data)
    found: dict[str, NDArray[Any]] = {}
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            for key in shapes.keys() & set(archive.files):
                array = archive[key]
                # Tables keep 32-bit numbers of a few digits; as 64-bit ones they are those digits.
                found[key] = array.astype(float).round(6) if array.dtype == np.float32 else array
    except Exception as error:  # zipfile, zlib and numpy each raise their own
        raise _unreadable(path, error) from error
    for key, shape in shapes.items():
        here = found[key].shape if key in found else None
        fits = here is not None and len(here) == len(shape)
        if not fits or any(
            want not in (-1, size) for want, size in zip(shape, here or (), strict=True)
        ):
            raise EstimateError(
                f"the table {path} is of another version: expected {key!r} of shape {shape}, "
                f"found {'none' if here is None else here}"
            )
    return found


def columns(name: str, data: str | Path | None) -> tuple[str, ...]:
    """The names of the arrays in an ``.npz`` file of the data folder.

    Raises:
        EstimateError: no folder, no such file, or a truncated file.
    """
    path = locate(name, data)
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            return tuple(archive.files)
    except Exception as error:
        raise _unreadable(path, error) from error


def locate(file: str, data: str | Path | None) -> Path:
    """The path of a file in the data folder, which has to be there."""
    folder = data or os.environ.get("NASTURTIUM_DATA")
    if not folder:
        raise EstimateError(
            f"the table {file} is looked for in the folder that the variable NASTURTIUM_DATA "
            "names, which is not set; set it, or give data=folder"
        )
    path = Path(folder) / file
    if not path.is_file():
        raise EstimateError(
            f"there is no table {path}; give the folder that holds {file} as data=..., or in the "
            "variable NASTURTIUM_DATA"
        )
    return path


def _unreadable(path: Path, error: Exception) -> EstimateError:
    return EstimateError(
        f"the table {path} cannot be read ({type(error).__name__}: {error}); it is truncated or "
        "no .npz file: copy it again"
    )
