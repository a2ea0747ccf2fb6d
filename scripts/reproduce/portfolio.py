"""Compare the portfolio with random search, evolution and local search, and ablate its parts.

*search*: the published protocol of NAS-Bench-201 (12-epoch validation accuracy searched, mean
200-epoch test accuracy reported). *tables*: NAS-Bench-Macro, Accel-NASBench and 30,001 cells of
NAS-Bench-101. *ablate*: the portfolio without one part at a time, or with one more. Settings were
chosen on CIFAR-10 with seed 100 (the forest was dropped having seen Macro and Accel-NASBench with
that seed as well); other data sets and seeds were only reported on. Intervals are of paired
differences over seeds (95 %, Student's t).

    NASTURTIUM_DATA=... OMP_NUM_THREADS=1 python scripts/reproduce/portfolio.py search --runs 100
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Mapping, Sequence

import numpy as np
from scipy.stats import t

from nasturtium.bench.accelnasbench import accelnasbench
from nasturtium.bench.benchmark import Benchmark
from nasturtium.bench.nasbench101 import NASBench101
from nasturtium.bench.nasbench201 import NASBench201
from nasturtium.bench.nasbenchmacro import NASBenchMacro
from nasturtium.comparison.race import race
from nasturtium.proxy.zero_cost_scores import LABEL_FREE, NAMES
from nasturtium.strategy.evolution.regularized_evolution import RegularizedEvolution
from nasturtium.strategy.local_search import LocalSearch
from nasturtium.strategy.random_search import RandomSearch
from nasturtium.strategy.surrogate.portfolio import Portfolio
from nasturtium.study.strategy import Strategy

DATASETS = ("cifar10", "cifar100", "in16")
TABLES = {"macro": NASBenchMacro, "accel": accelnasbench, "nasbench101": NASBench101}


class Counts:
    """Counts read from a table, where the benchmark's space cannot be counted, or to save time."""

    def __init__(self, bench: Benchmark) -> None:
        self.bench = bench
        self.names = [name for name in ("params", "macs") if name in bench.metrics]

    def __call__(self, architecture) -> tuple[float, ...]:
        metrics = self.bench.query(architecture)
        return tuple(float(np.log(metrics[name])) for name in self.names)


class WithScores(Counts):
    """Zero-cost scores of NAS-Bench-201 as well, from the table that comes with the package."""

    def __init__(self, bench: NASBench201, scores: Sequence[str] = NAMES) -> None:
        super().__init__(bench)
        self.table = [bench.proxies()[name] for name in scores]

    def __call__(self, architecture) -> tuple[float, ...]:
        row = self.bench.row(architecture)
        return (*super().__call__(architecture), *(float(column[row]) for column in self.table))


def others() -> dict[str, Strategy]:
    return {
        "random": RandomSearch(),
        "REA(10,3)": RegularizedEvolution(10, 3),
        "local search": LocalSearch("first", starts=10),
    }


def ablations(bench: Benchmark) -> dict[str, Strategy]:
    free = Counts(bench)
    scored = {}
    if isinstance(bench, NASBench201):
        scored = {
            "with proxies": Portfolio(evidence=WithScores(bench)),
            "with label-free proxies": Portfolio(evidence=WithScores(bench, LABEL_FREE)),
            "with proxies, without uniform draws": Portfolio(evidence=WithScores(bench), fresh=0),
        }
    return {
        "portfolio": Portfolio(evidence=free),
        **scored,
        "ten trials before surrogates": Portfolio(evidence=free, start_with=10),
        "without counts": Portfolio(evidence="none"),
        "Gaussian process alone": Portfolio(evidence=free, surrogates=("process",)),
        "graph network alone": Portfolio(evidence=free, surrogates=("network",)),
        "random forest alone": Portfolio(evidence=free, surrogates=("forest",)),
        "fallback never": Portfolio(evidence=free, min_skill=-1.0),
        "fallback always": Portfolio(evidence=free, min_skill=1.0),
        "Thompson sampling instead of EI": Portfolio(evidence=free, acquisition="thompson"),
        "without uniform draws": Portfolio(evidence=free, fresh=0),
        "uniform draws, no mutants": Portfolio(evidence=free, mutants=1, fresh=200),
    }


def rows(
    bench: Benchmark, strategies: Mapping[str, Strategy], at: Sequence[int], runs: int, seed: int
) -> None:
    known: dict[str, np.ndarray] = {}
    first = next(iter(strategies))
    for name, strategy in strategies.items():
        start = time.process_time()
        raced = race({name: strategy}, bench, trials=max(at), repeats=runs, workers=1, seed=seed)
        spent = (time.process_time() - start) / runs
        known[name] = 100 * raced.curves(name)
        for trials in at:
            here = known[name][:, trials - 1]
            gap = here - known[first][:, trials - 1]
            half = t.ppf(0.975, runs - 1) * gap.std(ddof=1) / np.sqrt(runs)
            print(f"| {bench.name} | {name} | {trials} | {here.mean():.2f} | {here.std(ddof=1):.2f}"
                  f" | {gap.mean():+.3f} ± {half:.3f} | {spent:.2f} |", flush=True)  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("part", choices=["search", "tables", "ablate"])
    parser.add_argument("--runs", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--at", type=int, nargs="*", default=[25, 50, 100])
    parser.add_argument("--tables", nargs="*", default=list(TABLES), choices=list(TABLES))
    parser.add_argument("--datasets", nargs="*", default=list(DATASETS), choices=DATASETS)
    given = parser.parse_args()
    base = "portfolio" if given.part == "ablate" else "random"
    print(f"| table | strategy | N | mean % | std | minus {base} | s a run |")
    print("|---|---|---|---|---|---|---|")
    if given.part == "tables":
        benches = [TABLES[name]() for name in given.tables]
    else:
        benches = [NASBench201(dataset) for dataset in given.datasets]
    for bench in benches:
        strategies = ablations(bench)
        if given.part != "ablate":
            wanted = ("portfolio", "with label-free proxies", "with proxies")
            kept = [name for name in wanted if name in strategies]
            strategies = {**others(), **{name: strategies[name] for name in kept}}
        if given.part == "tables":
            strategies["portfolio, without counts"] = Portfolio(evidence="none")
            if not hasattr(bench.space, "neighbours"):
                del strategies["local search"]
        rows(bench, strategies, given.at, given.runs, given.seed)
    print(f"<!-- {given.part}: {given.runs} runs, seed {given.seed} -->")


if __name__ == "__main__":
    main()
