"""Is the search better than random search of equal cost? Better, no better, or undecided.

What is compared: the k best of the search, by its own estimate, with the k best that random search
would have found at the same cost; all of them trained in full in the same way. The control is
usually smaller than the search, and the best of 10 random draws is worse than the best of 100
whoever draws them. So the control is continued: over its networks trained in full a line is laid,
accuracy against the normal score of the network's rank within the control, and read off at the
ranks that the k best of as many draws as the search paid for would have. Where the control is
smaller than that, the line is an extrapolation, and the verdict says so.

The gain and its standard error are those of :class:`~nasturtium.analyse.contrast.Contrast`, whose
unit is the architecture; interval and test are by Student's t.

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

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, final

from scipy.stats import mannwhitneyu, norm
from scipy.stats import t as student

from nasturtium.analyse.contrast import Contrast
from nasturtium.analyse.retrained import Network
from nasturtium.analyse.selection import Pools, Selection

__all__ = ["LEVEL", "MARGIN", "POWER", "Verdict", "judge"]

LEVEL = 0.05  # of each one-sided test
POWER = 0.8  # with which further networks are to decide
MARGIN = 0.005  # the least gain that counts: half a percentage point of accuracy
LEAST = 3  # networks of the control that a line needs


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
        if self.more is not None and self.gain is None:
            return f"Undecided: {self.more} more finished networks are the least; {self.reason}."
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
    repeated = involved & {t.architecture.key for t in (*chosen.search, *chosen.control)}
    facts: dict[str, Any] = {
        "margin": margin,
        "search": len(best),
        "control": len(line),
        "seeds": min((len(trained[key].values) for key in repeated), default=0),
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
    fit = Contrast.of(parted, top, line, places, values)
    facts["chance"] = _chance(parted)
    facts |= {"gain": fit.gain, "allowance": fit.allowance}
    found = _decide(fit, parted, facts)
    if controlled:
        return found
    drawn = f"{len(parted.drawn)} uniform draws of the strategy itself stand in"
    off = f"{found.reason}; the control was switched off (control=0), and {drawn}"
    return replace(found, reason=off)


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
            f"trained in full, and a comparison takes 2 and {LEAST}",
            missing or None,
        )
    return None


def _chance(parted: Pools) -> float:
    """The probability that uniform draws would rank as high as the search's proposals."""
    test = mannwhitneyu(parted.proposed, parted.drawn, alternative="greater")
    return float(test.pvalue)


def _decide(fit: Contrast, parted: Pools, facts: dict[str, Any]) -> Verdict:
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
    more = fit.more(parted, margin, LEVEL, POWER)
    if more is None:
        interval += (
            f"; with a control of {facts['trials_control']} architectures no number of finished "
            "networks is likely to decide, a larger control would"
        )
    return Verdict("undecided", interval, more=more, **facts)
