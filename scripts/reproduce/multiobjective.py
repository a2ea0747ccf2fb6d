"""Hold NSGA-II and LEMONADE against pymoo's NSGA-II on ZDT1-3 and DTLZ2, and on NAS-Bench-201.

pymoo runs with the same variation as the space gives here (uniform crossover, then one variable
drawn anew), so that selection is what is compared; its usual operators (SBX and polynomial
mutation) are listed as well. Hypervolumes are moocore's, over the true range of the objectives,
with the reference point 1.1 in each. pymoo is not a dependency; where another interpreter has it:

    /path/with/pymoo/python scripts/reproduce/multiobjective.py pymoo --out fronts.json
    NASTURTIUM_DATA=... python scripts/reproduce/multiobjective.py here --fronts fronts.json
"""

from __future__ import annotations

import argparse
import json
import math
from pathlib import Path

import numpy as np

# problem: (variables, objectives, population, trials, ideal, nadir of the true front)
PROBLEMS = {
    "zdt1": (30, 2, 100, 10_000, (0, 0), (1, 1)),
    "zdt2": (30, 2, 100, 10_000, (0, 0), (1, 1)),
    "zdt3": (30, 2, 100, 10_000, (0, -0.7734), (0.8518, 1)),
    "dtlz2": (12, 3, 92, 10_000, (0, 0, 0), (1, 1, 1)),
}
NB201 = (40, 1000)  # population, trials


def losses(problem: str, x: list[float]) -> list[float]:
    """The problem's objectives, all minimised (Zitzler et al. 2000; Deb et al. 2002)."""
    if problem == "dtlz2":
        g = sum((v - 0.5) ** 2 for v in x[2:])
        a, b = x[0] * math.pi / 2, x[1] * math.pi / 2
        return [
            (1 + g) * math.cos(a) * math.cos(b),
            (1 + g) * math.cos(a) * math.sin(b),
            (1 + g) * math.sin(a),
        ]
    first, g = x[0], 1 + 9 * sum(x[1:]) / (len(x) - 1)
    if problem == "zdt2":
        return [first, g * (1 - (first / g) ** 2)]
    wave = first / g * math.sin(10 * math.pi * first) if problem == "zdt3" else 0.0
    return [first, g * (1 - math.sqrt(first / g) - wave)]


def volume(front: list[list[float]], problem: str) -> float:
    from moocore import hypervolume

    ideal, nadir = (np.array(end, dtype=float) for end in PROBLEMS[problem][4:])
    scaled = (np.array(front) - ideal) / (nadir - ideal)
    return float(hypervolume(scaled, ref=np.full(scaled.shape[1], 1.1)))


def with_pymoo(runs: int) -> dict:
    from pymoo.algorithms.moo.nsga2 import NSGA2
    from pymoo.core.mutation import Mutation
    from pymoo.core.problem import Problem
    from pymoo.operators.crossover.ux import UniformCrossover
    from pymoo.optimize import minimize

    class Anew(Mutation):
        def _do(self, problem, x, *args, random_state=None, **named):
            draw = random_state or np.random.default_rng()
            changed = x.copy()
            places = draw.integers(0, x.shape[1], len(x))
            changed[np.arange(len(x)), places] = draw.random(len(x))
            return changed

    class Known(Problem):
        def __init__(self, name, variables, objectives):
            super().__init__(n_var=variables, n_obj=objectives, xl=0.0, xu=1.0)
            self.known = name

        def _evaluate(self, x, out, *args, **named):
            out["F"] = np.array([losses(self.known, row.tolist()) for row in x])

    found: dict = {}
    for name, (variables, objectives, population, trials, *_) in PROBLEMS.items():
        problem = Known(name, variables, objectives)
        for label in ("same variation", "SBX and polynomial mutation"):
            fronts = []
            for seed in range(runs):
                named = {}
                if label == "same variation":
                    named = {"crossover": UniformCrossover(prob=0.9), "mutation": Anew(prob=1.0)}
                algorithm = NSGA2(pop_size=population, **named)
                result = minimize(problem, algorithm, ("n_eval", trials), seed=seed)
                fronts.append(result.F.tolist())
            found[f"{name}|pymoo, {label}"] = fronts
    return found


def here(runs: int) -> dict:
    from nasturtium.space.choice import space
    from nasturtium.strategy.nsga2 import NSGA2
    from nasturtium.study.study import Study

    found: dict = {}
    for name, (variables, objectives, population, trials, *_) in PROBLEMS.items():

        @space(name=name)
        def cube(choose, n=variables):
            for place in range(n):
                choose.range(f"x{place}", 0.0, 1.0)
            return lambda: None

        kinds = ("crowding", "hypervolume") if objectives > 2 else ("crowding",)
        for selection in kinds:
            fronts = []
            for seed in range(runs):
                strategy = NSGA2(population, selection=selection)
                goals = [f"min:f{place}" for place in range(objectives)]
                study = Study(cube, strategy, objectives=goals, seed=seed)
                for _ in range(trials):
                    trial = study.ask()
                    values = losses(name, list(trial.architecture.values()))
                    study.tell(trial, {f"f{place}": v for place, v in enumerate(values)})
                # The last population, which is what pymoo gives: not the front of all trials.
                state = strategy.start()
                strategy._advance(state, study.searched)
                fronts.append([[-v for v in study.history.vector(t)] for t in state.parents])
            found[f"{name}|nasturtium, {selection}"] = fronts
    return found


def on_nasbench201(runs: int) -> dict[str, list[float]]:
    """Hypervolume of error and MACs (reported accuracy, no noise), against the whole table's."""
    from moocore import hypervolume

    from nasturtium.bench.nasbench201 import NASBench201
    from nasturtium.run.simulate import simulate
    from nasturtium.strategy.lemonade import Lemonade
    from nasturtium.strategy.nsga2 import NSGA2
    from nasturtium.strategy.random import RandomSearch

    bench = NASBench201("cifar10", epochs=200, fitness="test")
    population, trials = NB201
    top = max(bench.query(a)["macs"] for a in bench.space.every())

    def area(metrics) -> float:
        points = np.array([(1 - m["accuracy"], m["macs"] / top) for m in metrics])
        return float(hypervolume(points, ref=(0.2, 1.0)))

    whole = area([bench.query(a) for a in bench.space.every()])
    strategies = {
        "random": RandomSearch(),
        "NSGA-II": NSGA2(population),
        "NSGA-II, hypervolume": NSGA2(population, selection="hypervolume"),
        "LEMONADE": Lemonade(population, lambda a: [bench.query(a)["macs"]]),
        "LEMONADE, no cheap": Lemonade(population),
    }
    found = {}
    for label, strategy in strategies.items():
        found[label] = []
        for seed in range(runs):
            _, study = simulate(
                strategy, bench, seed=seed, trials=trials, objectives=("accuracy", "min:macs")
            )
            found[label].append(100 * area([t.metrics for t in study.history.finished]) / whole)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("part", choices=["pymoo", "here", "nasbench201"])
    parser.add_argument("--runs", type=int, default=11)
    parser.add_argument("--out", type=Path, default=Path("fronts.json"))
    parser.add_argument("--fronts", type=Path)
    given = parser.parse_args()
    if given.part == "pymoo":
        given.out.write_text(json.dumps(with_pymoo(given.runs)))
        return
    if given.part == "nasbench201":
        print("| strategy | hypervolume, % of the table's | std |\n|---|---|---|")
        for label, values in on_nasbench201(given.runs).items():
            print(f"| {label} | {np.mean(values):.3f} | {np.std(values, ddof=1):.3f} |")
        return
    everything = here(given.runs)
    if given.fronts:
        everything |= json.loads(given.fronts.read_text())
    print("| problem | algorithm | hypervolume | std |\n|---|---|---|---|")
    for key in sorted(everything):
        problem, label = key.split("|")
        values = [volume(front, problem) for front in everything[key]]
        print(f"| {problem} | {label} | {np.mean(values):.4f} | {np.std(values, ddof=1):.4f} |")


if __name__ == "__main__":
    main()
