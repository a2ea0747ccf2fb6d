"""NAS-Bench-201: a cell of four nodes, each of its six edges one of five operations.

Dong & Yang (2020), "NAS-Bench-201", section 2 and table 1. The skeleton: a 3x3 convolution to 16
channels; three stages of N = 5 cells at 16, 32 and 64 channels with a residual block of stride 2
between them; batch normalisation, ReLU, global average pooling, a linear layer.

Implemented: the topology space, its skeleton for any input, the authors' architecture strings, and
two grains of equality. No deviations are known: parameters and multiply-accumulates of all 15,625
networks equal the published ones (tests: counts, strings, canonical forms, a sample of the costs).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, final

import torch
from torch import Tensor, nn

from nasturtium.architecture import Architecture
from nasturtium.cost.block_costs import Figures, conv, expect, norm
from nasturtium.errors import SpaceError
from nasturtium.module_factory import Block, block, chain
from nasturtium.predict.cell_to_graph import edge_cell
from nasturtium.space.decorator import space
from nasturtium.space.operations import Classifier, ConvBN, ReLUConvBN, Zero

if TYPE_CHECKING:
    from nasturtium.space.choose import Choose

__all__ = ["EDGES", "OPS", "from_string", "nasbench201", "same_graph", "to_string"]

EDGES = ((0, 1), (0, 2), (1, 2), (0, 3), (1, 3), (2, 3))
OPS = ("none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3")


def _none(channels: int) -> nn.Module:
    return Zero()


def _skip(channels: int) -> nn.Module:
    return nn.Identity()


def _conv(kernel: int, channels: int) -> nn.Module:
    return ReLUConvBN(kernel, channels, channels)


def _pool(channels: int) -> nn.Module:
    return nn.AvgPool2d(3, stride=1, padding=1, count_include_pad=False)


EDGE_OPTIONS = {
    "none": block(_none),
    "skip_connect": block(_skip),
    "nor_conv_1x1": block(_conv, 1),
    "nor_conv_3x3": block(_conv, 3),
    "avg_pool_3x3": block(_pool),
}
KERNELS = {"nor_conv_1x1": 1, "nor_conv_3x3": 3}
NAMES = tuple(f"edge{source}_{target}" for source, target in EDGES)


@final
class Cell(nn.Module):
    """Four nodes; node j is the sum of its edges from all earlier nodes. (N, C, H, W) kept."""

    @staticmethod
    def cost(shape: tuple[int, ...], channels: int, edges: Sequence[Block]) -> Figures:
        """Return the cost in closed form; see :mod:`nasturtium.cost.block_costs`."""
        expect(shape, channels)
        kernels = [KERNELS[edge.args[0]] for edge in edges if edge.args[0] in KERNELS]
        made = [norm(conv(shape, channels, kernel)) for kernel in kernels]
        return Figures(
            sum(part.params for part in made),
            sum(part.macs for part in made),
            sum(part.activations for part in made),
            shape,
        )

    def __init__(self, channels: int, edges: Sequence[Block]) -> None:
        super().__init__()
        for name, edge in zip(NAMES, edges, strict=True):
            self.add_module(name, edge(channels))

    def forward(self, x: Tensor) -> Tensor:
        nodes = [x]
        for target in range(1, 4):
            total: Tensor | None = None
            for source in range(target):
                out = self._modules[f"edge{source}_{target}"](nodes[source])  # type: ignore[misc]
                total = out if total is None else total + out
            assert total is not None
            nodes.append(total)
        return nodes[-1]


@final
class Reduction(nn.Module):
    """The residual block between stages: (N, C, H, W) to (N, C', H/2, W/2)."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.conv_a = ReLUConvBN(3, inputs, outputs, stride=2)
        self.conv_b = ReLUConvBN(3, outputs, outputs)
        # ceil_mode keeps odd resolutions in step with the strided convolution.
        self.shortcut = nn.Sequential(
            nn.AvgPool2d(2, 2, ceil_mode=True), nn.Conv2d(inputs, outputs, 1, bias=False)
        )

    def forward(self, x: Tensor) -> Tensor:
        return torch.add(self.shortcut(x), self.conv_b(self.conv_a(x)))


@final
class Head(nn.Sequential):
    """Batch normalisation, ReLU, pooling and the linear layer."""

    def __init__(self, channels: int, classes: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(channels)
        self.act = nn.ReLU(inplace=True)
        self.classifier = Classifier(channels, classes)


def to_string(architecture: Architecture) -> str:
    """Return the text: ``|nor_conv_3x3~0|+|none~0|skip_connect~1|+|...~0|...~1|...~2|``."""
    op = [architecture[name] for name in NAMES]
    return f"|{op[0]}~0|+|{op[1]}~0|{op[2]}~1|+|{op[3]}~0|{op[4]}~1|{op[5]}~2|"


def from_string(text: str) -> Architecture:
    """Return the architecture that an authors' text names.

    Raises:
        SpaceError: the text does not have the form that :func:`to_string` gives.
    """
    parts = [part.split("~") for node in text.split("+") for part in node.strip("|").split("|")]
    sources = [str(source) for source, _ in EDGES]
    if [part[-1] for part in parts] != sources or not all(part[0] in OPS for part in parts):
        raise SpaceError(
            f"not a NAS-Bench-201 architecture: {text!r}; expected "
            f"|op~0|+|op~0|op~1|+|op~0|op~1|op~2| with op one of {OPS}"
        )
    return Architecture(
        "nasbench201", {name: part[0] for name, part in zip(NAMES, parts, strict=True)}
    )


def canonical(architecture: Architecture) -> str:
    """Return the authors' form of equal cells (6,466 forms): the last node's expression as text.

    Skips are identities, the terms of a sum are sorted, and ``#`` stands for zero. The zero of an
    edge stays as a term of its sum, and a skipped sum stays one term.
    """
    nodes = ["0"]
    for target in range(1, 4):
        terms = []
        for source in range(target):
            op, node = architecture[f"edge{source}_{target}"], nodes[source]
            if op == "none" or node == "#":
                terms.append("#")
            else:
                terms.append(node if op == "skip_connect" else f"({node})@{op}")
        nodes.append("+".join(sorted(terms)))
    return nodes[-1]


def same_graph(architecture: Architecture) -> tuple[str, ...]:
    """Return a form that two cells share exactly if they compute equal graphs (4,930 forms).

    As :func:`canonical`, but zeros vanish with all that depends on them alone, and a skipped sum
    is spliced into the sum that it joins.
    """
    nodes: list[tuple[str, ...]] = [("0",)]
    for target in range(1, 4):
        terms: list[str] = []
        for source in range(target):
            op, node = architecture[f"edge{source}_{target}"], nodes[source]
            if op == "skip_connect":
                terms += node
            elif op != "none" and node:
                terms.append(f"({'+'.join(node)})@{op}")
        nodes.append(tuple(sorted(terms)))
    return nodes[-1]


@space(canonical=canonical, graph=edge_cell)
def nasbench201(
    choose: Choose,
    *,
    inputs: tuple[int, int, int],
    classes: int,
    channels: int = 16,
    cells: int = 5,
) -> Callable[[], Any]:
    """NAS-Bench-201's topology space: 5^6 = 15,625 cells (Dong & Yang, ICLR 2020).

    Args:
        choose: the handle.
        inputs: (C, H, W) of one image, of any size.
        classes: number of classes.
        channels: channels of the first stage; 16 in the paper.
        cells: cells per stage; 5 in the paper.
    """
    edges = tuple([choose.module(name, EDGE_OPTIONS) for name in NAMES])

    def build() -> Block:
        parts = [("stem", block(ConvBN, inputs[0], channels, 3))]
        for stage in range(3):
            width = channels * 2**stage
            body = [(f"cell{index}", block(Cell, width, edges)) for index in range(cells)]
            if stage:
                body.insert(0, ("reduction", block(Reduction, width // 2, width)))
            parts.append((f"stage{stage}", chain(body)))
        parts.append(("head", block(Head, channels * 4, classes)))
        return chain(parts)

    return build
