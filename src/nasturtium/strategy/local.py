"""Local search: look at the neighbours of the best, move, start again at a local optimum.

White, Nolen & Savani (2021), "Exploring the loss landscape in neural architecture search"; the
authors' settings draw ten random architectures before every climb.

Implemented: first improvement (neighbours are tried in random order, and the first that is told to
be better is moved to) and best improvement (all are tried, and the best is moved to if it is
better), with random restarts. Deviations: an architecture that was tried before is not tried again,
its result is used; while a climb waits for its last neighbours, idle workers draw starts of the
next climb; neighbours that failed or were rejected count as tried.
The tests reproduce the rows of local search on NAS-Bench-201 without noise.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from random import Random
from typing import Any, Literal, final

from nasturtium.architecture import Architecture
from nasturtium.errors import StrategyError
from nasturtium.study.history import History
from nasturtium.study.strategy import Strategy
from nasturtium.study.trial import FULL, Proposal, Trial

__all__ = ["LocalSearch"]


@dataclass
class Climb:
    """Where the search is; all of it follows from the log, whenever it is looked at.

    A move, once due, stays due: the better neighbour that was told first stays the first one, and
    neighbours that are all settled stay so. So it does not matter when moves are made.
    """

    seen: int = 0  # finished trials taken in
    place: int = 0  # trials of the history looked at
    asked: set[str] = field(default_factory=set)
    told: dict[str, tuple[int, Trial]] = field(default_factory=dict)  # by key, with the order
    starts: list[Trial] = field(default_factory=list)  # of all climbs, as told
    climbs: int = 0  # ended so far
    centre: Trial | None = None
    around: dict[str, Architecture] = field(default_factory=dict)  # the centre's neighbours


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
        pending = {trial.architecture.key for trial in history.pending}
        while True:
            if state.centre is None:
                batch = state.starts[state.climbs * self.starts :][: self.starts]
                if len(batch) < self.starts:
                    return Proposal(history.space.sample(rng), FULL, None, None, True)
                self._move(state, max(batch, key=history.rank), neighbours)
            assert state.centre is not None
            free = [near for key, near in state.around.items() if key not in state.asked]
            waiting = any(key in pending for key in state.around)
            following = self._better(state, history, done=not free and not waiting)
            if following is not None:
                self._move(state, following, neighbours)
            elif free:
                near = free[int(rng.random() * len(free))]
                return Proposal(near, FULL, state.centre.number)
            elif waiting:
                return Proposal(history.space.sample(rng), FULL, None, None, True)
            else:
                state.centre, state.climbs = None, state.climbs + 1

    def _better(self, state: Climb, history: History, *, done: bool) -> Trial | None:
        """The neighbour to move to, if a move is due."""
        if self.improvement == "best" and not done:
            return None
        assert state.centre is not None
        least = history.rank(state.centre)
        known = [state.told[key] for key in state.around if key in state.told]
        better = [(order, trial) for order, trial in known if history.rank(trial) > least]
        if not better:
            return None
        if self.improvement == "first":
            return min(better, key=lambda pair: pair[0])[1]
        return max(better, key=lambda pair: (history.rank(pair[1]), -pair[0]))[1]

    def _move(
        self,
        state: Climb,
        centre: Trial,
        neighbours: Callable[[Architecture], Iterable[Architecture]],
    ) -> None:
        state.centre = centre
        state.around = {near.key: near for near in neighbours(centre.architecture)}


def _look(state: Climb, history: History) -> None:
    """Take in what was asked and told since the last look."""
    for trial in history[state.place :]:
        state.asked.add(trial.architecture.key)
    state.place = len(history)
    for trial in history.finished[state.seen :]:
        state.told.setdefault(trial.architecture.key, (len(state.told), trial))
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
