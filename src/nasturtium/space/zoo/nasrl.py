"""NAS-RL's space: a chain of convolutions with skip connections from any earlier layer.

Zoph & Le (2017), "Neural Architecture Search with Reinforcement Learning", sections 3.3 and 4.1.
N layers; each asks for its filter's height and width (1, 3, 5, 7 each) and its number of filters
(24, 36, 48, 64), and for those earlier layers that join its input, besides the layer before. With
C = 64 kinds of layer there are C^N * 2^((N - 1)(N - 2)/2) networks: 3.1e54 for N = 15.

Inputs are concatenated. Global pooling and a linear layer follow the last layer. ``pools`` names
layers that are followed by a 2x2 max pooling, as in the paper's networks with fixed pooling (13 and
26 of 39).

Deviations: an input of another size than its target is pooled to it (in the paper, zeros are added
to the smaller one); strides are not searched. As the paper suggests for networks of many
branches, every convolution is batch-normalised. On images above 64 pixels a stem of stride 4
precedes the chain; a pooling is left out where it would leave fewer than 4 pixels a side.

The tests reproduce the size by the formula above.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, final

import torch
from torch import Tensor, nn
from torch.nn.functional import adaptive_max_pool2d

from nasturtium.cost.block_costs import Figures, expect, norm, total
from nasturtium.errors import SpaceError
from nasturtium.module_factory import Block, block
from nasturtium.module_factory import chain as sequence
from nasturtium.space.decorator import space
from nasturtium.space.operations import Classifier, ConvBNReLU
from nasturtium.space.zoo.image_skeleton import fitting, image

if TYPE_CHECKING:
    from nasturtium.space.choose import Choose

__all__ = ["nasrl"]

LAYERS = 15
SIDES = (1, 3, 5, 7)
FILTERS = (24, 36, 48, 64)


class Layer(NamedTuple):
    """A convolution: its filters' height, width and number, and the earlier layers it reads."""

    height: int
    width: int
    filters: int
    skips: tuple[int, ...]


@final
class Rectangle(nn.Sequential):
    """Convolution with a filter that need not be square, batch normalisation, ReLU."""

    def __init__(self, inputs: int, layer: Layer) -> None:
        super().__init__()
        kernel = (layer.height, layer.width)
        padding = (layer.height // 2, layer.width // 2)
        self.conv = nn.Conv2d(inputs, layer.filters, kernel, padding=padding, bias=False)
        self.norm = nn.BatchNorm2d(layer.filters)
        self.act = nn.ReLU(inplace=True)


@final
class Chain(nn.Module):
    """The layers, each on what the layer before and its skips give: (N, C, H, W) to (N, C', h, w).

    Args:
        channels: of the input.
        layers: the convolutions.
        pools: numbers of those that are followed by max pooling.
    """

    @staticmethod
    def cost(
        shape: tuple[int, ...], channels: int, layers: Sequence[Layer], pools: Sequence[int]
    ) -> Figures:
        """Return the cost in closed form; see :mod:`nasturtium.cost.block_costs`."""
        expect(shape, channels)
        made: list[Figures] = []
        before, height, width = shape
        for index, layer in enumerate(layers):
            inputs = before + sum(layers[skip].filters for skip in layer.skips)
            weights = inputs * layer.filters * layer.height * layer.width
            elements = height * width
            figures = (weights, weights * elements, layer.filters * elements)
            made.append(norm(Figures(*figures, (layer.filters, height, width))))
            if index in pools:
                height, width = -(-height // 2), -(-width // 2)
            before = layer.filters
        return total(*made, shape=(before, height, width))

    def __init__(self, channels: int, layers: Sequence[Layer], pools: Sequence[int]) -> None:
        super().__init__()
        for index, layer in enumerate(layers):
            sources = [layers[skip].filters for skip in layer.skips]
            before = layers[index - 1].filters if index else channels
            self.add_module(f"layer{index}", Rectangle(before + sum(sources), layer))
        self.skips = [layer.skips for layer in layers]
        self.pools = frozenset(pools)

    def forward(self, x: Tensor) -> Tensor:
        maps: list[Tensor] = []
        for index, skips in enumerate(self.skips):
            size = x.shape[-2:]
            joined = [maps[skip] for skip in skips]
            joined = [m if m.shape[-2:] == size else adaptive_max_pool2d(m, size) for m in joined]
            x = self._modules[f"layer{index}"](torch.cat([x, *joined], 1))  # type: ignore[misc]
            maps.append(x)
            if index in self.pools:
                x = nn.functional.max_pool2d(x, 2, ceil_mode=True)
        return x


@space
def nasrl(
    choose: Choose,
    *,
    inputs: tuple[int, int, int],
    classes: int,
    layers: int = LAYERS,
    pools: tuple[int, ...] = (),
) -> Callable[[], Any]:
    """NAS-RL: filters of each layer of a chain, and which earlier layers it reads.

    Args:
        choose: the handle.
        inputs: (C, H, W) of one image, of any size.
        classes: number of classes.
        layers: number of layers; 15 in the paper's first experiment, 39 with pooling.
        pools: numbers of the layers, counted from 0, that are followed by max pooling.

    Raises:
        SpaceError: no layer, or a pooling behind a layer that does not exist.
    """
    side = image("nasrl", inputs)
    if layers < 1 or not set(pools) <= set(range(layers)):
        raise SpaceError(
            f"space 'nasrl' got layers={layers!r}, pools={pools!r}; expected at least one layer, "
            "and numbers from 0 to layers - 1"
        )
    made = []
    for index in range(layers):
        with choose.scope(f"layer{index}"):
            height, width = choose("height", SIDES), choose("width", SIDES)
            filters = choose("filters", FILTERS)
            skips = choose.subset("skips", range(index - 1)) if index > 1 else ()
        made.append(Layer(height, width, filters, skips))

    def build() -> Block:
        first, *strides = fitting([4 if side > 64 else 1] + [2] * len(pools), side)
        kept = [pool for pool, stride in zip(sorted(pools), strides, strict=True) if stride == 2]
        parts: list[tuple[str, Block]] = []
        if first > 1:
            parts.append(("stem", block(ConvBNReLU, inputs[0], FILTERS[0], 3, first)))
        channels = FILTERS[0] if first > 1 else inputs[0]
        parts.append(("chain", block(Chain, channels, tuple(made), tuple(kept))))
        parts.append(("head", block(Classifier, made[-1].filters, classes)))
        return sequence(parts)

    return build
