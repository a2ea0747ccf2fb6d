"""Was it worth it: what the search cost, what it gained, and what more of it would buy.

One figure lets searches be compared: the gain per doubling of the search's cost, taken over its
last two doublings (best at the end less best at a quarter of the cost, halved). Curves of best
against log cost are close to straight there, and a figure from the whole run would be ruled by its
first few trials.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, final

import numpy as np
from scipy.stats import t as student

from nasturtium.analyse.curve import resampled
from nasturtium.analyse.retrained import Network, most
from nasturtium.analyse.verdict import Verdict
from nasturtium.study.history import ESTIMATED_STATES, History
from nasturtium.study.objective import Objective

__all__ = ["CostBenefit", "Gain", "Spent", "cost_benefit_of", "over"]

QUARTER = 8  # trials that a curve needs before its last two doublings mean something


@final
@dataclass(frozen=True)
class Gain:
    """A difference in the metric with its 90 % interval; more is better.

    Attributes:
        gain: the difference; ``None`` where unknown.
        low: lower end of the interval.
        high: upper end.
        reason: why it is unknown, or what to know of it.
        name: whom it is over.
    """

    gain: float | None = None
    low: float | None = None
    high: float | None = None
    reason: str = ""
    name: str = ""

    def to_json(self) -> dict[str, Any]:
        """As plain JSON."""
        return dict(vars(self))

    def scaled(self, factor: float, left: float, reason: str) -> Gain:
        """The gain times a factor, but no more than is ``left`` to gain."""
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
    """What is known of a study's cost beside its trials.

    Attributes:
        workers: trials that ran at a time.
        device: where they ran, ``cpu`` or ``cuda``.
        watts: power drawn while networks were trained in full, or ``None``.
        source: where the watts were read, or why there is no reading.
    """

    workers: int = 1
    device: str = "cpu"
    watts: float | None = None
    source: str = "no power reading was asked for"


@final
@dataclass(frozen=True)
class CostBenefit:
    """Cost and gain of a search.

    Attributes:
        trials: work of the search and its confirmations, in trials at full fidelity.
        seconds: of its trials, summed over workers.
        cpu_seconds: processor time of its trials.
        gpu_seconds: the seconds again, where trials ran on a GPU.
        control_seconds: of the control arm's trials.
        finishing_seconds: of all trainings in full.
        energy_kwh: what the search drew, where a power reading exists.
        energy_source: how the energy was reckoned, or why it is unknown.
        over_control: finished networks of the search less the control's, at equal cost.
        over_reference: the study's network less the best reference network.
        per_doubling: estimate gained by doubling the search's cost, over its last two doublings.
        per_hour: estimate that one more hour is expected to gain; an extrapolation.
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
        """As plain JSON."""
        return {k: v.to_json() if isinstance(v, Gain) else v for k, v in vars(self).items()}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> CostBenefit:
        """The record that ``to_json`` wrote."""
        parts: dict[str, Any] = {
            name: Gain(**value) if isinstance(value, Mapping) else value
            for name, value in data.items()
        }
        return cls(**parts)


def cost_benefit_of(
    history: History,
    objective: Objective,
    verdict: Verdict,
    over_reference: Gain,
    finishing_seconds: float,
    spent: Spent,
) -> CostBenefit:
    """Reckon cost against gain."""
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


def over(network: Network | None, reference: Network | None, sign: float) -> Gain:
    """A network less a reference, with an interval over their trainings (Welch's t)."""
    if reference is None:
        return Gain(reason="no reference network was trained")
    if network is None:
        return Gain(reason="the study's network was not trained in full", name=reference.key)
    ours, theirs = np.array(network.values), np.array(reference.values)
    gain = sign * float(ours.mean() - theirs.mean())
    if min(len(ours), len(theirs)) < 2:
        reason = "one seed on a side, so there is no interval"
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
        f"{spent.watts:.0f} W ({spent.source}) while networks were trained in full, taken to have "
        f"been drawn for the search's {hours:.2f} h as well",
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
    bests = resampled(np.array(found, dtype=np.float64))
    kept = bests[np.isfinite(bests[:, quarter])]
    low, high = np.quantile((kept[:, -1] - kept[:, quarter]) / 2, (0.05, 0.95))
    gain = float(best[-1] - best[quarter]) / 2
    return Gain(gain, min(float(low), gain), max(float(high), gain), name="search")


def _left(history: History, objective: Objective) -> float:
    """How much better the best estimate could become at all."""
    found = [t.metrics.get(objective.metric, 0.0) for t in history.finished if t.fidelity.full]
    if objective.goal == "min" or not found:
        return math.inf
    return max(0.0, most(objective) - max(found))


def _per_hour(doubling: Gain, seconds: float, workers: int, left: float) -> Gain:
    if doubling.gain is None:
        return Gain(reason=doubling.reason)
    if seconds <= 0:
        return Gain(reason="the trials' seconds are not known")
    doublings = math.log2(1 + 3600 * max(1, workers) / seconds)
    reason = "extrapolated: the gain per doubling is taken to stay what it is"
    return doubling.scaled(doublings, left, reason)
