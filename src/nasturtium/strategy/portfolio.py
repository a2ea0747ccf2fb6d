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
   graph network that orders pairs, learn from what is finished. Every result is predicted by both
   before it is learned from; the rank correlation of these predictions with the results is a
   surrogate's skill. They take turns; one that is a standard error less skilled than the best
   misses its turn. A forest can be at work as well.
3. The expected improvement of mutants of the best and of fresh draws is maximised; while trials are
   pending, values are drawn from the predictions instead, so that workers spread out.
4. Where no surrogate predicts better than ``doubt``, every other proposal is evolution's; in
   spaces that ask no decisions, which surrogates cannot read, all are.

Rows on four tables, and what each part is worth, are in the documentation.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random
from typing import TYPE_CHECKING, Literal, final

import numpy as np

from nasturtium.errors import StrategyError
from nasturtium.predict.forest import Forest
from nasturtium.predict.gcn import GCN
from nasturtium.predict.gp import GP, Posterior
from nasturtium.predict.predictor import Fitted
from nasturtium.strategy.cell import Frame, has_graph
from nasturtium.strategy.encoding import Encoding, Evidence, counts
from nasturtium.strategy.evolution import RegularizedEvolution
from nasturtium.strategy.surrogate import (
    Points,
    argmax,
    candidates,
    expected_improvement,
    first,
    kept,
    top,
    whole,
    winsorised,
)
from nasturtium.study.history import History
from nasturtium.study.strategy import Strategy
from nasturtium.study.trial import Proposal
from nasturtium.train.seeds import mix

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from nasturtium.architecture import Architecture

    Array = NDArray[np.float64]

__all__ = ["Portfolio"]

EVERY = 5  # results between fits of the forest, and of the process's kernel
SCREEN = 8  # draws for each stratum of the evidence
RECENT = 60  # predictions that a surrogate is judged by
JUDGED = 15  # predictions, before which a surrogate is not doubted
PARENTS = 5
MOST = 200  # points of the process
POPULATION, SAMPLE = 10, 3  # of evolution
NETWORK = 10  # results between fits of the network
SURROGATES = ("process", "network", "forest")


@dataclass
class Learner:
    """A surrogate, and what it said of results before it had seen them."""

    model: Fitted | None = None
    frame: Frame | None = None  # of a network that reads graphs
    said: list[float] = field(default_factory=list)
    came: list[float] = field(default_factory=list)

    @property
    def skill(self) -> float:
        """Spearman's correlation of the latest predictions with the results; 0 of too few."""
        from scipy.stats import rankdata

        said, came = rankdata(self.said[-RECENT:]), rankdata(self.came[-RECENT:])
        if len(said) < EVERY or said.std() == 0.0 or came.std() == 0.0:
            return 0.0
        return float(np.corrcoef(said, came)[0, 1])


@dataclass
class Desk:
    """The points, and the surrogates at work on them."""

    points: Points = field(default_factory=Points)
    vectors: list[tuple[float, ...]] = field(default_factory=list)  # all objectives of each point
    told: int = 0  # points that the surrogates have seen
    columns: int = 0  # that they were fitted to
    learners: dict[str, Learner] = field(default_factory=dict)


@final
class Portfolio(Strategy):
    """Surrogates where they predict, evolution where they do not, and free evidence for both.

    Args:
        start_with: trials before surrogates are followed.
        mutants: candidates near the best.
        fresh: candidates from the whole space.
        evidence: ``counts``, ``none``, or a function from an architecture to numbers that are
            worth knowing and cost next to nothing, always as many; the first one is spread over.
        surrogates: which of ``process``, ``network`` (of known cells alone) and ``forest`` are at
            work.
        doubt: the rank correlation below which evolution makes every other proposal.
        acquisition: ``improvement``, or ``thompson``: draws from the predictions.
    """

    def __init__(
        self,
        start_with: int = 10,
        mutants: int = 100,
        fresh: int = 50,
        evidence: str | Evidence = "counts",
        surrogates: Sequence[str] = ("process", "network"),
        doubt: float = 0.2,
        acquisition: Literal["improvement", "thompson"] = "improvement",
    ) -> None:
        whole("the portfolio", EVERY, start_with=start_with)
        whole("the portfolio", mutants=mutants)
        whole("the portfolio", 0, fresh=fresh)
        if isinstance(evidence, str) and evidence not in ("counts", "none"):
            raise StrategyError(
                f"the portfolio got evidence={evidence!r}; expected 'counts', 'none', or a "
                "function from an architecture to numbers"
            )
        if not surrogates or not set(surrogates) <= set(SURROGATES) or not -1 <= doubt <= 1:
            raise StrategyError(
                f"the portfolio got surrogates={tuple(surrogates)!r}, doubt={doubt}; expected some "
                f"of {', '.join(SURROGATES)}, and a correlation"
            )
        if acquisition not in ("improvement", "thompson"):
            raise StrategyError(
                f"the portfolio got acquisition={acquisition!r}; expected improvement or thompson"
            )
        self.start_with = start_with
        self.mutants = mutants
        self.fresh = fresh
        self.evidence = evidence
        self.surrogates = tuple(surrogates)
        self.doubt = doubt
        self.acquisition = acquisition

    def start(self) -> Desk:
        return Desk()

    def propose(self, state: Desk, history: History, rng: Random) -> Proposal:
        if not Encoding.serves(history.space):
            return RegularizedEvolution().propose(None, history, rng)
        points = state.points
        encoding = points.look(history, self._evidence)
        state.vectors += [history.vector(t) for t in points.trials[len(state.vectors) :]]
        if points.place < self.start_with or len(points.trials) < EVERY:
            return self._stratum(points, history, rng)
        self._learn(state, encoding)
        count = len(points.trials)
        targets = _targets(state, count, count)
        learner = _followed(state)
        judged = len(learner.said) >= JUDGED
        if judged and learner.skill < self.doubt and points.place % 2:
            return _evolved(points, history, targets, rng)
        order = np.lexsort((np.arange(count), -targets)).tolist()
        near = candidates(
            points, history, rng, best=top(points, PARENTS, order), mutants=self.mutants,
            fresh=self.fresh, edits=(1, 1, 2),
        )  # fmt: skip
        assert learner.model is not None
        some = [candidate.architecture for candidate in near]
        mean, spread = learner.model.predict(_rows(learner, encoding, some))
        if history.pending or self.acquisition == "thompson":
            worth = mean + spread * [rng.gauss(0.0, 1.0) for _ in near]
        else:
            worth = expected_improvement(mean, spread, float(targets.max()))
        return near[argmax(worth, rng)].proposal()

    def _evidence(self, history: History) -> Evidence | None:
        if isinstance(self.evidence, str):
            return counts(history.space) if self.evidence == "counts" else None
        return self.evidence

    def _stratum(self, points: Points, history: History, rng: Random) -> Proposal:
        """A draw from the next stratum of the evidence."""
        drawn = first(points, history, rng)
        assert points.encoding is not None
        if not points.encoding.groups([drawn.architecture])[2].shape[1]:
            return drawn
        draws = [drawn]
        draws += [first(points, history, rng) for _ in range(SCREEN * self.start_with - 1)]
        free = points.encoding.groups([draw.architecture for draw in draws])[2]
        ranked = np.argsort(free[:, 0], kind="stable").tolist()
        # Steps of the golden ratio spread over the strata however early the trials fail.
        stratum = int(points.place * 0.6180339887 % 1.0 * self.start_with)
        chosen = draws[int(ranked[SCREEN * stratum + int(rng.random() * SCREEN)])]
        return Proposal(chosen.architecture)

    def _learn(self, state: Desk, encoding: Encoding) -> None:
        """Go through the results in turn: each is predicted, and then learned from.

        Models follow from the points that they were fitted to, so only the latest predictions,
        which count, are made again when a study is folded from its log.
        """
        points, count = state.points, len(state.points.trials)
        if not state.told:
            state.told = max(0, (count - RECENT) // NETWORK - 1) * NETWORK
            for trial in points.trials[: state.told]:
                encoding.meet(trial.architecture)
        for seen in range(state.told, count):
            trial = points.trials[seen]
            known = seen - seen % EVERY  # targets are those that the models were fitted to
            for learner in state.learners.values():
                if learner.model is not None:
                    row = _rows(learner, encoding, [trial.architecture])
                    learner.said.append(float(learner.model.predict(row).mean[0]))
                    learner.came.append(float(_targets(state, seen + 1, known)[-1]))
            encoding.meet(trial.architecture)
            state.told = seen + 1
            grown, state.columns = state.columns != encoding.columns, encoding.columns
            if state.told >= EVERY:
                self._fit(state, encoding, anew=grown or state.told % EVERY == 0)

    def _fit(self, state: Desk, encoding: Encoding, *, anew: bool) -> None:
        points, count = state.points, state.told
        targets = _targets(state, count, count - count % EVERY)
        seed = mix(points.trials[0].architecture.key, count)
        told = [trial.architecture for trial in points.trials[:count]]
        for name in self.surrogates:
            if name == "network" and not has_graph(told[0]):
                continue
            learner = state.learners.setdefault(name, Learner())
            if name == "network":
                if learner.model is None or count % NETWORK == 0:
                    learner.frame = Frame.of(told)
                    rows = learner.frame.rows(told)
                    learner.model = GCN(nodes=learner.frame.nodes).fit(rows, targets, seed)
            elif name == "forest":
                if anew or learner.model is None:
                    rows = np.hstack(encoding.groups(told))
                    learner.model = Forest().fit(rows, targets, seed)
            else:
                chosen = kept(targets, MOST)
                groups = encoding.groups([told[place] for place in chosen])
                rows = np.hstack(groups)
                if anew or not isinstance(learner.model, Posterior):
                    widths = tuple(part.shape[1] for part in groups if part.shape[1])
                    learner.model = GP(groups=widths[:-1]).fit(rows, targets[chosen], seed)
                else:
                    learner.model = learner.model.again(rows, targets[chosen])


def _rows(
    learner: Learner, encoding: Encoding, some: Sequence[Architecture]
) -> NDArray[np.float32]:
    """Architectures as the surrogate reads them."""
    return np.hstack(encoding.groups(some)) if learner.frame is None else learner.frame.rows(some)


def _followed(state: Desk) -> Learner:
    """Whose turn it is, of the surrogates that are not a standard error worse than the best."""
    learners = list(state.learners.values())
    if not learners:
        raise StrategyError(
            "the portfolio has the surrogate 'network' alone, which reads cells as graphs; this "
            "space's are not known: add 'process'"
        )
    best = max(learner.skill for learner in learners)
    error = 1.0 / math.sqrt(max(1, min(RECENT, *(len(learner.said) for learner in learners))))
    able = [learner for learner in learners if learner.skill >= best - error]
    return able[state.points.place % len(able)]


def _targets(state: Desk, count: int, key: int) -> Array:
    """What surrogates learn of the first points: scores, those that tell nothing drawn near.

    Of several objectives it is their augmented Chebyshev distance to the best of each, with
    weights that change with ``key``.
    """
    scores = state.points.targets(count)
    vectors = np.array(state.vectors[:count])
    if vectors.shape[1] > 1 and np.isfinite(vectors).all():
        low, high = vectors.min(0), vectors.max(0)
        losses = (high - vectors) / np.maximum(high - low, 1e-12)
        rng = Random(mix(state.points.trials[0].architecture.key, "weights", key))
        weights = np.array([rng.expovariate(1.0) for _ in range(vectors.shape[1])])
        weighted = losses * weights / weights.sum()
        broken = np.array([rank[0] < 0 for rank in state.points.ranks[:count]])
        mixed = -(weighted.max(1) + 0.05 * weighted.sum(1))
        scores = np.where(broken, mixed.min() - 0.1 - np.abs(scores), mixed)
    return winsorised(scores)


def _evolved(points: Points, history: History, targets: Array, rng: Random) -> Proposal:
    """A mutant of the best of a few of the latest, as regularised evolution makes it."""
    alive = range(max(0, len(targets) - POPULATION), len(targets))
    parent = points.trials[max(rng.choices(alive, k=SAMPLE), key=targets.__getitem__)]
    near = candidates(points, history, rng, best=[parent], mutants=1)
    return near[0].proposal()
