"""Early stopping by extrapolating a running trial's learning curve from completed ones.

Swersky, Snoek & Adams (2014), "Freeze-thaw Bayesian optimization", and Domhan, Springenberg &
Hutter (2015), "Speeding up automatic hyperparameter optimization of deep neural networks by
extrapolation of learning curves": a training continues only while its result may be among the best.

Implemented: at each reported point, the final value is predicted by a straight line through (value
at that point, final value) of the trainings that ended at the same fidelity, with its predictive t
distribution. Deviations: no family of curves is assumed; trainings of one search share a schedule,
so the completed ones show how values change from any point, drops of the learning rate included.
The final value of a stopped training is estimated by the same line (:class:`LearningCurves`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from nasturtium.study.fidelity import Fidelity
from nasturtium.study.history import History
from nasturtium.study.trial import Trial

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["LearningCurves", "chance_of_best"]

LEAST = 8  # completed trainings, before a prediction is made


def chance_of_best(history: History, trial: Trial, among: int) -> float:
    """Return the chance that a running trial ends among the best by the first objective.

    Args:
        history: of the search; only results from before the trial was asked for are used, so that
            the chance does not depend on the speed of other workers.
        trial: the trial, with the points that it reported.
        among: how many count as the best.

    Returns:
        From 0 to 1; 1 where too few trainings ended, or their curves predict nothing.
    """
    objective = history.objectives[0]
    metric, sign, point = objective.metric, objective.sign, len(trial.curve) - 1
    told = [one for one in history.before(trial) if one.fidelity == trial.fidelity]
    full = max((len(one.curve) for one in told), default=0)
    ended = [one for one in told if len(one.curve) == full and metric in one.curve[point]]
    if len(ended) < max(LEAST, among) or full <= point + 1 or metric not in trial.curve[point]:
        return 1.0
    here = np.array([sign * one.curve[point][metric] for one in ended])
    ends = np.array([history.score(one) for one in ended])
    return _exceeds(here, ends, sign * trial.curve[point][metric], float(np.sort(ends)[-among]))


def _exceeds(here: NDArray[np.float64], ends: NDArray[np.float64], now: float, bar: float) -> float:
    """Return the chance that the line through the pairs leads from ``now`` over a bar."""
    from scipy.stats import t

    count, away = len(here), here - here.mean()
    spread = float(away @ away)
    if spread == 0.0 or not math.isfinite(now):
        return 1.0
    slope = float(away @ (ends - ends.mean())) / spread
    scatter = ends - ends.mean() - slope * away
    if slope <= 0.0:
        return 1.0
    error = math.sqrt(float(scatter @ scatter) / (count - 2))
    error *= math.sqrt(1.0 + 1.0 / count + (now - here.mean()) ** 2 / spread)
    end = float(ends.mean() + slope * (now - here.mean()))
    if error == 0.0:
        return float(end >= bar)
    return float(t.sf((bar - end) / error, count - 2))


@dataclass
class Line:
    """A line of least squares through a growing number of pairs."""

    count: int = 0
    x: float = 0.0  # means
    y: float = 0.0
    xx: float = 0.0  # sums of products of distances to the means
    xy: float = 0.0

    def add(self, x: float, y: float) -> None:
        """Add a pair."""
        self.count += 1
        away = x - self.x
        self.x += away / self.count
        self.y += (y - self.y) / self.count
        self.xx += away * (x - self.x)
        self.xy += away * (y - self.y)

    def at(self, x: float) -> float:
        """Return the line's height; the mean where the pairs show no rise."""
        slope = self.xy / self.xx if self.xx > 0.0 else 0.0
        return self.y + max(0.0, slope) * (x - self.x)


@dataclass
class LearningCurves:
    """Expected final values of stopped trainings, from the curves of completed ones.

    One line for each fidelity, length of the curve, and point. The last value of a stopped training
    is an early value, never its result.
    """

    lines: dict[Fidelity, dict[int, list[Line]]] = field(default_factory=dict)

    def learn(self, history: History, trial: Trial) -> None:
        """Record a finished trial."""
        metric, sign = history.objectives[0].metric, history.objectives[0].sign
        values = [point.get(metric, math.nan) for point in trial.curve]
        end = history.score(trial)
        if len(values) < 2 or not all(map(math.isfinite, (end, *values))):
            return
        known = self.lines.setdefault(trial.fidelity, {})
        for line, value in zip(
            known.setdefault(len(values), [Line() for _ in values]), values, strict=True
        ):
            line.add(sign * value, end)

    def expected_rank(self, history: History, trial: Trial) -> tuple[float, float] | None:
        """Return the expected final rank; ``None`` where too little is known."""
        objective, place = history.objectives[0], len(trial.curve) - 1
        known = self.lines.get(trial.fidelity, {})
        longest = known.get(max(known, default=0), [])
        if len(history.objectives) > 1 or not 0 <= place < len(longest):
            return None
        reported = trial.curve[place]
        now = reported.get(objective.metric, math.nan)
        if longest[place].count < LEAST or not math.isfinite(now):
            return None
        expected = longest[place].at(objective.sign * now)
        # Metrics that training does not change (sizes, latency) are known already.
        settled = {k: v for k, v in trial.metrics.items() if k not in reported}
        settled[objective.metric] = objective.sign * expected
        if any(bound.metric not in settled for bound in history.constraints):
            return None
        return history.rank(trial._replace(metrics=settled))
