"""The laws of a tabular benchmark."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pickle import loads
from random import Random
from typing import Any

from nasturtium.architecture import Architecture
from nasturtium.bench.base import Benchmark
from nasturtium.contracts.law import alike, law, leaves_randomness_alone
from nasturtium.errors import EstimateError
from nasturtium.execute.serialize import packed
from nasturtium.study.fidelity import Fidelity

__all__ = ["check_benchmark"]

ABSENT = Fidelity(epochs=0.123456789)  # which no table is expected to hold


def check_benchmark(benchmark: Benchmark, *, samples: int = 20, seed: int = 0) -> None:
    """Check that a benchmark keeps the laws that races and studies rely on.

    * Every architecture that its space draws is answered, at every fidelity that it says it holds,
      with exactly the ``metrics`` that it names, as plain finite numbers; NaN where a training
      failed. Another fidelity is refused with an ``EstimateError``.
    * The same query has the same answer; where a generator draws a run, equal generators draw the
      same. A benchmark that is not ``noisy`` takes no notice of it.
    * ``fidelities`` rise, and the last one is the full one. ``best`` is the highest ``truth``.
    * A copy in a worker process answers alike. Global generators are left alone.

    Args:
        benchmark: the table.
        samples: how many architectures are drawn.
        seed: draws them.

    Raises:
        AssertionError: a law is broken; says which, and by what.

    Example:
        >>> from nasturtium.bench.pool import PoolBenchmark
        >>> from nasturtium.contracts import check_benchmark
        >>> from nasturtium.space.pool import PoolSpace
        >>> pool = PoolSpace("line", [{"x": x} for x in range(50)], [[x] for x in range(50)])
        >>> check_benchmark(PoolBenchmark("line", pool, {"accuracy": [x / 50 for x in range(50)]}))
    """
    name = type(benchmark).__name__
    law(bool(benchmark.name), f"{name}.name is empty; say what was measured")
    _check_fidelities(name, benchmark)
    rng = Random(seed)
    drawn = [benchmark.space.sample(rng) for _ in range(samples)]
    copy = _sent(benchmark)
    for architecture in drawn:
        _check_truth(name, benchmark, architecture)
        law(
            alike(copy.truth(architecture), benchmark.truth(architecture)),
            f"{name}.truth differs in a copy that was sent to a worker process",
        )
        for fidelity in benchmark.fidelities:
            first = _query(name, benchmark, architecture, fidelity, None)
            _check_alike(name, "twice", first, benchmark, architecture, fidelity, None)
            _check_alike(name, "in a worker process", first, copy, architecture, fidelity, None)
            told = _query(name, benchmark, architecture, fidelity, Random(seed))
            _check_alike(
                name, "with equal generators", told, benchmark, architecture, fidelity, seed
            )
            law(
                benchmark.noisy or all(alike(told[key], first[key]) for key in first),
                f"{name}.query depends on run=, and {name}.noisy is false; set it to true",
            )
    try:
        benchmark.query(drawn[0], fidelity=ABSENT)
    except EstimateError:
        return
    law(False, f"{name}.query answered {ABSENT}, which it does not hold; call self.level(fidelity)")


def _check_fidelities(name: str, benchmark: Benchmark) -> None:
    held = benchmark.fidelities
    costs = [fidelity.cost for fidelity in held]
    law(
        bool(held) and costs == sorted(set(costs)) and held[-1].full,
        f"{name}.fidelities are {held}; expected rising ones, the last of them the full one",
    )
    for place, fidelity in enumerate(held):
        law(benchmark.level(fidelity) == place, f"{name}.level({fidelity}) is not {place}")


def _check_truth(name: str, benchmark: Benchmark, architecture: Architecture) -> None:
    with leaves_randomness_alone(f"{name}.truth"):
        truth = benchmark.truth(architecture)
    law(
        isinstance(truth, (int, float)) and truth <= benchmark.best + 1e-9,
        f"{name}.truth gave {truth!r} for {architecture!r}, and {name}.best is {benchmark.best!r}; "
        "expected a plain number, none above the best",
    )


def _query(
    name: str, benchmark: Benchmark, architecture: Architecture, fidelity: Fidelity, run: Any
) -> Mapping[str, float]:
    with leaves_randomness_alone(f"{name}.query"):
        found = benchmark.query(architecture, fidelity=fidelity, run=run)
    law(
        isinstance(found, Mapping) and set(found) == set(benchmark.metrics),
        f"{name}.query gave {found!r}; expected the metrics {sorted(benchmark.metrics)}",
    )
    for metric, value in found.items():
        law(
            isinstance(value, (int, float))
            and not isinstance(value, bool)
            and not math.isinf(value),
            f"{name}.query gave {metric}={value!r}; expected a plain number (use float())",
        )
    return dict(found)


def _check_alike(
    name: str,
    when: str,
    first: Mapping[str, float],
    benchmark: Benchmark,
    architecture: Architecture,
    fidelity: Fidelity,
    seed: int | None,
) -> None:
    second = _query(name, benchmark, architecture, fidelity, None if seed is None else Random(seed))
    for metric, value in first.items():
        law(
            alike(value, second[metric]),
            f"{name}.query gave {metric}={value!r}, and {second[metric]!r} when asked {when}; draw "
            "from the generator that is given, from no other",
        )


def _sent(benchmark: Benchmark) -> Benchmark:
    try:
        sent: Benchmark = loads(packed(benchmark))
    except Exception as error:
        raise AssertionError(
            f"{type(benchmark).__name__} cannot be sent to a worker process ({error}); keep arrays "
            "and plain values"
        ) from error
    return sent
