"""Is the search better than random search of equal cost? Better, no better, or undecided.

The k best networks of the search, by its own estimate, are compared with the k best that random
search would have found at the same cost; all of them are retrained in the same way. The control is
usually smaller than the search, and the best of 10 random draws is worse than the best of 100. So
the control is extrapolated: a line is fitted to its retrained networks, accuracy against the normal
score of the network's rank within the control. The line's value is taken at the ranks of the k best
of as many draws as the search's cost would have paid for. If the control is smaller than that, the
verdict says that the value is an extrapolation.

The gain and its standard error are those of
:class:`~nasturtium.analyse.comparison.contrast.Contrast`, whose unit is the architecture; interval
and test use Student's t.

*Better* requires two one-sided tests at 5 %: the gain is above zero, and the search's proposals are
better than random draws by their estimates (Mann & Whitney, 1947; exact for any distribution, since
all trials are exchangeable if the search is random). Therefore random search is called better in at
most 5 % of studies, whatever the errors of the line; and a search whose trials are good on average
but not at the top fails the test of the gain. *No better* means that a gain of the margin is
excluded at 5 %. Any other result is *undecided*, with the number of further networks that would
decide at a power of 80 %.

``docs/methods/evidence.md`` reports the simulated error rates; the decision record describes the
alternatives that were tried.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, final

from scipy.stats import mannwhitneyu, norm
from scipy.stats import t as student

from nasturtium.analyse.comparison.contrast import Contrast
from nasturtium.analyse.comparison.retrained import Network
from nasturtium.analyse.comparison.selection import Pools, Selection

__all__ = ["LEVEL", "MARGIN", "POWER", "Verdict", "judge"]

LEVEL = 0.05  # of each one-sided test
POWER = 0.8  # of the decision by further networks
MARGIN = 0.005  # the least gain that counts: half a percentage point of accuracy
LEAST = 3  # networks of the control that a line needs


@final
@dataclass(frozen=True)
class Verdict:
    """The answer of the comparison, with the numbers that support it.

    Attributes:
        answer: ``better``, ``no better`` or ``undecided``.
        reason: the reason as text.
        gain: the search's k best minus the control's at equal cost; ``None`` if unknown.
        low: lower end of its 90 % interval: 5 % on either side.
        high: upper end.
        margin: the least gain that counts.
        power: probability of finding the gain above zero if it equals the margin.
        more: number of further retrained networks that would decide, if there is one.
        search: number of the search's k best that were retrained.
        control: number of networks of the control that were retrained.
        seeds: the fewest trainings of one of them.
        trials_search: cost of the search in random trials.
        trials_control: number of architectures in the control.
        extrapolated: whether the control was extrapolated beyond its own size.
        allowance: what the extrapolation added to the control's k best.
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
        """Return plain JSON, see :mod:`nasturtium.analyse.evidence`."""
        body = dict(vars(self))
        counts = {name: body.pop(name) for name in ("search", "control", "seeds")}
        trials = {name: body.pop(f"trials_{name}") for name in ("search", "control")}
        return {**body, "sentence": str(self), "networks": counts, "trials": trials}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Verdict:
        """Return the verdict that ``to_json`` wrote."""
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
    pools: Pools,
    selection: Selection,
    retrained: Mapping[str, Network],
    *,
    sign: float = 1.0,
    margin: float = MARGIN,
    controlled: bool = True,
) -> Verdict:
    """Judge whether the search of a study is better than random search at equal cost.

    Args:
        pools: the study's trials, split into search and control.
        selection: the trials that were selected for retraining.
        retrained: the networks that were retrained, by key.
        sign: 1.0 if a larger metric is better, else -1.0.
        margin: the least gain that counts, in the metric's units.
        controlled: false if the control was switched off.
    """
    best = [t for t in selection.search if t.architecture.key in retrained]
    places = {trial.architecture.key: rank for rank, trial in enumerate(pools.control)}
    upper = (len(pools.control) + 1) // 2
    # Networks below the middle rank would only bend the line, which is used at the top.
    line = [key for key, rank in places.items() if key in retrained and rank < max(upper, LEAST)]
    involved = {*(trial.architecture.key for trial in best), *line}
    repeated = involved & {t.architecture.key for t in (*selection.search, *selection.control)}
    numbers: dict[str, Any] = {
        "margin": margin,
        "search": len(best),
        "control": len(line),
        "seeds": min((len(retrained[key].values) for key in repeated), default=0),
        "trials_search": pools.equal,
        "trials_control": len(pools.control),
        "extrapolated": pools.equal > len(pools.control),
    }
    why = _lacking(pools, selection, best, line, controlled)
    if why is not None:
        answer, reason, more = why
        return Verdict(answer, reason, more=more, **numbers)

    values = {key: sign * retrained[key].mean for key in involved}
    top = [trial.architecture.key for trial in best]
    fit = Contrast.of(pools, top, line, places, values)
    numbers["chance"] = _chance(pools)
    numbers |= {"gain": fit.gain, "allowance": fit.allowance}
    verdict = _decide(fit, pools, numbers)
    if controlled:
        return verdict
    drawn = f"{len(pools.drawn)} uniform draws of the strategy itself are used instead"
    off = f"{verdict.reason}; the control was switched off (control=0), and {drawn}"
    return replace(verdict, reason=off)


def _lacking(
    pools: Pools, selection: Selection, best: list[Any], line: list[str], controlled: bool
) -> tuple[str, str, int | None] | None:
    """Return the verdict if there are too few networks to compute one."""
    if not pools.search:
        return "undecided", "the search has no finished trial at full fidelity", None
    if not pools.control:
        off = "the control was switched off (control=0)" if not controlled else "there is none yet"
        return "undecided", f"there is no control to compare with: {off}", None
    if not pools.proposed:
        return (
            "no better",
            "it drew every architecture uniformly, so it is random search, its own control",
            None,
        )
    if len(pools.control) < LEAST:
        return (
            "undecided",
            f"the control has {len(pools.control)} architectures, and {LEAST} are needed; search "
            "longer, or with a larger control",
            None,
        )
    missing = max(0, min(2, len(selection.search)) - len(best)) + max(0, LEAST - len(line))
    if missing or len(best) < 2:
        return (
            "undecided",
            f"{len(best)} networks of the search and {len(line)} of the control's upper half are "
            f"retrained, and a comparison needs 2 and {LEAST}",
            missing or None,
        )
    return None


def _chance(pools: Pools) -> float:
    """Return the probability that uniform draws rank as high as the search's proposals."""
    test = mannwhitneyu(pools.proposed, pools.drawn, alternative="greater")
    return float(test.pvalue)


def _decide(fit: Contrast, pools: Pools, numbers: dict[str, Any]) -> Verdict:
    reach = float(student.isf(LEVEL, fit.freedom)) * fit.error
    low, high, margin = fit.gain - reach, fit.gain + reach, float(numbers["margin"])
    numbers |= {"low": low, "high": high}
    numbers["power"] = (
        float(norm.cdf((margin - reach) / fit.error)) if fit.error > 0 else float(margin > 0)
    )
    interval = f"the gain is {fit.gain:+.4f}, 90 % interval {low:+.4f} to {high:+.4f}"
    if numbers["extrapolated"]:
        interval += (
            f", with the control extrapolated from {numbers['trials_control']} to "
            f"{pools.equal:.0f} trials"
        )
    if high < margin:
        return Verdict("no better", f"{interval}, which excludes {margin:g}", **numbers)
    if low > 0 and numbers["chance"] < LEVEL:
        return Verdict("better", interval, **numbers)
    if low > 0:
        reason = (
            f"{interval}; but its proposals are not better than uniform draws by their estimates "
            f"(p = {numbers['chance']:.2f}); only a longer search or a larger control can decide"
        )
        return Verdict("undecided", reason, **numbers)
    more = fit.more(pools, margin, LEVEL, POWER)
    if more is None:
        interval += (
            f"; with a control of {numbers['trials_control']} architectures no number of finished "
            "networks is likely to decide, a larger control would"
        )
    return Verdict("undecided", interval, more=more, **numbers)
