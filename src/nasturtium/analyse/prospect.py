"""What a comparison with random search could show, said before anything is trained for it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, final

from scipy.stats import mannwhitneyu
from scipy.stats import t as student

from nasturtium.analyse.contrast import Contrast
from nasturtium.analyse.selection import Pools, Selection
from nasturtium.analyse.verdict import LEAST, LEVEL

__all__ = ["Prospect", "foresee"]


@final
@dataclass(frozen=True)
class Prospect:
    """Whether trainings in full can decide, and what it would take.

    Attributes:
        can_decide: whether *better* or *no better* can be expected to come out at all.
        reason: why, in words.
        needs: what would help, in words; empty where it can decide.
        search: networks of the search that would be compared.
        control: networks of the control.
        seeds: trainings of each.
        smallest_p: the least p-value that this many proposals and uniform draws can give.
        chance: the p-value that their estimates do give; *better* takes less than 0.05.
        smallest_gain: half the interval that is to be expected of the gain, reckoned from how far
            the estimates of these networks lie apart; *no better* takes less than the margin.
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
        """As plain JSON."""
        return dict(vars(self))

    def __str__(self) -> str:
        head = (
            f"{self.search} networks of the search and {self.control} of the control, "
            f"{self.seeds} trainings each, can decide"
            if self.can_decide
            else f"{self.search} networks of the search and {self.control} of the control, "
            f"{self.seeds} trainings each, can hardly decide"
        )
        return f"{head}: {self.reason}" + (f"; {self.needs}." if self.needs else ".")


def foresee(parted: Pools, chosen: Selection, *, seeds: int, margin: float) -> Prospect:
    """What trainings of the chosen networks could show.

    Args:
        parted: a study's trials.
        chosen: those that would be trained in full.
        seeds: trainings of each.
        margin: the least gain that counts, in the metric's units.

    Example:
        >>> import nasturtium as nas
        >>> from nasturtium.analyse.selection import pools, select
        >>> study = nas.Study(nas.zoo.nasbench201, nas.RandomSearch())
        >>> parted = pools(study.history)
        >>> foresee(parted, select(parted, 3, 4), seeds=3, margin=0.005).can_decide
        False
    """
    top = [trial.architecture.key for trial in chosen.search]
    upper = max((len(parted.control) + 1) // 2, LEAST)
    places = {trial.architecture.key: rank for rank, trial in enumerate(parted.control)}
    ours = {t.architecture.key: t for t in (*chosen.search, *chosen.control, *chosen.spread)}
    line = [key for key in ours if places.get(key, upper) < upper]
    facts: dict[str, Any] = {
        "search": len(top),
        "control": len(line),
        "seeds": seeds,
        "margin": margin,
    }
    if not parted.proposed:
        reason = "the search proposed no network of its own, it is random search so far"
        return Prospect(False, reason, "search longer (--trials)", **facts)
    if len(top) < 2 or len(line) < LEAST or len(parted.control) < LEAST:
        reason = f"a comparison takes 2 networks of the search and {LEAST} of the control"
        needs = (
            f"search with a larger share of random networks (--control) or more --trials, so that "
            f"the control has {LEAST} or more, and compare --top 2 or more"
        )
        return Prospect(False, reason, needs, **facts)
    draws, proposals = len(parted.drawn), len(parted.proposed)
    smallest_p = 1 / math.comb(draws + proposals, draws)
    chance = float(mannwhitneyu(parted.proposed, parted.drawn, alternative="greater").pvalue)
    estimates = {key: parted.estimate(trial) for key, trial in ours.items()}
    fit = Contrast.of(parted, top, line, places, estimates)
    gain = float(student.isf(LEVEL, fit.freedom)) * fit.error
    facts |= {"smallest_p": smallest_p, "chance": chance, "smallest_gain": gain}
    above = f"proposals lie above uniform draws with p = {chance:.2g} by their estimates"
    if chance < LEVEL:
        reason = f"{above}, and a gain above about {gain:.4f} would be told from none"
        return Prospect(True, reason, **facts)
    if gain < margin:
        reason = f"a gain of the margin {margin:g} can be excluded, though {above}"
        return Prospect(True, reason, **facts)
    least = f" (at best {smallest_p:.2g} with so few)" if smallest_p >= LEVEL else ""
    reason = (
        f"{above}{least}, and 'better' takes less than {LEVEL:g}; gains below about {gain:.4f} "
        f"cannot be told from none, and {margin:g} counts"
    )
    needs = (
        f"a larger control than {len(parted.control)} networks (--control 0.3 or more) and more "
        "--trials would help, or the same study under several --seed"
    )
    return Prospect(False, reason, needs, **facts)
