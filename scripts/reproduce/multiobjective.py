"""Compare multi-objective strategies with pymoo's, and with random search on real tables.

``pymoo``: NSGA-II on ZDT1 to ZDT3, DTLZ2 and NAS-Bench-201 (error, multiply-accumulates), and
NSGA-III on DTLZ2, with pymoo's settings: the hypervolume of the last population, and the 95 %
interval of the difference (Welch's t over seeds), in per cent of pymoo's. ``tables``: the
hypervolume of all trials on NAS-Bench-201 and Accel-NASBench (accuracy, latency on zcu102) from the
worst of the table, in per cent of the whole table's, and the 95 % interval of the paired difference
to random search.

pymoo is not a dependency; it is run by another interpreter that has it (0.6.2 was used):

    NASTURTIUM_DATA=... python scripts/reproduce/multiobjective.py pymoo --python OTHER/bin/python
    NASTURTIUM_DATA=... python scripts/reproduce/multiobjective.py tables
"""

from __future__ import annotations

import argparse
import json
import subprocess
import tempfile
import time
from functools import partial
from itertools import product
from pathlib import Path

import numpy as np
from moocore import hypervolume
from peers.problems import SIZES, losses
from scipy.stats import t, ttest_ind

from nasturtium.bench.accelnasbench import accelnasbench
from nasturtium.bench.nasbench201 import NASBench201
from nasturtium.comparison.replay import simulate
from nasturtium.space.decorator import space
from nasturtium.strategy.multiobjective.lemonade import LEMONADE
from nasturtium.strategy.multiobjective.nsga2 import NSGA2
from nasturtium.strategy.random_search import RandomSearch
from nasturtium.study.study import Study

ZDT = ("zdt1", "zdt2", "zdt3")
# problem, algorithm there, selection here, population, trials
TASKS = [
    *((problem, "NSGA-II", "crowding", 40, 1_000) for problem in (*ZDT, "dtlz2")),
    ("nasbench201", "NSGA-II, same variation", "crowding", 40, 1_000),
    ("nasbench201", "NSGA-II, rounded SBX", "crowding", 40, 1_000),
    *((problem, "NSGA-II", "crowding", 100, 10_000) for problem in (*ZDT, "dtlz2")),
    ("dtlz2", "NSGA-III", "reference", 92, 1_000),
    ("dtlz2", "NSGA-III", "reference", 92, 10_000),
    ("dtlz2", "NSGA-III", "hypervolume", 92, 10_000),
]


def cell_table(bench: NASBench201) -> np.ndarray:
    """Error and multiply-accumulates (as a share of the largest) of all cells, in lexical order."""
    names = list(bench.space.decisions(next(iter(bench.space.every()))))
    cells = {
        tuple(cell[decision.name] for decision in names): bench.query(cell)
        for cell in bench.space.every()
    }
    top = max(found["macs"] for found in cells.values())
    rows = (cells[cell] for cell in product(*(decision.options for decision in names)))
    return np.array([(1 - found["accuracy"], found["macs"] / top) for found in rows])


def volume(front, problem: str) -> float:
    """ZDT from (11, 11), DTLZ2 from 1.1 in each objective, the table from an error of 0.2."""
    reference = {"dtlz2": (1.1, 1.1, 1.1), "nasbench201": (0.2, 1.0)}.get(problem, (11.0, 11.0))
    return float(hypervolume(np.array(front), ref=reference))


def here(task, rows: dict, seed: int) -> tuple[float, float]:
    """Return the hypervolume of the last population, and microseconds a trial without look-up."""
    problem, _, selection, population, trials = task
    if problem == "nasbench201":
        searched, objectives = rows["space"], 2
    else:
        variables, objectives = SIZES[problem]

        @space(name=problem)
        def searched(choose, n=variables):
            for place in range(n):
                choose.range(f"x{place}", 0.0, 1.0)
            return lambda: None

    strategy = NSGA2(population, selection=selection)
    goals = [f"min:f{place}" for place in range(objectives)]
    study, spent = Study(searched, strategy, objectives=goals, seed=seed), 0.0
    for _ in range(trials):
        start = time.process_time()
        trial = study.ask()
        spent += time.process_time() - start
        answers = list(trial.architecture.values())
        found = rows[tuple(answers)] if problem == "nasbench201" else losses(problem, answers)
        metrics = {f"f{place}": float(value) for place, value in enumerate(found)}
        start = time.process_time()
        study.tell(trial, metrics)
        spent += time.process_time() - start
    # The last population, which is what pymoo gives: not the front of all trials.
    front = [[-v for v in study.history.vector(parent)] for parent in study.state.parents]
    return volume(front, problem), 1e6 * spent / trials


def against_pymoo(python: str, runs: int, only: list[str] | None, most: int) -> None:
    bench = NASBench201("cifar10", epochs=200, fitness="test")
    table = cell_table(bench)
    options = bench.space.decisions(next(iter(bench.space.every())))[0].options
    rows = dict(zip(product(options, repeat=6), table, strict=True))
    rows["space"] = bench.space
    tasks = [task for task in TASKS if task[-1] <= most and (not only or task[0] in only)]
    sent = []
    for problem, label, _, population, trials in tasks:
        sent.append({"problem": problem, "label": label, "population": population,
                     "trials": trials, "runs": runs})  # fmt: skip
        if problem == "nasbench201":
            sent[-1]["rows"] = table.tolist()
        else:
            sent[-1] |= dict(zip(("variables", "objectives"), SIZES[problem], strict=True))
    with tempfile.TemporaryDirectory() as folder:
        asked, told = Path(folder, "tasks.json"), Path(folder, "fronts.json")
        asked.write_text(json.dumps(sent))
        script = Path(__file__).parent / "peers" / "pymoo_fronts.py"
        subprocess.run([python, str(script), str(asked), str(told)], check=True)
        fronts = json.loads(told.read_text())
    print("| problem | population, trials | here | pymoo | here | pymoo's | difference, % | "
          "95 % interval | µs a trial |\n|---|---|---|---|---|---|---|---|---|")  # fmt: skip
    for task, theirs in zip(tasks, fronts, strict=True):
        problem, label, selection, population, trials = task
        ours, spent = zip(*(here(task, rows, seed) for seed in range(runs)), strict=True)
        other = [volume(front, problem) for front in theirs]
        base = float(np.mean(other)) / 100
        low, high = ttest_ind(ours, other, equal_var=False).confidence_interval()
        print(f"| {problem} | {population}, {trials:,} | {selection} | {label} | "
              f"{np.mean(ours):.4f} ± {np.std(ours, ddof=1):.4f} | "
              f"{np.mean(other):.4f} ± {np.std(other, ddof=1):.4f} | "
              f"{(np.mean(ours) - np.mean(other)) / base:+.2f} | "
              f"{low / base:+.2f} to {high / base:+.2f} | {np.mean(spent):.0f} |",
              flush=True)  # fmt: skip


def on_tables(runs: int) -> None:
    """Print the hypervolume of all trials, in per cent of that of the whole table."""
    cells = NASBench201("cifar10", epochs=200, fitness="test")
    mobile = accelnasbench("zcu102")
    print("| table | trials | strategy | hypervolume, % | std | minus random | 95 % interval |\n"
          "|---|---|---|---|---|---|---|")  # fmt: skip
    # A mixture of two sampled rows is seldom near any row, so that table's children have a parent.
    for bench, every, cost, population, crossover, trials in (
        (cells, list(cells.space.every()), "macs", 40, 0.9, 1000),
        (mobile, list(mobile.space.architectures), "latency", 10, 0.0, 200),
    ):
        able = [row for row in map(bench.query, every) if row.keys() >= {"accuracy", cost}]
        top = max(row[cost] for row in able)
        worst = 1 - min(row["accuracy"] for row in able)

        def cheap(architecture, bench=bench, cost=cost, top=top):
            return [bench.query(architecture).get(cost, top)]  # not measured: as slow as any

        def area(found, cost=cost, worst=worst, top=top):
            points = np.array([(1 - row["accuracy"], row[cost] / top) for row in found])
            return float(hypervolume(points, ref=(worst, 1.0)))

        whole = area(able)
        evolve = partial(NSGA2, population, crossover=crossover)
        strategies = {
            "random": RandomSearch(),
            "NSGA-II, crowding": evolve(selection="crowding"),
            "NSGA-II, hypervolume": evolve(selection="hypervolume"),
            "NSGA-II, reference": evolve(selection="reference"),
            "LEMONADE": LEMONADE(population, cheap),
            "LEMONADE, no cheap": LEMONADE(population),
        }
        base = np.zeros(runs)
        for label, strategy in strategies.items():
            found = []
            for seed in range(runs):
                _, study = simulate(strategy, bench, seed=seed, trials=trials,
                                    objectives=("accuracy", f"min:{cost}"))  # fmt: skip
                metrics = [trial.metrics for trial in study.history.finished]
                found.append(100 * area(metrics) / whole)
            base = np.array(found) if label == "random" else base
            gap = np.array(found) - base
            half = t.ppf(0.975, runs - 1) * gap.std(ddof=1) / np.sqrt(runs)
            print(f"| {bench.name} | {trials} | {label} | {np.mean(found):.3f} | "
                  f"{np.std(found, ddof=1):.3f} | {gap.mean():+.3f} | "
                  f"{gap.mean() - half:+.3f} to {gap.mean() + half:+.3f} |",
                  flush=True)  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("part", choices=["pymoo", "tables"], nargs="?", default="tables")
    parser.add_argument("--python", help="an interpreter that has pymoo")
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("--only", nargs="*", help="problems")
    parser.add_argument("--most", type=int, default=10_000, help="trials of a run")
    given = parser.parse_args()
    if given.part == "tables":
        on_tables(given.runs)
    elif given.python is None:
        parser.error("give --python, the path of an interpreter that has pymoo")
    else:
        against_pymoo(given.python, given.runs, given.only, given.most)


if __name__ == "__main__":
    main()
