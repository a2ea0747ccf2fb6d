"""A strategy of your own: what to try next, given what is known.

From the command line: nasturtium search digits --strategy "examples/03_own_strategy.py:Climb"
"""

import nasturtium as nas
from nasturtium.contracts.strategies import check_strategy


class Climb(nas.Strategy):
    """Mutates the best so far, and now and then starts anew."""

    def __init__(self, restart: float = 0.1) -> None:
        self.restart = restart

    def propose(self, state, history, rng):
        if not history.finished or rng.random() < self.restart:
            return nas.Proposal(history.space.sample(rng), uniform=True)
        best = history.best()[0]
        return nas.Proposal(history.space.mutate(best.architecture, rng), parent=best.number)


def skips(architecture):
    """Stands for a training: how many edges of the cell are skip connections."""
    return {"accuracy": sum(op == "skip_connect" for op in architecture.values()) / 6}


if __name__ == "__main__":
    check_strategy(Climb())  # the tests that every strategy here passes
    study = nas.search(
        "digits",
        space="nasbench201",
        strategy=Climb(),
        estimator=nas.Tabular(skips),
        trials=100,
        store=None,
    )
    best = study.best
    print(f"trial {best.number} of {len(study.history)}: {best.metrics['accuracy']:.2f}")
