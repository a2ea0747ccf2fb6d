"""Brackets of successive halving, as many at a time as there are free workers for.

A bracket is a table of rungs: how many trials, at which fidelity. The trials of a rung are waited
for, and the best of them go up; a worker that is free meanwhile begins the next bracket.

Which bracket a trial belongs to follows from the log alone. A trial that is marked as uniform or
has a parent begins at the bottom; of the others one is a promotion if its architecture was asked
for at the fidelity below, and not yet at its own. What begins at the bottom is seated in the oldest
bracket with room at that fidelity. What was chosen to go up is found by its architecture at the
fidelity above, so no architecture is trained there twice.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any, final

from nasturtium.architecture import Architecture
from nasturtium.strategy.rungs import Inside, promotion
from nasturtium.study.fidelity import Fidelity
from nasturtium.study.history import History
from nasturtium.study.strategy import Strategy
from nasturtium.study.trial import Proposal, Trial

__all__ = ["Bracket", "Brackets", "Halving", "Plan"]

Plan = tuple[tuple[int, Fidelity], ...]  # of each rung: how many trials, at which fidelity
# The first trial of an architecture at a fidelity.
Asked = Mapping[Fidelity, Mapping[Architecture, int]]

AGAIN = 20  # proposals that could be taken for promotions, before one is let pass


@dataclass
class Bracket:
    """One bracket on its way, at one of its rungs."""

    plan: Plan
    rung: int = 0
    members: list[int] = field(default_factory=list)  # numbers of the rung's trials
    settled: int = 0  # of the members, from the first on, that are known not to be pending
    chosen: deque[Trial] = field(default_factory=deque)  # go up to this rung, and are not seated
    over: bool = False

    @property
    def fidelity(self) -> Fidelity:
        """The rung's."""
        return self.plan[self.rung][1]

    @property
    def room(self) -> bool:
        """Whether the first rung has a free seat."""
        return self.rung == 0 and len(self.members) < self.plan[0][0]

    def promotable(self, history: History, asked: Asked) -> Trial | None:
        """The next trial to train for longer; none while there are others to wait for."""
        while not (self.room or self.over):
            while self.chosen:
                number = asked.get(self.fidelity, {}).get(self.chosen[0].architecture)
                if number is None:
                    return self.chosen[0]
                self.members.append(number)
                self.chosen.popleft()
            while self.settled < len(self.members):
                if history.trial(self.members[self.settled]).state == "pending":
                    return None
                self.settled += 1
            self._ascend(history)
        return None

    def _ascend(self, history: History) -> None:
        """Choose who goes up; the bracket is over at its top, or if all of a rung have failed."""
        trials = [history.trial(number) for number in self.members]
        able = [trial for trial in trials if trial.state == "finished"]
        able.sort(key=lambda trial: (*(-part for part in history.rank(trial)), trial.number))
        best: dict[Architecture, Trial] = {}
        for trial in able:
            best.setdefault(trial.architecture, trial)
        self.over = self.rung + 1 == len(self.plan) or not best
        if not self.over:
            self.rung += 1
            self.chosen = deque(list(best.values())[: self.plan[self.rung][0]])
            self.members, self.settled = [], 0


@dataclass
class Brackets:
    """The brackets that are open, oldest first, and what was asked for."""

    place: int = 0  # trials of the history looked at
    rejected: int = 0  # of these
    begun: int = 0  # brackets so far
    open: list[Bracket] = field(default_factory=list)
    asked: dict[Fidelity, dict[Architecture, int]] = field(default_factory=dict)
    inner: dict[Fidelity, Any] = field(default_factory=dict)


@final
class Halving:
    """Runs brackets in turn around a strategy.

    Args:
        strategy: proposes the architectures of first rungs.
        plans: the brackets, begun one after the other and over again.
    """

    def __init__(self, strategy: Strategy, plans: Sequence[Plan]) -> None:
        self.inside = Inside(strategy)
        self.plans = tuple(plans)
        rungs = sorted({rung for plan in plans for _, rung in plan}, key=lambda rung: rung.cost)
        self.below = dict(zip(rungs[1:], rungs, strict=False))

    def propose(self, state: Brackets, history: History, rng: Random) -> Proposal | None:
        """A promotion of the oldest bracket that has one, else something new."""
        if len(history.where(state="rejected")) != self._look(state, history):
            # An estimate rejected a trial that has a seat: all later ones may sit elsewhere.
            state.place, state.rejected, state.begun = 0, 0, 0
            state.open, state.asked = [], {}
            self._look(state, history)
        for bracket in state.open:
            trial = bracket.promotable(history, state.asked)
            if trial is not None:
                return promotion(trial, bracket.fidelity)
        state.open = [bracket for bracket in state.open if not bracket.over]
        fidelity = next((bracket.fidelity for bracket in state.open if bracket.room), None)
        if fidelity is None:
            fidelity = self._begin(state).fidelity
        for _ in range(AGAIN):
            proposal = self.inside.propose(state.inner, history, fidelity, rng)
            if proposal is None or not self._promotes(state, proposal):
                break
        return proposal

    def _begin(self, state: Brackets) -> Bracket:
        state.open.append(Bracket(self.plans[state.begun % len(self.plans)]))
        state.begun += 1
        return state.open[-1]

    def _look(self, state: Brackets, history: History) -> int:
        """Seat what was asked for since the last look; returns how many were rejected in all."""
        for trial in history[state.place :]:
            rejected = trial.state == "rejected"
            state.rejected += rejected
            new = not self._promotes(state, trial.proposal)
            if new and rejected:
                continue  # its seat goes to another
            asked = state.asked.setdefault(trial.proposal.fidelity, {})
            asked.setdefault(trial.architecture, trial.number)
            if new:
                self._seat(state, trial)
        state.place = len(history)
        return state.rejected

    def _seat(self, state: Brackets, trial: Trial) -> None:
        for bracket in state.open:
            if bracket.room and bracket.fidelity == trial.proposal.fidelity:
                break
        else:
            bracket = self._begin(state)
            while bracket.fidelity != trial.proposal.fidelity:
                bracket = self._begin(state)
        bracket.members.append(trial.number)

    def _promotes(self, state: Brackets, proposal: Proposal) -> bool:
        """Whether a proposal is read as a promotion; nothing that is asked later changes it."""
        below = self.below.get(proposal.fidelity)
        if below is None or proposal.uniform or proposal.parent is not None:
            return False
        if proposal.fidelity.schedule == "prefix":
            return proposal.resume is not None
        made, asked = proposal.architecture, state.asked
        return made in asked.get(below, {}) and made not in asked.get(proposal.fidelity, {})
