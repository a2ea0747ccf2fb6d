"""Choice between surrogates by how well each predicted results before it learned from them.

Dawid (1984), "Statistical theory: the prequential approach": a predictor is judged by its
predictions of results that it had not seen. Here a surrogate's skill is the rank correlation
between its latest predictions and the observed results. Surrogates take turns; one whose skill is
more than a standard error below the best misses its turn.

Implemented: a Gaussian process and a forest over encoded answers, and a graph network where cells
are known as graphs; for several objectives, augmented Chebyshev scalarisations whose weights are
drawn again every few results (Knowles 2006, "ParEGO"). Proxies that need a network to be built are
inputs for the first results only, unless their rank correlation with these is high enough.
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
from nasturtium.predict.predictor import FittedPredictor
from nasturtium.strategy.surrogate.cell_graphs import Frame
from nasturtium.strategy.surrogate.features import Encoding
from nasturtium.strategy.surrogate.observations import (
    Observations,
    Rows,
    best_and_latest,
    winsorized,
)
from nasturtium.train.seeds import derive_seed

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
JUDGED = 15  # results before the first judgement
MOST = 200  # points of the process, and of the network
NETWORK = 10  # results between fits of the network, of so few
SURROGATES = ("process", "network", "forest")


def rank_correlation(one: Sequence[float], other: Sequence[float]) -> float:
    """Return Spearman's rank correlation; 0 for too few or for equal numbers."""
    from scipy.stats import rankdata

    left, right = rankdata(one), rankdata(other)
    if len(left) < EVERY or left.std() == 0.0 or right.std() == 0.0:
        return 0.0
    return float(np.corrcoef(left, right)[0, 1])


@dataclass
class Surrogate:
    """A model, and its predictions of results before it had learned from them."""

    model: FittedPredictor | None = None
    frame: Frame | None = None  # of a network that reads graphs
    predicted: list[float] = field(default_factory=list)
    observed: list[float] = field(default_factory=list)

    @property
    def skill(self) -> float:
        """Spearman's correlation of the latest predictions with the results; 0 of too few."""
        return rank_correlation(self.predicted[-RECENT:], self.observed[-RECENT:])

    def rows(self, encoding: Encoding, some: Sequence[Architecture]) -> NDArray[np.float32]:
        """Return architectures as the surrogate reads them."""
        return np.hstack(encoding.groups(some)) if self.frame is None else self.frame.rows(some)


@dataclass
class SurrogatePool:
    """Surrogates, all of which follow from the observations.

    Attributes:
        observations: what they learn from; encoded already.
        vectors: all objectives of each result.
        learned: results that the surrogates have learned from.
        columns: one-hot columns of the latest fits.
        surrogates: by name.
    """

    observations: Observations
    vectors: Rows
    learned: int = 0
    columns: int = 0
    surrogates: dict[str, Surrogate] = field(default_factory=dict)

    def learn(self, names: Sequence[str], min_skill: float) -> None:
        """Go through the new results in turn: predict each, and then learn from it.

        A model depends only on the results that it was fitted to. So a pool that learns from a long
        log begins shortly before the latest predictions, which are the ones that count.

        Args:
            names: of the surrogates.
            min_skill: the rank correlation that a proxy has to reach.
        """
        encoding, trials = self.encoding, self.observations.trials
        if not self.learned:
            self.learned = max(0, (len(trials) - RECENT) // NETWORK - 1) * NETWORK
            for trial in trials[: self.learned]:
                encoding.meet(trial.architecture)
            if self.learned >= JUDGED:
                self._drop_proxies(min_skill)
        for place in range(self.learned, len(trials)):
            trial = trials[place]
            if trial.state == "finished":
                self._predict(place)
            encoding.meet(trial.architecture)
            self.learned = place + 1
            if self.learned == JUDGED:
                self._drop_proxies(min_skill)
            grown, self.columns = self.columns != encoding.columns, encoding.columns
            if self.learned >= EVERY:
                self._fit(names, refit=grown or self.learned % EVERY == 0)

    def _predict(self, place: int) -> None:
        """Note what each surrogate predicts of a result, and the result."""
        architecture = self.observations.trials[place].architecture
        fitted = [one for one in self.surrogates.values() if one.model is not None]
        if fitted:  # compared with the targets that the models were fitted to
            observed = float(self.targets(place + 1, place - place % EVERY)[-1])
        for one in fitted:
            assert one.model is not None
            row = one.rows(self.encoding, [architecture])
            one.predicted.append(float(one.model.predict(row).mean[0]))
            one.observed.append(observed)

    def next_surrogate(self, turn: int) -> Surrogate:
        """Return the next surrogate in rotation among those within a standard error of the best.

        Raises:
            StrategyError: there is none.
        """
        known = list(self.surrogates.values())
        if not known:
            raise StrategyError(
                "the portfolio has the surrogate 'network' alone, which reads cells as graphs; "
                "this space declares none: add 'process'"
            )
        best = max(one.skill for one in known)
        error = 1.0 / math.sqrt(max(1, min(RECENT, *(len(one.predicted) for one in known))))
        able = [one for one in known if one.skill >= best - error]
        return able[turn % len(able)]

    def targets(self, count: int, key: int) -> Array:
        """Return standardised scores of the first results, with low outliers winsorised.

        With several objectives the score is the augmented Chebyshev distance to the best of each,
        with weights that change with ``key``.
        """
        scores = self.observations.targets(count)
        if self.vectors.width == 1:
            return winsorized(scores)
        vectors = self.vectors.matrix(count)
        if np.isfinite(vectors).all():
            low, high = vectors.min(0), vectors.max(0)
            losses = (high - vectors) / np.maximum(high - low, 1e-12)
            rng = Random(derive_seed(self.observations.trials[0].architecture.key, "weights", key))
            weights = np.array([rng.expovariate(1.0) for _ in range(vectors.shape[1])])
            weighted = losses * weights / weights.sum()
            broken = self.observations.rows.matrix(count)[:, 0] < 0
            mixed = -(weighted.max(1) + 0.05 * weighted.sum(1))
            scores = np.where(broken, mixed.min() - 0.1 - np.abs(scores), mixed)
        return winsorized(scores)

    @property
    def encoding(self) -> Encoding:
        """The encoding of architectures."""
        assert self.observations.encoding.value is not None
        return self.observations.encoding.value

    def _drop_proxies(self, min_skill: float) -> None:
        """Drop proxies whose rank correlation with the first results is too low."""
        trials = self.observations.trials[:JUDGED]
        places = [place for place, trial in enumerate(trials) if trial.state == "finished"]
        first = [trials[place].architecture for place in places]
        observed = self.observations.targets(JUDGED)[places].tolist()

        def holds(values: Sequence[float]) -> bool:
            return abs(rank_correlation(values, observed)) >= min_skill

        if self.encoding.judge(first, holds):
            for name in ("process", "forest"):  # which read the columns that are gone
                if name in self.surrogates:
                    self.surrogates[name].model = None

    def _fit(self, names: Sequence[str], *, refit: bool) -> None:
        trials, count, encoding = self.observations.trials, self.learned, self.encoding
        targets = self.targets(count, count - count % EVERY)
        seed = derive_seed(trials[0].architecture.key, count)
        for name in names:
            if name == "network" and encoding.graph is None:
                continue
            surrogate = self.surrogates.setdefault(name, Surrogate())
            if name == "network":
                if surrogate.model is None or count % network_interval(count) == 0:
                    self._fit_network(surrogate)
            elif name == "forest":
                if refit or surrogate.model is None:
                    known = [trial.architecture for trial in trials[:count]]
                    rows = np.hstack(encoding.groups(known))
                    surrogate.model = Forest().fit(rows, targets, seed)
            else:
                chosen = best_and_latest(targets, MOST)
                groups = encoding.groups([trials[place].architecture for place in chosen])
                rows = np.hstack(groups)
                if refit or not isinstance(surrogate.model, Posterior):
                    widths = tuple(part.shape[1] for part in groups if part.shape[1])
                    surrogate.model = GP(groups=widths[:-1]).fit(rows, targets[chosen], seed)
                else:
                    surrogate.model = surrogate.model.again(rows, targets[chosen])

    def _fit_network(self, surrogate: Surrogate) -> None:
        """Fit the network to the results that it is fitted to at this place of the log."""
        count = self.learned - self.learned % network_interval(self.learned) or self.learned
        targets = self.targets(count, count - count % EVERY)
        chosen = best_and_latest(targets, MOST)
        known = [self.observations.trials[place].architecture for place in chosen]
        assert self.encoding.graph is not None
        surrogate.frame = Frame.of(known, self.encoding.graph)
        seed = derive_seed(self.observations.trials[0].architecture.key, count)
        network = GCN(nodes=surrogate.frame.nodes)
        surrogate.model = network.fit(surrogate.frame.rows(known), targets[chosen], seed)


def network_interval(count: int) -> int:
    """Return the results between fits of the network: more in long studies, up to a twentieth."""
    return NETWORK << max(0, (count // MOST).bit_length() - 1)
