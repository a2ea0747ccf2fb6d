"""ProxylessNAS: 21 layers, each an inverted bottleneck of one of six kinds, or left out.

Cai, Zhu & Han (2019), "ProxylessNAS: Direct Neural Architecture Search on Target Task and
Hardware", section 3.1 and appendix. A 3x3 convolution of stride 2 to 32 channels, an unexpanded
block to 16, six stages of 4, 4, 4, 4, 4 and 1 layers, a 1x1 convolution to 1280, pooling and a
linear layer. A layer has expansion 3 or 6 and kernel 3, 5 or 7; one that keeps the shape has a
shortcut and may also be zero, which leaves it out: 6^6 * 7^15 = 2.2e17 networks.

Every question is one between modules, so that paths can be binarised, relaxed and shared.

Deviations: on images up to 64 pixels the stem has stride 1, and strides that would leave fewer than
4 pixels are dropped, as in :mod:`nasturtium.space.zoo.mobilenet`. Activations are ReLU6.

The tests reproduce the size, and the networks that the authors published for phones, processors
and graphics cards (:data:`MOBILE`, :data:`CPU`, :data:`GPU`): 4,080,512, 4,361,648 and 7,119,848
parameters, to the last digit those of osmr's ports, and the 320.4 M, 439.2 M and 465.3 M
multiply-accumulates that the authors' logs print. Their widths are those of the space times 1.12
(CPU) and 1.35 (GPU); the first stage of the one for phones is 32 channels wide instead of 24.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from torch import nn

from nasturtium.architecture import Architecture
from nasturtium.cost.compound_scaling import round_channels
from nasturtium.errors import SpaceError
from nasturtium.module_factory import Block, block, chain, like
from nasturtium.space.decorator import space
from nasturtium.space.operations import Classifier, ConvBNReLU, MBConv, Residual, SepConv, Zero
from nasturtium.space.zoo.image_skeleton import fitting, image

if TYPE_CHECKING:
    from nasturtium.space.choose import Choose

__all__ = ["CPU", "GPU", "MOBILE", "proxyless"]

STEM, UNEXPANDED, HEAD = 32, 16, 1280
WIDTHS = (24, 40, 80, 96, 192, 320)
DEPTHS = (4, 4, 4, 4, 4, 1)
STRIDES = (2, 2, 2, 1, 2, 1)


def _body(expansion: int, kernel: int, inputs: int, outputs: int, stride: int) -> Block:
    return block(MBConv, inputs, outputs, expansion * inputs, kernel, stride)


@like(_body)
def _bottleneck(expansion: int, kernel: int, inputs: int, outputs: int, stride: int) -> nn.Module:
    return _body(expansion, kernel, inputs, outputs, stride)()


@like(lambda inputs, outputs, stride: block(Zero, stride))
def _zero(inputs: int, outputs: int, stride: int) -> nn.Module:
    return Zero(stride)


@like(lambda layer, width: layer.given(width, width, 1))
def _kept(layer: Block, width: int) -> nn.Module:
    return Residual(layer(width, width, 1))


CHANGING = {
    f"mb{expansion}_k{kernel}": block(_bottleneck, expansion, kernel)
    for expansion in (3, 6)
    for kernel in (3, 5, 7)
}
KEEPING = {**CHANGING, "zero": block(_zero)}
NAMES = tuple(
    tuple(f"stage{stage}.layer{layer}" for layer in range(depth))
    for stage, depth in enumerate(DEPTHS)
)


def _published(text: str) -> Architecture:
    """Return the record of labels given without ``mb``, in the order of layers; ``-`` is zero."""
    labels = ["zero" if word == "-" else f"mb{word}" for word in text.split()]
    names = [name for stage in NAMES for name in stage]
    return Architecture("proxyless", dict(zip(names, labels, strict=True)))


MOBILE = _published(
    "3_k5 3_k3 - - 3_k7 3_k3 3_k5 3_k5 6_k7 3_k5 3_k5 3_k5 6_k5 3_k5 3_k5 3_k5 "
    "6_k7 6_k7 3_k7 3_k7 6_k7"
)
"""The published mobile network: ``proxyless.bind(widths=(32, 40, 80, 96, 192, 320))``."""

CPU = _published(
    "6_k3 3_k3 3_k3 3_k3 6_k3 3_k3 3_k3 3_k5 6_k3 - - 3_k3 6_k5 3_k3 3_k3 3_k3 "
    "6_k5 3_k5 3_k5 3_k3 6_k5"
)
"""The published network for processors: ``proxyless.bind(multiplier=1.12)``."""

GPU = _published("3_k5 - - - 3_k7 - - 3_k3 6_k7 - - 3_k5 6_k5 - 3_k3 3_k5 6_k7 6_k7 6_k7 6_k5 6_k7")
"""The published network for graphics cards: ``proxyless.bind(multiplier=1.35)``."""


@space
def proxyless(
    choose: Choose,
    *,
    inputs: tuple[int, int, int],
    classes: int,
    widths: tuple[int, ...] = WIDTHS,
    multiplier: float = 1.0,
    dropout: float = 0.0,
) -> Callable[[], Any]:
    """ProxylessNAS: the kind of each of 21 inverted bottlenecks.

    Args:
        choose: the handle.
        inputs: (C, H, W) of one image, of any size.
        classes: number of classes.
        widths: channels of the six stages.
        multiplier: scales every width of stem, stages and head.
        dropout: probability before the classifier.

    Raises:
        SpaceError: not six widths, or a multiplier that is not positive.
    """
    side = image("proxyless", inputs)
    if len(widths) != len(DEPTHS) or not multiplier > 0:
        raise SpaceError(
            f"space 'proxyless' got widths={widths!r}, multiplier={multiplier!r}; expected a width "
            f"for each of {len(DEPTHS)} stages, e.g. {WIDTHS}, and a positive number"
        )
    stages = [
        [choose.module(name, KEEPING if place else CHANGING) for place, name in enumerate(names)]
        for names in NAMES
    ]

    def build() -> Block:
        multiple = 8 if multiplier >= 0.5 else 4
        strides = fitting((2 if side > 64 else 1, *STRIDES), side)
        stem = round_channels(STEM * multiplier, multiple)
        width = round_channels(UNEXPANDED * multiplier, multiple)
        parts = [
            ("stem", block(ConvBNReLU, inputs[0], stem, 3, strides[0], six=True)),
            ("unexpanded", block(SepConv, stem, width, 3)),
        ]
        for index, (first, *others) in enumerate(stages):
            after = round_channels(widths[index] * multiplier, multiple)
            layers = [block(first, width, after, strides[index + 1])]
            layers += [block(_kept, layer, after) for layer in others]
            stage = chain((f"layer{place}", layer) for place, layer in enumerate(layers))
            parts.append((f"stage{index}", stage))
            width = after
        head = round_channels(HEAD * multiplier, multiple)
        parts.append(("head", block(ConvBNReLU, width, head, 1, six=True)))
        parts.append(("classifier", block(Classifier, head, classes, dropout)))
        return chain(parts)

    return build
