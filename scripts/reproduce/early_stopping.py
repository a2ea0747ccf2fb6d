"""Savings and losses of stopping trainings early, on real trainings.

The portfolio searches scikit-learn's digits with the default ``stop_below`` and with 0 (everything
is trained to the end), the same seeds, and one worker. It prints the share of the epochs that were
trained, and the validation accuracy of the best network.

    OMP_NUM_THREADS=1 python scripts/reproduce/early_stopping.py --seeds 5
"""

from __future__ import annotations

import argparse

import nasturtium as nas


def searched(
    space: str, stop_below: float, trials: int, epochs: int, seed: int
) -> tuple[float, float]:
    study = nas.search(
        "digits", space=space, recipe=f"epochs={epochs}",
        strategy=nas.Portfolio(stop_below=stop_below),
        trials=trials, seed=seed, control=0, executor="here", numerics="threads=1", store=None,
    )  # fmt: skip
    return study.cost / trials, study.best.metrics["accuracy"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--trials", type=int, default=40)
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--space", default="mobilenet")
    given = parser.parse_args()
    print("| seed | hope | epochs trained | best validation accuracy |\n|---|---|---|---|")
    for seed in range(given.seeds):
        for stop_below in (0.05, 0.0):
            share, best = searched(given.space, stop_below, given.trials, given.epochs, seed)
            print(f"| {seed} | {stop_below} | {share:.0%} | {best:.2%} |", flush=True)


if __name__ == "__main__":
    main()
