"""NAS-Bench-Macro: a chain of eight layers, each of them one of three operations.

Su et al. (2021), "Prioritized Architecture Sampling with Monto-Carlo Tree Search", appendix. A 3x3
convolution to 32 channels; three stages of 2, 3 and 3 layers, each beginning with a stride of 2
that doubles the channels; a 1x1 convolution to 1280; pooling and a linear layer. A layer is the
identity (a strided 1x1 convolution where it begins a stage), an inverted bottleneck with
expansion 3 and kernel 3, or one with expansion 6 and kernel 5: 3^8 = 6,561 networks.

No deviations are known. On small images the stride of a stage is dropped where it would leave
fewer than 4 pixels a side. The tests reproduce published parameters and multiply-accumulates.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from torch import nn

from nasturtium.architecture import Architecture
from nasturtium.errors import SpaceError
from nasturtium.module_factory import Block, block, chain, like
from nasturtium.space.decorator import space
from nasturtium.space.operations import Classifier, ConvBN, ConvBNReLU, MBConv, Residual
from nasturtium.space.zoo.image_skeleton import fitting, image

if TYPE_CHECKING:
    from nasturtium.space.choose import Choose

__all__ = ["from_string", "nasbenchmacro", "to_string"]

STAGES = (2, 3, 3)
STEM = 32
HEAD = 1280
NAMES = tuple(f"layer{index}" for index in range(sum(STAGES)))
FIRST = (0, 2, 5)  # layers that begin a stage


def _shortcut(inputs: int, outputs: int, stride: int) -> Block:
    same = stride == 1 and inputs == outputs
    return block(nn.Identity) if same else block(ConvBN, inputs, outputs, 1, stride)


def _body(expansion: int, kernel: int, inputs: int, outputs: int, stride: int) -> Block:
    return block(MBConv, inputs, outputs, expansion * inputs, kernel, stride, act="relu")


@like(_shortcut)
def _identity(inputs: int, outputs: int, stride: int) -> nn.Module:
    return _shortcut(inputs, outputs, stride)()


@like(_body)
def _bottleneck(expansion: int, kernel: int, inputs: int, outputs: int, stride: int) -> nn.Module:
    body = _body(expansion, kernel, inputs, outputs, stride)()
    return Residual(body) if stride == 1 and inputs == outputs else body


OPS = {
    "identity": block(_identity),
    "mb3_k3": block(_bottleneck, 3, 3),
    "mb6_k5": block(_bottleneck, 6, 5),
}
LABELS = tuple(OPS)


def to_string(architecture: Architecture) -> str:
    """Return the authors' text: one digit for each layer, e.g. ``22212220`` (the best network)."""
    return "".join(str(LABELS.index(str(architecture[name]))) for name in NAMES)


def from_string(text: str) -> Architecture:
    """Return the architecture that an authors' text names.

    Raises:
        SpaceError: the text is not eight of the digits 0, 1 and 2.
    """
    if len(text) != len(NAMES) or not set(text) <= set("012"):
        raise SpaceError(
            f"not a NAS-Bench-Macro architecture: {text!r}; expected eight digits, each 0 "
            "(identity), 1 (mb3_k3) or 2 (mb6_k5), e.g. '22212220'"
        )
    record = {name: LABELS[int(digit)] for name, digit in zip(NAMES, text, strict=True)}
    return Architecture("nasbenchmacro", record)


@space
def nasbenchmacro(
    choose: Choose, *, inputs: tuple[int, int, int], classes: int, channels: int = STEM
) -> Callable[[], Any]:
    """NAS-Bench-Macro: 3^8 = 6,561 chains of inverted bottlenecks (Su et al., CVPR 2021).

    Args:
        choose: the handle.
        inputs: (C, H, W) of one image, of any size.
        classes: number of classes.
        channels: channels of the stem; 32 in the paper.
    """
    side = image("nasbenchmacro", inputs)
    layers = [choose.module(name, OPS) for name in NAMES]

    def build() -> Block:
        strides = iter(fitting([2] * len(STAGES), side))
        width = channels
        parts = [("stem", block(ConvBNReLU, inputs[0], width, 3))]
        for index, (name, layer) in enumerate(zip(NAMES, layers, strict=True)):
            first = index in FIRST
            after, stride = (2 * width, next(strides)) if first else (width, 1)
            parts.append((name, block(layer, width, after, stride)))
            width = after
        parts.append(("head", block(ConvBNReLU, width, HEAD, 1)))
        parts.append(("classifier", block(Classifier, HEAD, classes)))
        return chain(parts)

    return build
