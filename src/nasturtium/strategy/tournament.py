"""Tournament selection in which the worst of a draw dies: the search of EAT-NAS.

Fang, Chen, Zhang, Zhang, Huang, Meng, Liu & Wang (2019), "EAT-NAS: elastic architecture transfer
for accelerating large-scale neural architecture search", algorithm 1. A population of P random
architectures; in each cycle S members are drawn, the best is mutated and trained from its weights,
the mutant joins, and the worst of the draw leaves.

Implemented: the algorithm, asynchronously: the draw is settled when the child is told. A log
records a child's parent, not who died for it; so the rest of the draw (those that the parent beat)
is drawn anew, by a generator keyed by the log itself. With one worker the pair of best and worst
has exactly the distribution of one draw without replacement. Deviation: with bounds, a member that
breaks them less beats one that breaks them more.
The tests check that law, and hold the rows on NAS-Bench-201 beside regularised evolution's.
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
    """Who is alive, worst first."""

    seen: int = 0  # finished trials taken in
    salt: int = 0
    alive: list[Member] = field(default_factory=list)


@final
class TournamentEvolution(Strategy):
    """Evolution by tournaments; the worst of each tournament dies.

    Args:
        population: P, how many architectures are alive; the first P are drawn uniformly.
        sample: S, how many are drawn, without replacement, for each tournament.
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

    def propose(self, state: Population, history: History, rng: Random) -> Proposal:
        finished = history.finished
        for trial in finished[state.seen :]:
            self._join(state, history, trial)
        state.seen = len(finished)
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
    """Where a member stands, or would if it had not died while its child was trained."""
    return bisect_left(alive, member)
