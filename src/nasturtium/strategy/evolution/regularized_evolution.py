"""Regularised evolution: the oldest member of the population is removed, not the worst.

Real, Aggarwal, Huang & Le (2019), "Regularized evolution for image classifier architecture
search", algorithm 1. A population of P random architectures; then, for each new trial, S members
are drawn with replacement, the best of them is mutated in one decision, the child joins and the
oldest leaves.

Implemented: the algorithm, asynchronously: the population is the last P trials that finished.
Deviation: with constraints, the best of a draw is the member that violates them least, then the one
with the highest score; the paper has no constraints.
The tests reproduce the rows of regularised evolution on NAS-Bench-201.
"""

from __future__ import annotations

from random import Random
from typing import Any, final

from nasturtium.errors import StrategyError
from nasturtium.study.fidelity import FULL
from nasturtium.study.history import History
from nasturtium.study.strategy import Strategy
from nasturtium.study.trial import Proposal

__all__ = ["RegularizedEvolution"]


@final
class RegularizedEvolution(Strategy):
    """Aging evolution with tournament selection.

    Args:
        population: P, how many architectures are alive; the first P are drawn uniformly.
        sample: S, how many are drawn, with replacement, for each tournament.

    Example:
        >>> import nasturtium as nas
        >>> study = nas.Study(nas.zoo.nasbench201, nas.RegularizedEvolution(5, 2), store=None)
        >>> for _ in range(12):
        ...     trial = study.ask()
        ...     study.tell(trial, {"accuracy": len(set(trial.architecture.values()))})
        >>> study.history[5].proposal.parent in range(5)  # a mutant of one of the first five
        True
    """

    def __init__(self, population: int = 20, sample: int = 5) -> None:
        if population < 1 or sample < 1:
            raise StrategyError(
                f"evolution got population={population}, sample={sample}; both have to be at least "
                "1 (the paper uses 100 and 25, NAS-Bench-201's authors 10 and 3)"
            )
        self.population = population
        self.sample = sample

    def propose(self, state: Any, history: History, rng: Random) -> Proposal:
        finished = history.finished
        started = len(finished) + len(history.pending)
        if started < self.population or not finished:
            return Proposal(history.space.sample(rng), FULL, None, None, True)
        alive = finished[-self.population :]
        count, draw = len(alive), rng.random
        drawn = [alive[int(draw() * count)] for _ in range(self.sample)]
        parent = max(drawn, key=history.rank if history.constraints else history.score)
        return Proposal(history.space.mutate(parent.architecture, rng), FULL, parent.number)
