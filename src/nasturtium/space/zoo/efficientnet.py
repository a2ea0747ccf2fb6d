"""The factorised MobileNet space of MnasNet, around EfficientNet-B0, with compound scaling.

Tan et al. (2019), "MnasNet: Platform-Aware Neural Architecture Search for Mobile", section 4.1;
Tan & Le (2019), "EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks",
sections 3.3 and 4. Seven stages of inverted bottlenecks; the layers of a stage are equal. A stage
asks for its kernel (3, 5), squeeze-and-excitation (0, 0.25), number of layers (one less than B0's,
equal, one more) and width (0.75, 1, 1.25 of B0's); all but the first, which does not expand, also
for the expansion (3, 6): 24 * 72^5 * 48 = 2.2e12 networks.

``width`` and ``depth`` scale all of a network's widths and numbers of layers:
``efficientnet.bind(width=1.1, depth=1.2)`` with the record :data:`B0` is B2 (:data:`SCALES`).
How such factors are found is in :mod:`nasturtium.cost.compound_scaling`.

Deviations: MnasNet's operations besides the inverted bottleneck, and its pooled shortcuts, are left
out; images are padded evenly on both sides. Small images as in
:mod:`nasturtium.space.zoo.mobilenet`.

The tests reproduce B0 to B7: their parameters to the last digit, and their multiply-accumulates to
the printed digits of torchvision's model zoo (0.386 to 37.746 G; B2's 1.088 G are at 288 pixels).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from torch import nn

from nasturtium.architecture import Architecture, Value
from nasturtium.cost.compound_scaling import Scale
from nasturtium.errors import SpaceError
from nasturtium.module_factory import Block, block, chain, like
from nasturtium.space.decorator import space
from nasturtium.space.operations import Classifier, ConvBN, MBConv, Residual, SqueezeExcite
from nasturtium.space.zoo.image_skeleton import fitting, image

if TYPE_CHECKING:
    from nasturtium.space.choose import Choose

__all__ = ["B0", "SCALES", "efficientnet"]

STEM, HEAD = 32, 1280
WIDTHS = (16, 24, 40, 80, 112, 192, 320)
DEPTHS = (1, 2, 2, 3, 3, 4, 1)
STRIDES = (1, 2, 2, 2, 1, 2, 1)
OPTIONS_OF_DEPTH = tuple(tuple(range(max(1, d - 1), d + 2)) for d in DEPTHS)
EXPANSIONS = (3, 6)
KERNELS = (3, 5)
SQUEEZES = (0.0, 0.25)
FACTORS = (0.75, 1.0, 1.25)

Gene = tuple[int, int, float, int, float]  # expansion, kernel, squeeze, layers, width factor

SCALES: Mapping[str, tuple[float, float, int]] = MappingProxyType(
    {
        "B0": (1.0, 1.0, 224),
        "B1": (1.0, 1.1, 240),
        "B2": (1.1, 1.2, 260),
        "B3": (1.2, 1.4, 300),
        "B4": (1.4, 1.8, 380),
        "B5": (1.6, 2.2, 456),
        "B6": (1.8, 2.6, 528),
        "B7": (2.0, 3.1, 600),
    }
)
"""Width, depth and resolution of the published networks, all with the record :data:`B0`."""


def _b0() -> Architecture:
    record: dict[str, Value] = {}
    for index, kernel in enumerate((3, 3, 5, 3, 5, 5, 3)):
        scope = f"stage{index}"
        if index:
            record[f"{scope}.expansion"] = 6
        record |= {f"{scope}.kernel": kernel, f"{scope}.squeeze": 0.25}
        record |= {f"{scope}.depth": DEPTHS[index], f"{scope}.width": 1.0}
    return Architecture("efficientnet", record)


B0 = _b0()


def _unexpanded(inputs: int, outputs: int, kernel: int, stride: int, squeeze: int) -> Block:
    parts = [
        ("depthwise", block(ConvBN, inputs, inputs, kernel, stride, groups=inputs)),
        ("act", block(nn.SiLU)),
        ("project", block(ConvBN, inputs, outputs, 1)),
    ]
    if squeeze:
        parts.insert(2, ("squeeze", block(SqueezeExcite, inputs, squeeze, "swish")))
    return chain(parts)


def _layer(gene: Gene, inputs: int, outputs: int, stride: int) -> Block:
    expansion, kernel, squeeze = gene[:3]
    reduced = max(1, int(inputs * squeeze)) if squeeze else 0
    if expansion == 1:
        body = _unexpanded(inputs, outputs, kernel, stride, reduced)
    else:
        hidden = expansion * inputs
        rest = (hidden, kernel, stride, "swish", reduced, "sigmoid", "swish")
        body = block(MBConv, inputs, outputs, *rest)
    return block(_residual, body) if stride == 1 and inputs == outputs else body


@like(lambda body: body)
def _residual(body: Block) -> nn.Module:
    return Residual(body())


def _conv(inputs: int, outputs: int, kernel: int, stride: int) -> Block:
    return chain(conv=block(ConvBN, inputs, outputs, kernel, stride), act=block(nn.SiLU))


@space
def efficientnet(
    choose: Choose,
    *,
    inputs: tuple[int, int, int],
    classes: int,
    width: float = 1.0,
    depth: float = 1.0,
    dropout: float = 0.0,
) -> Callable[[], Any]:
    """Seven stages around EfficientNet-B0: expansion, kernel, squeeze, depth and width of each.

    Args:
        choose: the handle.
        inputs: (C, H, W) of one image, of any size.
        classes: number of classes.
        width: scales the width of stem, stages and head.
        depth: scales the number of layers of every stage.
        dropout: probability before the classifier.

    Raises:
        SpaceError: a scale that is not positive.
    """
    side = image("efficientnet", inputs)
    if not (width > 0 and depth > 0):
        raise SpaceError(
            f"space 'efficientnet' got width={width!r}, depth={depth!r}; expected positive scales, "
            "e.g. width=1.1, depth=1.2"
        )
    genes: list[Gene] = []
    for index, depths in enumerate(OPTIONS_OF_DEPTH):
        with choose.scope(f"stage{index}"):
            expansion = choose("expansion", EXPANSIONS) if index else 1
            kernel, squeeze = choose("kernel", KERNELS), choose("squeeze", SQUEEZES)
            genes.append(
                (expansion, kernel, squeeze, choose("depth", depths), choose("width", FACTORS))
            )

    def build() -> Block:
        multiple, scale = 8 if width >= 0.5 else 4, Scale(depth, width)
        strides = fitting((2 if side > 64 else 1, *STRIDES), side)
        before = scale.channels(STEM, multiple)
        parts = [("stem", _conv(inputs[0], before, 3, strides[0]))]
        for index, gene in enumerate(genes):
            after = scale.channels(WIDTHS[index] * gene[-1], multiple)
            layers = []
            for place in range(scale.layers(gene[3])):
                stride = 1 if place else strides[index + 1]
                layers.append((f"layer{place}", _layer(gene, before, after, stride)))
                before = after
            parts.append((f"stage{index}", chain(layers)))
        head = scale.channels(HEAD, multiple)
        parts.append(("head", _conv(before, head, 1, 1)))
        parts.append(("classifier", block(Classifier, head, classes, dropout)))
        return chain(parts)

    return build
