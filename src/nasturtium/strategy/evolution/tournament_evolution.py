"""Tournament evolution, in which the worst of a draw is removed: the search of EAT-NAS.

Fang, Chen, Zhang, Zhang, Huang, Meng, Liu & Wang (2019), "EAT-NAS: elastic architecture transfer
for accelerating large-scale neural architecture search", algorithm 1. A population of P random
architectures; in each cycle S members are drawn, the best is mutated and trained from its weights,
the mutant joins, and the worst of the draw leaves.

Implemented: the algorithm, asynchronously: a member is removed when the child's result arrives. The
log records a child's parent and not the removed member, so the rest of the draw (members that the
parent beat) is drawn again, by a generator keyed by the log. With one worker the pair of best and
worst has exactly the distribution of one draw without replacement. Deviation: with constraints, a
member that violates them less beats one that violates them more.
The tests check this distribution; the rows on NAS-Bench-201 are in the documentation.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from dataclasses import dataclass, field
from random import Random
from typing import final

from nasturtium.errors import StrategyError
from nasturtium.study.fidelity import FULL
from nasturtium.study.history import History
from nasturtium.study.strategy import Strategy
from nasturtium.study.trial import Proposal, Trial

__all__ = ["TournamentEvolution"]

Member = tuple[tuple[float, float], int]  # rank, larger is better; minus the trial's number


@dataclass
class Population:
    """The members, worst first."""

    salt: int = 0
    alive: list[Member] = field(default_factory=list)


@final
class TournamentEvolution(Strategy):
    """Evolution by tournaments; the worst of each tournament is removed.

    Args:
        population: P, how many architectures are alive; the first P are drawn uniformly.
        sample: S, how many members are drawn, without replacement, for each tournament.

    Example:
        >>> import nasturtium as nas
        >>> study = nas.Study(nas.zoo.nasbench201, nas.TournamentEvolution(5, 2), store=None)
        >>> for _ in range(12):
        ...     trial = study.ask()
        ...     study.tell(trial, {"accuracy": len(set(trial.architecture.values()))})
        >>> study.history[5].proposal.parent in range(5)  # a mutant of one of the first five
        True
    """

    def __init__(self, population: int = 64, sample: int = 16) -> None:
        if not 2 <= sample <= population:
            raise StrategyError(
                f"tournament evolution got population={population}, sample={sample}; expected "
                "2 <= sample <= population (EAT-NAS keeps 64)"
            )
        self.population = population
        self.sample = sample

    def start(self) -> Population:
        return Population()

    def update(self, state: Population, history: History, trial: Trial) -> Population:
        if trial.state == "finished":
            self._join(state, history, trial)
        return state

    def propose(self, state: Population, history: History, rng: Random) -> Proposal:
        if len(state.alive) + len(history.pending) < self.population or not state.alive:
            return Proposal(history.space.sample(rng), FULL, None, None, True)
        places = rng.sample(range(len(state.alive)), min(self.sample, len(state.alive)))
        parent = history.trial(-state.alive[max(places)][1])
        return Proposal(history.space.mutate(parent.architecture, rng), FULL, parent.number)

    def _join(self, state: Population, history: History, trial: Trial) -> None:
        member = (history.rank(trial), -trial.number)
        if not state.salt:
            state.salt = int(trial.architecture.key, 16) | 1
        parent = trial.proposal.parent
        if parent is not None and len(state.alive) >= self.population:
            place = _place(state.alive, (history.rank(history.trial(parent)), -parent))
            # The rest of the parent's draw: members that it beat, without replacement.
            rng = Random(state.salt * (trial.number + 1))
            beaten = rng.sample(range(place), min(self.sample - 1, place))
            del state.alive[min(beaten, default=0)]
        insort(state.alive, member)


def _place(alive: list[Member], member: Member) -> int:
    """Return the place of a member, or its place if it had not been removed meanwhile."""
    return bisect_left(alive, member)
