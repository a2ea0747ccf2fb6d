"""DARTS: two cells of four nodes, each node the sum of two earlier ones behind an operation.

Liu, Simonyan & Yang (2019), "DARTS: Differentiable Architecture Search", sections 2.1 and 3.1 and
appendix. A cell has the outputs of the two cells before it as inputs; its output is the
concatenation of its nodes. A node joins two earlier states, each through one of seven operations:
1 * 3 * 6 * 10 = 180 ways to join and 180 * 7^8 = 1.04e9 cells, squared for the normal and the
reduction cell, which stands at a third and two thirds of the network.

Only the operations of joined states are asked for. A reading that joins all states of a node (a
relaxation) answers the join with all of its labels, and is then asked for every operation.

* Searched: ``darts.bind(relaxed=True, channels=16, layers=8)`` adds the operation ``none``, and
  normalises without scale and shift, after pooling too.
* Retrained: ``darts.bind(channels=36, layers=20, auxiliary=True, drop_path=0.2)``. In training the
  network then returns (logits, auxiliary logits). On ImageNet ``channels=48, layers=14``.
* Images above 64 pixels get the paper's ImageNet stem, which divides their sides by eight.
* Drop-path rises linearly with the epochs, as in the paper.

Deviations: the auxiliary head pools to 2x2 whatever the map's size, and its second convolution is
normalised on ImageNet too (the authors left that out by a slip, and kept it so).

The tests reproduce the size, and the published cells (:mod:`genotype
<nasturtium.space.zoo.darts_genotypes>`):

* 36 channels, 20 cells: the papers' 3.3 M parameters of DARTS-V2, 3.4 M of P-DARTS and 3.6 M of
  PC-DARTS, without the auxiliary head, as they count. DARTS-V2's 3,349,342 stand in a copy of the
  authors' code as what it prints. DARTS-V1 has 3.17 M, where the paper has 3.3 M.
* 48 channels, 14 cells: DARTS-V2's 4,718,752 parameters in osmr's port; 4.9 M of P-DARTS and 5.3 M
  of PC-DARTS.
* The papers count more operations than multiply-accumulates: with two for each element that is
  normalised and one for each that is rectified, P-DARTS has the published 557 M, PC-DARTS 586 M
  and its cells for ImageNet 597 M. DARTS-V2 has 544 M so, which is what users count (quark0/darts,
  issue 46), and not the paper's 574 M, which no public way of counting gives.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple, final

from torch import Tensor, nn

from nasturtium.cost.block_costs import Figures, Measure, Shape, total
from nasturtium.errors import SpaceError
from nasturtium.module_factory import Block, block, chain
from nasturtium.space.decorator import space
from nasturtium.space.operations import Classifier, ConvBN, ConvBNReLU, ReLUConvBN
from nasturtium.space.zoo.darts_cell import OPTIONS, RELAXED, Cell, Node, Place, absent, edge
from nasturtium.space.zoo.darts_genotypes import KINDS, NODES, STATES
from nasturtium.space.zoo.image_skeleton import Step, image, walked

if TYPE_CHECKING:
    from nasturtium.space.choose import Choose

__all__ = ["darts"]


def _auxiliary(channels: int, classes: int) -> Block:
    """Return the auxiliary classifier: (N, channels, H, W) to (N, classes)."""
    return chain(
        act=block(nn.ReLU),
        pool=block(nn.AdaptiveAvgPool2d, 2),
        narrow=block(ConvBNReLU, channels, 128, 1),
        conv=block(nn.Conv2d, 128, 768, 2, bias=False),
        norm=block(nn.BatchNorm2d, 768),
        last=block(nn.ReLU),
        classifier=block(Classifier, 768, classes),
    )


class Settings(NamedTuple):
    """A network's arguments, as :func:`darts` has them."""

    inputs: tuple[int, int, int]
    classes: int
    channels: int
    layers: int
    relaxed: bool
    auxiliary: bool
    drop: float

    @property
    def large(self) -> bool:
        """Whether the images are reduced before the first cell."""
        return min(self.inputs[1:]) > 64

    @property
    def places(self) -> tuple[int, int]:
        """The numbers of the reduction cells."""
        return self.layers // 3, 2 * self.layers // 3

    def stems(self) -> tuple[Block, Block]:
        """Return the stem, and the layers between it and the newer input of the first cell."""
        if not self.large:
            return block(ConvBN, self.inputs[0], 3 * self.channels, 3), block(nn.Identity)
        half = self.channels // 2
        first = block(ConvBNReLU, self.inputs[0], half, 3, 2)
        stem = chain(a=first, b=block(ConvBN, half, self.channels, 3, 2))
        return stem, block(ReLUConvBN, 3, self.channels, self.channels, 2)

    def steps(self, cells: tuple[tuple[Node, ...], ...]) -> list[Step]:
        """Return the network's cells, built from a normal and a reduction cell."""
        stem = self.channels * (1 if self.large else 3)
        before, halved, channels, steps = (stem, stem), self.large, self.channels, []
        for index in range(self.layers):
            reduces = index in self.places
            channels *= 2 if reduces else 1
            place = Place(before, channels, halved, self.relaxed, self.drop)
            steps.append(Step(block(Cell, cells[reduces], place)))
            before, halved = (before[1], NODES * channels), reduces
        return steps

    def heads(self) -> tuple[Block, Block]:
        """Return the classifier and the auxiliary classifier."""
        channels = 4 * NODES * self.channels
        return block(Classifier, channels, self.classes), _auxiliary(channels, self.classes)


@final
class Network(nn.Module):
    """Stem, cells, classifier: (N, C, H, W) to (N, classes).

    In training it returns a pair of these, the second one's from two thirds of its depth, where it
    has an auxiliary classifier.
    """

    @staticmethod
    def composed(
        of: Measure, shape: Shape, cells: tuple[tuple[Node, ...], ...], given: Settings
    ) -> Figures:
        """Return the cost from the parts' costs; see :mod:`nasturtium.cost.block_costs`."""
        stem, stem1 = given.stems()
        older = of(stem, shape)
        newer = of(stem1, older.shape)
        body = walked(of, given.steps(cells), older.shape, newer.shape)
        head, aside = (of(part, body.shape) for part in given.heads())
        # It runs in training only, and on whatever size it gives the same shape.
        unused = Figures(aside.params if given.auxiliary else 0, 0, 0, aside.shape)
        return total(older, newer, body, unused, head)

    def __init__(self, cells: tuple[tuple[Node, ...], ...], given: Settings) -> None:
        super().__init__()
        self.large, self.layers, self.places = given.large, given.layers, given.places
        stem, stem1 = given.stems()
        self.stem = stem()
        if self.large:
            self.stem1 = stem1()
        for index, step in enumerate(given.steps(cells)):
            self.add_module(f"cell{index}", step.cell())
        head, aside = given.heads()
        if given.auxiliary:
            self.auxiliary = aside()
        self.classifier = head()

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


def _nodes(choose: Choose, kind: str, options: Mapping[str, Block]) -> tuple[Node, ...]:
    """Ask for a cell: for each node the states it joins, then their operations."""
    nodes = []
    with choose.scope(kind):
        for index in range(NODES):
            name, states = f"node{index}", STATES[: 2 + index]
            joined = choose.subset(name, states, least=2, most=2)
            edges = {}
            for state in states:
                here = f"{name}.{state}"
                op = choose.module(here, options) if state in joined else block(absent, here)
                stride = 2 if kind == "reduce" and state in STATES[:2] else 1
                edges[state] = block(edge, op, stride)
            join = choose.join(name, edges, least=2, most=2)
            kept = tuple((states.index(state), edges[state]) for state in joined)
            nodes.append(Node(join, kept))
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
    cells = tuple(_nodes(choose, kind, options) for kind in KINDS)
    given = Settings(inputs, classes, channels, layers, relaxed, auxiliary, drop_path)
    return lambda: block(Network, cells, given)
