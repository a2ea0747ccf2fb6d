"""Forests of randomised trees.

Breiman (2001), "Random forests"; Geurts, Ernst & Wehenkel (2006), "Extremely randomized trees";
Hutter, Hoos & Leyton-Brown (2011), "SMAC", for the spread over trees as uncertainty.

Implemented: scikit-learn's forests; the mean is the trees' mean, the spread the standard deviation
over trees. Deviation: SMAC adds the variance within leaves; leaves are single points here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, final

import numpy as np
from sklearn.ensemble import ExtraTreesRegressor, RandomForestRegressor

from nasturtium.errors import EstimateError
from nasturtium.predict.predictor import (
    FittedPredictor,
    Prediction,
    Predictor,
    check_features,
    check_points,
)

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

__all__ = ["Forest"]

LEAST = 1e-9  # of a spread, so that acquisitions may divide by it


@final
@dataclass(frozen=True)
class Forest(Predictor):
    """A forest of regression trees.

    Attributes:
        trees: how many.
        kind: ``extra`` draws thresholds at random, ``random`` draws the points of each tree.
        columns: the share of columns looked at for each split.
    """

    trees: int = 50
    kind: Literal["extra", "random"] = "extra"
    columns: float = 0.5

    def __post_init__(self) -> None:
        if self.trees < 2 or not 0 < self.columns <= 1:
            raise EstimateError(
                f"a forest got trees={self.trees}, columns={self.columns}; expected at least 2, "
                "and a share above 0 and at most 1"
            )
        if self.kind not in ("extra", "random"):
            raise EstimateError(f"a forest got kind={self.kind!r}; expected 'extra' or 'random'")

    def fit(self, features: ArrayLike, targets: ArrayLike, seed: int = 0) -> Grown:
        x, y = check_points(features, targets)
        kind = ExtraTreesRegressor if self.kind == "extra" else RandomForestRegressor
        forest = kind(self.trees, max_features=self.columns, random_state=seed % 2**32)
        return Grown([tree.tree_ for tree in forest.fit(x, y).estimators_], x.shape[1])


@final
class Grown(FittedPredictor):
    """A fitted forest.

    Attributes:
        trees: scikit-learn's low-level trees, which predict without its checks of every call.
    """

    def __init__(self, trees: list[Any], columns: int) -> None:
        self.trees = trees
        self._columns = columns

    def every(self, features: ArrayLike) -> NDArray[np.float64]:
        """Return the prediction of each tree: (trees, points)."""
        x = check_features(features, self._columns)
        return np.stack([tree.predict(x)[:, 0] for tree in self.trees])

    def predict(self, features: ArrayLike) -> Prediction:
        votes = self.every(features)
        return Prediction(votes.mean(0), votes.std(0, ddof=1) + LEAST)
