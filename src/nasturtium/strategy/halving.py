"""Successive halving and Hyperband: many short trainings, fewer long ones.

Jamieson & Talwalkar (2016), "Non-stochastic best arm identification" (successive halving); Li,
Jamieson, DeSalvo, Rostamizadeh & Talwalkar (2018, JMLR), "Hyperband", algorithm 1.

Implemented: both as wrappers of any strategy, which proposes the first rung of each bracket and
sees the trials of that rung's fidelity alone, each once. Bracket s of Hyperband has
n = ceil((s_max + 1) / (s + 1) * eta^s) architectures at eta^-s of the full training and keeps
floor(n_i / eta) of a rung. With ``prefix`` schedules a promotion resumes the trial's training, with
``complete`` ones it trains anew. Deviations: a rung is waited for, so workers idle at its end
(ASHA's do not); a bracket whose trials fail goes on with those that are left.
The tests hold the rung counts against the papers' tables for R = 81, eta = 3.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random
from typing import TYPE_CHECKING, Any, Literal, final

from nasturtium.errors import StrategyError
from nasturtium.strategy.random import RandomSearch
from nasturtium.study.history import History
from nasturtium.study.strategy import Strategy
from nasturtium.study.trial import Fidelity, Proposal, Trial

if TYPE_CHECKING:
    from nasturtium.study.work import Work

__all__ = ["Hyperband", "SuccessiveHalving", "rungs_of"]

Schedule = Literal["complete", "prefix"]
Bracket = tuple[tuple[int, Fidelity], ...]


def rungs_of(least: float, eta: float, schedule: Schedule) -> tuple[Fidelity, ...]:
    """The fidelities 1, 1/eta, 1/eta^2, ... down to ``least``, in rising order.

    Raises:
        StrategyError: nothing to halve between ``least`` and 1, or eta below 2.
    """
    if not 0 < least < 1 or eta < 2:
        raise StrategyError(
            f"halving got least={least}, eta={eta}; expected least, a fraction of the epochs, "
            "between 0 and 1, e.g. 1/27, and eta of at least 2 (the papers use 3 or 4)"
        )
    levels = math.floor(math.log(1 / least) / math.log(eta) + 1e-9)
    if levels == 0:
        raise StrategyError(
            f"halving got least={least} and eta={eta}: there is no rung between them; least has to "
            f"be at most 1/{eta:g}"
        )
    return tuple(Fidelity(epochs=eta**-level, schedule=schedule) for level in range(levels, -1, -1))


@dataclass
class Rung:
    """Where the brackets are: the log walked over in the order of asking."""

    place: int = 0
    bracket: int = 0
    rung: int = 0
    members: list[int] = field(default_factory=list)  # numbers of the rung's trials
    promoted: list[Trial] | None = None  # who stands for the rung; None at the first
    inner: dict[Fidelity, Any] = field(default_factory=dict)


@final
class SuccessiveHalving(Strategy):
    """Brackets of one size, one after the other.

    Args:
        strategy: proposes the architectures of the first rung; random search if not given.
        count: architectures in the first rung.
        least: epochs of the first rung, as a fraction of the full ones.
        eta: one in eta is promoted.
        schedule: ``complete`` or ``prefix``.
    """

    def __init__(
        self,
        strategy: Strategy | None = None,
        count: int = 27,
        least: float = 1 / 27,
        eta: float = 3,
        schedule: Schedule = "complete",
    ) -> None:
        self.strategy = RandomSearch() if strategy is None else strategy
        self.count = count
        self.least = least
        self.eta = eta
        self.schedule = schedule
        rungs = rungs_of(least, eta, schedule)
        self.brackets: tuple[Bracket, ...] = (_bracket(count, rungs, eta),)

    def prepare(self, work: Work) -> None:
        self.strategy.prepare(work)

    def start(self) -> Rung:
        return Rung()

    def fold(self, state: Rung, trial: Trial) -> Rung:
        return _fold(self.strategy, state, trial)

    def propose(self, state: Rung, history: History, rng: Random) -> Proposal | None:
        return _propose(self.strategy, self.brackets, state, history, rng)

    def stops(self, state: Rung, history: History, trial: Trial) -> bool:
        return _stops(self.strategy, state, history, trial)


@final
class Hyperband(Strategy):
    """Brackets from many short trainings to few full ones, over and over.

    Args:
        strategy: proposes the architectures of the first rungs; random search if not given.
        least: the shortest training, as a fraction of the full one: r_min / R.
        eta: one in eta is promoted.
        schedule: ``complete`` or ``prefix``.
    """

    def __init__(
        self,
        strategy: Strategy | None = None,
        least: float = 1 / 27,
        eta: float = 3,
        schedule: Schedule = "complete",
    ) -> None:
        self.strategy = RandomSearch() if strategy is None else strategy
        self.least = least
        self.eta = eta
        self.schedule = schedule
        rungs = rungs_of(least, eta, schedule)
        top = len(rungs) - 1
        self.brackets: tuple[Bracket, ...] = tuple(
            _bracket(math.ceil((top + 1) / (s + 1) * eta**s - 1e-9), rungs[top - s :], eta)
            for s in range(top, -1, -1)
        )

    def prepare(self, work: Work) -> None:
        self.strategy.prepare(work)

    def start(self) -> Rung:
        return Rung()

    def fold(self, state: Rung, trial: Trial) -> Rung:
        return _fold(self.strategy, state, trial)

    def propose(self, state: Rung, history: History, rng: Random) -> Proposal | None:
        return _propose(self.strategy, self.brackets, state, history, rng)

    def stops(self, state: Rung, history: History, trial: Trial) -> bool:
        return _stops(self.strategy, state, history, trial)


def _bracket(count: int, rungs: Sequence[Fidelity], eta: float) -> Bracket:
    """How many trials each rung has, at which fidelity."""
    counts = [count]
    while len(counts) < len(rungs):
        counts.append(math.floor(counts[-1] / eta + 1e-9))
    if counts[-1] < 1:
        raise StrategyError(
            f"{count} architectures do not reach the last of {len(rungs)} rungs when one in "
            f"{eta:g} is promoted; give at least {math.ceil(eta ** (len(rungs) - 1))}"
        )
    return tuple(zip(counts, rungs, strict=True))


def _fold(inner: Strategy, state: Rung, trial: Trial) -> Rung:
    fidelity = trial.fidelity
    if fidelity not in state.inner:
        state.inner[fidelity] = inner.start()
    state.inner[fidelity] = inner.fold(state.inner[fidelity], trial)
    return state


def _stops(inner: Strategy, state: Rung, history: History, trial: Trial) -> bool:
    fidelity = trial.fidelity
    if fidelity not in state.inner:
        return False
    return inner.stops(state.inner[fidelity], history.where(fidelity=fidelity), trial)


def _propose(
    inner: Strategy,
    brackets: tuple[Bracket, ...],
    state: Rung,
    history: History,
    rng: Random,
) -> Proposal | None:
    waits = _walk(brackets, state, history)
    if waits:
        return None
    bracket = brackets[state.bracket]
    fidelity = bracket[state.rung][1]
    if state.promoted is not None:
        return promotion(state.promoted[len(state.members)], fidelity)
    view = history.where(fidelity=fidelity)
    if fidelity not in state.inner:
        state.inner[fidelity] = inner.start()
    proposal = inner.propose(state.inner[fidelity], view, rng)
    return None if proposal is None else proposal._replace(fidelity=fidelity)


def _walk(brackets: tuple[Bracket, ...], state: Rung, history: History) -> bool:
    """Seat the trials asked since the last look; true while a full rung has to be waited for."""
    while True:
        bracket = brackets[state.bracket]
        if state.promoted is None:  # the place of a rejected proposal is free again
            state.members = [n for n in state.members if history.trial(n).state != "rejected"]
        size = bracket[state.rung][0] if state.promoted is None else len(state.promoted)
        if len(state.members) == size:
            trials = [history.trial(number) for number in state.members]
            if any(trial.state == "pending" for trial in trials):
                return True
            _ascend(brackets, state, history, trials)
        elif state.place < len(history):
            state.members.append(history[state.place].number)
            state.place += 1
        else:
            return False


def _ascend(
    brackets: tuple[Bracket, ...], state: Rung, history: History, trials: list[Trial]
) -> None:
    bracket = brackets[state.bracket]
    able = [trial for trial in trials if trial.state == "finished"]
    able.sort(key=lambda trial: (*(-part for part in history.rank(trial)), trial.number))
    state.members = []
    if state.rung + 1 < len(bracket) and able:
        state.rung += 1
        state.promoted = able[: bracket[state.rung][0]]
    else:
        state.bracket = (state.bracket + 1) % len(brackets)
        state.rung, state.promoted = 0, None


def promotion(trial: Trial, fidelity: Fidelity) -> Proposal:
    """The same architecture for longer: gone on with, or trained anew where schedules end."""
    resume = trial.number if fidelity.schedule == "prefix" else None
    return Proposal(trial.architecture, fidelity, None, resume)
