"""Compare surrogates, and the strategies that use them, with random search and evolution.

*fit*: Spearman's correlation of predictions with unseen 12-epoch accuracies of NAS-Bench-201, by
the number of points, with processor time. *search*: strategies on the published protocol (12-epoch
validation accuracy searched, mean 200-epoch test accuracy reported); *oracle*: the same on the
reported number. *levels*: BOHB and Hyperband on the 12- and 200-epoch schedules, in simulated
seconds. Intervals are of paired differences over seeds (95 %, Student's t).

    NASTURTIUM_DATA=... OMP_NUM_THREADS=1 python scripts/reproduce/predictors.py search --runs 50
"""

from __future__ import annotations

import argparse
import time

import numpy as np
from scipy.stats import spearmanr, t

from nasturtium.bench.nasbench201 import NASBench201
from nasturtium.comparison.race import race
from nasturtium.predict.boosting import Boosting
from nasturtium.predict.forest import Forest
from nasturtium.predict.gcn import GCN
from nasturtium.predict.gp import GP
from nasturtium.predict.graph_encodings import encode_dense, find_paths
from nasturtium.predict.mlp import MLPEnsemble
from nasturtium.strategy.evolution.regularized_evolution import RegularizedEvolution
from nasturtium.strategy.local_search import LocalSearch
from nasturtium.strategy.multifidelity.bohb import BOHB
from nasturtium.strategy.multifidelity.hyperband import Hyperband
from nasturtium.strategy.optuna_samplers import Optuna
from nasturtium.strategy.random_search import RandomSearch
from nasturtium.strategy.surrogate.bananas import BANANAS
from nasturtium.strategy.surrogate.bayesian_optimization import BayesianOptimization
from nasturtium.strategy.surrogate.kernel_density import KDE
from nasturtium.strategy.surrogate.npenas import NPENAS

SEARCHES = {
    "random": RandomSearch(),
    "REA(10,3)": RegularizedEvolution(10, 3),
    "local search": LocalSearch("first", starts=10),
    "GP, Hamming": BayesianOptimization(),
    "GP, Weisfeiler-Lehman": BayesianOptimization(kernel="wl"),
    "BOHB's density": KDE(),
    "Optuna TPE": Optuna(),
    "NPENAS": NPENAS(),
    "BANANAS": BANANAS(),
}
DATASETS = ("cifar10", "cifar100", "in16")
POINTS = (20, 50, 100, 200)


def interval(gap: np.ndarray) -> str:
    half = t.ppf(0.975, len(gap) - 1) * gap.std(ddof=1) / np.sqrt(len(gap))
    return f"{gap.mean():+.3f} ± {half:.3f}"


def fit(runs: int, seed: int) -> None:
    bench = NASBench201("cifar10")
    cells = list(bench.space.every())
    values = np.array([100 * bench.query(cell)["accuracy"] for cell in cells])
    graphs = [bench.space.graph(cell) for cell in cells]
    labels = sorted({label for graph in graphs for label in graph.labels})
    every = sorted({path for graph in graphs for path in find_paths(graph)})
    places = {path: place for place, path in enumerate(every)}
    by_path = np.zeros((len(cells), len(every)), np.float32)
    for row, graph in enumerate(graphs):
        by_path[row, [places[path] for path in find_paths(graph)]] = 1.0
    hot = bench.space.encoder().encode_all(cells)
    predictors = {
        "extra trees": (Forest(), hot),
        "random forest": (Forest(kind="random"), hot),
        "boosting": (Boosting(), hot),
        "GP, Hamming": (GP(), hot),
        "MLP ensemble, one-hot": (MLPEnsemble(), hot),
        "MLP ensemble, paths": (MLPEnsemble(), by_path),
        "MLP ensemble, paths, percentage": (MLPEnsemble(loss="mape"), by_path),
        "GCN, one-hot": (GCN(), hot),
        "GCN, graphs": (GCN(nodes=8), encode_dense(graphs, labels, 8)),
    }
    print("| predictor |" + "".join(f" {n} points | ms |" for n in POINTS))
    print("|---|" + "---|---|" * len(POINTS))
    for name, (predictor, rows) in predictors.items():
        line = f"| {name} |"
        for count in POINTS:
            found, spent = [], []
            for run in range(runs):
                order = np.random.default_rng([seed, run]).permutation(len(cells))
                told, asked = order[:count], order[-2000:]
                start = time.process_time()
                fitted = predictor.fit(rows[told], values[told], run)
                spent.append(time.process_time() - start)
                found.append(spearmanr(fitted.predict(rows[asked]).mean, values[asked])[0])
            line += f" {np.mean(found):.3f} | {1e3 * np.median(spent):.1f} |"
        print(line, flush=True)


def search(runs: int, seed: int, names: list[str], datasets: list[str], oracle: bool) -> None:
    print("| data set | strategy | N | mean % | std | minus random | minus REA | s a run |")
    print("|---|---|---|---|---|---|---|---|")
    for dataset in datasets:
        bench = NASBench201(dataset, **({"epochs": 200, "fitness": "test"} if oracle else {}))
        known: dict[str, np.ndarray] = {}
        for name in dict.fromkeys(["random", "REA(10,3)", *names]):
            start = time.process_time()
            raced = race({name: SEARCHES[name]}, bench, trials=100, repeats=runs, workers=1,
                         seed=seed)  # fmt: skip
            spent = (time.process_time() - start) / runs
            known[name] = 100 * raced.curves(name)
            for trials in (50, 100):
                here = known[name][:, trials - 1]
                gaps = [
                    interval(here - known[base][:, trials - 1]) if base in known else "–"
                    for base in ("random", "REA(10,3)")
                ]
                print(f"| {dataset} | {name} | {trials} | {here.mean():.2f} | "
                      f"{here.std(ddof=1):.2f} | {' | '.join(gaps)} | {spent:.2f} |",
                      flush=True)  # fmt: skip


def levels(runs: int, seed: int, datasets: list[str]) -> None:
    least = 12 / 200
    strategies = {
        "random": RandomSearch(),
        "Hyperband": Hyperband(None, least, 1 / least),
        "BOHB": BOHB(least, 1 / least),
    }
    print("| data set | simulated s | strategy | mean % | minus random | minus Hyperband |")
    print("|---|---|---|---|---|---|")
    for dataset in datasets:
        bench = NASBench201(dataset, epochs=200)
        budgets = (5e4, 1e5, 2e5) if dataset == "cifar10" else (1e5, 2e5, 4e5)
        raced = race(strategies, bench, seconds=max(budgets), repeats=runs, workers=1, seed=seed)
        for seconds in budgets:
            point = int(np.searchsorted(raced.grid(), seconds))
            ends = {name: 100 * raced.curves(name)[:, point] for name in strategies}
            for name, end in ends.items():
                gaps = " | ".join(interval(end - ends[base]) for base in ("random", "Hyperband"))
                print(f"| {dataset} | {seconds:,.0f} | {name} | {end.mean():.2f} | {gaps} |",
                      flush=True)  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("part", choices=["fit", "search", "oracle", "levels"])
    parser.add_argument("--runs", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--datasets", nargs="*", default=list(DATASETS), choices=DATASETS)
    parser.add_argument("--only", nargs="*", default=list(SEARCHES), choices=list(SEARCHES))
    given = parser.parse_args()
    if given.part == "fit":
        fit(given.runs, given.seed)
    elif given.part == "levels":
        levels(given.runs, given.seed, given.datasets)
    else:
        search(given.runs, given.seed, given.only, given.datasets, given.part == "oracle")
    print(f"<!-- {given.part}: {given.runs} runs, seed {given.seed} -->")


if __name__ == "__main__":
    main()
