"""The prospect of a comparison with random search, before any network is retrained for it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, final

from scipy.stats import mannwhitneyu
from scipy.stats import t as student

from nasturtium.analyse.comparison.contrast import Contrast
from nasturtium.analyse.comparison.selection import Pools, Selection
from nasturtium.analyse.comparison.verdict import LEAST, LEVEL

__all__ = ["Prospect", "assess_prospect"]


@final
@dataclass(frozen=True)
class Prospect:
    """The prospect that retraining decides the comparison, with advice if it does not.

    Attributes:
        can_decide: whether *better* or *no better* can be expected as the verdict.
        reason: the reason as text.
        needs: what would help, as text; empty if it can decide.
        search: number of networks of the search to compare.
        control: number of networks of the control.
        seeds: trainings of each.
        smallest_p: the least p-value that so many proposals and uniform draws can have.
        chance: the p-value of their estimates; *better* requires less than 0.05.
        smallest_gain: half the expected interval of the gain, from the spread of the networks'
            estimates; *no better* requires less than the margin.
        margin: the least gain that counts.
    """

    can_decide: bool
    reason: str
    needs: str = ""
    search: int = 0
    control: int = 0
    seeds: int = 0
    smallest_p: float | None = None
    chance: float | None = None
    smallest_gain: float | None = None
    margin: float = 0.0

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON."""
        return dict(vars(self))

    def __str__(self) -> str:
        head = (
            f"{self.search} networks of the search and {self.control} of the control, "
            f"{self.seeds} trainings each, can decide"
            if self.can_decide
            else f"{self.search} networks of the search and {self.control} of the control, "
            f"{self.seeds} trainings each, are unlikely to decide"
        )
        return f"{head}: {self.reason}" + (f"; {self.needs}." if self.needs else ".")


def assess_prospect(pools: Pools, selection: Selection, *, seeds: int, margin: float) -> Prospect:
    """Assess what retraining the selected networks could show.

    Args:
        pools: a study's trials.
        selection: the trials to retrain.
        seeds: trainings of each.
        margin: the least gain that counts, in the metric's units.

    Example:
        >>> import nasturtium as nas
        >>> from nasturtium.analyse.comparison.selection import select_trials, split_pools
        >>> study = nas.Study(nas.zoo.nasbench201, nas.RandomSearch())
        >>> pools = split_pools(study.history)
        >>> selection = select_trials(pools, 3, 4)
        >>> assess_prospect(pools, selection, seeds=3, margin=0.005).can_decide
        False
    """
    top = [trial.architecture.key for trial in selection.search]
    upper = max((len(pools.control) + 1) // 2, LEAST)
    places = {trial.architecture.key: rank for rank, trial in enumerate(pools.control)}
    ours = {
        t.architecture.key: t for t in (*selection.search, *selection.control, *selection.spread)
    }
    line = [key for key in ours if places.get(key, upper) < upper]
    numbers: dict[str, Any] = {
        "search": len(top),
        "control": len(line),
        "seeds": seeds,
        "margin": margin,
    }
    if not pools.proposed:
        reason = "the search proposed no network itself and is random search so far"
        return Prospect(False, reason, "search longer (--trials)", **numbers)
    if len(top) < 2 or len(line) < LEAST or len(pools.control) < LEAST:
        reason = f"a comparison needs 2 networks of the search and {LEAST} of the control"
        needs = (
            f"search with a larger share of random networks (--control) or more --trials, so that "
            f"the control has {LEAST} or more, and compare at least 2 networks (--top)"
        )
        return Prospect(False, reason, needs, **numbers)
    draws, proposals = len(pools.drawn), len(pools.proposed)
    smallest_p = 1 / math.comb(draws + proposals, draws)
    chance = float(mannwhitneyu(pools.proposed, pools.drawn, alternative="greater").pvalue)
    estimates = {key: pools.estimate(trial) for key, trial in ours.items()}
    fit = Contrast.of(pools, top, line, places, estimates)
    gain = float(student.isf(LEVEL, fit.freedom)) * fit.error
    numbers |= {"smallest_p": smallest_p, "chance": chance, "smallest_gain": gain}
    above = f"by their estimates, proposals are better than uniform draws with p = {chance:.2g}"
    if chance < LEVEL:
        reason = f"{above}, and a gain above about {gain:.4f} would be significant"
        return Prospect(True, reason, **numbers)
    if gain < margin:
        reason = f"a gain of the margin {margin:g} can be excluded, though {above}"
        return Prospect(True, reason, **numbers)
    least = f" (at best {smallest_p:.2g} with so few)" if smallest_p >= LEVEL else ""
    reason = (
        f"{above}{least}, and 'better' requires less than {LEVEL:g}; gains below about "
        f"{gain:.4f} are not significant, and gains from {margin:g} count"
    )
    needs = (
        f"a larger control than {len(pools.control)} networks (--control 0.3 or more) and more "
        "--trials would help, or the same study under several --seed"
    )
    return Prospect(False, reason, needs, **numbers)
