"""Error rates of the verdict on NAS-Bench-201: thousands of studies of which the truth is known.

Each simulated study searches by the 12-epoch validation accuracy; its networks are trained in full
by looking up the runs after 200 epochs, with as many seeds as the table has. Three searches:

``random``     random search that does not say so: *better* is false, whatever it found
``plateau``    draws from the 8th to the 12th percentile of the space: its trials are better than
               random ones, its best is not: *better* is false here as well
``evolution``  regularised evolution, P=20, S=5: how often *better* is found is the power

The last column is what must not be done: a plain t-test of the search's k best against the k best
of the smaller control.

    NASTURTIUM_DATA=... python scripts/reproduce/evidence_verdict.py --studies 1000
"""

from __future__ import annotations

import argparse
import time
from collections import Counter
from random import Random

import numpy as np
from scipy.stats import ttest_ind

from nasturtium.analyse.comparison.retrained import Network
from nasturtium.analyse.comparison.selection import select_trials, split_pools
from nasturtium.analyse.comparison.verdict import judge
from nasturtium.bench.nasbench201 import NASBench201
from nasturtium.errors import EstimateError
from nasturtium.strategy.evolution.regularized_evolution import RegularizedEvolution
from nasturtium.study.strategy import Strategy
from nasturtium.study.study import Study
from nasturtium.study.trial import Proposal


class Unsaid(Strategy):
    """Random search that does not mark its draws, so that it has a control apart."""

    def propose(self, state, history, rng):
        return Proposal(history.space.sample(rng))


class Plateau(Strategy):
    """Draws from a list of architectures, after the first 20 from the whole space."""

    def __init__(self, listed):
        self.listed = listed

    def propose(self, state, history, rng):
        if len(history) < 20:
            return Proposal(history.space.sample(rng), uniform=True)
        return Proposal(rng.choice(self.listed))


def plateau(bench):
    """Architectures of the 8th to 12th percentile by the estimate."""
    rng = Random(0)
    sampled = {a.key: a for a in (bench.space.sample(rng) for _ in range(4000))}
    ranked = sorted(sampled.values(), key=lambda a: -bench.query(a)["accuracy"])
    return ranked[round(0.08 * len(ranked)) : round(0.12 * len(ranked))]


def simulated(bench, strategy, trials, share, seed):
    """Run one study: the trials of the search, then control trials up to their share."""
    study = Study(bench.space, strategy, seed=seed)
    while True:
        counted, uniform = study.count("searched"), study.count("uniform")
        if counted < trials:
            trial = study.ask()
        elif uniform < share * trials:
            trial = study.ask("control")
        else:
            return study
        metrics = bench.query(trial.architecture)
        study.tell(trial, {"accuracy": metrics["accuracy"]}, seconds=metrics["seconds"])


def finished(full, chosen):
    """Look up the trainings in full of the chosen trials; of those in between, one."""
    found = {}
    for trial in (*chosen.search, *chosen.control, *chosen.spread):
        runs = []
        for run in range(1 if trial in chosen.spread else 3):
            try:
                runs.append(full.query(trial.architecture, run=run)["accuracy"])
            except EstimateError:  # the table has two runs of some architectures
                break
        key = trial.architecture.key
        found[key] = Network(key, trial.number, tuple(runs), {}, 0.0)
    return found


def plain(chosen, found):
    """Return whether a t-test of the two sides' k best, as they are, finds the search better."""
    sides = [
        [np.mean(found[trial.architecture.key].values) for trial in side]
        for side in (chosen.search, chosen.control)
    ]
    return ttest_ind(*sides, alternative="greater").pvalue < 0.05


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--studies", type=int, default=1000)
    parser.add_argument("--datasets", nargs="+", default=["cifar10", "cifar100"])
    parser.add_argument("--trials", type=int, nargs="+", default=[100])
    parser.add_argument("--control", type=float, nargs="+", default=[0.1, 0.5, 1.0])
    parser.add_argument("--top", type=int, nargs="+", default=[3, 5])
    parser.add_argument("--spread", type=int, default=4)
    given = parser.parse_args()
    print(
        "data set  trials control top search      better  no better  undecided  median gain"
        "  plain t-test"
    )
    for dataset in given.datasets:
        bench, full = NASBench201(dataset), NASBench201(dataset, epochs=200)
        listed = plateau(bench)
        kinds = {
            "random": Unsaid(),
            "plateau": Plateau(listed),
            "evolution": RegularizedEvolution(20, 5),
        }
        for trials in given.trials:
            for share in given.control:
                for name, strategy in kinds.items():
                    start = time.perf_counter()
                    counts = {top: Counter() for top in given.top}
                    gains = {top: [] for top in given.top}
                    for seed in range(given.studies):
                        study = simulated(bench, strategy, trials, share, seed)
                        parted = split_pools(study.history)
                        for top in given.top:
                            chosen = select_trials(parted, top, given.spread)
                            found = finished(full, chosen)
                            verdict = judge(parted, chosen, found)
                            counts[top][verdict.answer] += 1
                            counts[top]["plain"] += bool(plain(chosen, found))
                            if verdict.gain is not None:
                                gains[top].append(verdict.gain)
                    for top in given.top:
                        rates = [
                            counts[top][answer] / given.studies
                            for answer in ("better", "no better", "undecided", "plain")
                        ]
                        print(
                            f"{dataset:9s} {trials:6d} {share:7.1f} {top:3d} {name:10s} "
                            f"{rates[0]:7.1%} {rates[1]:10.1%} {rates[2]:10.1%} "
                            f"{np.median(gains[top]):+12.4f} {rates[3]:13.1%}"
                            f"  ({time.perf_counter() - start:.0f} s)",
                            flush=True,
                        )


if __name__ == "__main__":
    main()
