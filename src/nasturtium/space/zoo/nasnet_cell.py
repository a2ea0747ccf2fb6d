"""NASNet's cells: their operations, blocks and places in a network (see :mod:`nasnet
<nasturtium.space.zoo.nasnet>`).
"""

from __future__ import annotations

from typing import NamedTuple, final

import torch
from torch import Tensor, nn

from nasturtium.cost.block_costs import Figures, Measure, Shape, total
from nasturtium.module_factory import Block, block, chain, like
from nasturtium.space.drop_path import DropPath
from nasturtium.space.operations import ConvBN, FactorizedReduction, ReLUConvBN, ReLUSepConvBN

__all__ = ["OPTIONS", "Cell", "Kind", "Pair", "Place"]


def _identity(inputs: int, outputs: int, stride: int) -> nn.Module:
    same = stride == 1 and inputs == outputs
    return nn.Identity() if same else ReLUConvBN(1, inputs, outputs, stride)


def _pool(kind: type[nn.Module], kernel: int, inputs: int, outputs: int, stride: int) -> nn.Module:
    keywords = {"count_include_pad": False} if kind is nn.AvgPool2d else {}
    pool = block(kind, kernel, stride, kernel // 2, **keywords)
    fit = block(ConvBN, inputs, outputs, 1)
    return pool() if inputs == outputs else chain(pool=pool, fit=fit)()


def _conv(kernel: int, inputs: int, outputs: int, stride: int) -> nn.Module:
    return ReLUConvBN(kernel, inputs, outputs, stride)


def _split(kernel: int, inputs: int, outputs: int, stride: int) -> nn.Module:
    """1 x kernel, then kernel x 1."""
    row = {"kernel_size": (1, kernel), "stride": (1, stride), "padding": (0, kernel // 2)}
    column = {"kernel_size": (kernel, 1), "stride": (stride, 1), "padding": (kernel // 2, 0)}
    return chain(
        act=block(nn.ReLU),
        row=block(nn.Conv2d, inputs, outputs, bias=False, **row),
        column=block(nn.Conv2d, outputs, outputs, bias=False, **column),
        norm=block(nn.BatchNorm2d, outputs),
    )()


def _dilated(inputs: int, outputs: int, stride: int) -> nn.Module:
    return chain(
        act=block(nn.ReLU),
        conv=block(nn.Conv2d, inputs, outputs, 3, stride, 2, 2, bias=False),
        norm=block(nn.BatchNorm2d, outputs),
    )()


def _separable(kernel: int, inputs: int, outputs: int, stride: int) -> nn.Module:
    return chain(
        first=block(ReLUSepConvBN, kernel, inputs, outputs, stride),
        second=block(ReLUSepConvBN, kernel, outputs, outputs),
    )()


@like(lambda make, inputs, outputs, stride, drop: make.given(inputs, outputs, stride))
def _dropping(make: Block, inputs: int, outputs: int, stride: int, drop: float) -> nn.Module:
    """Build an operation with drop-path behind it, unless it is the identity."""
    if not drop or make.make is _identity:
        return make(inputs, outputs, stride)
    return chain(op=block(make, inputs, outputs, stride), drop=block(DropPath, drop))()


PLAIN = {
    "identity": block(_identity),
    "conv_1x3_3x1": block(_split, 3),
    "conv_1x7_7x1": block(_split, 7),
    "dil_conv_3x3": block(_dilated),
    "avg_pool_3x3": block(_pool, nn.AvgPool2d, 3),
    "max_pool_3x3": block(_pool, nn.MaxPool2d, 3),
    "max_pool_5x5": block(_pool, nn.MaxPool2d, 5),
    "max_pool_7x7": block(_pool, nn.MaxPool2d, 7),
    "conv_1x1": block(_conv, 1),
    "conv_3x3": block(_conv, 3),
    "sep_conv_3x3": block(_separable, 3),
    "sep_conv_5x5": block(_separable, 5),
    "sep_conv_7x7": block(_separable, 7),
}
OPTIONS = {label: block(_dropping, make) for label, make in PLAIN.items()}


class Pair(NamedTuple):
    """A block: the numbers of the states it reads, an operation for each, how they combine."""

    states: tuple[int, int]
    ops: tuple[Block, Block]
    combine: str


class Kind(NamedTuple):
    """A kind of cell: its blocks, and the states that it outputs although a block reads them."""

    pairs: tuple[Pair, ...]
    kept: tuple[int, ...]

    def ends(self) -> list[int]:
        """Return the states that are concatenated to the output."""
        read = {state for pair in self.pairs for state in pair.states}
        unread = {2 + index for index in range(len(self.pairs))} - read
        return sorted({*unread, *self.kept})


class Place(NamedTuple):
    """The place of a cell in the network.

    Attributes:
        before: channels of its two inputs, the older one first.
        channels: channels of each state.
        first: whether nothing is older than its newer input; both are the stem's map then, of
            which the one that stands in for the older is read as it is.
        halved: whether the older input is larger than the newer one.
        reduces: whether operations on the inputs have stride 2.
        drop: probability of drop-path.
    """

    before: tuple[int, int]
    channels: int
    first: bool
    halved: bool
    reduces: bool
    drop: float

    def width(self, state: int) -> int:
        """Return the channels of a state."""
        return self.before[0] if self.first and state == 0 else self.channels

    def inputs(self) -> tuple[Block, Block]:
        """Return the blocks that bring the inputs to states 0 and 1."""
        older, newer = self.before
        entry = block(ReLUConvBN, 1, newer, self.channels)
        if self.first:
            return block(nn.Identity), entry
        if self.halved:
            return block(FactorizedReduction, older, self.channels), entry
        return block(ReLUConvBN, 1, older, self.channels), entry

    def combined(self, pair: Pair) -> Block:
        """Return the block of a pair, with its operations."""
        ops = (
            op.given(
                self.width(state), self.channels, 2 if self.reduces and state < 2 else 1, self.drop
            )
            for op, state in zip(pair.ops, pair.states, strict=True)
        )
        return block(Combined, *ops, self.channels, pair.combine == "concat")

    def end(self, state: int) -> Block:
        """Return the block that brings a state to the cell's output."""
        if state < 2 and self.reduces:
            return block(FactorizedReduction, self.width(state), self.channels)
        if self.width(state) != self.channels:
            return block(ConvBN, self.width(state), self.channels, 1)
        return block(nn.Identity)


@final
class Combined(nn.Module):
    """Two operations on two maps, added, or concatenated and brought back to as many channels."""

    @staticmethod
    def composed(
        of: Measure,
        shapes: tuple[Shape, Shape],
        left: Block,
        right: Block,
        channels: int,
        concatenates: bool,
    ) -> Figures:
        """Return the cost from the parts' costs; see :mod:`nasturtium.cost.block_costs`."""
        made = total(of(left, shapes[0]), of(right, shapes[1]))
        if not concatenates:
            return made
        both = (2 * channels, *made.shape[1:])
        return total(made, of(block(ReLUConvBN, 1, 2 * channels, channels), both))

    def __init__(self, left: Block, right: Block, channels: int, concatenates: bool) -> None:
        super().__init__()
        self.left, self.right = left(), right()
        self.merge = ReLUConvBN(1, 2 * channels, channels) if concatenates else None

    def forward(self, left: Tensor, right: Tensor) -> Tensor:
        left, right = self.left(left), self.right(right)
        if self.merge is None:
            return left + right
        out: Tensor = self.merge(torch.cat([left, right], 1))
        return out


@final
class Cell(nn.Module):
    """A cell of one kind in its place, on the outputs of the two cells before it."""

    @staticmethod
    def composed(of: Measure, shapes: tuple[Shape, Shape], kind: Kind, place: Place) -> Figures:
        """Return the cost from the parts' costs; see :mod:`nasturtium.cost.block_costs`."""
        made = [of(part, shape) for part, shape in zip(place.inputs(), shapes, strict=True)]
        for pair in kind.pairs:
            read = tuple(made[state].shape for state in pair.states)
            made.append(of(place.combined(pair), read))
        ends = [of(place.end(state), made[state].shape) for state in kind.ends()]
        return total(*made, *ends, shape=(place.channels * len(ends), *ends[-1].shape[1:]))

    def __init__(self, kind: Kind, place: Place) -> None:
        super().__init__()
        self.input0, self.input1 = (part() for part in place.inputs())
        for index, pair in enumerate(kind.pairs):
            self.add_module(f"block{index}", place.combined(pair)())
        self.states = [pair.states for pair in kind.pairs]
        self.ends = kind.ends()
        for state in self.ends:
            self.add_module(f"end{state}", place.end(state)())

    def forward(self, older: Tensor, newer: Tensor) -> Tensor:
        maps = [self.input0(older), self.input1(newer)]
        for index, (left, right) in enumerate(self.states):
            made = self._modules[f"block{index}"]
            maps.append(made(maps[left], maps[right]))  # type: ignore[misc]
        return torch.cat([self._modules[f"end{end}"](maps[end]) for end in self.ends], 1)  # type: ignore[misc]
