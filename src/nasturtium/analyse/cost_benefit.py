"""Cost and gain of a search, and the marginal gain per doubling of its cost.

The gain per doubling of the cost makes searches comparable. It is taken over the last two doublings
(best at the end minus best at a quarter of the cost, halved), where curves of the best over the
logarithm of the cost are close to straight; a value from the whole run would be dominated by its
first few trials.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, final

import numpy as np
from scipy.stats import t as student

from nasturtium.analyse.comparison.retrained import Network, highest_value
from nasturtium.analyse.comparison.verdict import Verdict
from nasturtium.analyse.curves import resample
from nasturtium.study.history import ESTIMATED_STATES, History
from nasturtium.study.objective import Objective

__all__ = ["CostBenefit", "Gain", "Spent", "compute_cost_benefit", "gain_over"]

QUARTER = 8  # finished trials that the gain per doubling needs


@final
@dataclass(frozen=True)
class Gain:
    """A difference in the metric with its 90 % interval; larger is better.

    Attributes:
        gain: the difference; ``None`` if unknown.
        low: lower end of the interval.
        high: upper end.
        reason: why it is unknown, or a remark on it.
        name: what the gain is compared with.
    """

    gain: float | None = None
    low: float | None = None
    high: float | None = None
    reason: str = ""
    name: str = ""

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON."""
        return dict(vars(self))

    def scaled(self, factor: float, left: float, reason: str) -> Gain:
        """Return the gain times a factor, at most ``left``."""
        gain, low, high = (
            None if part is None else min(part * factor, left)
            for part in (self.gain, self.low, self.high)
        )
        return Gain(gain, low, high, reason)

    def __str__(self) -> str:
        if self.gain is None:
            return f"unknown ({self.reason})"
        if self.low is None or self.high is None:
            return f"{self.gain:+.4f}"
        return f"{self.gain:+.4f} ({self.low:+.4f} to {self.high:+.4f})"


@final
@dataclass(frozen=True)
class Spent:
    """Resources of a study that its trials do not record.

    Attributes:
        workers: number of trials that ran at a time.
        device: device of the trials, ``cpu`` or ``cuda``.
        watts: mean power while networks were retrained, or ``None``.
        source: source of the power reading, or why there is none.
    """

    workers: int = 1
    device: str = "cpu"
    watts: float | None = None
    source: str = "no power reading was made"


@final
@dataclass(frozen=True)
class CostBenefit:
    """Cost and gain of a search.

    Attributes:
        trials: work of the search and its confirmations in trials at full fidelity.
        seconds: duration of these trials, summed over workers.
        cpu_seconds: processor time of these trials.
        gpu_seconds: the seconds again, if the trials ran on a GPU.
        control_seconds: duration of the control trials.
        finishing_seconds: duration of all retrainings.
        energy_kwh: energy of the search, if there is a power reading.
        energy_source: how the energy was computed, or why it is unknown.
        over_control: retrained networks of the search minus the control's, at equal cost.
        over_reference: the study's network minus the best reference network.
        per_doubling: gain of the estimate per doubling of the cost, over the last two doublings.
        per_hour: expected gain of the estimate by one more hour; an extrapolation.
    """

    trials: float
    seconds: float
    cpu_seconds: float
    gpu_seconds: float | None
    control_seconds: float
    finishing_seconds: float
    energy_kwh: float | None
    energy_source: str
    over_control: Gain
    over_reference: Gain
    per_doubling: Gain
    per_hour: Gain

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON."""
        return {k: v.to_json() if isinstance(v, Gain) else v for k, v in vars(self).items()}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> CostBenefit:
        """Return the record that ``to_json`` wrote."""
        parts: dict[str, Any] = {
            name: Gain(**value) if isinstance(value, Mapping) else value
            for name, value in data.items()
        }
        return cls(**parts)


def compute_cost_benefit(
    history: History,
    objective: Objective,
    verdict: Verdict,
    over_reference: Gain,
    finishing_seconds: float,
    spent: Spent,
) -> CostBenefit:
    """Compute cost and gain of a search from its trials and its verdict."""
    run = [t for t in history if t.arm in ("search", "confirm") and t.state in ESTIMATED_STATES]
    seconds = sum(trial.seconds for trial in run)
    kwh, source = _energy(seconds, spent)
    doubling = _per_doubling(history, objective)
    return CostBenefit(
        trials=sum(map(history.cost, run)),
        seconds=seconds,
        cpu_seconds=sum(trial.cpu_seconds for trial in run),
        gpu_seconds=seconds if spent.device.startswith("cuda") else None,
        control_seconds=sum(t.seconds for t in history if t.arm == "control"),
        finishing_seconds=finishing_seconds,
        energy_kwh=kwh,
        energy_source=source,
        over_control=Gain(
            verdict.gain,
            verdict.low,
            verdict.high,
            "" if verdict.gain is not None else verdict.reason,
            "control",
        ),
        over_reference=over_reference,
        per_doubling=doubling,
        per_hour=_per_hour(doubling, seconds, spent.workers, _left(history, objective)),
    )


def gain_over(network: Network | None, reference: Network | None, sign: float) -> Gain:
    """Return a network's gain over a reference, with an interval by Welch's t."""
    if reference is None:
        return Gain(reason="no reference network was trained")
    if network is None:
        return Gain(reason="the study's network was not retrained", name=reference.key)
    ours, theirs = np.array(network.values), np.array(reference.values)
    gain = sign * float(ours.mean() - theirs.mean())
    if min(len(ours), len(theirs)) < 2:
        reason = "one side has a single seed, so there is no interval"
        return Gain(gain, reason=reason, name=reference.key)
    first, second = ours.var(ddof=1) / len(ours), theirs.var(ddof=1) / len(theirs)
    error = math.sqrt(first + second)
    if error == 0.0:
        return Gain(gain, gain, gain, name=reference.key)
    parts = first**2 / (len(ours) - 1) + second**2 / (len(theirs) - 1)
    reach = float(student.isf(0.05, (first + second) ** 2 / parts)) * error
    return Gain(gain, gain - reach, gain + reach, name=reference.key)


def _energy(seconds: float, spent: Spent) -> tuple[float | None, str]:
    if spent.watts is None:
        return None, f"unknown: {spent.source}"
    hours = seconds / max(1, spent.workers) / 3600
    return (
        spent.watts * hours / 1000,
        f"{spent.watts:.0f} W ({spent.source}) while networks were retrained, assumed for the "
        f"search's {hours:.2f} h as well",
    )


def _per_doubling(history: History, objective: Objective) -> Gain:
    run = [t for t in history if t.arm == "search" and t.state in ESTIMATED_STATES]
    found = [
        objective.sign * t.metrics[objective.metric]
        if t.fidelity.full and t.state == "finished" and objective.metric in t.metrics
        else -math.inf
        for t in run
    ]
    if sum(map(math.isfinite, found)) < QUARTER:
        return Gain(reason=f"fewer than {QUARTER} trials finished at full fidelity")
    known = all(trial.seconds > 0 for trial in run)
    cost = np.cumsum([t.seconds if known else history.cost(t) for t in run])
    quarter = int(np.searchsorted(cost, cost[-1] / 4))
    best = np.maximum.accumulate(found)
    if not math.isfinite(best[quarter]):
        return Gain(reason="no trial at full fidelity in the first quarter of the cost")
    bests = resample(np.array(found, dtype=np.float64))
    kept = bests[np.isfinite(bests[:, quarter])]
    low, high = np.quantile((kept[:, -1] - kept[:, quarter]) / 2, (0.05, 0.95))
    gain = float(best[-1] - best[quarter]) / 2
    return Gain(gain, min(float(low), gain), max(float(high), gain), name="search")


def _left(history: History, objective: Objective) -> float:
    """Return by how much the best estimate could still improve."""
    found = [t.metrics.get(objective.metric, 0.0) for t in history.finished if t.fidelity.full]
    if objective.goal == "min" or not found:
        return math.inf
    return max(0.0, highest_value(objective) - max(found))


def _per_hour(doubling: Gain, seconds: float, workers: int, left: float) -> Gain:
    if doubling.gain is None:
        return Gain(reason=doubling.reason)
    if seconds <= 0:
        return Gain(reason="the duration of the trials is unknown")
    doublings = math.log2(1 + 3600 * max(1, workers) / seconds)
    reason = "extrapolated with a constant gain per doubling"
    return doubling.scaled(doublings, left, reason)
