"""NASNet: cells of five blocks, each of which combines two operations on two earlier states.

Zoph et al. (2018), "Learning Transferable Architectures for Scalable Image Recognition", section
3. A block asks for two earlier states, an operation for each (13 of them) and how the results are
combined (added, or concatenated). The states that no block reads are concatenated to the cell's
output. N normal cells, a reduction cell, N normal cells, a reduction cell, N normal cells; a cell's
inputs are the outputs of the two before it.

With C1 = 13 operations, C2 = 2 combinations and B blocks there are
(C1^2 * C2)^B * prod(C(k, 2) for k = 2..B + 1) cells of each kind where a block reads two different
states: 1.2e16 for B = 5. With ``distinct=False`` it may read one state twice, as NASNet-A does.

Implemented: CIFAR's skeleton; above 64 pixels ImageNet's, with a strided convolution and two
reduction cells of a quarter and half of the channels in front.

Deviations: 1x1 convolutions bring a cell's inputs and concatenated results to its channels. A
cell's output is what no block reads, as the text says; the released NASNet-A also gives on the
older input of a normal cell and the second block of a reduction cell, and so has 5.3 M parameters
and 564 M multiply-accumulates on ImageNet where this one has 4.8 M and 513 M. The auxiliary
classifier is left out.

The tests reproduce the size by the formula, and build :data:`NASNET_A`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, final

import torch
from torch import Tensor, nn

from nasturtium.architecture import Architecture, Value
from nasturtium.blocks import Block, block, chain
from nasturtium.errors import SpaceError
from nasturtium.space.choice import space
from nasturtium.space.ops import (
    Classifier,
    ConvBN,
    FactorizedReduction,
    ReLUConvBN,
    ReLUSepConvBN,
)
from nasturtium.space.zoo.skeleton import image

if TYPE_CHECKING:
    from nasturtium.space.choose import Choose

__all__ = ["NASNET_A", "nasnet"]

KINDS = ("normal", "reduce")
COMBINE = ("add", "concat")


def _identity(channels: int, stride: int) -> nn.Module:
    return nn.Identity() if stride == 1 else FactorizedReduction(channels, channels)


def _pool(kind: type[nn.Module], kernel: int, channels: int, stride: int) -> nn.Module:
    return kind(kernel, stride, kernel // 2)


def _average(channels: int, stride: int) -> nn.Module:
    return nn.AvgPool2d(3, stride, 1, count_include_pad=False)


def _conv(kernel: int, channels: int, stride: int) -> nn.Module:
    return ReLUConvBN(kernel, channels, channels, stride)


def _split(kernel: int, channels: int, stride: int) -> nn.Module:
    """1 x kernel, then kernel x 1."""
    row = {"kernel_size": (1, kernel), "stride": (1, stride), "padding": (0, kernel // 2)}
    column = {"kernel_size": (kernel, 1), "stride": (stride, 1), "padding": (kernel // 2, 0)}
    return chain(
        act=block(nn.ReLU),
        row=block(nn.Conv2d, channels, channels, bias=False, **row),
        column=block(nn.Conv2d, channels, channels, bias=False, **column),
        norm=block(nn.BatchNorm2d, channels),
    )()


def _dilated(channels: int, stride: int) -> nn.Module:
    return chain(
        act=block(nn.ReLU),
        conv=block(nn.Conv2d, channels, channels, 3, stride, 2, 2, bias=False),
        norm=block(nn.BatchNorm2d, channels),
    )()


def _separable(kernel: int, channels: int, stride: int) -> nn.Module:
    return chain(
        first=block(ReLUSepConvBN, kernel, channels, channels, stride),
        second=block(ReLUSepConvBN, kernel, channels, channels),
    )()


OPTIONS = {
    "identity": block(_identity),
    "conv_1x3_3x1": block(_split, 3),
    "conv_1x7_7x1": block(_split, 7),
    "dil_conv_3x3": block(_dilated),
    "avg_pool_3x3": block(_average),
    "max_pool_3x3": block(_pool, nn.MaxPool2d, 3),
    "max_pool_5x5": block(_pool, nn.MaxPool2d, 5),
    "max_pool_7x7": block(_pool, nn.MaxPool2d, 7),
    "conv_1x1": block(_conv, 1),
    "conv_3x3": block(_conv, 3),
    "sep_conv_3x3": block(_separable, 3),
    "sep_conv_5x5": block(_separable, 5),
    "sep_conv_7x7": block(_separable, 7),
}


class Pair(NamedTuple):
    """A block: the numbers of the states it reads, an operation for each, how they combine."""

    states: tuple[int, int]
    ops: tuple[Block, Block]
    combine: str


@final
class Combined(nn.Module):
    """Two operations on two maps, added, or concatenated and brought back to as many channels."""

    def __init__(self, pair: Pair, strides: tuple[int, int], channels: int) -> None:
        super().__init__()
        self.left = pair.ops[0](channels, strides[0])
        self.right = pair.ops[1](channels, strides[1])
        concatenates = pair.combine == "concat"
        self.merge = ReLUConvBN(1, 2 * channels, channels) if concatenates else None

    def forward(self, left: Tensor, right: Tensor) -> Tensor:
        left, right = self.left(left), self.right(right)
        if self.merge is None:
            return left + right
        out: Tensor = self.merge(torch.cat([left, right], 1))
        return out


@final
class Cell(nn.Module):
    """A cell on the outputs of the two before it.

    Args:
        pairs: its blocks.
        before: channels of the two inputs, the older one first.
        channels: channels of each state.
        halved: whether the older input is larger than the newer one.
        reduces: whether operations on the inputs have stride 2.

    Attributes:
        outputs: channels of its output.
    """

    def __init__(
        self,
        pairs: Sequence[Pair],
        before: tuple[int, int],
        channels: int,
        halved: bool,
        reduces: bool,
    ) -> None:
        super().__init__()
        self.input0: nn.Module = (
            FactorizedReduction(before[0], channels)
            if halved
            else ReLUConvBN(1, before[0], channels)
        )
        self.input1 = ReLUConvBN(1, before[1], channels)
        for index, pair in enumerate(pairs):
            first, second = (2 if reduces and state < 2 else 1 for state in pair.states)
            self.add_module(f"block{index}", Combined(pair, (first, second), channels))
        self.states = [pair.states for pair in pairs]
        read = {state for pair in pairs for state in pair.states}
        self.ends = [2 + index for index in range(len(pairs)) if 2 + index not in read]
        self.outputs = channels * len(self.ends)

    def forward(self, older: Tensor, newer: Tensor) -> Tensor:
        maps = [self.input0(older), self.input1(newer)]
        for index, (left, right) in enumerate(self.states):
            made = self._modules[f"block{index}"]
            maps.append(made(maps[left], maps[right]))  # type: ignore[misc]
        return torch.cat([maps[end] for end in self.ends], 1)


@final
class Network(nn.Module):
    """Stem, cells, classifier: (N, C, H, W) to (N, classes)."""

    def __init__(
        self,
        kinds: Mapping[str, Sequence[Pair]],
        inputs: tuple[int, int, int],
        classes: int,
        channels: int,
        repeats: int,
    ) -> None:
        super().__init__()
        large = min(inputs[1:]) > 64
        stem = 32 if large else 3 * channels
        self.stem = ConvBN(inputs[0], stem, 3, 2 if large else 1)
        normal = ["normal"] * repeats
        plan = [*normal, "reduce", *normal, "reduce", *normal]
        widths = _widths(channels, repeats)
        if large:
            plan, widths = ["reduce", "reduce", *plan], [channels // 4, channels // 2, *widths]
        before, halved = (stem, stem), False
        for index, (kind, width) in enumerate(zip(plan, widths, strict=True)):
            reduces = kind == "reduce"
            cell = Cell(kinds[kind], before, width, halved, reduces)
            self.add_module(f"cell{index}", cell)
            before, halved = (before[1], cell.outputs), reduces
        self.number = len(plan)
        self.act = nn.ReLU(inplace=True)
        self.classifier = Classifier(before[1], classes)

    def forward(self, x: Tensor) -> Tensor:
        older = newer = self.stem(x)
        for index in range(self.number):
            older, newer = newer, self._modules[f"cell{index}"](older, newer)  # type: ignore[misc]
        logits: Tensor = self.classifier(self.act(newer))
        return logits


def _widths(channels: int, repeats: int) -> list[int]:
    """Channels of the cells; a reduction cell has those of the cells behind it."""
    return [channels] * repeats + [2 * channels] * (repeats + 1) + [4 * channels] * (repeats + 1)


def _published() -> Architecture:
    """NASNet-A (figure 4): states by number, the newer input being 1."""
    cells = {
        "normal": (
            "1 sep_conv_5x5 0 sep_conv_3x3, 0 sep_conv_5x5 0 sep_conv_3x3, "
            "1 avg_pool_3x3 0 identity, 0 avg_pool_3x3 0 avg_pool_3x3, 1 sep_conv_3x3 1 identity"
        ),
        "reduce": (
            "1 sep_conv_5x5 0 sep_conv_7x7, 1 max_pool_3x3 0 sep_conv_7x7, "
            "1 avg_pool_3x3 0 sep_conv_5x5, 3 identity 2 avg_pool_3x3, "
            "2 sep_conv_3x3 1 max_pool_3x3"
        ),
    }
    record: dict[str, Value] = {}
    for kind, text in cells.items():
        for index, words in enumerate(text.split(", ")):
            left, left_op, right, right_op = words.split()
            scope = f"{kind}.block{index}"
            record |= {f"{scope}.left": int(left), f"{scope}.right": int(right)}
            record |= {f"{scope}.left_op": left_op, f"{scope}.right_op": right_op}
            record[f"{scope}.combine"] = "add"
    return Architecture("nasnet", record)


NASNET_A = _published()
"""The paper's best cells: ``nasnet.using(distinct=False)``."""


def _pairs(choose: Choose, kind: str, blocks: int, distinct: bool) -> tuple[Pair, ...]:
    """Ask for a cell."""
    pairs = []
    for index in range(blocks):
        states = range(2 + index)
        with choose.scope(f"{kind}.block{index}"):
            if distinct:
                left, right = choose.subset("inputs", states, least=2, most=2)
            else:
                left, right = choose("left", states), choose("right", states)
            ops = choose.module("left_op", OPTIONS), choose.module("right_op", OPTIONS)
            pairs.append(Pair((left, right), ops, choose("combine", COMBINE)))
    return tuple(pairs)


@space
def nasnet(
    choose: Choose,
    *,
    inputs: tuple[int, int, int],
    classes: int,
    channels: int = 32,
    repeats: int = 6,
    blocks: int = 5,
    distinct: bool = True,
) -> Callable[[], Any]:
    """NASNet: a normal and a reduction cell of five blocks (Zoph et al., CVPR 2018).

    Args:
        choose: the handle.
        inputs: (C, H, W) of one image, at least 4 pixels a side.
        classes: number of classes.
        channels: channels of a state of the first cells; 32 for CIFAR's 6 @ 768, 44 for
            ImageNet's 4 @ 1056.
        repeats: normal cells in a row; 6 for CIFAR, 4 for ImageNet's small network.
        blocks: blocks per cell.
        distinct: whether a block reads two different states.

    Raises:
        SpaceError: an argument is out of its range, or the images are too small.
    """
    image("nasnet", inputs, 4)
    if blocks < 1 or repeats < 1 or channels < 8:
        raise SpaceError(
            f"space 'nasnet' got blocks={blocks!r}, repeats={repeats!r}, channels={channels!r}; "
            "expected at least one block, one cell and 8 channels"
        )
    kinds = {kind: _pairs(choose, kind, blocks, distinct) for kind in KINDS}
    return lambda: Network(kinds, inputs, classes, channels, repeats)
