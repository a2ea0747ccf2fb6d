"""Is the search better than random search of equal cost? Better, no better, or undecided.

What is compared: the k best of the search, by its own estimate, with the k best that random search
would have found at the same cost; all of them trained in full in the same way. The control is
usually smaller than the search, and the best of 10 random draws is worse than the best of 100
whoever draws them. So the control is continued: over its networks trained in full a line is laid,
accuracy against the normal score of the network's rank within the control, and read off at the
ranks that the k best of as many draws as the search paid for would have. Where the control is
smaller than that, the line is an extrapolation, and the verdict says so.

The gain is thus one weighted sum of networks' means. Its standard error takes an architecture as
the unit (trainings of one architecture with other seeds only make its mean firmer), from the
spread within the search's networks and about the control's line; a network that both sides chose
enters with the difference of its weights. Interval and test are by Student's t, with as many
degrees of freedom as there are networks less the three means and slopes that were fitted.

*Better* needs two one-sided tests at 5 % to agree: the gain above zero; and the search's proposals
better than random draws by their estimates (Mann & Whitney, 1947; exact whatever the distribution,
since under "the search is random" all trials are exchangeable). So a search that is random search
is called better in at most 5 % of studies, whatever the line's errors; and one whose trials are
good on average but not at the top is stopped by the gain. *No better* means that a gain of the
margin is excluded at 5 %. Anything else is *undecided*, with the number of further networks that
would decide at a power of 80 %.

``docs/methods/evidence.md`` has the simulated error rates; the decision record says what else was
tried.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, final

import numpy as np
from numpy.typing import NDArray
from scipy.stats import mannwhitneyu, norm
from scipy.stats import t as student

from nasturtium.analyse.scores import normal_scores
from nasturtium.analyse.selection import Pools, Selection
from nasturtium.analyse.trained import Network

__all__ = ["LEVEL", "MARGIN", "POWER", "Verdict", "judge"]

LEVEL = 0.05  # of each one-sided test
POWER = 0.8  # with which further networks are to decide
MARGIN = 0.005  # the least gain that counts: half a percentage point of accuracy
LEAST = 3  # networks of the control that a line needs

Vector = NDArray[np.float64]


@final
@dataclass(frozen=True)
class Verdict:
    """The answer, and what it rests on.

    Attributes:
        answer: ``better``, ``no better`` or ``undecided``.
        reason: why, in words.
        gain: the search's k best less the control's at equal cost; ``None`` where unknown.
        low: lower end of its 90 % interval: 5 % on either side.
        high: upper end.
        margin: the least gain that counts.
        power: chance of finding the gain above zero if it were the margin.
        more: further networks trained in full that would decide, where there is such a number.
        search: networks of the search's k best that were trained.
        control: networks of the control that were trained.
        seeds: trainings of each, the fewest.
        trials_search: what the search cost, in random trials.
        trials_control: architectures in the control.
        extrapolated: whether the control was continued beyond its own size.
        allowance: what that added to the control's k best.
        chance: probability that random draws look as good as the search's proposals.
    """

    answer: str
    reason: str
    gain: float | None = None
    low: float | None = None
    high: float | None = None
    margin: float = MARGIN
    power: float | None = None
    more: int | None = None
    search: int = 0
    control: int = 0
    seeds: int = 0
    trials_search: float = 0.0
    trials_control: int = 0
    extrapolated: bool = False
    allowance: float | None = None
    chance: float | None = None

    def to_json(self) -> dict[str, Any]:
        """As plain JSON, see :mod:`nasturtium.analyse.evidence`."""
        body = dict(vars(self))
        counts = {name: body.pop(name) for name in ("search", "control", "seeds")}
        trials = {name: body.pop(f"trials_{name}") for name in ("search", "control")}
        return {**body, "sentence": str(self), "networks": counts, "trials": trials}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Verdict:
        """The verdict that ``to_json`` wrote."""
        body = {k: v for k, v in data.items() if k not in ("sentence", "networks", "trials")}
        trials = {f"trials_{name}": count for name, count in data["trials"].items()}
        return cls(**body, **data["networks"], **trials)

    def __str__(self) -> str:
        if self.answer == "better":
            return f"The search is better than random search at equal cost: {self.reason}."
        if self.answer == "no better":
            return f"The search is no better than random search at equal cost: {self.reason}."
        if self.more is not None:
            word = "network" if self.more == 1 else "networks"
            return f"Undecided: {self.more} more finished {word} would decide; {self.reason}."
        return f"Undecided: {self.reason}."


def judge(
    parted: Pools,
    chosen: Selection,
    trained: Mapping[str, Network],
    *,
    sign: float = 1.0,
    margin: float = MARGIN,
    controlled: bool = True,
) -> Verdict:
    """The verdict on a study.

    Args:
        parted: its trials, parted into search and control.
        chosen: the trials that were to be trained in full.
        trained: the networks that were, by key.
        sign: 1.0 where a larger metric is better, else -1.0.
        margin: the least gain that counts, in the metric's units.
        controlled: false where the control was switched off.
    """
    best = [t for t in chosen.search if t.architecture.key in trained]
    places = {trial.architecture.key: rank for rank, trial in enumerate(parted.control)}
    upper = (len(parted.control) + 1) // 2
    # The line is for the top: what ranks below the middle would only bend it.
    line = [key for key, rank in places.items() if key in trained and rank < max(upper, LEAST)]
    involved = {*(trial.architecture.key for trial in best), *line}
    facts: dict[str, Any] = {
        "margin": margin,
        "search": len(best),
        "control": len(line),
        "seeds": min((len(trained[key].values) for key in involved), default=0),
        "trials_search": parted.equal,
        "trials_control": len(parted.control),
        "extrapolated": parted.equal > len(parted.control),
    }
    why = _lacking(parted, chosen, best, line, controlled)
    if why is not None:
        answer, reason, more = why
        return Verdict(answer, reason, more=more, **facts)

    values = {key: sign * trained[key].mean for key in involved}
    top = [trial.architecture.key for trial in best]
    fit = _Fit.of(parted, top, line, places, values)
    facts["chance"] = _chance(parted)
    facts |= {"gain": fit.gain, "allowance": fit.allowance}
    return _decide(fit, parted, facts)


def _lacking(
    parted: Pools, chosen: Selection, best: list[Any], line: list[str], controlled: bool
) -> tuple[str, str, int | None] | None:
    """The verdict where there is nothing to compute one from."""
    if not parted.search:
        return "undecided", "the search has no finished trial at full fidelity", None
    if not parted.control:
        off = "the control was switched off (control=0)" if not controlled else "there is none yet"
        return "undecided", f"there is no control to compare with: {off}", None
    if not parted.proposed:
        return (
            "no better",
            "it drew every architecture uniformly, so it is random search, its own control",
            None,
        )
    if len(parted.control) < LEAST:
        return (
            "undecided",
            f"the control has {len(parted.control)} architectures, and {LEAST} are needed; search "
            "longer, or with a larger control",
            None,
        )
    missing = max(0, min(2, len(chosen.search)) - len(best)) + max(0, LEAST - len(line))
    if missing or len(best) < 2:
        return (
            "undecided",
            f"{len(best)} networks of the search and {len(line)} of the control's better half are "
            f"trained in full, and 2 and {LEAST} are the least",
            missing or None,
        )
    return None


@final
@dataclass(frozen=True)
class _Fit:
    """The gain as a weighted sum of networks, and how sure it is."""

    gain: float
    slope: float  # of the control's line; not below zero
    allowance: float
    error: float
    freedom: int
    variance: float
    scores: Vector  # of the control's networks

    @classmethod
    def of(
        cls,
        parted: Pools,
        top: list[str],
        line: list[str],
        places: Mapping[str, int],
        values: Mapping[str, float],
    ) -> _Fit:
        size = len(parted.control)
        scores = normal_scores(size, size)[[places[key] for key in line]]
        target = _target(parted, len(top))
        found = np.array([values[key] for key in line])
        ours = np.array([values[key] for key in top])
        away = scores - scores.mean()
        # A line that falls says that the estimate does not rank this control: it is taken as flat.
        slope = max(0.0, float(away @ found / (away @ away)))
        weights = _weights(scores, target, slope)
        rest = found - found.mean() - slope * away
        spread = ours - ours.mean()
        freedom = len(top) - 1 + len(line) - 2
        variance = float(rest @ rest + spread @ spread) / freedom
        shares = dict.fromkeys(top, 1.0 / len(top))
        for key, weight in zip(line, weights, strict=True):
            shares[key] = shares.get(key, 0.0) - float(weight)
        return cls(
            gain=sum(share * values[key] for key, share in shares.items()),
            slope=slope,
            allowance=slope * (target - float(normal_scores(size, len(top)).mean())),
            error=math.sqrt(variance * sum(share**2 for share in shares.values())),
            freedom=freedom,
            variance=variance,
            scores=scores,
        )


def _target(parted: Pools, top: int) -> float:
    """The mean normal score of the best ``top`` draws that the search's cost would have bought."""
    return float(normal_scores(max(parted.equal, len(parted.control)), top).mean())


def _weights(scores: Vector, target: float, slope: float) -> Vector:
    """What each network of the control weighs in the value of its line at the target."""
    flat = np.full(len(scores), 1.0 / len(scores))
    if slope == 0.0:
        return flat
    away = scores - scores.mean()
    return np.asarray(flat + (target - scores.mean()) * away / (away @ away), dtype=np.float64)


def _chance(parted: Pools) -> float:
    """The probability that uniform draws would rank as high as the search's proposals."""
    test = mannwhitneyu(parted.proposed, parted.drawn, alternative="greater")
    return float(test.pvalue)


def _decide(fit: _Fit, parted: Pools, facts: dict[str, Any]) -> Verdict:
    reach = float(student.isf(LEVEL, fit.freedom)) * fit.error
    low, high, margin = fit.gain - reach, fit.gain + reach, float(facts["margin"])
    facts |= {"low": low, "high": high}
    facts["power"] = (
        float(norm.cdf((margin - reach) / fit.error)) if fit.error > 0 else float(margin > 0)
    )
    interval = f"the gain is {fit.gain:+.4f}, 90 % interval {low:+.4f} to {high:+.4f}"
    if facts["extrapolated"]:
        interval += (
            f", with the control continued from {facts['trials_control']} to "
            f"{parted.equal:.0f} trials by extrapolation"
        )
    if high < margin:
        return Verdict("no better", f"{interval}, which excludes {margin:g}", **facts)
    if low > 0 and facts["chance"] < LEVEL:
        return Verdict("better", interval, **facts)
    if low > 0:
        reason = (
            f"{interval}; but its proposals are not above uniform draws by their estimates "
            f"(p = {facts['chance']:.2f}), which only a longer search or a larger control can show"
        )
        return Verdict("undecided", reason, **facts)
    more = _more(fit, parted, facts)
    if more is None:
        interval += (
            f"; with a control of {facts['trials_control']} architectures no number of finished "
            "networks is likely to decide, a larger control would"
        )
    return Verdict("undecided", interval, more=more, **facts)


def _more(fit: _Fit, parted: Pools, facts: Mapping[str, Any]) -> int | None:
    """How many further networks would decide, if gain and spread stay what they are."""
    size, margin = len(parted.control), float(facts["margin"])
    ranked = normal_scores(size, size)
    for top in range(facts["search"] + 1, min(size, len(parted.search)) + 1):
        among = fit.scores >= ranked[top - 1]  # the control's best that are trained already
        scores = np.concatenate([ranked[:top], fit.scores[~among]])
        weights = _weights(scores, _target(parted, top), fit.slope)
        error = math.sqrt(fit.variance * (1 / top + float(weights @ weights)))
        freedom = top - 1 + len(scores) - 2
        needed = float(student.isf(LEVEL, freedom) + norm.ppf(POWER)) * error
        if max(fit.gain, margin - fit.gain) >= needed:
            return 2 * top - int(facts["search"]) - int(among.sum())
    return None
