"""The interface of surrogates: fitted to points, they predict means and uncertainties."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from nasturtium.errors import EstimateError

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

__all__ = ["FittedPredictor", "Prediction", "Predictor", "check_features", "check_points"]


class Prediction(NamedTuple):
    """Predictions of a surrogate for points.

    Attributes:
        mean: the expected target: (points,).
        spread: the uncertainty of it, as a standard deviation: (points,).
    """

    mean: NDArray[np.float64]
    spread: NDArray[np.float64]


class FittedPredictor(ABC):
    """A surrogate fitted to its points; it is immutable."""

    @abstractmethod
    def predict(self, features: ArrayLike) -> Prediction:
        """Return the mean and the spread of each row of ``features``: (points, columns).

        Raises:
            EstimateError: other columns than it was fitted on, or numbers that are not finite.
        """


class Predictor(ABC):
    """The settings of a surrogate; :meth:`fit` is a pure function of its arguments.

    Example:
        >>> import numpy as np
        >>> from nasturtium.predict.gp import GP
        >>> x = np.eye(4, dtype=np.float32)
        >>> fitted = GP().fit(x, [1.0, 2.0, 3.0, 4.0])
        >>> mean, spread = fitted.predict(x)
        >>> mean.shape, bool((spread > 0).all())
        ((4,), True)
    """

    @abstractmethod
    def fit(self, features: ArrayLike, targets: ArrayLike, seed: int = 0) -> FittedPredictor:
        """Return the surrogate fitted to points.

        Args:
            features: (points, columns), used as float32.
            targets: (points,).
            seed: seed of all random numbers.

        Raises:
            EstimateError: fewer than two points, shapes that do not match, or numbers that are
                not finite.
        """


def check_points(
    features: ArrayLike, targets: ArrayLike
) -> tuple[NDArray[Any], NDArray[np.float64]]:
    """Check features and targets; return them as float32 and float64.

    Raises:
        EstimateError: as :meth:`Predictor.fit`.
    """
    x, y = check_features(features), np.asarray(targets, dtype=np.float64)
    if y.shape != (len(x),) or len(x) < 2:
        raise EstimateError(
            f"a surrogate got features of shape {x.shape} and targets of shape {y.shape}; expected "
            "(points, columns) and (points,), with at least two points"
        )
    if not np.isfinite(y).all():
        raise EstimateError(
            f"a surrogate got {np.count_nonzero(~np.isfinite(y))} of {len(y)} targets that are not "
            "finite; leave failed trials out"
        )
    return x, y


def check_features(features: ArrayLike, columns: int | None = None) -> NDArray[Any]:
    """Check features; return them as a contiguous float32 matrix.

    Raises:
        EstimateError: no matrix, other columns than expected, or numbers that are not finite.
    """
    x = np.ascontiguousarray(features, dtype=np.float32)
    if x.ndim != 2 or (columns is not None and x.shape[1] != columns):
        raise EstimateError(
            f"a surrogate got features of shape {x.shape}; expected (points, "
            f"{'columns' if columns is None else columns})"
        )
    if not np.isfinite(x).all():
        raise EstimateError("a surrogate got features that are not finite; impute or drop them")
    return x
