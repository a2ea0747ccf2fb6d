"""DARTS: two cells of four nodes, each node the sum of two earlier ones behind an operation.

Liu, Simonyan & Yang (2019), "DARTS: Differentiable Architecture Search", sections 2.1 and 3.1 and
appendix. A cell has the outputs of the two cells before it as inputs; its output is the
concatenation of its nodes. A node joins two earlier states, each through one of seven operations:
1 * 3 * 6 * 10 = 180 ways to join and 180 * 7^8 = 1.04e9 cells, squared for the normal and the
reduction cell, which stands at a third and two thirds of the network.

Only the operations of joined states are asked for. A reading that joins all states of a node (a
relaxation) answers the join with all of its labels, and is then asked for every operation.

* Searched: ``darts.using(relaxed=True, channels=16, layers=8)`` adds the operation ``none``, and
  normalises without scale and shift, after pooling too.
* Retrained: ``darts.using(channels=36, layers=20, auxiliary=True, drop_path=0.2)``. In training the
  network then returns (logits, auxiliary logits). On ImageNet ``channels=48, layers=14``.
* Images above 64 pixels get the paper's ImageNet stem, which divides their sides by eight.

Deviations: drop-path has a constant probability (the paper raises it linearly; set
``DropPath.probability`` to do so). The auxiliary head pools to 2x2 whatever the map's size.

The tests reproduce the size and the parameters of the published cells (:mod:`genotype
<nasturtium.space.zoo.genotype>`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, final

import torch
from torch import Tensor, nn

from nasturtium.blocks import Block, block, chain
from nasturtium.errors import SpaceError
from nasturtium.space.choice import space
from nasturtium.space.ops import (
    Classifier,
    ConvBN,
    ConvBNReLU,
    DropPath,
    FactorizedReduction,
    ReLUConvBN,
    ReLUSepConvBN,
    Zero,
)
from nasturtium.space.zoo.genotype import KINDS, NODES, STATES
from nasturtium.space.zoo.skeleton import image

if TYPE_CHECKING:
    from nasturtium.space.choose import Choose

__all__ = ["darts"]


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


def _dropping(make: Block, channels: int, stride: int, relaxed: bool, drop: float) -> nn.Module:
    """An operation whose output is dropped with some probability, unless it is the identity."""
    if not drop or (make.make is _skip and stride == 1):
        return make(channels, stride, relaxed)
    return chain(op=block(make, channels, stride, relaxed), drop=block(DropPath, drop))()


def _edge(op: Block, stride: int, channels: int, relaxed: bool, drop: float) -> nn.Module:
    return op(channels, stride, relaxed, drop)


def _absent(name: str, *late: object) -> nn.Module:
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


@final
class Cell(nn.Module):
    """A cell on the outputs of the two before it; gives (N, 4 * channels, H, W).

    Args:
        nodes: the joins of its four nodes.
        before: channels of the two inputs, the older one first.
        channels: channels of each node.
        halved: whether the cell before was a reduction, so that the older input is larger.
        relaxed: as :func:`darts` has it.
        drop: probability of drop-path.
    """

    def __init__(
        self,
        nodes: Sequence[Block],
        before: tuple[int, int],
        channels: int,
        halved: bool,
        relaxed: bool,
        drop: float,
    ) -> None:
        super().__init__()
        affine = not relaxed
        self.input0: nn.Module = (
            FactorizedReduction(before[0], channels, affine)
            if halved
            else ReLUConvBN(1, before[0], channels, affine=affine)
        )
        self.input1 = ReLUConvBN(1, before[1], channels, affine=affine)
        for index, node in enumerate(nodes):
            self.add_module(f"node{index}", node(channels, relaxed, drop))

    def forward(self, older: Tensor, newer: Tensor) -> Tensor:
        states = [self.input0(older), self.input1(newer)]
        for index in range(NODES):
            states.append(self._modules[f"node{index}"](states))  # type: ignore[misc]
        return torch.cat(states[2:], 1)


def _auxiliary(channels: int, classes: int) -> nn.Module:
    """The second classifier: (N, channels, H, W) to (N, classes)."""
    return chain(
        act=block(nn.ReLU),
        pool=block(nn.AdaptiveAvgPool2d, 2),
        narrow=block(ConvBNReLU, channels, 128, 1),
        conv=block(nn.Conv2d, 128, 768, 2, bias=False),
        norm=block(nn.BatchNorm2d, 768),
        last=block(nn.ReLU),
        classifier=block(Classifier, 768, classes),
    )()


@final
class Network(nn.Module):
    """Stem, cells, classifier: (N, C, H, W) to (N, classes).

    In training it returns a pair of these, the second one's from two thirds of its depth, where it
    has an auxiliary classifier.
    """

    def __init__(
        self,
        cells: Mapping[str, Sequence[Block]],
        inputs: tuple[int, int, int],
        classes: int,
        channels: int,
        layers: int,
        relaxed: bool,
        auxiliary: bool,
        drop: float,
    ) -> None:
        super().__init__()
        large = min(inputs[1:]) > 64
        if large:
            half = block(ConvBNReLU, inputs[0], channels // 2, 3, 2)
            self.stem = chain(a=half, b=block(ConvBN, channels // 2, channels, 3, 2))()
            self.stem1 = ReLUConvBN(3, channels, channels, 2)
            before = (channels, channels)
        else:
            self.stem = ConvBN(inputs[0], 3 * channels, 3)
            before = (3 * channels, 3 * channels)
        self.large, self.layers = large, layers
        self.places = (layers // 3, 2 * layers // 3)
        halved = large
        for index in range(layers):
            reduces = index in self.places
            channels *= 2 if reduces else 1
            nodes = cells["reduce" if reduces else "normal"]
            cell = Cell(nodes, before, channels, halved, relaxed, drop)
            self.add_module(f"cell{index}", cell)
            before, halved = (before[1], NODES * channels), reduces
            if auxiliary and index == self.places[1]:
                self.auxiliary = _auxiliary(before[1], classes)
        self.classifier = Classifier(before[1], classes)

    def forward(self, x: Tensor) -> Tensor | tuple[Tensor, Tensor]:
        older = self.stem(x)
        newer = self.stem1(older) if self.large else older
        aside: Tensor | None = None
        for index in range(self.layers):
            older, newer = newer, self._modules[f"cell{index}"](older, newer)  # type: ignore[misc]
            if self.training and index == self.places[1] and "auxiliary" in self._modules:
                aside = self.auxiliary(newer)
        logits: Tensor = self.classifier(newer)
        return logits if aside is None else (logits, aside)


def _nodes(choose: Choose, kind: str, options: Mapping[str, Block]) -> tuple[Block, ...]:
    """Ask for a cell: for each node the states it joins, then their operations."""
    nodes = []
    with choose.scope(kind):
        for index in range(NODES):
            name, states = f"node{index}", STATES[: 2 + index]
            joined = choose.subset(name, states, least=2, most=2)
            edges = {}
            for state in states:
                here = f"{name}.{state}"
                op = choose.module(here, options) if state in joined else block(_absent, here)
                stride = 2 if kind == "reduce" and state in STATES[:2] else 1
                edges[state] = block(_edge, op, stride)
            nodes.append(choose.join(name, edges, least=2, most=2))
    return tuple(nodes)


@space
def darts(
    choose: Choose,
    *,
    inputs: tuple[int, int, int],
    classes: int,
    channels: int = 16,
    layers: int = 8,
    relaxed: bool = False,
    auxiliary: bool = False,
    drop_path: float = 0.0,
) -> Callable[[], Any]:
    """DARTS: a normal and a reduction cell, 1.04e9 each (Liu et al., ICLR 2019).

    Args:
        choose: the handle.
        inputs: (C, H, W) of one image, at least 4 pixels a side.
        classes: number of classes.
        channels: channels of a node of the first cell; 16 searched, 36 retrained.
        layers: number of cells; 8 searched, 20 retrained.
        relaxed: the search network, with ``none`` among the operations.
        auxiliary: a second classifier, for training.
        drop_path: probability of leaving out a path of one example, for training.

    Raises:
        SpaceError: an argument is out of its range, or the images are too small.
    """
    image("darts", inputs, 4)
    if layers < 3 or channels < 2 or not 0 <= drop_path < 1:
        raise SpaceError(
            f"space 'darts' got layers={layers!r}, channels={channels!r}, drop_path={drop_path!r}; "
            "expected at least 3 layers and 2 channels, and a probability below 1"
        )
    options = RELAXED if relaxed else OPTIONS
    cells = {kind: _nodes(choose, kind, options) for kind in KINDS}

    def build() -> nn.Module:
        return Network(cells, inputs, classes, channels, layers, relaxed, auxiliary, drop_path)

    return build
