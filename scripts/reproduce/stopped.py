"""Four ways in which surrogates learn from stopped trainings, on NAS-Bench-201.

The portfolio searches a table whose trainings report twice: the validation accuracy after 12 epochs
(of a schedule of 12) and that of one run of 200. A training may be stopped after the first. Four
ways are compared: ``predicted``, the final value that the regression predicts (the portfolio does
this); ``dropped``, nothing is learned; ``early``, the early value counts as the final one;
``none``, nothing is stopped. Same seeds; the cost is in trainings of 200 epochs.

    NASTURTIUM_DATA=... OMP_NUM_THREADS=1 python scripts/reproduce/stopped.py --runs 16
"""

from __future__ import annotations

import argparse
from random import Random
from unittest.mock import patch

import numpy as np

import nasturtium as nas
from nasturtium.strategy.surrogate.learning_curve_extrapolation import LearningCurves

WAYS = {
    "predicted": LearningCurves.expected_rank,
    "dropped": lambda ends, history, trial: None,
    "early": lambda ends, history, trial: history.rank(trial),
    "none": LearningCurves.expected_rank,
}


def searched(bench: nas.NASBench201, way: str, trials: int, seed: int) -> nas.Study:
    strategy = nas.Portfolio(stop_below=0.0 if way == "none" else 0.05)
    study, rng = nas.Study(bench.space, strategy, seed=seed), Random(seed)
    with patch.object(LearningCurves, "expected_rank", WAYS[way]):
        for _ in range(trials):
            trial = study.ask()
            assert trial is not None
            record = trial.architecture
            early = bench.query(record, fidelity=bench.fidelities[0])["accuracy"]
            late = bench.query(record, run=rng)["accuracy"]
            curve = [{"accuracy": early}, {"accuracy": late}]
            running = trial._replace(curve=curve[:1])
            if strategy.stops(study.state, study.searched, running):
                study.tell(trial, curve[0], curve=curve[:1], epochs=12, stopped=True)
            else:
                study.tell(trial, curve[1], curve=curve, epochs=200)
    return study


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=16)
    parser.add_argument("--trials", type=int, default=50)
    parser.add_argument("--dataset", default="cifar100")
    given = parser.parse_args()
    bench = nas.NASBench201(given.dataset, epochs=200)
    print("| stopped trials | test accuracy % | minus predicted | cost | stopped |")
    print("|---|---|---|---|---|")
    first = None
    for way in WAYS:
        found = []
        for seed in range(given.runs):
            study = searched(bench, way, given.trials, seed)
            stopped = len(study.history.stopped)
            cost = given.trials - stopped * (1 - 12 / 200)
            found.append((100 * bench.truth(study.best.architecture), cost, stopped))
        truth, cost, stopped = np.array(found).T
        first = truth if first is None else first
        apart = truth - first
        reach = 1.96 * apart.std(ddof=1) / len(apart) ** 0.5
        print(
            f"| {way} | {truth.mean():.2f} | {apart.mean():+.2f} ± {reach:.2f} "
            f"| {cost.mean():.1f} | {stopped.mean():.1f} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
