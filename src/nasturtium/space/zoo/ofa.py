"""Once-for-all: MobileNetV3 with elastic depth, expansion, kernel and resolution.

Cai et al. (2020), "Once-for-All: Train One Network and Specialize it for Efficient Deployment",
section 3. A stem, an unexpanded block, five stages of 2, 3 or 4 inverted bottlenecks with
expansion 3, 4 or 6 and kernel 3, 5 or 7 each, a head of two 1x1 convolutions. The second, fourth
and fifth stage squeeze and excite; the first two have ReLU, the others hard swish. Layers that are
not asked for are left out: (9^2 + 9^3 + 9^4)^5 = 2.2e19 networks; the paper has 25 resolutions.

All questions are about values, so kernels, expansions and depths are elastic by their shapes:
supernets take them from one store, kernels from the centre and channels from the front.
The resolution is the task's, unless ``resolutions`` asks for it; images are then rescaled inside
the network, so that one data set serves all resolutions.

Deviations: the paper's kernel transformation matrices belong to a supernet's sharing rule, not to
the space. Small images as in :mod:`nasturtium.space.zoo.mobilenet`.

The tests reproduce the size by the formula above, and the elastic shapes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from torch import nn

from nasturtium.cost.compound_scaling import round_channels
from nasturtium.errors import SpaceError
from nasturtium.module_factory import Block, block, chain, like
from nasturtium.space.decorator import space
from nasturtium.space.operations import (
    ACTIVATIONS,
    Classifier,
    ConvBN,
    MBConv,
    Residual,
    Resize,
    SepConv,
)
from nasturtium.space.zoo.image_skeleton import fitting, image

if TYPE_CHECKING:
    from nasturtium.space.choose import Choose

__all__ = ["ofa"]

DEPTHS = (2, 3, 4)
EXPANSIONS = (3, 4, 6)
KERNELS = (3, 5, 7)
STEM, EXPANDED, HEAD = 16, 960, 1280
WIDTHS = (24, 40, 80, 112, 160)
STRIDES = (2, 2, 2, 1, 2)
SQUEEZES = (False, True, False, True, True)
ACTS = ("relu", "relu", "hswish", "hswish", "hswish")
LAYERS = tuple(f"layer{index}" for index in range(max(DEPTHS)))

Gene = tuple[int, int]  # kernel, expansion


def _layer(gene: Gene, inputs: int, outputs: int, stride: int, act: str, squeezes: bool) -> Block:
    hidden = round_channels(inputs * gene[1], 8)
    squeeze = round_channels(hidden // 4, 8) if squeezes else 0
    body = block(MBConv, inputs, outputs, hidden, gene[0], stride, act, squeeze, "hsigmoid")
    return block(_residual, body) if stride == 1 and inputs == outputs else body


@like(lambda body: body)
def _residual(body: Block) -> nn.Module:
    return Residual(body())


def _head(inputs: int, expanded: int, outputs: int, classes: int, dropout: float) -> Block:
    return chain(
        expand=block(ConvBN, inputs, expanded, 1),
        expand_act=block(nn.Hardswish),
        pool=block(nn.AdaptiveAvgPool2d, 1),
        mix=block(nn.Conv2d, expanded, outputs, 1, bias=False),
        mix_act=block(nn.Hardswish),
        classifier=block(Classifier, outputs, classes, dropout),
    )


@space
def ofa(
    choose: Choose,
    *,
    inputs: tuple[int, int, int],
    classes: int,
    multiplier: float = 1.0,
    resolutions: tuple[int, ...] = (),
    dropout: float = 0.0,
) -> Callable[[], Any]:
    """Once-for-all: depth of five stages, kernel and expansion of each of their layers.

    Args:
        choose: the handle.
        inputs: (C, H, W) of one image, of any size.
        classes: number of classes.
        multiplier: scales every width of stem, stages and head; 1.0 or 1.2 in the paper.
        resolutions: sides to choose from, e.g. ``range(128, 225, 4)``; none: as the images are.
        dropout: probability before the classifier.

    Raises:
        SpaceError: a multiplier that is not positive.
    """
    side = image("ofa", inputs)
    if not multiplier > 0:
        raise SpaceError(f"space 'ofa' got multiplier={multiplier!r}; expected e.g. 1.0 or 1.2")
    resolution = choose("resolution", tuple(resolutions)) if resolutions else None
    stages: list[list[Gene]] = []
    for index in range(len(WIDTHS)):
        with choose.scope(f"stage{index}"):
            genes = []
            for name in LAYERS[: choose("depth", DEPTHS)]:
                with choose.scope(name):
                    genes.append((choose("kernel", KERNELS), choose("expansion", EXPANSIONS)))
            stages.append(genes)

    def build() -> Block:
        shorter = side if resolution is None else resolution
        strides = fitting((2 if shorter > 64 else 1, *STRIDES), shorter)
        width = round_channels(STEM * multiplier, 8)
        parts: list[tuple[str, Block]] = []
        if resolution is not None:
            parts.append(("resize", block(Resize, resolution)))
        parts.append(("stem", block(ConvBN, inputs[0], width, 3, strides[0])))
        parts.append(("stem_act", block(ACTIVATIONS["hswish"])))
        parts.append(("unexpanded", block(_residual, block(SepConv, width, width, act="relu"))))
        for index, genes in enumerate(stages):
            after = round_channels(WIDTHS[index] * multiplier, 8)
            layers = []
            for place, gene in enumerate(genes):
                stride = 1 if place else strides[index + 1]
                layer = _layer(gene, width, after, stride, ACTS[index], SQUEEZES[index])
                layers.append((LAYERS[place], layer))
                width = after
            parts.append((f"stage{index}", chain(layers)))
        expanded, head = (round_channels(w * multiplier, 8) for w in (EXPANDED, HEAD))
        parts.append(("head", _head(width, expanded, head, classes, dropout)))
        return chain(parts)

    return build
