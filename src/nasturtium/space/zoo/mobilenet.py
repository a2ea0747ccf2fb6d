"""The MobileNet space of EAT-NAS: chains of inverted bottlenecks, 288 choices a block.

Fang et al. (2019), "EAT-NAS: Elastic Architecture Transfer for Accelerating Large-scale Neural
Architecture Search", section 3.1: a MobileNetV2 skeleton (Sandler et al., 2018) of a stem, seven
blocks, a 1x1 convolution and a classifier. A block is described by its operation (separable
convolution, inverted bottleneck with expansion 3 or 6), kernel (3, 5, 7), skip connection (0, 1),
depth (1 to 4 layers) and width factor (0.5, 1, 1.5, 2): 3 * 3 * 2 * 4 * 4 = 288 choices, 288^7 in
all. Only a block's first layer changes resolution and width.

Implemented: both readings of the width factor (relative to MobileNetV2's width of that block, as
in the released code, or to the block before, as in the text), and input sizes from 8 pixels up.

How it fits small images: the stem has stride 2 above 64 pixels and stride 1 up to there; a later
stride of 2 is dropped where it would leave fewer than 4 pixels a side. So 224 pixels end in 7x7
maps, 64 to 28 in 4x4, 8 in 4x4. By default, images below 16 pixels get 4 blocks of a quarter of the
width, and images up to 64 pixels 7 blocks of half the width, so that a candidate trains in seconds;
``blocks=7, multiplier=1.0`` is the paper's.

Deviations: a separable convolution adds its skip connection like the other operations (in the
released code it builds the shortcut and leaves it out), and ends linearly, as MobileNetV2's
unexpanded block does, which it therefore equals. Activations are ReLU6.

How weights are shared: the operation is a value and not a module question, since both expansions
are one layer of elastic width (``block0.layer1.mb.expand.conv.weight``); kernels and widths of
one layer are views of the largest, and a block's depth takes its first layers.

The tests reproduce the size of the space, and MobileNetV2 1.0 (:data:`MOBILENETV2`): the 3,504,872
parameters of torchvision's, and 300,774,272 multiply-accumulates, its classifier's 1,280,000
included (torchvision prints 0.301 G, the paper 300 M and 3.4 M parameters).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, final

from torch import Tensor, nn

from nasturtium.architecture import Architecture, Value
from nasturtium.cost.block_costs import Figures, total
from nasturtium.cost.compound_scaling import round_channels
from nasturtium.errors import SpaceError
from nasturtium.module_factory import Block, block, chain
from nasturtium.space.decorator import space
from nasturtium.space.operations import Classifier, ConvBN, ConvBNReLU, MBConv, SepConv
from nasturtium.space.zoo.image_skeleton import fitting, image

if TYPE_CHECKING:
    from nasturtium.space.choose import Choose

__all__ = ["MOBILENETV2", "mobilenet"]

OPS = ("sep", "mb3", "mb6")
EXPANSIONS = {"mb3": 3, "mb6": 6}
KERNELS = (3, 5, 7)
SKIPS = (0, 1)
DEPTHS = (1, 2, 3, 4)
FACTORS = (0.5, 1.0, 1.5, 2.0)

STEM = 32
WIDTHS = (16, 24, 32, 64, 96, 160, 320)
HEAD = 1280
STRIDES = (1, 2, 2, 2, 1, 2, 1)
SCOPES = tuple(f"block{index}" for index in range(len(WIDTHS)))


def _record(ops: tuple[str, ...], depths: tuple[int, ...]) -> Architecture:
    """Return a record with 3x3 kernels, skips and the base widths."""
    record: dict[str, Value] = {}
    for scope, op, depth in zip(SCOPES, ops, depths, strict=True):
        record |= {f"{scope}.op": op, f"{scope}.kernel": 3, f"{scope}.skip": 1}
        record |= {f"{scope}.depth": depth, f"{scope}.width": 1.0}
    return Architecture("mobilenet", record)


MOBILENETV2 = _record(("sep",) + ("mb6",) * 6, (1, 2, 3, 4, 3, 3, 1))
"""MobileNetV2 1.0, built by ``mobilenet.bind(inputs=(3, 224, 224), shortcut="identity")``."""

Gene = tuple[str, int, int, int, float]  # operation, kernel, skip, depth, width factor


@final
class Layer(nn.Module):
    """One layer: (N, C, H, W) to (N, C', H/stride, W/stride).

    Its weights lie under the name of its kind (``sep``, ``mb``), whatever the expansion, and
    whether or not a skip connection is added.

    Args:
        op: one of ``OPS``.
        kernel: side of the depthwise kernel.
        inputs: channels of its input.
        outputs: channels of its output.
        stride: of the depthwise convolution.
        skip: ``none``; ``identity``: add the input where it has the output's shape;
            ``projection``: add it everywhere, through a 1x1 convolution where it has not.
    """

    @staticmethod
    def cost(
        shape: tuple[int, ...],
        op: str,
        kernel: int,
        inputs: int,
        outputs: int,
        stride: int,
        skip: str,
    ) -> Figures:
        """Return the cost in closed form; see :mod:`nasturtium.cost.block_costs`."""
        if op == "sep":
            body = SepConv.cost(shape, inputs, outputs, kernel, stride)
        else:
            body = MBConv.cost(shape, inputs, outputs, EXPANSIONS[op] * inputs, kernel, stride)
        if skip != "projection" or (stride == 1 and inputs == outputs):
            return body
        return total(ConvBN.cost(shape, inputs, outputs, 1, stride), body)

    def __init__(
        self, op: str, kernel: int, inputs: int, outputs: int, stride: int, skip: str
    ) -> None:
        super().__init__()
        if op == "sep":
            self.sep = SepConv(inputs, outputs, kernel, stride)
        else:
            self.mb = MBConv(inputs, outputs, EXPANSIONS[op] * inputs, kernel, stride)
        same = stride == 1 and inputs == outputs
        self.kind = "sep" if op == "sep" else "mb"
        self.skips = skip == "projection" or (skip == "identity" and same)
        if self.skips and not same:
            self.shortcut = ConvBN(inputs, outputs, 1, stride)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self._modules[self.kind](x)  # type: ignore[misc]
        if not self.skips:
            return out
        shortcut = self._modules.get("shortcut")
        return out + (x if shortcut is None else shortcut(x))


def _block(gene: Gene, inputs: int, outputs: int, stride: int, shortcut: str) -> Block:
    op, kernel, skip, depth, _ = gene
    kept = shortcut if skip else "none"
    layers = [block(Layer, op, kernel, inputs, outputs, stride, kept)]
    layers += [block(Layer, op, kernel, outputs, outputs, 1, kept)] * (depth - 1)
    return chain((f"layer{index}", layer) for index, layer in enumerate(layers))


def _scale(side: int, blocks: int | None, multiplier: float | None) -> tuple[int, float]:
    """Return the number of blocks and the width multiplier; defaults depend on the images' size."""
    usual = (4, 0.25) if side < 16 else (7, 0.5) if side <= 64 else (7, 1.0)
    number = usual[0] if blocks is None else blocks
    if not 1 <= number <= len(WIDTHS):
        raise SpaceError(f"space 'mobilenet' has 1 to {len(WIDTHS)} blocks; got blocks={blocks!r}")
    width = usual[1] if multiplier is None else multiplier
    if not width > 0:
        raise SpaceError(
            f"the width multiplier of space 'mobilenet' has to be positive, e.g. 0.5; got "
            f"multiplier={multiplier!r}"
        )
    return number, width


def _one_of(name: str, value: str, options: tuple[str, ...]) -> None:
    if value not in options:
        raise SpaceError(f"space 'mobilenet' takes {name} from {options!r}; got {value!r}")


@space
def mobilenet(
    choose: Choose,
    *,
    inputs: tuple[int, int, int],
    classes: int,
    blocks: int | None = None,
    multiplier: float | None = None,
    width_rule: str = "base",
    shortcut: str = "projection",
    dropout: float = 0.0,
) -> Callable[[], Any]:
    """Ask for the blocks of EAT-NAS's MobileNet space: 288 choices for each of up to seven.

    Args:
        choose: the handle.
        inputs: (C, H, W) of one image; strides, blocks and widths suit its size (see the module).
        classes: number of classes.
        blocks: how many of the seven blocks, counted from the input.
        multiplier: scales every width of stem, blocks and head.
        width_rule: ``base``: a block's factor multiplies MobileNetV2's width of that block;
            ``previous``: the width of the block before, the first one's that of the stem.
        shortcut: what a skip connection does where a layer changes the shape: ``projection``
            (1x1 convolution) or ``identity`` (there is none there, as in MobileNetV2).
        dropout: probability before the classifier.

    Raises:
        SpaceError: an argument has none of these values.
    """
    side = image("mobilenet", inputs)
    number, scale = _scale(side, blocks, multiplier)
    _one_of("shortcut", shortcut, ("projection", "identity"))
    _one_of("width_rule", width_rule, ("base", "previous"))
    genes: list[Gene] = []
    for scope in SCOPES[:number]:
        with choose.scope(scope):
            genes.append(
                (
                    choose("op", OPS),
                    choose("kernel", KERNELS),
                    choose("skip", SKIPS),
                    choose("depth", DEPTHS),
                    choose("width", FACTORS),
                )
            )

    def build() -> Block:
        multiple = 8 if scale >= 0.5 else 4
        first = 2 if side > 64 else 1
        strides = fitting((first, *STRIDES[:number]), side)
        exact = STEM * scale
        width = round_channels(exact, multiple)
        parts = [("stem", block(ConvBNReLU, inputs[0], width, 3, strides[0], six=True))]
        for index, gene in enumerate(genes):
            exact = (exact if width_rule == "previous" else WIDTHS[index] * scale) * gene[-1]
            before, width = width, round_channels(exact, multiple)
            parts.append((SCOPES[index], _block(gene, before, width, strides[index + 1], shortcut)))
        head = round_channels(HEAD * scale, multiple)
        parts.append(("head", block(ConvBNReLU, width, head, 1, six=True)))
        parts.append(("classifier", block(Classifier, head, classes, dropout)))
        return chain(parts)

    return build
