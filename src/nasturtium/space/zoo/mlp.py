"""Multilayer perceptrons for vectors: depth, width, activation, normalisation, skips, dropout.

The ordinary baseline for tabular data; the ranges follow Gorishniy et al. (2021), "Revisiting Deep
Learning Models for Tabular Data", section 3.2 (MLP and ResNet): linear layers with an activation
and dropout, optionally batch-normalised, optionally each added to its input.

Implemented: one width for all hidden layers, so that layers may be skipped. Deviation: images are
taken too, flattened, as the plainest reference there is.
"""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import TYPE_CHECKING, Any, final

from torch import Tensor, nn

from nasturtium.cost.block_costs import Figures, expect
from nasturtium.module_factory import Block, block, chain
from nasturtium.space.decorator import space

if TYPE_CHECKING:
    from nasturtium.space.choose import Choose

__all__ = ["mlp"]

ACTIVATIONS = {"relu": nn.ReLU, "gelu": nn.GELU, "silu": nn.SiLU}


@final
class Hidden(nn.Module):
    """Normalisation, linear layer, activation, dropout; added to the input where ``skip``.

    (N, width) to (N, width).
    """

    @staticmethod
    def cost(
        shape: tuple[int, ...], width: int, act: str, norm: bool, skip: bool, dropout: float
    ) -> Figures:
        """Return the cost in closed form; see :mod:`nasturtium.cost.block_costs`."""
        expect(shape, width)
        return Figures(width * (width + (3 if norm else 1)), width * width, 0, shape)

    def __init__(self, width: int, act: str, norm: bool, skip: bool, dropout: float) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(width) if norm else nn.Identity()
        self.linear = nn.Linear(width, width)
        self.act = ACTIVATIONS[act]()
        self.drop = nn.Dropout(dropout)
        self.skip = skip

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.drop(self.act(self.linear(self.norm(x))))
        return x + out if self.skip else out


@space
def mlp(
    choose: Choose,
    *,
    inputs: tuple[int, ...],
    classes: int,
    widths: tuple[int, ...] = (16, 32, 64, 128, 256),
) -> Callable[[], Any]:
    """Multilayer perceptrons on vectors (or flattened images): 1 to 6 hidden layers.

    Args:
        choose: the handle.
        inputs: (F,) features of one example, or (C, H, W).
        classes: number of classes.
        widths: widths to choose from.
    """
    width = choose("width", widths)
    depth = choose("depth", (1, 2, 3, 4, 6))
    act = choose("act", tuple(ACTIVATIONS))
    norm = choose("norm", (False, True))
    skip = choose("skip", (False, True))
    dropout = choose("dropout", (0.0, 0.1, 0.25, 0.5))

    def build() -> Block:
        hidden = block(Hidden, width, act, norm, skip, dropout)
        return chain(
            flat=block(nn.Flatten),
            stem=block(nn.Linear, prod(inputs), width),
            act=block(ACTIVATIONS[act]),
            body=chain((f"layer{index}", hidden) for index in range(depth)),
            head=block(nn.Linear, width, classes),
        )

    return build
