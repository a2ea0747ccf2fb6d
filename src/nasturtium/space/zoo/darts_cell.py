"""DARTS's cells: their operations, nodes and places in a network (see :mod:`darts
<nasturtium.space.zoo.darts>`).
"""

from __future__ import annotations

from typing import NamedTuple, final

import torch
from torch import Tensor, nn

from nasturtium.cost.block_costs import Figures, Measure, Shape, total
from nasturtium.errors import SpaceError
from nasturtium.module_factory import Block, block, chain, like
from nasturtium.space.drop_path import DropPath
from nasturtium.space.operations import FactorizedReduction, ReLUConvBN, ReLUSepConvBN, Zero
from nasturtium.space.zoo.darts_genotypes import NODES

__all__ = ["OPTIONS", "RELAXED", "Cell", "Node", "Place", "absent", "edge"]


def _pool(kind: type[nn.Module], channels: int, stride: int, relaxed: bool) -> nn.Module:
    keywords = {"count_include_pad": False} if kind is nn.AvgPool2d else {}
    pool = block(kind, 3, stride, 1, **keywords)
    if not relaxed:
        return pool()
    return chain(pool=pool, norm=block(nn.BatchNorm2d, channels, affine=False))()


def _skip(channels: int, stride: int, relaxed: bool) -> nn.Module:
    return nn.Identity() if stride == 1 else FactorizedReduction(channels, channels, not relaxed)


def _separable(kernel: int, channels: int, stride: int, relaxed: bool) -> nn.Module:
    return chain(
        first=block(ReLUSepConvBN, kernel, channels, channels, stride, affine=not relaxed),
        second=block(ReLUSepConvBN, kernel, channels, channels, affine=not relaxed),
    )()


def _dilated(kernel: int, channels: int, stride: int, relaxed: bool) -> nn.Module:
    return ReLUSepConvBN(kernel, channels, channels, stride, dilation=2, affine=not relaxed)


def _none(channels: int, stride: int, relaxed: bool) -> nn.Module:
    return Zero(stride)


@like(lambda make, channels, stride, relaxed, drop: make.given(channels, stride, relaxed))
def _dropping(make: Block, channels: int, stride: int, relaxed: bool, drop: float) -> nn.Module:
    """Build an operation with drop-path behind it, unless it is the identity."""
    if not drop or (make.make is _skip and stride == 1):
        return make(channels, stride, relaxed)
    return chain(op=block(make, channels, stride, relaxed), drop=block(DropPath, drop))()


@like(lambda op, stride, channels, relaxed, drop: op.given(channels, stride, relaxed, drop))
def edge(op: Block, stride: int, channels: int, relaxed: bool, drop: float) -> nn.Module:
    """Build an operation between two states with a stride."""
    return op(channels, stride, relaxed, drop)


def absent(name: str, *late: object) -> nn.Module:
    """Refuse to build: this takes the place of the operation of a state that is not joined.

    Raises:
        SpaceError: always.
    """
    raise SpaceError(
        f"space 'darts' built the operation {name!r} of a state that is not joined; a reading that "
        "joins more states than it answered has to answer the join with all of them"
    )


PLAIN = {
    "max_pool_3x3": block(_pool, nn.MaxPool2d),
    "avg_pool_3x3": block(_pool, nn.AvgPool2d),
    "skip_connect": block(_skip),
    "sep_conv_3x3": block(_separable, 3),
    "sep_conv_5x5": block(_separable, 5),
    "dil_conv_3x3": block(_dilated, 3),
    "dil_conv_5x5": block(_dilated, 5),
}
OPTIONS = {label: block(_dropping, make) for label, make in PLAIN.items()}
RELAXED = {"none": block(_dropping, block(_none)), **OPTIONS}


class Node(NamedTuple):
    """A node of a cell: its module, and the operations on the states that it joins."""

    join: Block
    edges: tuple[tuple[int, Block], ...]


class Place(NamedTuple):
    """The place of a cell in the network.

    Attributes:
        before: channels of its two inputs, the older one first.
        channels: channels of each node.
        halved: whether the cell before was a reduction, so that the older input is larger.
        relaxed: as :func:`darts` has it.
        drop: probability of drop-path.
    """

    before: tuple[int, int]
    channels: int
    halved: bool
    relaxed: bool
    drop: float

    def inputs(self) -> tuple[Block, Block]:
        """Return the blocks that bring the inputs to states 0 and 1."""
        (older, newer), channels, affine = self.before, self.channels, not self.relaxed
        entry = block(ReLUConvBN, 1, newer, channels, affine=affine)
        if self.halved:
            return block(FactorizedReduction, older, channels, affine), entry
        return block(ReLUConvBN, 1, older, channels, affine=affine), entry

    def given(self, part: Block) -> Block:
        """Return a node's or an edge's block with the cell's arguments."""
        return part.given(self.channels, self.relaxed, self.drop)


@final
class Cell(nn.Module):
    """A cell on the outputs of the two before it; gives (N, 4 * channels, H, W)."""

    @staticmethod
    def composed(
        of: Measure, shapes: tuple[Shape, Shape], nodes: tuple[Node, ...], place: Place
    ) -> Figures:
        """Return the cost from the parts' costs; see :mod:`nasturtium.cost.block_costs`."""
        made = [of(part, shape) for part, shape in zip(place.inputs(), shapes, strict=True)]
        states = [figures.shape for figures in made]
        for node in nodes:
            edges = [of(place.given(edge), states[state]) for state, edge in node.edges]
            made += edges
            states.append(edges[-1].shape)
        return total(*made, shape=(NODES * place.channels, *states[-1][1:]))

    def __init__(self, nodes: tuple[Node, ...], place: Place) -> None:
        super().__init__()
        self.input0, self.input1 = (part() for part in place.inputs())
        for index, node in enumerate(nodes):
            self.add_module(f"node{index}", place.given(node.join)())

    def forward(self, older: Tensor, newer: Tensor) -> Tensor:
        states = [self.input0(older), self.input1(newer)]
        for index in range(NODES):
            states.append(self._modules[f"node{index}"](states))  # type: ignore[misc]
        return torch.cat(states[2:], 1)
