"""The portfolio: free metrics, surrogates that are used while they predict well, and evolution.

The parts are known: stratified sampling (McKay, Beckman & Conover 1979) by what costs nothing
(parameters order NAS-Bench-201 about as well as proxies do: Abdelfattah et al. 2021, "Zero-cost
proxies for lightweight NAS"); Gaussian processes and forests over architectures (Ru et al. 2021);
prequential choice between predictors (Dawid 1984); evolution (Real et al. 2019); for several
objectives, scalarisations with changing weights (Knowles 2006, "ParEGO"). Their combination is this
project's own.

Implemented:

1. The first trials are spread over the quantiles of the free evidence, where there is some
   (:func:`~nasturtium.strategy.surrogate.features.counts`, or the caller's), else drawn uniformly.
2. A Gaussian process over answers, tallies and evidence, and, where cells are known as graphs, a
   graph network that orders pairs, learn from the results, and take turns while their predictions
   correlate with results (:mod:`.model_selection`). A forest can be added. Zero-cost proxies
   (:mod:`.zero_cost`), where they are asked for, are used only while their rank correlation with
   results is high enough.
3. The expected improvement of mutants of the best and of fresh draws is maximised; while trials are
   pending, values are drawn from the predictions instead, so that workers spread out.
4. A training is stopped where, by extrapolation from completed curves, it is unlikely to be among
   the best. Such a trial is stopped, not finished: surrogates learn its expected final value,
   and nothing else treats it as a result.
5. Where no surrogate predicts better than ``min_skill``, evolution makes every other proposal; in
   spaces without decisions, which surrogates cannot read, it makes all (by the first objective).

Results on four tables, and the contribution of each part, are in the documentation.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random
from typing import TYPE_CHECKING, Literal, final

import numpy as np

from nasturtium.errors import StrategyError
from nasturtium.renamed import with_new_arguments
from nasturtium.strategy.arguments import require_at_least
from nasturtium.strategy.evolution.regularized_evolution import RegularizedEvolution
from nasturtium.strategy.surrogate.acquisition import argmax, expected_improvement
from nasturtium.strategy.surrogate.candidates import candidates, draw_untried
from nasturtium.strategy.surrogate.features import Encoding, Evidence, counts
from nasturtium.strategy.surrogate.learning_curve_extrapolation import (
    LearningCurves,
    chance_of_best,
)
from nasturtium.strategy.surrogate.model_selection import EVERY, JUDGED, SURROGATES, SurrogatePool
from nasturtium.strategy.surrogate.observations import (
    Observations,
    Rows,
    best_trials,
)
from nasturtium.strategy.surrogate.zero_cost import ZeroCostProxies
from nasturtium.study.history import History
from nasturtium.study.memo import Memo
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


@dataclass
class PortfolioState:
    """The observations, and the surrogates that follow from them."""

    observations: Observations = field(default_factory=Observations)
    curves: LearningCurves = field(default_factory=LearningCurves)  # expected ends of stopped ones
    vectors: Rows = field(default_factory=Rows)  # all objectives of each result
    pool: Memo[SurrogatePool] = field(default_factory=Memo)


@final
class Portfolio(Strategy):
    """Surrogates while they predict well, else evolution; both start from free metrics.

    Args:
        start_with: trials before surrogates are used.
        mutants: candidates near the best.
        fresh: candidates from the whole space.
        evidence: numbers of an architecture that are known before it is trained; the first trials
            are spread over the first of them. ``counts``: parameters, multiply-accumulates and
            activations, where they cost nothing. :class:`.ZeroCostProxies`, or
            ``scores``: these, and zero-cost proxies, each kept only if it orders the first results;
            they cost a tenth of a second or more for each candidate. ``auto``: counts, and in
            :func:`nasturtium.search` scores where trainings are long. ``none``; or a function from
            an architecture to numbers, always as many, NaN where one is not defined.
        surrogates: some of ``process``, ``network`` (of known cells alone) and ``forest``.
        min_skill: the rank correlation below which evolution makes every other proposal.
        acquisition: ``improvement``, or ``thompson``: draws from the predictions.
        stop_below: a training is stopped if its chance to be among the best five is lower, where
            there is one objective; uniform draws, the random control, are never stopped. 0 stops
            none.

    Example:
        >>> import nasturtium as nas
        >>> study = nas.Study(nas.zoo.nasbench201, nas.Portfolio(mutants=10, fresh=5), store=None)
        >>> for _ in range(12):
        ...     trial = study.ask()
        ...     study.tell(trial, {"accuracy": len(set(trial.architecture.values()))})
        >>> len(study.history.finished)
        12
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
        require_at_least("the portfolio", EVERY, start_with=start_with)
        require_at_least("the portfolio", mutants=mutants)
        require_at_least("the portfolio", 0, fresh=fresh)
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

    def start(self) -> PortfolioState:
        return PortfolioState()

    def update(self, state: PortfolioState, history: History, trial: Trial) -> PortfolioState:
        observations = state.observations
        if observations.update(history, trial, state.curves):
            finished = trial.state == "finished"
            expected = (observations.ranks[-1][1],)
            state.vectors.append(history.vector(trial) if finished else expected)
        return state

    def propose(self, state: PortfolioState, history: History, rng: Random) -> Proposal:
        if not Encoding.serves(history.space):
            return RegularizedEvolution(POPULATION, SAMPLE).propose(None, history, rng)
        observations = state.observations
        encoding = observations.encode(history.space, self._encoding)
        count = len(observations.trials)
        if len(history) < self.start_with or count < EVERY:
            return self._stratum(observations, encoding, history, rng)
        pool = state.pool.get("pool", lambda: SurrogatePool(observations, state.vectors))
        pool.learn(self.surrogates, self.min_skill)
        targets = pool.targets(count, count)
        surrogate = pool.next_surrogate(len(history))
        judged = len(surrogate.predicted) >= JUDGED
        if judged and surrogate.skill < self.min_skill and len(history) % 2:
            return _evolved(observations, history, targets, rng)
        order = np.lexsort((np.arange(count), -targets)).tolist()
        near = candidates(
            observations, history, rng, best=best_trials(observations, PARENTS, order),
            mutants=self.mutants, fresh=self.fresh, edits=(1, 1, 2),
        )  # fmt: skip
        assert surrogate.model is not None
        some = [candidate.architecture for candidate in near]
        mean, spread = surrogate.model.predict(surrogate.rows(encoding, some))
        if history.pending or self.acquisition == "thompson":
            acquired = mean + spread * [rng.gauss(0.0, 1.0) for _ in near]
        else:
            best = float(targets[_finished(observations)].max())
            acquired = expected_improvement(mean, spread, best)
        return near[argmax(acquired, rng)].proposal()

    def stops(self, state: PortfolioState, history: History, trial: Trial) -> bool:
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

    def _stratum(
        self, observations: Observations, encoding: Encoding, history: History, rng: Random
    ) -> Proposal:
        """Return a draw from the next stratum of the evidence."""
        drawn = draw_untried(observations, history, rng)
        if encoding.first(drawn.architecture) is None:
            return drawn
        draws = [drawn]
        wanted = SCREEN * self.start_with
        draws += [draw_untried(observations, history, rng) for _ in range(wanted - 1)]
        known = np.array([encoding.first(draw.architecture) for draw in draws], dtype=float)
        ranked = np.argsort(known, kind="stable").tolist()
        # Steps of the golden ratio spread over the strata however early the trials fail.
        stratum = int(len(history) * 0.6180339887 % 1.0 * self.start_with)
        chosen = draws[int(ranked[SCREEN * stratum + int(rng.random() * SCREEN)])]
        return Proposal(chosen.architecture)


def _finished(observations: Observations) -> NDArray[np.int64]:
    """Return the places of observed results, without estimates of stopped trials."""
    return np.flatnonzero([trial.state == "finished" for trial in observations.trials])


def _evolved(observations: Observations, history: History, targets: Array, rng: Random) -> Proposal:
    """Return a mutant of the best of a sample of the latest, as in regularised evolution."""
    alive = _finished(observations)[-POPULATION:].tolist()
    parent = observations.trials[max(rng.choices(alive, k=SAMPLE), key=targets.__getitem__)]
    return candidates(observations, history, rng, best=[parent], mutants=1)[0].proposal()
