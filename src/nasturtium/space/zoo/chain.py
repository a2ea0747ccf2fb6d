"""Chains: three stages of equal layers, the plainest design space; ResNets with a switch.

Radosavovic et al. (2019), "On Network Design Spaces for Visual Recognition", section 4.1 and
appendix. A 3x3 convolution to 16 channels; three stages at full, half and a quarter of the
resolution; pooling and a linear layer. A stage has a depth (9 values from 1 to 24) and a width (12
values from 16 to 256): 108^3 = 1,259,712 networks. "Vanilla" stages are chains of 3x3
convolutions; with ``residual=True`` a layer is two of them with a shortcut, the "ResNet" space.

Deviations: the paper gives the ends and the number of values; here they lie evenly in the
logarithm, rounded up to whole depths and to widths divisible by 8. A stride is dropped where it
would leave fewer than 4 pixels, and there is a stem of stride 4 above 64 pixels.

The tests reproduce the size, and the parameters of ResNet-56 (0.86 M, the upper end of the paper's
study) by :func:`network`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import ceil
from typing import TYPE_CHECKING, Any, final

from torch import Tensor, nn

from nasturtium.cost.block_costs import Figures, conv, expect, norm, total
from nasturtium.module_factory import Block, block
from nasturtium.module_factory import chain as sequence
from nasturtium.space.decorator import space
from nasturtium.space.operations import Classifier, ConvBN, ConvBNReLU
from nasturtium.space.zoo.image_skeleton import fitting, image

if TYPE_CHECKING:
    from nasturtium.space.choose import Choose

__all__ = ["chain", "network"]

STEM = 16
STAGES = 3
DEPTHS = tuple(ceil(24 ** (index / 8) - 1e-9) for index in range(9))
WIDTHS = tuple(8 * ceil(2 * 16 ** (index / 11) - 1e-9) for index in range(12))


@final
class Basic(nn.Module):
    """Two 3x3 convolutions with a shortcut: (N, C, H, W) to (N, C', H/stride, W/stride)."""

    @staticmethod
    def cost(shape: tuple[int, ...], inputs: int, outputs: int, stride: int) -> Figures:
        """Return the cost in closed form; see :mod:`nasturtium.cost.block_costs`."""
        expect(shape, inputs)
        first = norm(conv(shape, outputs, 3, stride))
        body = total(first, norm(conv(first.shape, outputs, 3)))
        if stride == 1 and inputs == outputs:
            return body
        return total(norm(conv(shape, outputs, 1, stride)), body)

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.first = ConvBNReLU(inputs, outputs, 3, stride)
        self.second = ConvBN(outputs, outputs, 3)
        same = stride == 1 and inputs == outputs
        self.shortcut = None if same else ConvBN(inputs, outputs, 1, stride)
        self.act = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        out = self.second(self.first(x)) + (x if self.shortcut is None else self.shortcut(x))
        final: Tensor = self.act(out)
        return final


def network(
    inputs: tuple[int, int, int],
    classes: int,
    stages: Sequence[tuple[int, int]],
    residual: bool,
) -> Block:
    """Return the network of stages given as (depth, width)."""
    side = min(inputs[1:])
    first, *strides = fitting((4 if side > 64 else 1, 1, *(2 for _ in stages[1:])), side)
    parts: list[tuple[str, Block]] = [("stem", block(ConvBNReLU, inputs[0], STEM, 3, first))]
    width = STEM
    for index, (depth, after) in enumerate(stages):
        layers = []
        for place in range(depth):
            stride = 1 if place else strides[index]
            plain = block(ConvBNReLU, width, after, 3, stride)
            layer = block(Basic, width, after, stride) if residual else plain
            layers.append((f"layer{place}", layer))
            width = after
        parts.append((f"stage{index}", sequence(layers)))
    return sequence([*parts, ("head", block(Classifier, width, classes))])


@space
def chain(
    choose: Choose,
    *,
    inputs: tuple[int, int, int],
    classes: int,
    residual: bool = False,
) -> Callable[[], Any]:
    """Chains of convolutions: depth and width of three stages.

    Args:
        choose: the handle.
        inputs: (C, H, W) of one image, of any size.
        classes: number of classes.
        residual: layers are two convolutions with a shortcut instead of one without.
    """
    image("chain", inputs)
    stages = []
    for index in range(STAGES):
        with choose.scope(f"stage{index}"):
            stages.append((choose("depth", DEPTHS), choose("width", WIDTHS)))
    return lambda: network(inputs, classes, stages, residual)
