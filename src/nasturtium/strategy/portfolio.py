"""A portfolio: free evidence, two surrogates that have to earn their keep, and evolution.

The parts are known: stratified sampling (McKay, Beckman & Conover 1979) by what costs nothing (that
parameters order NAS-Bench-201 as well as proxies do: Abdelfattah et al. 2021, "Zero-cost proxies for
lightweight NAS"; Ning et al. 2021); Gaussian processes and forests over architectures (Ru et al.
2021; Wen et al. 2020); prequential choice between predictors (Dawid 1984); evolution (Real et al.
2019); for several objectives, scalarisations drawn anew (Knowles 2006, "ParEGO"). Putting them
together in this way is this project's own.

Implemented:

1. The first trials are spread over the quantiles of the free evidence, where there is some
   (:func:`~nasturtium.strategy.encoding.counts`, or the caller's), else drawn uniformly.
2. A Gaussian process over answers, tallies and evidence, and a forest over the same columns, learn
   from what is finished. Every result is predicted by both before it is learned from; the rank
   correlation of these predictions with the results says which of the two is followed.
3. The expected improvement of mutants of the best and of fresh draws is maximised; while trials are
   pending, values are drawn from the predictions instead, so that workers spread out.
4. Where neither surrogate predicts better than ``doubt``, every other proposal is evolution's.

The ablations on four tables are in the documentation.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random
from typing import TYPE_CHECKING, final

import numpy as np

from nasturtium.errors import StrategyError
from nasturtium.predict.forest import Forest
from nasturtium.predict.gp import GP
from nasturtium.predict.predictor import Fitted, Predictor
from nasturtium.strategy.encoding import Evidence, counts
from nasturtium.strategy.surrogate import (
    Points,
    argmax,
    candidates,
    expected_improvement,
    first,
    whole,
    winsorised,
)
from nasturtium.study.history import History
from nasturtium.study.strategy import Strategy
from nasturtium.study.trial import FULL, Proposal, Trial
from nasturtium.train.seeds import mix

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

__all__ = ["Portfolio"]

EVERY = {"process": 1, "forest": 5}  # results between fits: what they cost differs
SCREEN = 8  # draws for each stratum of the evidence
RECENT = 60  # predictions that a surrogate is judged by
PARENTS = 5
POPULATION, SAMPLE = 10, 3  # of evolution


@dataclass
class Learner:
    """A surrogate, and what it said of results before it had seen them."""

    told: int = 0  # points that it was fitted to
    model: Fitted | None = None
    means: list[float] = field(default_factory=list)
    results: list[float] = field(default_factory=list)

    @property
    def skill(self) -> float:
        """Spearman's correlation of the latest predictions with the results; 0 of too few."""
        from scipy.stats import rankdata

        if len(self.means) < 5:
            return 0.0
        said, came = rankdata(self.means[-RECENT:]), rankdata(self.results[-RECENT:])
        if said.std() == 0.0 or came.std() == 0.0:
            return 0.0
        return float(np.corrcoef(said, came)[0, 1])


@dataclass
class Desk:
    """The points, and the surrogates at work on them."""

    points: Points = field(default_factory=Points)
    vectors: list[tuple[float, ...]] = field(default_factory=list)
    learners: dict[str, Learner] = field(default_factory=dict)


@final
class Portfolio(Strategy):
    """Surrogates where they predict, evolution where they do not, and free evidence for both.

    Args:
        start_with: trials before the first fit.
        mutants: candidates near the best.
        fresh: candidates from the whole space.
        evidence: ``counts``, ``none``, or a function from an architecture to numbers that are
            worth knowing and cost next to nothing, always as many; the first one is spread over.
        surrogates: which of ``process`` and ``forest`` are at work.
        doubt: the rank correlation below which evolution makes every other proposal.
    """

    def __init__(
        self,
        start_with: int = 8,
        mutants: int = 150,
        fresh: int = 50,
        evidence: str | Evidence = "counts",
        surrogates: Sequence[str] = ("process", "forest"),
        doubt: float = 0.2,
    ) -> None:
        whole("the portfolio", 2, start_with=start_with, mutants=mutants)
        whole("the portfolio", 0, fresh=fresh)
        if isinstance(evidence, str) and evidence not in ("counts", "none"):
            raise StrategyError(
                f"the portfolio got evidence={evidence!r}; expected 'counts', 'none', or a "
                "function from an architecture to numbers"
            )
        if not surrogates or not set(surrogates) <= set(EVERY) or not -1 <= doubt <= 1:
            raise StrategyError(
                f"the portfolio got surrogates={tuple(surrogates)!r}, doubt={doubt}; expected some "
                f"of {', '.join(EVERY)}, and a correlation"
            )
        self.start_with = start_with
        self.mutants = mutants
        self.fresh = fresh
        self.evidence = evidence
        self.surrogates = tuple(surrogates)
        self.doubt = doubt

    def start(self) -> Desk:
        return Desk()

    def propose(self, state: Desk, history: History, rng: Random) -> Proposal:
        points = state.points
        points.look(history, self._evidence)
        state.vectors += [history.vector(t) for t in points.trials[len(state.vectors) :]]
        if points.place < self.start_with or len(points.trials) < 2:
            return self._stratum(points, history, rng)
        count = len(points.trials)
        targets = _targets(state, count)
        order = np.lexsort((np.arange(count), -targets))
        self._learn(state, targets)
        learner = max((state.learners[name] for name in self.surrogates), key=lambda s: s.skill)
        judged = len(learner.means) >= self.start_with
        if judged and learner.skill < self.doubt and points.place % 2:
            return _evolved(points, history, targets, rng)
        best = _different([points.trials[place] for place in order], PARENTS)
        near = candidates(
            points, history, rng, best=best, mutants=self.mutants, fresh=self.fresh,
            edits=(1, 1, 2),
        )  # fmt: skip
        assert learner.model is not None and points.encoding is not None
        rows = np.hstack(points.encoding.groups([candidate.architecture for candidate in near]))
        mean, spread = learner.model.predict(rows)
        if history.pending:
            worth = mean + spread * [rng.gauss(0.0, 1.0) for _ in near]
        else:
            worth = expected_improvement(mean, spread, float(winsorised(targets).max()))
        return near[argmax(worth, rng)].proposal()

    def _evidence(self, history: History) -> Evidence | None:
        if isinstance(self.evidence, str):
            return counts(history.space) if self.evidence == "counts" else None
        return self.evidence

    def _stratum(self, points: Points, history: History, rng: Random) -> Proposal:
        """A draw from the next stratum of the evidence, in an order that halves what is left."""
        draws = [first(points, history, rng) for _ in range(SCREEN * self.start_with)]
        assert points.encoding is not None
        free = points.encoding.groups([draw.architecture for draw in draws])[2]
        if not free.shape[1]:
            return draws[0]
        ranked = np.argsort(free[:, 0], kind="stable")
        stratum = _halving(points.place % self.start_with, self.start_with)
        place = int(ranked[SCREEN * stratum + int(rng.random() * SCREEN)])
        return draws[place]._replace(uniform=False)

    def _learn(self, state: Desk, targets: Array) -> None:
        """Fit the surrogates to all results in turn, each predicted before it is learned from."""
        count = len(targets)
        for name in self.surrogates:
            learner = state.learners.setdefault(name, Learner())
            every = EVERY[name]
            while learner.model is None or count >= learner.told + every:
                ...
