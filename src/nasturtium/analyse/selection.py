"""Which trials are trained in full: the search's best, the control's best, and some in between."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from statistics import median
from typing import final

from nasturtium.analyse.retrained import MEASURED
from nasturtium.study.history import ESTIMATED_STATES, History
from nasturtium.study.objective import Objective
from nasturtium.study.trial import Trial

__all__ = ["Pools", "Selection", "judged", "pools", "select"]


def judged(history: History) -> Objective:
    """The objective that the evidence is about: the first that a training in full measures.

    Where a study has none (it ranks by a proxy), the first, and networks are compared by accuracy.
    """
    for objective in history.objectives:
        if objective.metric in MEASURED:
            return objective
    return history.objectives[0]


@final
@dataclass(frozen=True)
class Pools:
    """A study's trials at full fidelity, parted into random draws and what the search proposed.

    The control holds every architecture that was drawn uniformly, whichever arm it came from:
    the control arm's, and the strategy's own (evolution's first population).

    Attributes:
        search: the best trial of each architecture of the search arm, best first.
        control: one trial of each uniformly drawn architecture, best first.
        proposed: estimates of the search arm's trials that were not drawn uniformly.
        drawn: estimates of all uniformly drawn trials.
        equal: how many trials of the control cost as much as the search.
        by: ``"seconds"`` or ``"trials"``, whichever ``equal`` was reckoned by.
        goal: 1.0 where larger is better, else -1.0; estimates are multiplied by it.
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
        """The search's estimate of a trial, larger is better."""
        return self.goal * trial.metrics[self.metric]


def pools(history: History) -> Pools:
    """The trials of a study, parted for comparison.

    A uniform draw at less than full fidelity cannot be compared with anything trained in full,
    and what breaks a bound is no answer: both stay out. So do trainings that were stopped, and
    uniform draws beside which others were stopped: those that are left are a selection.
    """
    objective = judged(history)
    sign, metric = objective.sign, objective.metric

    def usable(trial: Trial) -> bool:
        value = trial.metrics.get(metric)
        able = value is not None and math.isfinite(value)
        return able and trial.fidelity.full and history.violation(trial) == 0.0

    done = sorted((t for t in history.finished if usable(t)), key=lambda trial: trial.number)
    fair = {trial.number for trial in history.uniform_draws()}
    drawn = [t for t in done if t.number in fair and t.arm in ("search", "control")]
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
    """How many random trials the search's cost would have bought, by seconds where known.

    The work in trials at full fidelity, times the ratio of medians of the seconds of a trial:
    means would be ruled by the first trials of all, which wait for workers to warm up.
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
    """The trials to train in full.

    Attributes:
        search: the best of the search, by its own estimate.
        control: the best of the control, by the same estimate.
        spread: others of the control (of the search, where there is no control), evenly spaced
            over the ranks of the estimate: what the rank correlation and the control's line need.
    """

    search: tuple[Trial, ...]
    control: tuple[Trial, ...]
    spread: tuple[Trial, ...]

    def role(self, key: str) -> str:
        """``search``, ``control``, ``both``, ``spread``, or ``other`` (finished for itself)."""
        names = ("search", "control", "spread")
        found = [
            name for name in names if any(t.architecture.key == key for t in getattr(self, name))
        ]
        return "both" if found[:2] == ["search", "control"] else found[0] if found else "other"


def select(parted: Pools, top: int, spread: int) -> Selection:
    """Choose from the pools by the estimate alone; what trainings gave is never looked at."""
    best, random = parted.search[:top], parted.control[:top]
    taken = {trial.architecture.key for trial in (*best, *random)}
    rest = [t for t in parted.control or parted.search if t.architecture.key not in taken]
    spread = min(spread, len(rest))
    places = {round(i * (len(rest) - 1) / max(1, spread - 1)) for i in range(spread)}
    between = [rest[place] for place in sorted(places)] if rest else []
    return Selection(best, random, tuple(between))
