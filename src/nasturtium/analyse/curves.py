"""Curves of the best estimate so far over trials and seconds, of search and random search.

The search's curve is measured. Its interval comes from resampling the trials of this run in their
order: it shows how much depends on a few lucky trials, not how another run would have gone.

The control's curve is the expected best of b of its m draws over all ways to choose them (Dodge et
al., "Show Your Work", 2019, but without replacement, so that it is unbiased), with a bootstrap
interval. Beyond m it continues along a straight line through the upper half of the draws over
their normal scores, and is marked as extrapolated.
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

__all__ = ["Curve", "control_curve", "resample", "search_curve"]

Vector = NDArray[np.float64]
RESAMPLES = 500
POINTS = 200
MOST = 1_000_000  # trials up to which a curve is extrapolated
MEMORY = 1_000_000  # numbers that resampling may keep in memory
TAIL = 0.05  # outside of the interval, on either side


@final
@dataclass(frozen=True)
class Curve:
    """Best estimate so far over the cost.

    Attributes:
        trials: cumulative cost in trials at full fidelity.
        seconds: cumulative seconds of all workers.
        best: best estimate so far, with the objective's own sign.
        low: lower end of the 90 % interval.
        high: upper end.
        extrapolated: whether each point lies beyond the measured ones.
    """

    trials: tuple[float, ...]
    seconds: tuple[float, ...]
    best: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]
    extrapolated: tuple[bool, ...]

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON."""
        return {name: list(values) for name, values in vars(self).items()}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Curve:
        """Return the curve that ``to_json`` wrote."""
        return cls(**{name: tuple(values) for name, values in data.items()})


def search_curve(history: History, objective: Objective) -> Curve | None:
    """Return the best estimate after each trial of the search; ``None`` if there is none."""
    trials, seconds, estimates = _spent(history, objective)
    if not np.isfinite(estimates).any():
        return None
    best = np.maximum.accumulate(estimates)
    bests = resample(estimates)
    keep = _thin(np.flatnonzero(np.isfinite(best)))
    best, bests = best[keep], bests[:, keep]
    bests = np.where(np.isfinite(bests), bests, best)
    low, high = np.quantile(bests, (TAIL, 1 - TAIL), axis=0)
    low, high = np.minimum(low, best), np.maximum(high, best)
    measured = np.zeros(len(keep), dtype=bool)
    return _curve(trials[keep], seconds[keep], best, low, high, measured, objective.sign)


def _spent(history: History, objective: Objective) -> tuple[Vector, Vector, Vector]:
    """Return cumulative cost, cumulative seconds and estimates (larger is better) of the search."""
    cost, seconds, estimates = [], [], []
    for trial in history:
        if trial.arm != "search" or trial.state not in ESTIMATED_STATES:
            continue
        cost.append(history.cost(trial))
        seconds.append(trial.seconds)
        value = trial.metrics.get(objective.metric)
        full = trial.state == "finished" and trial.fidelity.full
        able = value is not None and full and history.violation(trial) == 0.0
        estimates.append(objective.sign * value if able and value is not None else -np.inf)
    return np.cumsum(cost), np.cumsum(seconds), np.array(estimates, dtype=np.float64)


def resample(estimates: Vector) -> Vector:
    """Return the best so far in resamples of the trials in their order: (resamples, trials)."""
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
    """Return the expected best estimate of random search after each number of trials.

    Args:
        draws: estimates of the uniform draws; larger is better.
        until: the number of trials up to which the curve continues.
        seconds_each: mean seconds of a draw.
        sign: the objective's sign, for the values of the curve.
    """
    size = len(draws)
    if size == 0:
        return None
    last = max(size, int(until if until < MOST else MOST)) if size >= 3 else size
    points = _thin(np.arange(1, last + 1))
    values = np.array(draws, dtype=np.float64)
    rng = np.random.default_rng(0)
    samples = np.concatenate([values[None], rng.choice(values, (RESAMPLES, size))])
    samples.sort(axis=1)
    inside = points[points <= size]
    expected = samples @ _chances(size, inside).T
    beyond = points[points > size]
    if len(beyond):
        expected = np.concatenate([expected, _extrapolate(samples, beyond)], axis=1)
    best = expected[0]
    low, high = np.quantile(expected[1:], (TAIL, 1 - TAIL), axis=0)
    low, high = np.minimum(low, best), np.maximum(high, best)
    seconds = np.asarray(points * seconds_each, dtype=np.float64)
    return _curve(points, seconds, best, low, high, points > size, sign)


def _chances(size: int, taken: NDArray[np.int64]) -> Vector:
    """Return the probability that the i-th smallest is the best of b: (numbers b, places i)."""
    place = np.arange(1, size + 1)[None, :]
    b = taken[:, None].astype(np.float64)
    with np.errstate(invalid="ignore"):
        logs = gammaln(place) - gammaln(b) - gammaln(np.maximum(place - b, 0) + 1)
        logs -= gammaln(size + 1) - gammaln(b + 1) - gammaln(size - b + 1)
    return np.asarray(np.where(place >= b, np.exp(logs), 0.0), dtype=np.float64)


def _extrapolate(samples: Vector, numbers: NDArray[np.int64]) -> Vector:
    """Return the expected best of more draws than were made: (samples, numbers)."""
    size = samples.shape[1]
    half = max(2, (size + 1) // 2)
    scores = normal_scores(size, half)
    centred = scores - scores.mean()
    upper = samples[:, ::-1][:, :half]
    slope = upper @ centred / (centred @ centred)
    first = np.array([normal_scores(float(number), 1)[0] for number in numbers])
    reached = samples[:, -1:] + slope[:, None] * (first - scores[0])
    if samples.min() >= 0.0 and samples.max() <= 1.0:
        reached = np.minimum(reached, 1.0)  # shares such as accuracies cannot be larger
    return np.asarray(reached, dtype=np.float64)


def _thin(places: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return at most 200 of the places, the first and the last included."""
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
