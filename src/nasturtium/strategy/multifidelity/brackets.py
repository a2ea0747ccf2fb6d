"""Brackets of successive halving, run side by side while workers are free.

A bracket is a table of rungs: how many trials, at which fidelity. When all trials of a rung have
ended, the best of them are promoted; a worker that is free meanwhile begins the next bracket.

The bracket of a trial follows from the log alone. A trial that is marked as uniform or has a parent
begins at the bottom; another trial is a promotion if its architecture was asked for at the fidelity
below, and not yet at its own. A trial that begins at the bottom belongs to the oldest bracket with
room at that fidelity. A promotion is identified by its architecture and the fidelity above, so no
architecture is trained there twice.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any, final

from nasturtium.architecture import Architecture
from nasturtium.errors import StrategyError
from nasturtium.strategy.multifidelity.rungs import InnerStrategy, promotion
from nasturtium.study.fidelity import Fidelity
from nasturtium.study.history import History
from nasturtium.study.strategy import Strategy
from nasturtium.study.trial import Proposal, Trial

__all__ = ["Bracket", "Brackets", "Halving", "Plan", "rung_counts"]

Plan = tuple[tuple[int, Fidelity], ...]  # of each rung: how many trials, at which fidelity
# The first trial of an architecture at a fidelity.
Asked = Mapping[Fidelity, Mapping[Architecture, int]]

AGAIN = 20  # proposals that look like promotions, before one is accepted


@dataclass
class Bracket:
    """A running bracket, at one of its rungs."""

    plan: Plan
    rung: int = 0
    members: list[int] = field(default_factory=list)  # numbers of the rung's trials
    ended: int = 0  # members, from the first on, that are known to have ended
    chosen: deque[Trial] = field(default_factory=deque)  # for promotion to this rung
    over: bool = False

    @property
    def fidelity(self) -> Fidelity:
        """The rung's."""
        return self.plan[self.rung][1]

    @property
    def room(self) -> bool:
        """Whether the first rung has a free seat."""
        return self.rung == 0 and len(self.members) < self.plan[0][0]

    def advance(self, history: History, asked: Asked) -> None:
        """Seat promotions that were asked for; ascend while no trial of the rung is pending."""
        while not (self.room or self.over):
            while self.chosen:
                number = asked.get(self.fidelity, {}).get(self.chosen[0].architecture)
                if number is None:
                    return
                self.members.append(number)
                self.chosen.popleft()
            while self.ended < len(self.members):
                if history.trial(self.members[self.ended]).state == "pending":
                    return
                self.ended += 1
            self._ascend(history)

    def _ascend(self, history: History) -> None:
        """Choose the promotions; the bracket is over at its top, or if all of a rung failed."""
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
            self.members, self.ended = [], 0


@dataclass
class Brackets:
    """The open brackets, oldest first, and the trials that were asked for."""

    seen: int = 0  # trials that were asked for
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
        self.inner = InnerStrategy(strategy)
        self.plans = tuple(plans)
        rungs = sorted({rung for plan in plans for _, rung in plan}, key=lambda rung: rung.cost)
        self.below = dict(zip(rungs[1:], rungs, strict=False))

    def update(self, state: Brackets, history: History, trial: Trial) -> Brackets:
        """Seat a trial that was asked for, and let brackets ascend."""
        if len(history) > state.seen:
            self._record(state, trial)
        elif trial.state == "rejected":
            # An estimate rejected a trial that has a seat: all later ones may sit elsewhere.
            state.begun, state.open, state.asked = 0, [], {}
            for earlier in history:
                self._record(state, earlier)
        state.seen = len(history)
        for bracket in state.open:
            bracket.advance(history, state.asked)
        state.open = [bracket for bracket in state.open if not bracket.over]
        self.inner.update(state.inner, history, trial)
        return state

    def propose(self, state: Brackets, history: History, rng: Random) -> Proposal | None:
        """Return a promotion of the oldest bracket that has one, else a new architecture."""
        for bracket in state.open:
            if bracket.chosen:
                return promotion(bracket.chosen[0], bracket.fidelity)
        fidelity = next((bracket.fidelity for bracket in state.open if bracket.room), None)
        if fidelity is None:
            fidelity = self._next_plan(state)[0][1]
        for _ in range(AGAIN):
            proposal = self.inner.propose(state.inner, history, fidelity, rng)
            if proposal is None or not self._promotes(state, proposal):
                break
        return proposal

    def _next_plan(self, state: Brackets) -> Plan:
        return self.plans[state.begun % len(self.plans)]

    def _begin(self, state: Brackets) -> Bracket:
        state.open.append(Bracket(self._next_plan(state)))
        state.begun += 1
        return state.open[-1]

    def _record(self, state: Brackets, trial: Trial) -> None:
        """Record that a trial was asked for, and give it a seat."""
        new = not self._promotes(state, trial.proposal)
        if new and trial.state == "rejected":
            return  # its seat goes to another
        asked = state.asked.setdefault(trial.proposal.fidelity, {})
        asked.setdefault(trial.architecture, trial.number)
        if new:
            self._seat(state, trial)

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
        """Return whether a proposal counts as a promotion; later trials do not change it."""
        below = self.below.get(proposal.fidelity)
        if below is None or proposal.uniform or proposal.parent is not None:
            return False
        if proposal.fidelity.schedule == "prefix":
            return proposal.resume is not None
        made, asked = proposal.architecture, state.asked
        return made in asked.get(below, {}) and made not in asked.get(proposal.fidelity, {})


def rung_counts(count: int, rungs: Sequence[Fidelity], eta: float) -> Plan:
    """Return how many trials each rung has, at which fidelity."""
    counts = [count]
    while len(counts) < len(rungs):
        counts.append(math.floor(counts[-1] / eta + 1e-9))
    if counts[-1] < 1:
        raise StrategyError(
            f"{count} architectures do not reach the last of {len(rungs)} rungs when one in "
            f"{eta:g} is promoted; give at least {math.ceil(eta ** (len(rungs) - 1))}"
        )
    return tuple(zip(counts, rungs, strict=True))
