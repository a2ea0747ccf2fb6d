"""Local search: look at the neighbours of the best, move, start again at a local optimum.

White, Nolen & Savani (2021), "Exploring the loss landscape in neural architecture search"; the
authors' settings draw ten random architectures before every climb.

Implemented: first improvement (the neighbours are tried in random order, and the first better one
is moved to) and best improvement (all are tried, and the best is moved to if it is better), with
random restarts. Deviations: an architecture that was tried before is not tried again, its result
is used; while a climb waits for its last neighbours, idle workers draw starts of the next climb.
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
    """Where the climb is, and all that it knows."""

    told: list[Trial] = field(default_factory=list)  # folded, not yet walked over
    place: int = 0  # trials of the history looked at for rejections
    settled: dict[str, Trial] = field(default_factory=dict)  # by the architecture's key
    starts: list[Trial] = field(default_factory=list)
    centre: Trial | None = None
    around: dict[str, Architecture] = field(default_factory=dict)  # neighbours not settled yet


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

    def fold(self, state: Climb, trial: Trial) -> Climb:
        state.told.append(trial)
        return state

    def propose(self, state: Climb, history: History, rng: Random) -> Proposal:
        neighbours = _neighbours(history)
        for trial in _in_order(state, history):
            self._walk(state, trial, history, neighbours)
        if state.centre is None:
            return Proposal(history.space.sample(rng), FULL, None, None, True)
        asked = {trial.architecture.key for trial in history.pending}
        free = [near for key, near in state.around.items() if key not in asked]
        if not free:
            return Proposal(history.space.sample(rng), FULL, None, None, True)
        chosen = free[int(rng.random() * len(free))]
        return Proposal(chosen, FULL, state.centre.number)

    def _walk(
        self,
        state: Climb,
        trial: Trial,
        history: History,
        neighbours: Callable[[Architecture], Iterable[Architecture]],
    ) -> None:
        """One step on: what a settled trial changes."""
        key = trial.architecture.key
        state.settled.setdefault(key, trial)
        state.around.pop(key, None)
        finished = trial.state == "finished"
        if finished and trial.proposal.parent is None:
            state.starts.append(trial)
        centre = state.centre
        if centre is None:
            if len(state.starts) < self.starts:
                return
            centre, state.starts = max(state.starts, key=history.rank), []
        elif trial.proposal.parent is None and state.around:
            return
        elif self.improvement == "first":
            if finished and history.rank(trial) > history.rank(centre):
                centre = trial
            elif state.around:
                return
        elif state.around:
            return
        self._settle(state, centre, history, neighbours)

    def _settle(
        self,
        state: Climb,
        centre: Trial | None,
        history: History,
        neighbours: Callable[[Architecture], Iterable[Architecture]],
    ) -> None:
        """Move to ``centre``, on to what is known to be better, or end the climb."""
        while centre is not None:
            near = {a.key: a for a in neighbours(centre.architecture)}
            tried = [state.settled[key] for key in near if key in state.settled]
            able = [trial for trial in tried if trial.state == "finished"]
            better = max(able, key=history.rank, default=centre)
            unknown = {key: a for key, a in near.items() if key not in state.settled}
            improved = history.rank(better) > history.rank(centre)
            if improved and (self.improvement == "first" or not unknown):
                centre = better
            elif unknown:
                state.centre, state.around = centre, unknown
                return
            else:
                centre = None
        state.centre, state.around = None, {}
        if len(state.starts) >= self.starts:  # drawn while the last neighbours were waited for
            begin, state.starts = max(state.starts, key=history.rank), []
            self._settle(state, begin, history, neighbours)


def _neighbours(history: History) -> Callable[[Architecture], Iterable[Architecture]]:
    neighbours: Any = getattr(history.space, "neighbours", None)
    if neighbours is None:
        raise StrategyError(
            f"local search needs a space that lists the neighbours of an architecture; "
            f"{type(history.space).__name__} {history.space.name!r} has no neighbours(). Use "
            "RegularizedEvolution, which only mutates"
        )
    return neighbours  # type: ignore[no-any-return]


def _in_order(state: Climb, history: History) -> list[Trial]:
    """Trials settled since the last look: told ones as told, rejected ones by number between.

    The order is the log's for one worker, so a resumed study walks the same way.
    """
    told, state.told = state.told, []
    rejected = [t for t in history[state.place :] if t.state == "rejected"]
    state.place = len(history)
    if not rejected:
        return told
    ordered: list[Trial] = []
    for trial in told:
        while rejected and rejected[0].number < trial.number:
            ordered.append(rejected.pop(0))
        ordered.append(trial)
    return ordered + rejected
