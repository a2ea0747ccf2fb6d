"""Gradient boosting, bagged for a spread.

Friedman (2001), "Greedy function approximation: a gradient boosting machine"; Breiman (1996),
"Bagging predictors".

Implemented: scikit-learn's histogram boosting on bootstrap samples; the mean and the spread are
those over the bags. Deviations: none known.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, final

import numpy as np
from sklearn.ensemble import HistGradientBoostingRegressor

from nasturtium.errors import EstimateError
from nasturtium.predict.forest import LEAST
from nasturtium.predict.predictor import (
    FittedPredictor,
    Prediction,
    Predictor,
    check_features,
    check_points,
)

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

__all__ = ["Boosting"]


@final
@dataclass(frozen=True)
class Boosting(Predictor):
    """Histogram gradient boosting on bootstrap samples.

    Attributes:
        bags: bootstrap samples, each with its own model.
        rounds: trees of each model.
        learning_rate: factor of each added tree.
        leaf: least points in a leaf.
    """

    bags: int = 8
    rounds: int = 60
    learning_rate: float = 0.1
    leaf: int = 3

    def __post_init__(self) -> None:
        if self.bags < 2 or min(self.rounds, self.leaf) < 1 or self.learning_rate <= 0:
            raise EstimateError(
                f"boosting got bags={self.bags}, rounds={self.rounds}, learning_rate="
                f"{self.learning_rate}, leaf={self.leaf}; expected at least 2 bags, 1 round and 1 "
                "point in a leaf, and a rate above 0"
            )

    def fit(self, features: ArrayLike, targets: ArrayLike, seed: int = 0) -> Boosted:
        x, y = check_points(features, targets)
        draw = np.random.default_rng(seed)
        models = []
        for bag in range(self.bags):
            rows = draw.integers(0, len(x), len(x))
            model = HistGradientBoostingRegressor(
                max_iter=self.rounds,
                learning_rate=self.learning_rate,
                min_samples_leaf=self.leaf,
                max_leaf_nodes=15,
                early_stopping=False,
                random_state=(seed + bag) % 2**32,
            )
            models.append(model.fit(x[rows], y[rows]))
        return Boosted(models, x.shape[1])


@final
class Boosted(FittedPredictor):
    """Boosted models, one of each bag."""

    def __init__(self, models: list[Any], columns: int) -> None:
        self._models = models
        self._columns = columns

    def predict(self, features: ArrayLike) -> Prediction:
        x = check_features(features, self._columns)
        votes = np.stack([model.predict(x) for model in self._models])
        return Prediction(votes.mean(0), votes.std(0, ddof=1) + LEAST)
