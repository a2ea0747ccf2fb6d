"""The median rule: stop a trial that is worse than the median of the others at that point.

Golovin, Solnik, Moitra, Kochanski, Karro & Sculley (2017), "Google Vizier", section 3.2.2: a trial
is stopped at step s if its best value by then is strictly worse than the median of the running
averages, up to s, of all trials that finished.

Implemented: the rule, as a wrapper of any strategy; a step is a report of a trial. Stopped trials
are averaged over the steps that they reached, and are used for nothing else.
Deviations: only trials of the same fidelity are compared; nothing is stopped before ``grace``
reports and before ``least`` trials of the fidelity reached that step, nor at the last step that any
reached; only trials that had ended when a trial was asked for are compared, so that the same trials
are stopped whatever the speed of workers.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from random import Random
from statistics import median
from typing import TYPE_CHECKING, Any, final

from nasturtium.errors import StrategyError
from nasturtium.strategy.random_search import RandomSearch
from nasturtium.study.history import History
from nasturtium.study.objective import parse_objective
from nasturtium.study.strategy import Strategy
from nasturtium.study.trial import Proposal, Trial

if TYPE_CHECKING:
    from nasturtium.study.preparation import Preparation

__all__ = ["MedianStop"]


@dataclass
class Averages:
    """Running averages of each trial's reports, by its number and metric."""

    inner: Any
    of: dict[int, dict[str, list[float]]] = field(default_factory=dict)  # NaN: not reported


@final
class MedianStop(Strategy):
    """Stops trials below the median; another strategy proposes.

    Args:
        strategy: proposes; random search if not given.
        grace: reports of a trial before it can be stopped.
        least: other trials that reached a step, before a trial is stopped at it.
        metric: what is compared, with its goal where that is not known (``min:rmse``); the first
            objective if not given.

    Example:
        >>> import nasturtium as nas
        >>> study = nas.Study(nas.zoo.nasbench201, nas.MedianStop(least=1), store=None)
        >>> study.tell(study.ask(), {"accuracy": 0.9}, curve=[{"accuracy": 0.5}, {"accuracy": 0.9}])
        >>> running = study.ask()._replace(curve=[{"accuracy": 0.1}])
        >>> study.strategy.stops(study.state, study.searched, running)
        True
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

    def prepare(self, preparation: Preparation) -> None:
        self.strategy.prepare(preparation)

    def start(self) -> Averages:
        return Averages(self.strategy.start())

    def update(self, state: Averages, history: History, trial: Trial) -> Averages:
        state.inner = self.strategy.update(state.inner, history, trial)
        if trial.curve and trial.state in ("finished", "stopped"):
            state.of[trial.number] = _averages(trial)
        return state

    def propose(self, state: Averages, history: History, rng: Random) -> Proposal | None:
        return self.strategy.propose(state.inner, history, rng)

    def stops(self, state: Averages, history: History, trial: Trial) -> bool:
        if self.strategy.stops(state.inner, history, trial):
            return True
        objective = history.objectives[0]
        _, _, metric = (self.metric or objective.metric).rpartition(":")
        # Another metric than the objective is judged by its own direction.
        own = self.metric is None or metric == objective.metric
        sign = (objective if own else parse_objective(self.metric or metric)).sign
        values = [reported[metric] for reported in trial.curve if metric in reported]
        if len(values) < self.grace:
            return False
        place = len(trial.curve) - 1
        told = [
            one for one in history.before(trial, stopped=True) if one.fidelity == trial.fidelity
        ]
        if all(len(one.curve) <= place + 1 for one in told):
            return False  # as far as is known the training is over
        reached = [state.of.get(one.number, {}).get(metric, [])[place : place + 1] for one in told]
        others = [value for found in reached for value in found if value == value]
        if len(others) < self.least:
            return False
        return max(sign * value for value in values) < sign * median(others)


def _averages(trial: Trial) -> dict[str, list[float]]:
    """Return the mean of each metric up to each step; NaN where it was not reported."""
    found: dict[str, list[float]] = {}
    for metric in {name for point in trial.curve for name in point}:
        total, count = 0.0, 0
        averages = found[metric] = []
        for point in trial.curve:
            if metric in point:
                total, count = total + point[metric], count + 1
            averages.append(total / count if metric in point else math.nan)
    return found
