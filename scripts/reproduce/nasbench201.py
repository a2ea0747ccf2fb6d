"""Compare strategies with known results on NAS-Bench-201.

Two protocols. *validation*: a query is the 12-epoch validation accuracy, the report is the mean
test accuracy after 200 epochs (Dong & Yang 2020). *oracle*: the query is the reported number, so
that search code is tested without noise. The expected rows were simulated independently, 500 runs
each, from the same public table; "published" is the paper's own search table, where the budget is
12,000 simulated seconds (106 queries on average).

    NASTURTIUM_DATA=... python scripts/reproduce/nasbench201.py --runs 500
"""

from __future__ import annotations

import argparse
import json
import math
import time
from pathlib import Path

import numpy as np

from nasturtium.bench.nasbench201 import NASBench201
from nasturtium.comparison.race import race
from nasturtium.comparison.replay import simulate
from nasturtium.strategy.evolution.regularized_evolution import RegularizedEvolution
from nasturtium.strategy.evolution.tournament_evolution import TournamentEvolution
from nasturtium.strategy.local_search import LocalSearch
from nasturtium.strategy.random_search import RandomSearch
from nasturtium.strategy.reinforce import REINFORCE
from nasturtium.study.strategy import Strategy
from nasturtium.train.seeds import derive_seed

STRATEGIES: dict[str, Strategy] = {
    "RS": RandomSearch(),
    "REA(10,3)": RegularizedEvolution(10, 3),
    "REA(30,10)": RegularizedEvolution(30, 10),
    "REINFORCE .01": REINFORCE(learning_rate=0.01),
    "REINFORCE .1": REINFORCE(learning_rate=0.1),
    "local search": LocalSearch("first", starts=10),
    "tournament(10,3)": TournamentEvolution(10, 3),
}
# data set -> strategy -> trials -> (mean, standard deviation) in percent
VALIDATION = {
    "cifar10": {
        "RS": {50: (93.47, 0.55), 100: (93.71, 0.36), 200: (93.86, 0.24), 400: (93.97, 0.22)},
        "REA(10,3)": {
            50: (93.62, 0.59), 100: (93.91, 0.41), 200: (94.12, 0.28), 400: (94.25, 0.19)},
        "REINFORCE .01": {
            50: (93.46, 0.55), 100: (93.81, 0.34), 200: (93.93, 0.23), 400: (94.09, 0.23)},
        "REINFORCE .1": {
            50: (93.68, 0.50), 100: (93.94, 0.37), 200: (94.10, 0.29), 400: (94.18, 0.29)},
    },
    "cifar100": {
        "RS": {100: (71.16, 1.04), 200: (71.58, 0.90)},
        "REA(10,3)": {100: (71.86, 1.05), 200: (72.42, 0.75)},
        "REINFORCE .01": {100: (71.44, 0.96), 200: (71.90, 0.86)},
        "REINFORCE .1": {100: (72.22, 0.88), 200: (72.39, 0.78)},
    },
    "in16": {
        "RS": {100: (44.88, 1.12), 200: (45.25, 0.99)},
        "REA(10,3)": {100: (45.45, 1.03), 200: (45.88, 0.74)},
        "REINFORCE .01": {100: (45.09, 1.08), 200: (45.59, 0.85)},
        "REINFORCE .1": {100: (45.75, 0.85), 200: (45.98, 0.67)},
    },
}  # fmt: skip
AT = (50, 100, 150, 300, 500)
ORACLE = {
    "cifar10": {
        "RS": (93.69, 93.85, 93.93, 94.04, 94.11),
        "REA(10,3)": (93.88, 94.14, 94.23, 94.34, 94.37),
        "REA(30,10)": (93.89, 94.24, 94.33, 94.36, 94.37),
        "local search": (94.20, 94.32, 94.36, 94.37, 94.37),
    },
    "cifar100": {
        "RS": (71.14, 71.57, 71.83, 72.24, 72.54),
        "REA(10,3)": (71.73, 72.59, 72.94, 73.31, 73.44),
        "local search": (72.84, 73.40, 73.50, 73.51, 73.51),
    },
    "in16": {
        "RS": (45.20, 45.67, 45.85, 46.17, 46.40),
        "REA(10,3)": (45.75, 46.38, 46.65, 46.93, 47.07),
        "local search": (46.37, 46.78, 46.92, 47.17, 47.25),
    },
}
ALLOWED = {"cifar10": 0.03, "cifar100": 0.1, "in16": 0.1}
# Searched on CIFAR-10, reported on the three data sets: simulated at 106 queries, and published.
PUBLISHED = {
    "RS": (
        ((93.76, 0.35), (71.24, 1.06), (44.81, 1.19)),
        ((93.70, 0.36), (71.04, 1.07), (44.57, 1.25))),
    "REA(10,3)": (
        ((93.97, 0.37), (71.97, 1.13), (45.54, 1.17)),
        ((93.92, 0.30), (71.84, 0.99), (45.54, 1.03))),
}  # fmt: skip


def validation(runs: int, workers: int, seed: int) -> list[dict]:
    rows = []
    for dataset, known in VALIDATION.items():
        bench = NASBench201(dataset)
        names = [*known, "tournament(10,3)"]
        longest = max(max(row) for row in known.values())
        raced = race({n: STRATEGIES[n] for n in names}, bench, trials=longest, repeats=runs,
                     workers=workers, seed=seed)  # fmt: skip
        for name in names:
            curves = 100 * raced.curves(name)
            for trials in known.get(name, known["RS"]):
                mean, spread = curves[:, trials - 1].mean(), curves[:, trials - 1].std(ddof=1)
                expected, deviation = known.get(name, {}).get(trials, (math.nan, math.nan))
                error = math.sqrt(spread**2 / runs + deviation**2 / 500)
                rows.append(row("validation", dataset, name, trials, expected, mean, spread,
                                2 * error + 0.05))  # fmt: skip
    return rows


def oracle(runs: int, workers: int, seed: int) -> list[dict]:
    rows = []
    for dataset, known in ORACLE.items():
        bench = NASBench201(dataset, epochs=200, fitness="test")
        names = [*known, "tournament(10,3)"]
        raced = race({n: STRATEGIES[n] for n in names}, bench, trials=AT[-1], repeats=runs,
                     workers=workers, seed=seed)  # fmt: skip
        for name in names:
            curves = 100 * raced.curves(name)
            for place, trials in enumerate(AT):
                column = curves[:, trials - 1]
                expected = known[name][place] if name in known else math.nan
                rows.append(row("oracle", dataset, name, trials, expected, column.mean(),
                                column.std(ddof=1), ALLOWED[dataset]))  # fmt: skip
    return rows


def published(runs: int, workers: int, seed: int) -> list[dict]:
    """Searched on CIFAR-10 within 12,000 simulated seconds; reported on all three data sets."""
    bench, rows = NASBench201("cifar10"), []
    for name, (simulated, paper) in PUBLISHED.items():
        found = np.empty((runs, 3))
        for run in range(runs):
            _, study = simulate(
                STRATEGIES[name], bench, seed=derive_seed(seed, run), seconds=12_000
            )
            best = study.best.architecture
            found[run] = [100 * bench.truth(best, data) for data in VALIDATION]
        for place, dataset in enumerate(VALIDATION):
            mean, spread = found[:, place].mean(), found[:, place].std(ddof=1)
            for source, (expected, deviation) in (
                ("12,000 s, simulated at N=106", simulated[place]),
                ("12,000 s, published", paper[place]),
            ):
                error = math.sqrt((spread**2 + deviation**2) / 500)
                rows.append(row(source, dataset, name, 0, expected, mean, spread, 2 * error + 0.05))
    return rows


def row(protocol, dataset, name, trials, expected, mean, spread, allowed) -> dict:
    return {
        "protocol": protocol,
        "dataset": dataset,
        "strategy": name,
        "trials": trials,
        "expected": expected,
        "mean": float(mean),
        "std": float(spread),
        "allowed": float(allowed),
        "holds": bool(math.isnan(expected) or abs(mean - expected) <= allowed + 0.005),
    }


def main() -> None:
    parts = {"validation": validation, "oracle": oracle, "published": published}
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("parts", nargs="*", metavar="part", help=", ".join(parts))
    parser.add_argument("--runs", type=int, default=500)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    rows = []
    print("| protocol | data set | strategy | N | expected | here | std | tolerance | within |")
    print("|---|---|---|---|---|---|---|---|---|")
    for part in given.parts or parts:
        start = time.perf_counter()
        for made in parts[part](given.runs, given.workers, given.seed):
            rows.append(made)
            held = "" if math.isnan(made["expected"]) else "yes" if made["holds"] else "**no**"
            expected = "–" if math.isnan(made["expected"]) else f"{made['expected']:.2f}"
            print(f"| {made['protocol']} | {made['dataset']} | {made['strategy']} | "
                  f"{made['trials'] or '–'} | {expected} | {made['mean']:.3f} | "
                  f"{made['std']:.2f} | {made['allowed']:.2f} | {held} |", flush=True)  # fmt: skip
        print(f"<!-- {part}: {given.runs} runs, seed {given.seed}, "
              f"{time.perf_counter() - start:.0f} s -->", flush=True)  # fmt: skip
    if given.json:
        given.json.write_text(json.dumps(rows))


if __name__ == "__main__":
    main()
