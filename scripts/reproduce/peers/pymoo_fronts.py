"""Last fronts of pymoo's algorithms; multiobjective.py starts this and compares.

Needs an interpreter that has pymoo, and nothing of the project. The discrete table is searched with
the variation that its space gives there (uniform crossover, then one decision drawn again), and
with pymoo's own for integers (SBX and polynomial mutation, rounded).

    /path/with/pymoo/python scripts/reproduce/peers/pymoo_fronts.py TASKS.json FRONTS.json
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
from problems import losses
from pymoo.algorithms.moo.nsga2 import NSGA2
from pymoo.algorithms.moo.nsga3 import NSGA3
from pymoo.core.mutation import Mutation
from pymoo.core.problem import Problem
from pymoo.operators.crossover.sbx import SBX
from pymoo.operators.crossover.ux import UniformCrossover
from pymoo.operators.mutation.pm import PM
from pymoo.operators.repair.rounding import RoundingRepair
from pymoo.operators.sampling.rnd import IntegerRandomSampling
from pymoo.optimize import minimize
from pymoo.util.ref_dirs import get_reference_directions


class Known(Problem):
    """One of the continuous problems, by name."""

    def __init__(self, name, variables, objectives):
        super().__init__(n_var=variables, n_obj=objectives, xl=0.0, xu=1.0)
        self.known = name

    def _evaluate(self, x, out, *args, **named):
        out["F"] = np.array([losses(self.known, row.tolist()) for row in x])


class Table(Problem):
    """Rows of objectives by their decisions, five options each."""

    def __init__(self, rows):
        super().__init__(n_var=6, n_obj=2, xl=0, xu=4, vtype=int)
        self.rows = np.array(rows)

    def _evaluate(self, x, out, *args, **named):
        out["F"] = self.rows[x.astype(int) @ 5 ** np.arange(5, -1, -1)]


class Anew(Mutation):
    """Mutation that draws one decision again."""

    def _do(self, problem, x, *args, random_state=None, **named):
        places = random_state.integers(0, 6, len(x))
        lines = np.arange(len(x))
        changed = x.copy()
        changed[lines, places] = (x[lines, places] + random_state.integers(1, 5, len(x))) % 5
        return changed


def algorithm(label: str, population: int):
    """Return the algorithm of a task."""
    if label == "NSGA-III":
        return NSGA3(get_reference_directions("das-dennis", 3, n_partitions=12), population)
    if label == "NSGA-II, same variation":
        return NSGA2(population, sampling=IntegerRandomSampling(), mutation=Anew(prob=1.0),
                     crossover=UniformCrossover(prob=0.9))  # fmt: skip
    if label == "NSGA-II, rounded SBX":
        rounds = {"vtype": float, "repair": RoundingRepair()}
        return NSGA2(population, sampling=IntegerRandomSampling(), mutation=PM(eta=3.0, **rounds),
                     crossover=SBX(prob=0.9, eta=3.0, **rounds))  # fmt: skip
    return NSGA2(population)


def main() -> None:
    tasks, out = Path(sys.argv[1]), Path(sys.argv[2])
    found = []
    for task in json.loads(tasks.read_text()):
        if task["problem"] == "nasbench201":
            problem = Table(task["rows"])
        else:
            problem = Known(task["problem"], task["variables"], task["objectives"])
        found.append([
            minimize(problem, algorithm(task["label"], task["population"]),
                     ("n_eval", task["trials"]), seed=seed).F.tolist()
            for seed in range(task["runs"])
        ])  # fmt: skip
    out.write_text(json.dumps(found))


if __name__ == "__main__":
    main()
