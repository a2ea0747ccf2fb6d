"""Local search: evaluate neighbours, move to a better one, restart at a local optimum.

White, Nolen & Savani (2021), "Exploring the loss landscape in neural architecture search"; the
authors' settings draw ten random architectures before every climb.

Implemented: first improvement (neighbours are evaluated in random order; the search moves to the
first better one) and best improvement (all neighbours are evaluated; the search moves to the best
if it is better), with random restarts. Deviations: an architecture is evaluated once, and its first
result is used again; while a climb waits for its last neighbours, idle workers draw starts of the
next climb; neighbours that failed or were rejected count as evaluated.
The tests reproduce the rows of local search on NAS-Bench-201 without noise.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from random import Random
from typing import Any, Literal, final

from nasturtium.architecture import Architecture
from nasturtium.errors import StrategyError
from nasturtium.study.fidelity import FULL
from nasturtium.study.history import History
from nasturtium.study.strategy import Strategy
from nasturtium.study.trial import Proposal, Trial

__all__ = ["LocalSearch"]

Rank = tuple[float, float]  # larger is better
Place = tuple[Architecture, Rank]


@dataclass
class Climb:
    """The current climb, and the results so far."""

    asked: dict[Architecture, int] = field(default_factory=dict)  # number of the first trial
    results: dict[Architecture, tuple[int, Trial]] = field(default_factory=dict)  # with the order
    starts: list[Trial] = field(default_factory=list)  # of all climbs, in the order of results
    climbs: int = 0  # ended so far
    centre: Trial | None = None
    around: tuple[Architecture, ...] = ()  # the centre's neighbours
    moves: dict[Place, Trial | None] = field(default_factory=dict)  # none from local optima


@final
class LocalSearch(Strategy):
    """Hill climbing over a space that lists its neighbours.

    Args:
        improvement: ``first`` moves to the first better neighbour, ``best`` to the best of all.
        starts: random architectures before every climb; it begins at the best of them.

    Example:
        >>> import nasturtium as nas
        >>> study = nas.Study(nas.zoo.nasbench201, nas.LocalSearch(starts=1), store=None)
        >>> study.tell(study.ask(), {"accuracy": 0.5})
        >>> study.ask().proposal.parent  # a neighbour of trial 0
        0
    """

    def __init__(self, improvement: Literal["first", "best"] = "first", starts: int = 10) -> None:
        if improvement not in ("first", "best"):
            raise StrategyError(
                f"local search got improvement={improvement!r}; expected 'first' or 'best'"
            )
        if starts < 1:
            raise StrategyError(f"local search got starts={starts}; expected at least 1")
        self.improvement = improvement
        self.starts = starts

    def start(self) -> Climb:
        return Climb()

    def update(self, state: Climb, history: History, trial: Trial) -> Climb:
        first = state.asked.setdefault(trial.architecture, trial.number)
        if trial.state == "finished":
            if first == trial.number:
                state.results[trial.architecture] = (len(state.results), trial)
            if trial.proposal.parent is None:
                state.starts.append(trial)
        if trial.state != "pending":
            self._move(state, history)
        return state

    def propose(self, state: Climb, history: History, rng: Random) -> Proposal:
        _neighbours(history)
        if state.centre is not None:
            untried = _untried(state)
            if untried:
                near = untried[int(rng.random() * len(untried))]
                return Proposal(near, FULL, state.centre.number)
        return Proposal(history.space.sample(rng), FULL, None, None, True)

    def _move(self, state: Climb, history: History) -> None:
        """Make all moves that are due: to better neighbours, and to the starts of new climbs."""
        while True:
            if state.centre is None:
                begun = state.climbs * self.starts
                batch = state.starts[begun : begun + self.starts]
                if len(batch) < self.starts:
                    return
                state.centre = max(batch, key=history.rank)
            here = (state.centre.architecture, history.rank(state.centre))
            if here not in state.moves:
                state.around = state.around or tuple(_neighbours(history)(here[0]))
                evaluated = self._evaluated(state, history)
                better = self._better(state, history, here[1], evaluated)
                if better is None and not evaluated:
                    return
                state.moves[here] = better
            state.centre, state.around = state.moves[here], ()
            state.climbs += state.centre is None

    def _evaluated(self, state: Climb, history: History) -> bool:
        """Return whether no neighbour is left to propose or to wait for."""
        if any(near not in state.asked for near in state.around):
            return False
        pending = {trial.number for trial in history.pending}
        return not any(state.asked[near] in pending for near in state.around)

    def _better(self, state: Climb, history: History, least: Rank, evaluated: bool) -> Trial | None:
        """Return the neighbour to move to, if a move is due."""
        if self.improvement == "best" and not evaluated:
            return None
        known = [state.results[near] for near in state.around if near in state.results]
        better = [(order, trial) for order, trial in known if history.rank(trial) > least]
        if not better:
            return None
        if self.improvement == "first":
            return min(better, key=lambda pair: pair[0])[1]
        return max(better, key=lambda pair: (history.rank(pair[1]), -pair[0]))[1]


def _untried(state: Climb) -> list[Architecture]:
    return [near for near in state.around if near not in state.asked]


def _neighbours(history: History) -> Callable[[Architecture], Iterable[Architecture]]:
    neighbours: Any = getattr(history.space, "neighbours", None)
    if neighbours is None:
        raise StrategyError(
            f"local search needs a space that lists the neighbours of an architecture; "
            f"{type(history.space).__name__} {history.space.name!r} has no neighbours(). Use "
            "RegularizedEvolution, which only mutates"
        )
    return neighbours  # type: ignore[no-any-return]
