"""A portfolio: free evidence, surrogates that have to earn their keep, and evolution.

The parts are known: stratified sampling (McKay, Beckman & Conover 1979) by what costs nothing
(parameters order NAS-Bench-201 about as well as proxies do: Abdelfattah et al. 2021, "Zero-cost
proxies for lightweight NAS"); Gaussian processes and forests over architectures (Ru et al. 2021);
prequential choice between predictors (Dawid 1984); evolution (Real et al. 2019); for several
objectives, scalarisations drawn anew (Knowles 2006, "ParEGO"). Putting them together in this way is
this project's own.

Implemented:

1. The first trials are spread over the quantiles of the free evidence, where there is some
   (:func:`~nasturtium.strategy.encoding.counts`, or the caller's), else drawn uniformly.
2. A Gaussian process over answers, tallies and evidence, and, where cells are known as graphs, a
   graph network that orders pairs, learn from what is finished, and take turns while they predict
   what comes (:mod:`~nasturtium.strategy.model_selection`). A forest can be at work as well.
   Zero-cost
   scores (:mod:`~nasturtium.strategy.zero_cost`), where they are asked for, are evidence on
   probation.
3. The expected improvement of mutants of the best and of fresh draws is maximised; while trials are
   pending, values are drawn from the predictions instead, so that workers spread out.
4. A training is ended where, judged by those that ended before, it has hardly a chance to be among
   the best: time goes where the ranking is open. Such a trial is stopped, not finished: surrogates
   learn what its curve was expected to come to, and nothing else takes it for a result.
5. Where no surrogate predicts better than ``min_skill``, every other proposal is evolution's; in
   spaces that ask no decisions, which surrogates cannot read, all are (by the first objective).

Rows on four tables, and what each part is worth, are in the documentation.
"""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import TYPE_CHECKING, Literal, final

import numpy as np

from nasturtium.errors import StrategyError
from nasturtium.renamed import with_new_arguments
from nasturtium.strategy.early_stopping import chance_of_best
from nasturtium.strategy.encoding import Encoding, Evidence, counts
from nasturtium.strategy.evolution import RegularizedEvolution
from nasturtium.strategy.model_selection import EVERY, JUDGED, SURROGATES, SurrogatePool
from nasturtium.strategy.surrogate import (
    Points,
    argmax,
    candidates,
    expected_improvement,
    first,
    top,
    whole,
)
from nasturtium.strategy.zero_cost import ZeroCostProxies
from nasturtium.study.history import History
from nasturtium.study.strategy import Strategy
from nasturtium.study.trial import Proposal, Trial

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from nasturtium.space.base import Space

    Array = NDArray[np.float64]

__all__ = ["Portfolio"]

SCREEN = 8  # draws for each stratum of the evidence
PARENTS = 5
POPULATION, SAMPLE = 10, 3  # of evolution
EVIDENCE = ("auto", "counts", "scores", "none")


@final
class Portfolio(Strategy):
    """Surrogates where they predict, evolution where they do not, and free evidence for both.

    Args:
        start_with: trials before surrogates are followed.
        mutants: candidates near the best.
        fresh: candidates from the whole space.
        evidence: what is known of an architecture before it is trained; the first number is what
            the first trials are spread over. ``counts``: parameters, multiply-accumulates and
            activations, where they cost nothing. :class:`~nasturtium.strategy.zero_cost.Scores`, or
            ``scores``: these, and zero-cost scores, each on probation for the first results; they
            cost a tenth of a second or more for each candidate. ``auto``: counts, and in
            :func:`nasturtium.search` scores where trainings are long. ``none``; or a function from
            an architecture to numbers, always as many, NaN where one is not defined.
        surrogates: which of ``process``, ``network`` (of known cells alone) and ``forest`` are at
            work.
        min_skill: the rank correlation below which evolution makes every other proposal.
        acquisition: ``improvement``, or ``thompson``: draws from the predictions.
        stop_below: the chance of being one of the best five below which a training is ended, where
            there
            is one objective; uniform draws, which the search is compared with, go on. 0 trains all
            to the end.
    """

    @with_new_arguments("Portfolio")
    def __init__(
        self,
        start_with: int = 5,
        mutants: int = 100,
        fresh: int = 50,
        evidence: str | ZeroCostProxies | Evidence = "auto",
        surrogates: Sequence[str] = ("process", "network"),
        min_skill: float = 0.2,
        acquisition: Literal["improvement", "thompson"] = "improvement",
        stop_below: float = 0.05,
    ) -> None:
        whole("the portfolio", EVERY, start_with=start_with)
        whole("the portfolio", mutants=mutants)
        whole("the portfolio", 0, fresh=fresh)
        if isinstance(evidence, str) and evidence not in EVIDENCE:
            raise StrategyError(
                f"the portfolio got evidence={evidence!r}; expected one of {', '.join(EVIDENCE)}, "
                "Scores(...), or a function from an architecture to numbers"
            )
        if not surrogates or not set(surrogates) <= set(SURROGATES) or not -1 <= min_skill <= 1:
            raise StrategyError(
                f"the portfolio got surrogates={tuple(surrogates)!r}, min_skill={min_skill}; "
                f"expected some of {', '.join(SURROGATES)}, and a correlation"
            )
        if acquisition not in ("improvement", "thompson"):
            raise StrategyError(
                f"the portfolio got acquisition={acquisition!r}; expected improvement or thompson"
            )
        if not 0 <= stop_below < 1:
            raise StrategyError(
                f"the portfolio got stop_below={stop_below!r}; expected a chance from 0 up "
                "to, not including, 1"
            )
        self.start_with = start_with
        self.mutants = mutants
        self.fresh = fresh
        self.evidence = evidence
        self.surrogates = tuple(surrogates)
        self.min_skill = min_skill
        self.acquisition = acquisition
        self.stop_below = stop_below

    def start(self) -> SurrogatePool:
        return SurrogatePool()

    def propose(self, state: SurrogatePool, history: History, rng: Random) -> Proposal:
        if not Encoding.serves(history.space):
            return RegularizedEvolution(POPULATION, SAMPLE).propose(None, history, rng)
        points = state.points
        points.look(history, self._encoding, state.ends)
        for place in range(len(state.vectors), len(points.trials)):
            trial = points.trials[place]
            done = trial.state == "finished"
            state.vectors.append(history.vector(trial) if done else (points.ranks[place][1],))
        if points.place < self.start_with or len(points.trials) < EVERY:
            return self._stratum(points, history, rng)
        state.learn(self.surrogates, self.min_skill)
        count = len(points.trials)
        targets = state.targets(count, count)
        learner = state.followed()
        judged = len(learner.said) >= JUDGED
        if judged and learner.skill < self.min_skill and points.place % 2:
            return _evolved(state, history, targets, rng)
        order = np.lexsort((np.arange(count), -targets)).tolist()
        near = candidates(
            points, history, rng, best=top(points, PARENTS, order), mutants=self.mutants,
            fresh=self.fresh, edits=(1, 1, 2),
        )  # fmt: skip
        assert learner.model is not None
        some = [candidate.architecture for candidate in near]
        mean, spread = learner.model.predict(learner.rows(state.encoding, some))
        if history.pending or self.acquisition == "thompson":
            worth = mean + spread * [rng.gauss(0.0, 1.0) for _ in near]
        else:
            worth = expected_improvement(mean, spread, float(targets[state.finished()].max()))
        return near[argmax(worth, rng)].proposal()

    def stops(self, state: SurrogatePool, history: History, trial: Trial) -> bool:
        if not self.stop_below or trial.proposal.uniform or len(history.objectives) > 1:
            return False
        return chance_of_best(history, trial, PARENTS) < self.stop_below

    def _encoding(self, space: Space) -> Encoding:
        given = ZeroCostProxies() if self.evidence == "scores" else self.evidence
        if isinstance(given, ZeroCostProxies):
            return Encoding(space, counts(space), given.on(space))
        if isinstance(given, str):
            return Encoding(space, None if given == "none" else counts(space))
        return Encoding(space, given)

    def _stratum(self, points: Points, history: History, rng: Random) -> Proposal:
        """A draw from the next stratum of the evidence."""
        drawn = first(points, history, rng)
        encoding = points.encoding
        assert encoding is not None
        if encoding.first(drawn.architecture) is None:
            return drawn
        draws = [drawn]
        draws += [first(points, history, rng) for _ in range(SCREEN * self.start_with - 1)]
        known = np.array([encoding.first(draw.architecture) for draw in draws], dtype=float)
        ranked = np.argsort(known, kind="stable").tolist()
        # Steps of the golden ratio spread over the strata however early the trials fail.
        stratum = int(points.place * 0.6180339887 % 1.0 * self.start_with)
        chosen = draws[int(ranked[SCREEN * stratum + int(rng.random() * SCREEN)])]
        return Proposal(chosen.architecture)


def _evolved(state: SurrogatePool, history: History, targets: Array, rng: Random) -> Proposal:
    """A mutant of the best of a few of the latest, as regularised evolution makes it."""
    alive = state.finished()[-POPULATION:].tolist()
    parent = state.points.trials[max(rng.choices(alive, k=SAMPLE), key=targets.__getitem__)]
    near = candidates(state.points, history, rng, best=[parent], mutants=1)
    return near[0].proposal()
