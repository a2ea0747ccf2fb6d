"""Your own benchmark: a table of measured results on which strategies are compared.

On the command line:

    nasturtium race random evolution --benchmark examples/05_own_benchmark.py:Widths
"""

import math
import os

import nasturtium as nas
from nasturtium.study.fidelity import FULL


@nas.space
def widths(choose):
    """Three layers with a width each. It is never built, since the table has the results."""
    for layer in range(3):
        choose(f"width{layer}", (8, 16, 32, 64))
    return lambda: None


class Widths(nas.Benchmark):
    """Invented results: wide layers are more accurate, and cost more."""

    def __init__(self):
        self.name = "widths"
        self.space = widths
        self.metrics = ("accuracy", "params")
        self.best = 0.9

    def query(self, architecture, *, fidelity=FULL, run=None):
        self.level(fidelity)  # raises an error for a fidelity that the table does not have
        return {"accuracy": self.truth(architecture), "params": float(sum(architecture.values()))}

    def truth(self, architecture):
        return 0.9 - sum(math.log2(64 / width) for width in architecture.values()) / 20


if __name__ == "__main__":
    smoke = "NASTURTIUM_SMOKE" in os.environ
    strategies = ["random", "evolution(population=5,sample=2)"]
    print(nas.race(strategies, Widths(), trials=20, repeats=4 if smoke else 100))
