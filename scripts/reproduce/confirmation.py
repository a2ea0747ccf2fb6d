"""Gain of confirming the best candidates of a search, on tables at equal budget.

    NASTURTIUM_DATA=... python scripts/reproduce/confirmation.py --runs 60 --seed 5

A search of N trials gives its highest estimate. It is compared with the same search of N - k trials
whose k best candidates are estimated again, and whose answer has the best mean. The table gives the
true value of each answer. Differences are paired by seed, with 95 % intervals. A table whose
queries have no noise returns the same number for a confirmation. After two of these, the search
requests no more, and only the trials that were reserved for confirmation are lost. "12 epochs,
noise" adds to the 12-epoch accuracies of NAS-Bench-201 what a validation set of 1,000 images would
add to each training: independent normal errors with the standard deviation of a share.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from random import Random
from typing import Any

import numpy as np
from scipy.stats import t

from nasturtium.architecture import Architecture
from nasturtium.bench.benchmark import Benchmark
from nasturtium.bench.nasbench101 import NASBench101
from nasturtium.bench.nasbench201 import NASBench201
from nasturtium.bench.nasbenchmacro import NASBenchMacro
from nasturtium.comparison.replay import simulate
from nasturtium.strategy.evolution.regularized_evolution import RegularizedEvolution
from nasturtium.strategy.random_search import RandomSearch
from nasturtium.strategy.surrogate.portfolio import Portfolio
from nasturtium.study.confirmation import default_count
from nasturtium.study.study import Study
from nasturtium.train.seeds import derive_seed

IMAGES = 1000  # of the validation set that noise is added for


class Noisy(Benchmark):
    """A table whose accuracies have the sampling error of a small validation set."""

    noisy = True

    def __init__(self, table: Benchmark) -> None:
        self.table = table
        self.name = f"{table.name}, 12 epochs, noise"
        self.space, self.metrics, self.best = table.space, table.metrics, table.best

    def query(
        self, architecture: Architecture, *, run: Any = None, **more: Any
    ) -> Mapping[str, float]:
        found = dict(self.table.query(architecture))
        share = found["accuracy"]
        found["accuracy"] = share + run.gauss(0.0, (share * (1 - share) / IMAGES) ** 0.5)
        return found

    def truth(self, architecture: Architecture) -> float:
        return self.table.truth(architecture)


def tables() -> list[Benchmark]:
    plain = [NASBench201(name) for name in ("cifar10", "cifar100", "in16")]
    for table in plain:
        table.name += ", 12 epochs"
    full = [NASBench201(name, epochs=200) for name in ("cifar10", "cifar100", "in16")]
    for table in full:
        table.name += ", 200 epochs"
    noisy = [Noisy(NASBench201(name)) for name in ("cifar10", "cifar100", "in16")]
    return [*plain, *noisy, *full, NASBenchMacro(), NASBench101()]


def confirmed(study: Study, bench: Benchmark, count: int, seed: int) -> None:
    """Estimate the best candidates of a study again."""
    while (trial := study.confirm(count)) is not None:
        run = Random(derive_seed(seed, trial.number, "run")) if bench.noisy else None
        study.tell(trial, bench.query(trial.architecture, fidelity=trial.fidelity, run=run))


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--runs", type=int, default=60)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--at", type=int, nargs="*", default=[50, 100])
    parser.add_argument("--only", default="", help="a part of the names of tables")
    parser.add_argument("--strategies", nargs="*", help="some of them; all if not given")
    given = parser.parse_args()
    strategies = {
        "portfolio": Portfolio(),
        "REA(10,3)": RegularizedEvolution(10, 3),
        "random": RandomSearch(),
    }
    print(
        "| table | strategy | N | highest estimate % | confirmed, same budget | confirmed, on top |"
    )
    print("|---|---|---|---|---|---|")
    for bench in tables():
        if given.only not in bench.name:
            continue
        for name, strategy in strategies.items():
            if given.strategies and name not in given.strategies:
                continue
            for trials in given.at:
                count = default_count(trials, objectives=1)
                found = []
                for run in range(given.runs):
                    seed = derive_seed(given.seed, run)
                    _, study = simulate(strategy, bench, seed=seed, trials=trials)
                    raw = bench.truth(study.best.architecture)
                    confirmed(study, bench, count, seed)
                    above = bench.truth(study.best.architecture)
                    _, short = simulate(strategy, bench, seed=seed, trials=trials - count)
                    confirmed(short, bench, count, seed)
                    found.append((raw, bench.truth(short.best.architecture), above))
                raws, same, above = 100 * np.array(found).T
                texts = []
                for gap in (same - raws, above - raws):
                    half = t.ppf(0.975, len(gap) - 1) * gap.std(ddof=1) / np.sqrt(len(gap))
                    texts.append(f"{gap.mean():+.3f} ± {half:.3f}")
                cells = (bench.name, name, trials, f"{raws.mean():.2f}", *texts)
                print("|", " | ".join(map(str, cells)), "|", flush=True)
    print(f"<!-- {given.runs} runs, seed {given.seed} -->")


if __name__ == "__main__":
    main()
