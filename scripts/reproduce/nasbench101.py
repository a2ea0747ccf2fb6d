"""Compare multi-fidelity strategies with random search on 30,001 cells of NAS-Bench-101.

Equal simulated machine-seconds for all, on one machine and shared by several; the interval is that
of the paired difference to random search over the runs.

    NASTURTIUM_DATA=... python scripts/reproduce/nasbench101.py --runs 200
"""

from __future__ import annotations

import argparse
import time

import numpy as np
from scipy.stats import t

from nasturtium.bench.nasbench101 import NASBench101
from nasturtium.comparison.race import race
from nasturtium.strategy.evolution.regularized_evolution import RegularizedEvolution
from nasturtium.strategy.multifidelity.asha import ASHA
from nasturtium.strategy.multifidelity.bohb import BOHB
from nasturtium.strategy.multifidelity.hyperband import Hyperband
from nasturtium.strategy.multifidelity.successive_halving import SuccessiveHalving
from nasturtium.strategy.random_search import RandomSearch

LEAST = 4 / 108


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=200)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--seconds", type=float, nargs="*", default=[5e4, 1e5, 2e5])
    parser.add_argument("--lanes", type=int, nargs="*", default=[1, 8])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", nargs="*", help="strategies by their label; random is added")
    given = parser.parse_args()
    draw, evolve = RandomSearch(), RegularizedEvolution(10, 3)
    strategies = {
        "random": draw,
        "evolution(10,3)": evolve,
        "successive halving(27)": SuccessiveHalving(draw, 27, LEAST),
        "Hyperband": Hyperband(draw, LEAST),
        "ASHA": ASHA(draw, LEAST),
        "BOHB": BOHB(LEAST),
        "Hyperband of evolution": Hyperband(evolve, LEAST),
        "ASHA of evolution": ASHA(evolve, LEAST),
    }
    if given.only:
        strategies = {name: strategies[name] for name in ("random", *given.only)}
    bench = NASBench101()
    print("| machines | seconds | strategy | trials | mean % | minus random | 95 % interval |")
    print("|---|---|---|---|---|---|---|")
    start = time.perf_counter()
    for lanes in given.lanes:
        raced = race(
            strategies,
            bench,
            seconds=max(given.seconds) / lanes,
            repeats=given.runs,
            workers=given.workers,
            lanes=lanes,
            seed=given.seed,
        )
        for seconds in given.seconds:
            point = int(np.searchsorted(raced.grid(), seconds / lanes - 1e-6))
            base = 100 * raced.curves("random")[:, point]
            for name in strategies:
                here = 100 * raced.curves(name)[:, point]
                gap = here - base
                half = t.ppf(0.975, len(gap) - 1) * gap.std(ddof=1) / np.sqrt(len(gap))
                trials = np.mean([run.finished for run in raced.runs[name]])
                count = f"{trials:.0f}" if seconds == max(given.seconds) else ""
                print(f"| {lanes} | {seconds:,.0f} | {name} | {count} | {here.mean():.3f} | "
                      f"{gap.mean():+.3f} | {gap.mean() - half:+.3f} to {gap.mean() + half:+.3f} |",
                      flush=True)  # fmt: skip
    print(f"<!-- {given.runs} runs, seed {given.seed}, {time.perf_counter() - start:.0f} s -->")


if __name__ == "__main__":
    main()
