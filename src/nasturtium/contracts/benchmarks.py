"""The contract of a tabular benchmark."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pickle import loads
from random import Random
from typing import Any

from nasturtium.architecture import Architecture
from nasturtium.bench.benchmark import Benchmark
from nasturtium.contracts.assertions import alike, leaves_randomness_alone, require
from nasturtium.errors import EstimateError
from nasturtium.execute.serialize import dumps
from nasturtium.space.choice_space import ChoiceSpace
from nasturtium.study.fidelity import Fidelity

__all__ = ["check_benchmark"]

ABSENT = Fidelity(epochs=0.123456789)  # in no table
MOST = 10_000  # architectures up to which all truths are compared with ``best``


def check_benchmark(benchmark: Benchmark, *, samples: int = 20, seed: int = 0) -> None:
    """Check the properties of a benchmark on which races and studies rely.

    * A query of any architecture of its space, at any of its ``fidelities``, returns exactly its
      ``metrics``, as plain finite numbers, or NaN where a training failed. A query at another
      fidelity raises an ``EstimateError``.
    * Equal queries return equal metrics; where a generator draws the run, equal generators draw
      the same run. A benchmark that is not ``noisy`` ignores the generator.
    * ``fidelities`` are ascending, and the last one is the full one. ``best`` is the highest
      ``truth``; in a space of up to 10,000 architectures all of them are compared.
    * A copy in a worker process returns the same metrics. Global generators do not change.

    Args:
        benchmark: the benchmark.
        samples: how many architectures are drawn.
        seed: of the generator that draws them.

    Raises:
        AssertionError: a property is violated; says which, and by what.

    Example:
        >>> from nasturtium.bench.pool_benchmark import PoolBenchmark
        >>> from nasturtium.contracts import check_benchmark
        >>> from nasturtium.space.pool_space import PoolSpace
        >>> pool = PoolSpace("line", [{"x": x} for x in range(50)], [[x] for x in range(50)])
        >>> check_benchmark(PoolBenchmark("line", pool, {"accuracy": [x / 50 for x in range(50)]}))
    """
    name = type(benchmark).__name__
    require(bool(benchmark.name), f"{name}.name is empty; say what was measured")
    _check_fidelities(name, benchmark)
    rng = Random(seed)
    drawn = [benchmark.space.sample(rng) for _ in range(samples)]
    copy = _sent(benchmark)
    for architecture in drawn:
        _check_truth(name, benchmark, architecture)
        require(
            alike(copy.truth(architecture), benchmark.truth(architecture)),
            f"{name}.truth differs in a copy that was sent to a worker process",
        )
        for fidelity in benchmark.fidelities:
            first = _query(name, benchmark, architecture, fidelity, None)
            _check_alike(name, "twice", first, benchmark, architecture, fidelity, None)
            _check_alike(name, "in a worker process", first, copy, architecture, fidelity, None)
            drawn_run = _query(name, benchmark, architecture, fidelity, Random(seed))
            _check_alike(
                name, "with equal generators", drawn_run, benchmark, architecture, fidelity, seed
            )
            require(
                benchmark.noisy or all(alike(drawn_run[key], first[key]) for key in first),
                f"{name}.query depends on run=, and {name}.noisy is false; set it to true",
            )
    _check_best(name, benchmark)
    try:
        benchmark.query(drawn[0], fidelity=ABSENT)
    except EstimateError:
        return
    require(
        False, f"{name}.query accepted {ABSENT}, which it does not have; call self.level(fidelity)"
    )


def _check_fidelities(name: str, benchmark: Benchmark) -> None:
    fidelities = benchmark.fidelities
    costs = [fidelity.cost for fidelity in fidelities]
    require(
        bool(fidelities) and costs == sorted(set(costs)) and fidelities[-1].full,
        f"{name}.fidelities are {fidelities}; expected ascending ones, the last of them full",
    )
    for place, fidelity in enumerate(fidelities):
        require(benchmark.level(fidelity) == place, f"{name}.level({fidelity}) is not {place}")


def _check_truth(name: str, benchmark: Benchmark, architecture: Architecture) -> None:
    with leaves_randomness_alone(f"{name}.truth"):
        truth = benchmark.truth(architecture)
    require(
        isinstance(truth, (int, float)) and truth <= benchmark.best + 1e-9,
        f"{name}.truth gave {truth!r} for {architecture!r}, and {name}.best is {benchmark.best!r}; "
        "expected plain numbers, none above the best",
    )


def _check_best(name: str, benchmark: Benchmark) -> None:
    """Compare ``best`` with the truth of every architecture, if there are few enough."""
    space = benchmark.space
    if not isinstance(space, ChoiceSpace):
        return
    size = space.size()
    if not size.exact or size.value > MOST:
        return
    truths = []
    for architecture in space.every():
        try:
            truths.append(benchmark.truth(architecture))
        except EstimateError:  # the table has no such row
            continue
    highest = max((truth for truth in truths if not math.isnan(truth)), default=benchmark.best)
    require(
        abs(highest - benchmark.best) <= 1e-9,
        f"{name}.best is {benchmark.best!r}, and the highest truth of its {len(truths):,} "
        f"architectures is {highest!r}; regret is computed from best, so give it exactly",
    )


def _query(
    name: str, benchmark: Benchmark, architecture: Architecture, fidelity: Fidelity, run: Any
) -> Mapping[str, float]:
    with leaves_randomness_alone(f"{name}.query"):
        metrics = benchmark.query(architecture, fidelity=fidelity, run=run)
    require(
        isinstance(metrics, Mapping) and set(metrics) == set(benchmark.metrics),
        f"{name}.query gave {metrics!r}; expected the metrics {sorted(benchmark.metrics)}",
    )
    for metric, value in metrics.items():
        require(
            isinstance(value, (int, float))
            and not isinstance(value, bool)
            and not math.isinf(value),
            f"{name}.query gave {metric}={value!r}; expected a plain number (use float())",
        )
    return dict(metrics)


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
        require(
            alike(value, second[metric]),
            f"{name}.query gave {metric}={value!r}, and {second[metric]!r} when asked {when}; draw "
            "from the given generator, and from no other",
        )


def _sent(benchmark: Benchmark) -> Benchmark:
    try:
        sent: Benchmark = loads(dumps(benchmark))
    except Exception as error:
        raise AssertionError(
            f"{type(benchmark).__name__} cannot be sent to a worker process ({error}); keep arrays "
            "and plain values"
        ) from error
    return sent
