"""Best estimate so far, over trials and seconds: of the search, and of random search.

The search's curve is what happened. Its interval comes from resampling the trials of this one run
in their order; it shows how much hangs on a few lucky trials, not how another run would have gone.

The control's curve is an expectation: of the best of b of its m draws, over all ways to choose them
(Dodge et al., "Show Your Work", 2019, with draws not put back, so that it has no bias), with a
bootstrap interval. Beyond m it goes on along a straight line through the better half of the draws
over their normal scores, and is marked as extrapolated.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, final

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln

from nasturtium.analyse.normal_scores import normal_scores
from nasturtium.study.history import ESTIMATED_STATES, History
from nasturtium.study.objective import Objective

__all__ = ["Curve", "control_curve", "resampled", "search_curve"]

Vector = NDArray[np.float64]
RESAMPLES = 500
POINTS = 200
MOST = 1_000_000  # trials that a curve goes on to
MEMORY = 1_000_000  # numbers that resampling may hold at a time
TAIL = 0.05  # outside of the interval, on either side


@final
@dataclass(frozen=True)
class Curve:
    """Best estimate against cost.

    Attributes:
        trials: cumulated cost, in trials at full fidelity.
        seconds: cumulated seconds of all workers.
        best: best estimate so far, in the objective's own sign.
        low: lower end of the 90 % interval.
        high: upper end.
        extrapolated: for each point, whether it lies beyond what was measured.
    """

    trials: tuple[float, ...]
    seconds: tuple[float, ...]
    best: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]
    extrapolated: tuple[bool, ...]

    def to_json(self) -> dict[str, Any]:
        """As plain JSON."""
        return {name: list(values) for name, values in vars(self).items()}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Curve:
        """The curve that ``to_json`` wrote."""
        return cls(**{name: tuple(values) for name, values in data.items()})


def search_curve(history: History, objective: Objective) -> Curve | None:
    """What the search had found after each of its trials; ``None`` where it found nothing."""
    trials, seconds, estimates = _spent(history, objective)
    if not np.isfinite(estimates).any():
        return None
    best = np.maximum.accumulate(estimates)
    bests = resampled(estimates)
    keep = _thinned(np.flatnonzero(np.isfinite(best)))
    best, bests = best[keep], bests[:, keep]
    bests = np.where(np.isfinite(bests), bests, best)
    low, high = np.quantile(bests, (TAIL, 1 - TAIL), axis=0)
    low, high = np.minimum(low, best), np.maximum(high, best)
    measured = np.zeros(len(keep), dtype=bool)
    return _curve(trials[keep], seconds[keep], best, low, high, measured, objective.sign)


def _spent(history: History, objective: Objective) -> tuple[Vector, Vector, Vector]:
    """Cumulated cost and the estimates (larger is better) of the search's trials, in order."""
    cost, seconds, found = [], [], []
    for trial in history:
        if trial.arm != "search" or trial.state not in ESTIMATED_STATES:
            continue
        cost.append(history.cost(trial))
        seconds.append(trial.seconds)
        value = trial.metrics.get(objective.metric)
        full = trial.state == "finished" and trial.fidelity.full
        able = value is not None and full and history.violation(trial) == 0.0
        found.append(objective.sign * value if able and value is not None else -np.inf)
    return np.cumsum(cost), np.cumsum(seconds), np.array(found, dtype=np.float64)


def resampled(estimates: Vector) -> Vector:
    """Best so far in resamples of the trials, which keep their order: (resamples, trials)."""
    rng = np.random.default_rng(0)
    size = len(estimates)
    count = max(50, min(RESAMPLES, MEMORY // size))
    drawn = rng.integers(0, size, (count, size))
    kept = np.zeros((count, size), dtype=bool)
    np.put_along_axis(kept, drawn, True, axis=1)
    return np.asarray(
        np.maximum.accumulate(np.where(kept, estimates, -np.inf), axis=1), dtype=np.float64
    )


def control_curve(
    draws: tuple[float, ...], until: float, seconds_each: float, sign: float = 1.0
) -> Curve | None:
    """What random search is expected to have found after each number of trials.

    Args:
        draws: estimates of the uniform draws, larger is better.
        until: the number of trials to go on to.
        seconds_each: mean seconds of a draw.
        sign: the objective's, for the values of the curve.
    """
    size = len(draws)
    if size == 0:
        return None
    last = max(size, int(until if until < MOST else MOST)) if size >= 3 else size
    points = _thinned(np.arange(1, last + 1))
    values = np.array(draws, dtype=np.float64)
    rng = np.random.default_rng(0)
    samples = np.concatenate([values[None], rng.choice(values, (RESAMPLES, size))])
    samples.sort(axis=1)
    inside = points[points <= size]
    expected = samples @ _chances(size, inside).T
    beyond = points[points > size]
    if len(beyond):
        expected = np.concatenate([expected, _continued(samples, beyond)], axis=1)
    best = expected[0]
    low, high = np.quantile(expected[1:], (TAIL, 1 - TAIL), axis=0)
    low, high = np.minimum(low, best), np.maximum(high, best)
    seconds = np.asarray(points * seconds_each, dtype=np.float64)
    return _curve(points, seconds, best, low, high, points > size, sign)


def _chances(size: int, taken: NDArray[np.int64]) -> Vector:
    """How likely the i-th smallest is the best of b of all, (numbers b, places i)."""
    place = np.arange(1, size + 1)[None, :]
    b = taken[:, None].astype(np.float64)
    with np.errstate(invalid="ignore"):
        logs = gammaln(place) - gammaln(b) - gammaln(np.maximum(place - b, 0) + 1)
        logs -= gammaln(size + 1) - gammaln(b + 1) - gammaln(size - b + 1)
    return np.asarray(np.where(place >= b, np.exp(logs), 0.0), dtype=np.float64)


def _continued(samples: Vector, numbers: NDArray[np.int64]) -> Vector:
    """The expected best of more draws than there are, (samples, numbers)."""
    size = samples.shape[1]
    half = max(2, (size + 1) // 2)
    scores = normal_scores(size, half)
    away = scores - scores.mean()
    upper = samples[:, ::-1][:, :half]
    slope = upper @ away / (away @ away)
    first = np.array([normal_scores(float(number), 1)[0] for number in numbers])
    reached = samples[:, -1:] + slope[:, None] * (first - scores[0])
    if samples.min() >= 0.0 and samples.max() <= 1.0:
        reached = np.minimum(reached, 1.0)  # shares such as accuracies end there
    return np.asarray(reached, dtype=np.float64)


def _thinned(places: NDArray[np.int64]) -> NDArray[np.int64]:
    """At most some hundred of the places, first and last among them."""
    if len(places) <= POINTS:
        return places
    chosen = np.unique(np.linspace(0, len(places) - 1, POINTS).round().astype(np.int64))
    return places[chosen]


def _curve(
    trials: NDArray[Any], seconds: Vector, best: Vector, low: Vector, high: Vector,
    extrapolated: NDArray[np.bool_], sign: float,
) -> Curve:  # fmt: skip
    if sign < 0:
        best, low, high = -best, -high, -low
    return Curve(
        tuple(float(value) for value in trials),
        tuple(float(value) for value in seconds),
        tuple(float(value) for value in best),
        tuple(float(value) for value in low),
        tuple(float(value) for value in high),
        tuple(bool(value) for value in extrapolated),
    )
