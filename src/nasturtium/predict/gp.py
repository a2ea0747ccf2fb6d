"""Gaussian processes in closed form.

Rasmussen & Williams (2006), "Gaussian processes for machine learning", algorithm 2.1; for
architectures: Ru, Wan, Dong & Osborne (2021), "Interpretable neural architecture search via
Bayesian optimisation with Weisfeiler-Lehman kernels" (the kernel ``dot`` on counted subgraphs).

Implemented: exact regression with a constant mean; the kernel is a sum over groups of columns, each
with a weight and a length; weights, lengths and noise are those of a small grid with the highest
marginal likelihood, the scale of the targets being integrated out by its best value.

    k(a, b) = sum_g w_g exp(-|a_g - b_g|^2 / l_g),    or   sum_g w_g  a_g.b_g / (|a_g| |b_g|)

On one-hot columns |a - b|^2 is twice the number of decisions that differ, so that the first is the
exponential of a Hamming distance. Deviation: no gradient steps; a grid of tens of points is
as good at the sizes of a search, has no local optima and is the same on every machine.
The tests compare it with dense formulae.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, final

import numpy as np
from scipy.linalg import lapack

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

    Array = NDArray[np.float64]

__all__ = ["GP"]

LEAST = 1e-9


@final
@dataclass(frozen=True)
class GP(Predictor):
    """A Gaussian process; lengths are relative to the mean squared distance of the points.

    Attributes:
        kernel: ``rbf`` (on one-hot columns: Hamming) or ``dot`` (cosine, for counted subgraphs).
        groups: number of columns of each group, from the left; the remaining columns are the
            last group. One group if not given.
        lengths: candidates for all length scales together.
        weights: candidates for the weight of each group, of which at least one is the largest.
        noises: candidates for the noise variance, relative to the kernel's.
    """

    kernel: Literal["rbf", "dot"] = "rbf"
    groups: tuple[int, ...] = ()
    lengths: tuple[float, ...] = (0.5, 1.5, 4.0)
    weights: tuple[float, ...] = (0.1, 1.0)
    noises: tuple[float, ...] = (0.01, 0.1, 0.3)

    def __post_init__(self) -> None:
        if self.kernel not in ("rbf", "dot"):
            raise EstimateError(f"a Gaussian process got kernel={self.kernel!r}; use rbf or dot")
        grids = (self.lengths, self.weights, self.noises)
        if not all(grids) or min(map(min, grids)) <= 0 or any(size < 1 for size in self.groups):
            raise EstimateError(
                f"a Gaussian process got groups={self.groups}, lengths={self.lengths}, weights="
                f"{self.weights}, noises={self.noises}; expected numbers above 0"
            )

    def fit(self, features: ArrayLike, targets: ArrayLike, seed: int = 0) -> Posterior:
        x, y = check_points(features, targets)
        parts = self.parts(x)
        mean, scale = float(y.mean()), float(y.std()) or 1.0
        target = (y - mean) / scale
        tables = [part @ part.T if self.kernel == "dot" else _squares(part, part) for part in parts]
        typical = [float(table.mean()) or 1.0 for table in tables]
        most = max(self.weights)
        weights = [w for w in product(self.weights, repeat=len(parts)) if max(w) == most]
        best: tuple[float, tuple[Sequence[float], Sequence[float], float], Solved] | None = None
        for length in self.lengths if self.kernel == "rbf" else (1.0,):
            scales = [length * size for size in typical]
            kernels = [
                np.exp(-table / size) if self.kernel == "rbf" else table
                for table, size in zip(tables, scales, strict=True)
            ]
            for weight in weights:
                shape = np.zeros((len(x), len(x)))
                for share, kernel in zip(weight, kernels, strict=True):
                    shape += share / sum(weight) * kernel
                for noise in self.noises:
                    solved = _solved(shape, noise, target)
                    if solved is not None and (best is None or solved.evidence > best[0]):
                        best = solved.evidence, (weight, scales, noise), solved
        if best is None:
            raise EstimateError(
                f"no kernel of the grid is positive definite on these {len(x)} points; give "
                "larger noises"
            )
        return Posterior(self, parts, *best[1], best[2], mean, scale)

    def parts(self, x: NDArray[Any]) -> list[NDArray[Any]]:
        """Return the groups of columns; for ``dot``, each row of a group has length one."""
        parts = np.split(x, np.cumsum(self.groups), axis=1) if self.groups else [x]
        parts = [part for part in parts if part.shape[1]]
        if self.kernel == "rbf":
            return parts
        return [p / np.maximum(np.sqrt((p**2).sum(1, keepdims=True)), LEAST) for p in parts]


@final
class Posterior(FittedPredictor):
    """A Gaussian process given its points.

    Attributes:
        weights: of the groups.
        noise: variance of the targets about the process, relative to the kernel's.
        likelihood: the log marginal likelihood, up to a constant, of the chosen grid point.
    """

    def __init__(
        self,
        settings: GP,
        parts: Sequence[NDArray[Any]],
        weights: Sequence[float],
        scales: Sequence[float],
        noise: float,
        solved: Solved,
        mean: float,
        scale: float,
    ) -> None:
        self.settings = settings
        self.weights = tuple(weights)
        self.noise = noise
        self.likelihood = solved.evidence
        self._parts, self._scales, self._lower = parts, scales, solved.lower
        self._solved = lapack.dtrtrs(solved.lower, solved.whitened, lower=1, trans=1)[0]
        self._amplitude, self._mean, self._scale = solved.amplitude, mean, scale

    def again(self, features: ArrayLike, targets: ArrayLike) -> Posterior:
        """Return the process with the same kernel and noise, given other points.

        Raises:
            EstimateError: as :meth:`GP.fit`, or the kernel is not positive definite on them.
        """
        x, y = check_points(features, targets)
        parts = self.settings.parts(x)
        mean, scale = float(y.mean()), float(y.std()) or 1.0
        solved = _solved(self._kernel(parts, parts), self.noise, (y - mean) / scale)
        if solved is None:
            raise EstimateError(
                f"the kernel is not positive definite on these {len(x)} points; fit again"
            )
        grid_point = (self.weights, self._scales, self.noise)
        return Posterior(self.settings, parts, *grid_point, solved, mean, scale)

    def predict(self, features: ArrayLike) -> Prediction:
        mean, solved, _ = self._conditioned(features)
        variance = self._amplitude * np.maximum(1.0 - (solved**2).sum(0), 0.0)
        return Prediction(mean, np.sqrt(variance) * self._scale + LEAST)

    def draw(self, features: ArrayLike, rng: np.random.Generator, count: int = 1) -> Array:
        """Functions drawn from the posterior, at some points: (count, points)."""
        mean, solved, parts = self._conditioned(features)
        cover = self._kernel(parts, parts) - solved.T @ solved
        values, vectors = np.linalg.eigh(cover)
        root = vectors * np.sqrt(np.maximum(values, 0.0) * self._amplitude) * self._scale
        drawn: Array = mean + rng.standard_normal((count, len(mean))) @ root.T
        return drawn

    def _conditioned(self, features: ArrayLike) -> tuple[Array, Array, list[NDArray[Any]]]:
        columns = sum(part.shape[1] for part in self._parts)
        parts = self.settings.parts(check_features(features, columns))
        cross = self._kernel(self._parts, parts)
        mean = cross.T @ self._solved * self._scale + self._mean
        return mean, lapack.dtrtrs(self._lower, cross, lower=1)[0], parts

    def _kernel(self, here: Sequence[NDArray[Any]], there: Sequence[NDArray[Any]]) -> Array:
        total = np.zeros((len(here[0]), len(there[0])))
        for weight, size, a, b in zip(self.weights, self._scales, here, there, strict=True):
            if self.settings.kernel == "dot":
                total += weight * (a @ b.T)
            else:
                total += weight * np.exp(-_squares(a, b) / size)
        return total / sum(self.weights)


def _squares(a: NDArray[Any], b: NDArray[Any]) -> Array:
    """Squared distances: (rows of a, rows of b)."""
    near = (a**2).sum(1)[:, None] + (b**2).sum(1)[None, :] - 2.0 * (a @ b.T)
    squares: Array = np.maximum(near.astype(np.float64), 0.0)
    return squares


class Solved(NamedTuple):
    """The log evidence, the Cholesky factor L of the covariance, L^-1 y, and the best amplitude."""

    evidence: float
    lower: Array
    whitened: Array
    amplitude: float


def _solved(kernel: Array, noise: float, target: Array) -> Solved | None:
    cover = kernel.copy()
    cover.flat[:: len(cover) + 1] += noise
    lower, failed = lapack.dpotrf(cover, lower=1, clean=1)
    if failed:
        return None
    whitened = lapack.dtrtrs(lower, target, lower=1)[0]
    amplitude = max(float(whitened @ whitened) / len(target), LEAST)
    logs = float(np.log(np.diagonal(lower)).sum())
    return Solved(-0.5 * len(target) * math.log(amplitude) - logs, lower, whitened, amplitude)
