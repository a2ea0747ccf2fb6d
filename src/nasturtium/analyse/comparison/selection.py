"""Selecting the trials to retrain: the best of search and control, and some in between."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from statistics import median
from typing import final

from nasturtium.analyse.comparison.retrained import MEASURED
from nasturtium.study.history import ESTIMATED_STATES, History
from nasturtium.study.objective import Objective
from nasturtium.study.trial import Trial

__all__ = ["Pools", "Selection", "judged_objective", "select_trials", "split_pools"]


def judged_objective(history: History) -> Objective:
    """Return the objective that the evidence judges: the first that a retraining measures.

    If a study has none (it ranks by a proxy), return its first objective; networks are then
    compared by accuracy.
    """
    for objective in history.objectives:
        if objective.metric in MEASURED:
            return objective
    return history.objectives[0]


@final
@dataclass(frozen=True)
class Pools:
    """A study's trials at full fidelity, split into uniform draws and proposals of the search.

    The control contains every architecture that was drawn uniformly: those of the control arm, and
    the strategy's own (such as the first population of evolution).

    Attributes:
        search: the best trial of each architecture of the search arm, best first.
        control: one trial of each uniformly drawn architecture, best first.
        proposed: estimates of the search arm's trials that were not drawn uniformly.
        drawn: estimates of all uniformly drawn trials.
        equal: number of control trials that cost as much as the search.
        by: ``"seconds"`` or ``"trials"``, the unit in which ``equal`` was computed.
        goal: 1.0 if larger is better, else -1.0; estimates are multiplied by it.
        metric: the metric of the estimates.
    """

    search: tuple[Trial, ...]
    control: tuple[Trial, ...]
    proposed: tuple[float, ...]
    drawn: tuple[float, ...]
    equal: float
    by: str
    goal: float
    metric: str

    def estimate(self, trial: Trial) -> float:
        """Return the search's estimate of a trial; larger is better."""
        return self.goal * trial.metrics[self.metric]


def split_pools(history: History) -> Pools:
    """Split the trials of a study for the comparison of search and control.

    Left out are trials at less than full fidelity, trials that violate a constraint, trainings
    that were stopped early, and uniform draws of a group in which others were stopped early, since
    the remaining ones are a biased sample.
    """
    objective = judged_objective(history)
    sign, metric = objective.sign, objective.metric

    def usable(trial: Trial) -> bool:
        value = trial.metrics.get(metric)
        able = value is not None and math.isfinite(value)
        return able and trial.fidelity.full and history.violation(trial) == 0.0

    done = sorted((t for t in history.finished if usable(t)), key=lambda trial: trial.number)
    uniform = {trial.number for trial in history.uniform_draws()}
    drawn = [t for t in done if t.number in uniform and t.arm in ("search", "control")]
    search = [t for t in done if t.arm == "search"]
    proposed = [t for t in search if not t.proposal.uniform]

    def ranked(trials: Iterable[Trial]) -> tuple[Trial, ...]:
        unique: dict[str, Trial] = {}
        for trial in sorted(trials, key=lambda t: (-sign * t.metrics[metric], t.number)):
            unique.setdefault(trial.architecture.key, trial)
        return tuple(unique.values())

    equal, by = _equal(history, drawn)
    return Pools(
        ranked(search),
        ranked(drawn),
        tuple(sign * trial.metrics[metric] for trial in proposed),
        tuple(sign * trial.metrics[metric] for trial in drawn),
        equal,
        by,
        sign,
        metric,
    )


def _equal(history: History, drawn: list[Trial]) -> tuple[float, str]:
    """Return the number of random trials at the search's cost, by seconds if they are known.

    It is the work in trials at full fidelity, times the ratio of the medians of a trial's seconds.
    Means would be dominated by the very first trials, during which workers warm up.
    """
    spent = [t for t in history if t.arm in ("search", "confirm") and t.state in ESTIMATED_STATES]
    work = sum(map(history.cost, spent))
    ours = [t.seconds for t in spent if t.fidelity.full and t.state == "finished"]
    random = [trial.seconds for trial in drawn]
    if ours and random and median(ours) > 0 and median(random) > 0:
        return work * median(ours) / median(random), "seconds"
    return float(work), "trials"


@final
@dataclass(frozen=True)
class Selection:
    """The trials to retrain.

    Attributes:
        search: the best trials of the search by its own estimate.
        control: the best trials of the control by the same estimate.
        spread: other trials of the control (of the search, if there is no control), evenly spaced
            over the ranks of the estimate, for the rank correlation and the control's line.
    """

    search: tuple[Trial, ...]
    control: tuple[Trial, ...]
    spread: tuple[Trial, ...]

    def role(self, key: str) -> str:
        """Return ``search``, ``control``, ``both``, ``spread``, or ``other`` (retrained alone)."""
        names = ("search", "control", "spread")
        roles = [
            name for name in names if any(t.architecture.key == key for t in getattr(self, name))
        ]
        return "both" if roles[:2] == ["search", "control"] else roles[0] if roles else "other"


def select_trials(pools: Pools, top: int, spread: int) -> Selection:
    """Select trials from the pools by their estimates alone; results of trainings are not used."""
    best, random = pools.search[:top], pools.control[:top]
    taken = {trial.architecture.key for trial in (*best, *random)}
    rest = [t for t in pools.control or pools.search if t.architecture.key not in taken]
    spread = min(spread, len(rest))
    places = {round(i * (len(rest) - 1) / max(1, spread - 1)) for i in range(spread)}
    between = [rest[place] for place in sorted(places)] if rest else []
    return Selection(best, random, tuple(between))
