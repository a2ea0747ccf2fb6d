"""An ensemble of small deep networks on encoded architectures: the surrogate of BANANAS.

White, Neiswanger & Savani (2021), "BANANAS: Bayesian optimization with neural architectures for
neural architecture search", section 4 and the authors' settings: five networks of 10 layers of 20
units, mean absolute (percentage) error, Adam with rate 0.01 and betas 0.9 and 0.99, 150 epochs in
batches of 32.

Implemented: all members in one batch of matrix products, each with its own initial weights and its
own order of the points. The percentage error is |(f(x) - u) / (y - u) - 1| with a bound u that no
target reaches, which weighs the good ones most. Deviations: targets are standardised first; u lies
half a standard deviation above the best target unless given (the authors take 4.5 % error for
CIFAR-10, which presumes to know the answer).
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Literal, final

import numpy as np
import torch
from torch import Tensor

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

__all__ = ["MLPEnsemble"]

MARGIN = 0.5  # standard deviations from the best target to the bound of the percentage error


@final
@dataclass(frozen=True)
class MLPEnsemble(Predictor):
    """Multi-layer perceptrons that differ by their seeds; their disagreement is the spread.

    Attributes:
        members: how many.
        layers: hidden layers of each.
        width: units of a hidden layer.
        epochs: passes over the points.
        batch: points of a step.
        learning_rate: of Adam.
        loss: ``mae`` or ``mape``.
        bound: what no target reaches, for ``mape``.
    """

    members: int = 5
    layers: int = 10
    width: int = 20
    epochs: int = 150
    batch: int = 32
    learning_rate: float = 0.01
    loss: Literal["mae", "mape"] = "mae"
    bound: float | None = None

    def __post_init__(self) -> None:
        least = min(self.layers, self.width, self.epochs, self.batch)
        if self.members < 2 or least < 1 or self.learning_rate <= 0:
            raise EstimateError(
                f"{self!r}: expected at least 2 members, 1 layer, unit, epoch and point of a "
                "batch, and a rate above 0"
            )
        if self.loss not in ("mae", "mape"):
            raise EstimateError(f"an ensemble got loss={self.loss!r}; expected 'mae' or 'mape'")

    def fit(self, features: ArrayLike, targets: ArrayLike, seed: int = 0) -> Trained:
        x, y = check_points(features, targets)
        mean, scale = float(y.mean()), float(y.std()) or 1.0
        bound = self._bound(y, mean, scale)
        inputs, goals = torch.from_numpy(x), torch.from_numpy(((y - mean) / scale).astype("f4"))
        draw = torch.Generator().manual_seed(seed)
        sizes = [x.shape[1], *[self.width] * self.layers, 1]
        weights: list[Tensor] = []
        biases: list[Tensor] = []
        for before, after in pairwise(sizes):
            reach = (6.0 / (before + after)) ** 0.5
            uniform = torch.rand(self.members, before, after, generator=draw)
            weights.append((reach * (2.0 * uniform - 1.0)).requires_grad_())
            biases.append(torch.zeros(self.members, 1, after, requires_grad=True))
        adam = torch.optim.Adam(
            [*weights, *biases], lr=self.learning_rate, betas=(0.9, 0.99), foreach=True
        )
        with torch.enable_grad():
            for _ in range(self.epochs):
                order = torch.rand(self.members, len(y), generator=draw).argsort(1)
                for part in torch.split(order, self.batch, 1):
                    error = _forward(weights, biases, inputs[part]) - goals[part]
                    if self.loss == "mape":
                        error = error / (goals[part] - bound)
                    adam.zero_grad()
                    # The mean over points, but the sum over members: each is trained by itself.
                    error.abs().mean(1).sum().backward()  # type: ignore[no-untyped-call]
                    adam.step()
        fixed = ([w.detach() for w in weights], [b.detach() for b in biases])
        return Trained(*fixed, mean, scale)

    def _bound(self, y: np.ndarray, mean: float, scale: float) -> float:
        top = float(y.max())
        bound = top + MARGIN * scale if self.bound is None else self.bound
        if self.loss == "mape" and bound <= top:
            raise EstimateError(
                f"the percentage error is measured from bound={bound:g}, which the target {top:g} "
                "reaches; give a larger one"
            )
        return (bound - mean) / scale


@final
class Trained(FittedPredictor):
    """An ensemble that has been trained."""

    def __init__(
        self, weights: list[Tensor], biases: list[Tensor], mean: float, scale: float
    ) -> None:
        self._weights, self._biases = weights, biases
        self._mean, self._scale = mean, scale

    def predict(self, features: ArrayLike) -> Prediction:
        x = check_features(features, self._weights[0].shape[1])
        with torch.no_grad():
            rows = torch.from_numpy(x).expand(len(self._weights[0]), *x.shape)
            votes = _forward(self._weights, self._biases, rows).double().numpy()
        votes = votes * self._scale + self._mean
        return Prediction(votes.mean(0), votes.std(0, ddof=1) + LEAST)


def _forward(weights: list[Tensor], biases: list[Tensor], x: Tensor) -> Tensor:
    """(members, points, columns) to (members, points)."""
    for weight, bias in zip(weights[:-1], biases[:-1], strict=True):
        x = torch.baddbmm(bias, x, weight).relu_()
    return torch.baddbmm(biases[-1], x, weights[-1]).squeeze(2)
