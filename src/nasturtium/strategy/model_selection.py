"""Surrogates on probation: each says what it expects before it is told what came.

Dawid (1984), "Statistical theory: the prequential approach": a predictor is judged by what it said
of results that it had not seen. Here the rank correlation of the latest predictions with what came
of them is a surrogate's skill. Surrogates take turns; one that is a standard error less skilled
than the best misses its turn.

Implemented: a Gaussian process and a forest over encoded answers, and a graph network where cells
are known as graphs; for several objectives, augmented Chebyshev scalarisations whose weights are
drawn anew every few results (Knowles 2006, "ParEGO"). Scores that take building a network are
evidence for the first results only, unless they order these.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random
from typing import TYPE_CHECKING

import numpy as np

from nasturtium.errors import StrategyError
from nasturtium.predict.forest import Forest
from nasturtium.predict.gcn import GCN
from nasturtium.predict.gp import GP, Posterior
from nasturtium.predict.predictor import Fitted
from nasturtium.strategy.cell import Frame
from nasturtium.strategy.early_stopping import Ends
from nasturtium.strategy.encoding import Encoding
from nasturtium.strategy.surrogate import Points, Rows, kept, winsorised
from nasturtium.train.seeds import mix

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from nasturtium.architecture import Architecture

    Array = NDArray[np.float64]

__all__ = [
    "EVERY",
    "JUDGED",
    "RECENT",
    "SURROGATES",
    "Surrogate",
    "SurrogatePool",
    "rank_correlation",
]

EVERY = 5  # results between fits of the forest, and of the process's kernel
RECENT = 60  # predictions that a surrogate is judged by
JUDGED = 15  # results, before which nothing is doubted
MOST = 200  # points of the process, and of the network
NETWORK = 10  # results between fits of the network, of so few
SURROGATES = ("process", "network", "forest")


def rank_correlation(one: Sequence[float], other: Sequence[float]) -> float:
    """Spearman's; 0 of too few or of equal numbers."""
    from scipy.stats import rankdata

    left, right = rankdata(one), rankdata(other)
    if len(left) < EVERY or left.std() == 0.0 or right.std() == 0.0:
        return 0.0
    return float(np.corrcoef(left, right)[0, 1])


@dataclass
class Surrogate:
    """A surrogate, and what it said of results before it had seen them."""

    model: Fitted | None = None
    frame: Frame | None = None  # of a network that reads graphs
    said: list[float] = field(default_factory=list)
    came: list[float] = field(default_factory=list)

    @property
    def skill(self) -> float:
        """Spearman's correlation of the latest predictions with the results; 0 of too few."""
        return rank_correlation(self.said[-RECENT:], self.came[-RECENT:])

    def rows(self, encoding: Encoding, some: Sequence[Architecture]) -> NDArray[np.float32]:
        """Architectures as the surrogate reads them."""
        return np.hstack(encoding.groups(some)) if self.frame is None else self.frame.rows(some)


@dataclass
class SurrogatePool:
    """The points, and the surrogates at work on them."""

    points: Points = field(default_factory=Points)
    ends: Ends = field(default_factory=Ends)  # of trainings that were stopped
    vectors: list[tuple[float, ...]] = field(default_factory=list)  # all objectives of each point
    told: int = 0  # points that the surrogates have seen
    columns: int = 0  # that they were fitted to
    learners: dict[str, Surrogate] = field(default_factory=dict)
    rows: Rows = field(default_factory=Rows)  # of vectors

    def learn(self, surrogates: Sequence[str], min_skill: float) -> None:
        """Go through the results in turn: each is predicted, and then learned from.

        Models follow from the points that they were fitted to, so only the latest predictions,
        which count, are made again when a study is folded from its log.

        Args:
            surrogates: which are at work.
            min_skill: the rank correlation that evidence on probation has to reach.
        """
        encoding, trials = self.encoding, self.points.trials
        if not self.told:
            self.told = max(0, (len(trials) - RECENT) // NETWORK - 1) * NETWORK
            for trial in trials[: self.told]:
                encoding.meet(trial.architecture)
            if self.told >= JUDGED:
                self._judge(min_skill)
        for seen in range(self.told, len(trials)):
            trial = trials[seen]
            known = seen - seen % EVERY  # targets are those that the models were fitted to
            came: float | None = None
            for learner in self.learners.values():
                if learner.model is not None and trial.state == "finished":
                    row = learner.rows(encoding, [trial.architecture])
                    learner.said.append(float(learner.model.predict(row).mean[0]))
                    came = float(self.targets(seen + 1, known)[-1]) if came is None else came
                    learner.came.append(came)
            encoding.meet(trial.architecture)
            self.told = seen + 1
            if self.told == JUDGED:
                self._judge(min_skill)
            grown, self.columns = self.columns != encoding.columns, encoding.columns
            if self.told >= EVERY:
                self._fit(surrogates, anew=grown or self.told % EVERY == 0)

    def followed(self) -> Surrogate:
        """Whose turn it is, of the surrogates that are not a standard error worse than the best.

        Raises:
            StrategyError: there is none.
        """
        learners = list(self.learners.values())
        if not learners:
            raise StrategyError(
                "the portfolio has the surrogate 'network' alone, which reads cells as graphs; "
                "this space's are not known: add 'process'"
            )
        best = max(learner.skill for learner in learners)
        error = 1.0 / math.sqrt(max(1, min(RECENT, *(len(one.said) for one in learners))))
        able = [learner for learner in learners if learner.skill >= best - error]
        return able[self.points.place % len(able)]

    def targets(self, count: int, key: int) -> Array:
        """What surrogates learn of the first points: scores, those that tell nothing drawn near.

        Of several objectives it is their augmented Chebyshev distance to the best of each, with
        weights that change with ``key``.
        """
        scores = self.points.targets(count)
        if len(self.vectors[0]) == 1:
            return winsorised(scores)
        vectors = self.rows.matrix(self.vectors, count)
        if np.isfinite(vectors).all():
            low, high = vectors.min(0), vectors.max(0)
            losses = (high - vectors) / np.maximum(high - low, 1e-12)
            rng = Random(mix(self.points.trials[0].architecture.key, "weights", key))
            weights = np.array([rng.expovariate(1.0) for _ in range(vectors.shape[1])])
            weighted = losses * weights / weights.sum()
            broken = self.points.rows.matrix(self.points.ranks, count)[:, 0] < 0
            mixed = -(weighted.max(1) + 0.05 * weighted.sum(1))
            scores = np.where(broken, mixed.min() - 0.1 - np.abs(scores), mixed)
        return winsorised(scores)

    def finished(self) -> NDArray[np.int64]:
        """The places of the points that are results, and no estimates of stopped trainings."""
        states = [trial.state for trial in self.points.trials]
        return np.flatnonzero([state == "finished" for state in states])

    @property
    def encoding(self) -> Encoding:
        assert self.points.encoding is not None
        return self.points.encoding

    def _judge(self, min_skill: float) -> None:
        """Drop the evidence on probation that does not order the first results."""
        ended = [n for n, t in enumerate(self.points.trials[:JUDGED]) if t.state == "finished"]
        first = [self.points.trials[place].architecture for place in ended]
        came = self.points.targets(JUDGED)[ended].tolist()
        if self.encoding.judge(first, lambda said: abs(rank_correlation(said, came)) >= min_skill):
            for name in ("process", "forest"):  # which read the columns that are gone
                if name in self.learners:
                    self.learners[name].model = None

    def _fit(self, surrogates: Sequence[str], *, anew: bool) -> None:
        points, count, encoding = self.points, self.told, self.encoding
        targets = self.targets(count, count - count % EVERY)
        seed = mix(points.trials[0].architecture.key, count)
        trials = points.trials
        for name in surrogates:
            if name == "network" and encoding.graph is None:
                continue
            learner = self.learners.setdefault(name, Surrogate())
            if name == "network":
                if learner.model is None or count % between(count) == 0:
                    self._fit_network(learner)
            elif name == "forest":
                if anew or learner.model is None:
                    told = [trial.architecture for trial in trials[:count]]
                    rows = np.hstack(encoding.groups(told))
                    learner.model = Forest().fit(rows, targets, seed)
            else:
                chosen = kept(targets, MOST)
                groups = encoding.groups([trials[place].architecture for place in chosen])
                rows = np.hstack(groups)
                if anew or not isinstance(learner.model, Posterior):
                    widths = tuple(part.shape[1] for part in groups if part.shape[1])
                    learner.model = GP(groups=widths[:-1]).fit(rows, targets[chosen], seed)
                else:
                    learner.model = learner.model.again(rows, targets[chosen])

    def _fit_network(self, learner: Surrogate) -> None:
        """Fit the network to the points that it is fitted to at this place of the log."""
        count = self.told - self.told % between(self.told) or self.told
        targets = self.targets(count, count - count % EVERY)
        chosen = kept(targets, MOST)
        told = [self.points.trials[place].architecture for place in chosen]
        assert self.encoding.graph is not None
        learner.frame = Frame.of(told, self.encoding.graph)
        seed = mix(self.points.trials[0].architecture.key, count)
        network = GCN(nodes=learner.frame.nodes)
        learner.model = network.fit(learner.frame.rows(told), targets[chosen], seed)


def between(count: int) -> int:
    """How many results lie between fits of the network: more in long studies, up to a twentieth."""
    return NETWORK << max(0, (count // MOST).bit_length() - 1)
