"""The median rule: stop a training that is worse than the median of the others at that point.

Golovin, Solnik, Moitra, Kochanski, Karro & Sculley (2017), "Google Vizier", section 3.2.2: a trial
is stopped at step s if its best value by then is strictly worse than the median of the running
averages, up to s, of all trials that finished.

Implemented: the rule, as a wrapper of any strategy; steps are the points that a trial reported.
Deviations: trials of other fidelities are not compared with; nothing is stopped before ``grace``
points were reported and ``least`` trials of the fidelity reached that point.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from heapq import heappop, heappush, heappushpop
from random import Random
from typing import TYPE_CHECKING, Any, final

from nasturtium.errors import StrategyError
from nasturtium.strategy.random import RandomSearch
from nasturtium.study.history import History
from nasturtium.study.strategy import Strategy
from nasturtium.study.trial import Fidelity, Proposal, Trial, parse_objective

if TYPE_CHECKING:
    from nasturtium.study.work import Work

__all__ = ["MedianStop"]


@dataclass
class Median:
    """The median of numbers that keep coming: two heaps, one of each half."""

    lower: list[float] = field(default_factory=list)  # negated, so the largest is on top
    upper: list[float] = field(default_factory=list)

    def add(self, value: float) -> None:
        """Take in one more number."""
        heappush(self.upper, -heappushpop(self.lower, -value))
        if len(self.upper) > len(self.lower):
            heappush(self.lower, -heappop(self.upper))

    def __len__(self) -> int:
        return len(self.lower) + len(self.upper)

    @property
    def value(self) -> float:
        """The median; the mean of the middle two where the count is even."""
        low = -self.lower[0]
        return low if len(self) % 2 else (low + self.upper[0]) / 2


@dataclass
class Averages:
    """The medians of running averages of finished trials, by fidelity, metric and point."""

    inner: Any
    at: dict[tuple[Fidelity, str, int], Median] = field(default_factory=dict)


@final
class MedianStop(Strategy):
    """Stops trainings below the median; leaves proposing to another strategy.

    Args:
        strategy: proposes; random search if not given.
        grace: points that a trial may report before it can be stopped.
        least: finished trials that have to have reached a point before it stops anything.
        metric: what is compared; the first objective if not given.
    """

    def __init__(
        self,
        strategy: Strategy | None = None,
        grace: int = 1,
        least: int = 5,
        metric: str | None = None,
    ) -> None:
        if grace < 1 or least < 1:
            raise StrategyError(
                f"MedianStop got grace={grace}, least={least}; both have to be at least 1"
            )
        self.strategy = RandomSearch() if strategy is None else strategy
        self.grace = grace
        self.least = least
        self.metric = metric

    def prepare(self, work: Work) -> None:
        self.strategy.prepare(work)

    def start(self) -> Averages:
        return Averages(self.strategy.start())

    def fold(self, state: Averages, trial: Trial) -> Averages:
        state.inner = self.strategy.fold(state.inner, trial)
        totals: dict[str, tuple[float, int]] = {}
        for point, reported in enumerate(trial.curve if trial.state == "finished" else ()):
            for metric, value in reported.items():
                total, count = totals.get(metric, (0.0, 0))
                totals[metric] = total, count = total + value, count + 1
                place = (trial.fidelity, metric, point)
                state.at.setdefault(place, Median()).add(total / count)
        return state

    def propose(self, state: Averages, history: History, rng: Random) -> Proposal | None:
        return self.strategy.propose(state.inner, history, rng)

    def stops(self, state: Averages, history: History, trial: Trial) -> bool:
        if self.strategy.stops(state.inner, history, trial):
            return True
        objective = history.objectives[0]
        metric = self.metric or objective.metric
        values = [reported[metric] for reported in trial.curve if metric in reported]
        others = state.at.get((trial.fidelity, metric, len(trial.curve) - 1))
        if len(values) < self.grace or others is None or len(others) < self.least:
            return False
        # Another metric than the objective is judged by its own usual direction.
        sign = (objective if metric == objective.metric else parse_objective(metric)).sign
        return max(sign * value for value in values) < sign * others.value
