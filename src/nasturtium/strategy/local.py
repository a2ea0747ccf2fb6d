"""Local search: look at the neighbours of the best, move, start again at a local optimum.

White, Nolen & Savani (2021), "Exploring the loss landscape in neural architecture search"; the
authors' settings draw ten random architectures before every climb.

Implemented: first improvement (neighbours are tried in random order, and the first that is told to
be better is moved to) and best improvement (all are tried, and the best is moved to if it is
better), with random restarts. Deviations: an architecture that was tried before is not tried
again, its first result is used; while a climb waits for its last neighbours, idle workers draw
starts of the next climb; neighbours that failed or were rejected count as tried.
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
    """Where the search is; all of it follows from the log, whenever it is looked at.

    A move, once due, stays due: an architecture's result is that of the first trial that asked for
    it, the better neighbour that was told first stays the first one, and neighbours that are all
    settled stay so. So it does not matter when moves are made, and none is worked out twice.
    """

    seen: int = 0  # finished trials taken in
    place: int = 0  # trials of the history looked at
    asked: dict[Architecture, int] = field(default_factory=dict)  # the first trial's number
    told: dict[Architecture, tuple[int, Trial]] = field(default_factory=dict)  # with the order
    starts: list[Trial] = field(default_factory=list)  # of all climbs, as told
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

    def propose(self, state: Climb, history: History, rng: Random) -> Proposal:
        neighbours = _neighbours(history)
        _look(state, history)
        pending = {trial.number for trial in history.pending}
        while True:
            if state.centre is None:
                begun = state.climbs * self.starts
                batch = state.starts[begun : begun + self.starts]
                if len(batch) < self.starts:
                    return Proposal(history.space.sample(rng), FULL, None, None, True)
                state.centre = max(batch, key=history.rank)
            here = (state.centre.architecture, history.rank(state.centre))
            if here not in state.moves:
                state.around = state.around or tuple(neighbours(state.centre.architecture))
                free = [near for near in state.around if near not in state.asked]
                waiting = any(state.asked.get(near) in pending for near in state.around)
                settled = not free and not waiting
                following = self._better(state, history, here[1], settled)
                if following is None and free:
                    near = free[int(rng.random() * len(free))]
                    return Proposal(near, FULL, state.centre.number)
                if following is None and waiting:
                    return Proposal(history.space.sample(rng), FULL, None, None, True)
                state.moves[here] = following
            state.centre, state.around = state.moves[here], ()
            state.climbs += state.centre is None

    def _better(self, state: Climb, history: History, least: Rank, settled: bool) -> Trial | None:
        """The neighbour to move to, if a move is due."""
        if self.improvement == "best" and not settled:
            return None
        known = [state.told[near] for near in state.around if near in state.told]
        better = [(order, trial) for order, trial in known if history.rank(trial) > least]
        if not better:
            return None
        if self.improvement == "first":
            return min(better, key=lambda pair: pair[0])[1]
        return max(better, key=lambda pair: (history.rank(pair[1]), -pair[0]))[1]


def _look(state: Climb, history: History) -> None:
    """Take in what was asked and told since the last look."""
    for trial in history[state.place :]:
        state.asked.setdefault(trial.architecture, trial.number)
    state.place = len(history)
    for trial in history.finished[state.seen :]:
        if state.asked[trial.architecture] == trial.number:
            state.told[trial.architecture] = (len(state.told), trial)
        if trial.proposal.parent is None:
            state.starts.append(trial)
    state.seen = len(history.finished)


def _neighbours(history: History) -> Callable[[Architecture], Iterable[Architecture]]:
    neighbours: Any = getattr(history.space, "neighbours", None)
    if neighbours is None:
        raise StrategyError(
            f"local search needs a space that lists the neighbours of an architecture; "
            f"{type(history.space).__name__} {history.space.name!r} has no neighbours(). Use "
            "RegularizedEvolution, which only mutates"
        )
    return neighbours  # type: ignore[no-any-return]
