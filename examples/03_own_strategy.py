"""Your own strategy: it proposes the next candidate from the history of the search.

On the command line: nasturtium search digits --strategy "examples/03_own_strategy.py:Climb"
"""

import nasturtium as nas
from nasturtium.contracts.strategies import check_strategy


class Climb(nas.Strategy):
    """Mutate the best architecture so far, and restart at random with some probability."""

    def __init__(self, restart: float = 0.1) -> None:
        self.restart = restart

    def propose(self, state, history, rng):
        if not history.finished or rng.random() < self.restart:
            return nas.Proposal(history.space.sample(rng), uniform=True)
        best = history.best()[0]
        return nas.Proposal(history.space.mutate(best.architecture, rng), parent=best.number)


def skips(architecture):
    """Stand in for a training: the share of skip connections among the edges of a cell."""
    return {"accuracy": sum(op == "skip_connect" for op in architecture.values()) / 6}


if __name__ == "__main__":
    check_strategy(Climb())  # the contract that every strategy has to meet
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
