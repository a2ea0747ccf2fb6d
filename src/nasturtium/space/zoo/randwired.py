"""Randomly wired networks: the parameters and seeds of a graph generator are the architecture.

Xie et al. (2019), "Exploring Randomly Wired Neural Networks for Image Recognition", sections 3.2
to 3.4. Each stage is a random graph of N nodes, drawn by one of three generators:

* Erdos-Renyi, ``("er", P)``: every pair of nodes has an edge with probability P;
* Barabasi-Albert, ``("ba", M)``: nodes are added one by one, each with edges to M earlier ones
  chosen with a probability that grows with their degree;
* Watts-Strogatz, ``("ws", K, P)``: a ring in which every node has edges to its K nearest ones, each
  of them moved to another end with probability P.

Edges point from the smaller to the larger number. A node adds up its inputs, weighted by sigmoids
of learnt numbers, and applies ReLU, a separable 3x3 convolution and batch normalisation. Nodes
without inputs read the stage's input with stride 2; the nodes that nothing reads are averaged.

Implemented: the "small" regime: two 3x3 convolutions to C/2 and C channels, three stages of N = 32
nodes at C, 2C and 4C channels, a 1x1 convolution to 1280, pooling and a linear layer, C = 78.

Deviations: graphs that fall apart are drawn again, as in the paper, but from one seed for each
stage, so that a record is one network. Small images as in :mod:`nasturtium.space.zoo.mobilenet`.

The tests reproduce what the generators promise, and the paper's size of WS(4, 0.75) networks (5.6 M
parameters, 583 M operations): the mean of 100 is 5.62 M (standard deviation 0.08 M), and 579 M
multiply-accumulates (5.5 M), 586 M if the weights of the sums count too. The authors published no
code, so it is not known which graphs the means are of, and how the paper counts.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from random import Random
from typing import TYPE_CHECKING, Any, final

import torch
from torch import Tensor, nn

from nasturtium.architecture import Architecture
from nasturtium.cost.block_costs import Figures, conv, expect, norm, total
from nasturtium.errors import SpaceError
from nasturtium.module_factory import Block, block, chain
from nasturtium.space.decorator import space
from nasturtium.space.operations import Classifier, ConvBN, ConvBNReLU, ReLUSepConvBN
from nasturtium.space.zoo.image_skeleton import fitting, image

if TYPE_CHECKING:
    from nasturtium.space.choose import Choose

__all__ = ["GENERATORS", "randwired", "wiring"]

NODES, CHANNELS, HEAD, STAGES = 32, 78, 1280, 3
SEEDS = 2**16
GENERATORS: tuple[tuple[str | int | float, ...], ...] = (
    *(("er", p) for p in (0.2, 0.4, 0.6, 0.8)),
    *(("ba", m) for m in (1, 3, 5, 7)),
    *(("ws", k, p) for k in (2, 4, 6, 8) for p in (0.0, 0.25, 0.5, 0.75, 1.0)),
)

Edges = tuple[tuple[int, int], ...]


def wiring(generator: tuple[Any, ...], nodes: int, seed: int) -> Edges:
    """Return the edges of a stage, (source, target) with source < target, sorted.

    Args:
        generator: one of :data:`GENERATORS`, or others of their form.
        nodes: number of nodes; more than M or K.
        seed: of the random graph; equal on every machine.

    Raises:
        SpaceError: no such generator, or too few nodes for it.
    """
    kinds: dict[str, Callable[..., set[tuple[int, int]]]] = {
        "er": _erdos_renyi,
        "ba": _barabasi_albert,
        "ws": _watts_strogatz,
    }
    draw = kinds.get(generator[0])
    if draw is None or nodes < 2 or (draw is not _erdos_renyi and not 1 <= generator[1] < nodes):
        raise SpaceError(
            f"space 'randwired' got generator {generator!r} for {nodes} nodes; expected ('er', P), "
            "('ba', M) or ('ws', K, P) with M and K below the number of nodes"
        )
    rng = Random(seed)
    while True:
        edges = draw(nodes, rng, *generator[1:])
        if _connected(edges, nodes):
            return tuple(sorted(edges))


def _erdos_renyi(nodes: int, rng: Random, chance: float) -> set[tuple[int, int]]:
    return {(s, t) for t in range(nodes) for s in range(t) if rng.random() < chance}


def _barabasi_albert(nodes: int, rng: Random, links: int) -> set[tuple[int, int]]:
    edges = {(source, links) for source in range(links)}
    ends = [end for edge in edges for end in edge]  # every node as often as it has edges
    ends.sort()
    for target in range(links + 1, nodes):
        chosen: set[int] = set()
        while len(chosen) < links:
            chosen.add(ends[int(rng.random() * len(ends))])
        edges |= {(source, target) for source in chosen}
        ends += [*sorted(chosen), *[target] * links]
    return edges


def _watts_strogatz(nodes: int, rng: Random, near: int, chance: float) -> set[tuple[int, int]]:
    ring = {frozenset((v, (v + i) % nodes)) for i in range(1, near // 2 + 1) for v in range(nodes)}
    for step in range(1, near // 2 + 1):
        for node in range(nodes):
            edge = frozenset((node, (node + step) % nodes))
            if rng.random() >= chance or edge not in ring:
                continue
            others = [v for v in range(nodes) if v != node and frozenset((node, v)) not in ring]
            if others:
                ring.remove(edge)
                ring.add(frozenset((node, others[int(rng.random() * len(others))])))
    return {(min(edge), max(edge)) for edge in ring}


def _connected(edges: set[tuple[int, int]], nodes: int) -> bool:
    reached, grown = {0}, True
    while grown:
        more = {v for edge in edges if reached & set(edge) for v in edge} - reached
        grown = bool(more)
        reached |= more
    return len(reached) == nodes


def _separable(shape: tuple[int, ...], outputs: int, stride: int) -> Figures:
    """Return the cost of a node without its weights."""
    depthwise = conv(shape, shape[0], 3, stride, shape[0])
    return total(depthwise, norm(conv(depthwise.shape, outputs, 1)))


@final
class Node(nn.Module):
    """The weighted sum of its inputs, ReLU, separable convolution, batch normalisation."""

    def __init__(self, inputs: int, outputs: int, number: int, stride: int) -> None:
        super().__init__()
        self.weights = nn.Parameter(torch.zeros(number)) if number > 1 else None
        self.op = ReLUSepConvBN(3, inputs, outputs, stride)

    def forward(self, maps: list[Tensor]) -> Tensor:
        total = maps[0]
        if self.weights is not None:
            gates = torch.sigmoid(self.weights)
            total = maps[0] * gates[0]
            for place in range(1, len(maps)):
                total = total + maps[place] * gates[place]
        out: Tensor = self.op(total)
        return out


@final
class Stage(nn.Module):
    """A graph of nodes: (N, inputs, H, W) to (N, outputs, H/stride, W/stride)."""

    @staticmethod
    def cost(
        shape: tuple[int, ...],
        generator: tuple[Any, ...],
        seed: int,
        nodes: int,
        inputs: int,
        outputs: int,
        stride: int,
    ) -> Figures:
        """Return the cost in closed form; see :mod:`nasturtium.cost.block_costs`."""
        expect(shape, inputs)
        targets = [target for _, target in wiring(generator, nodes, seed)]
        inner = _separable(_separable(shape, outputs, stride).shape, outputs, 1)
        made = []
        for node in range(nodes):
            sources = targets.count(node)
            made.append(inner if sources else _separable(shape, outputs, stride))
            if sources > 1:
                made.append(Figures(sources, 0, 0, inner.shape))  # a weight for each
        return total(*made, shape=inner.shape)

    def __init__(
        self,
        generator: tuple[Any, ...],
        seed: int,
        nodes: int,
        inputs: int,
        outputs: int,
        stride: int,
    ) -> None:
        super().__init__()
        edges = wiring(generator, nodes, seed)
        self.sources = [[s for s, t in edges if t == node] for node in range(nodes)]
        read = {source for source, _ in edges}
        self.ends = [node for node in range(nodes) if node not in read]
        for node, sources in enumerate(self.sources):
            shape = (outputs, outputs, len(sources), 1) if sources else (inputs, outputs, 1, stride)
            self.add_module(f"node{node}", Node(*shape))

    def forward(self, x: Tensor) -> Tensor:
        maps: list[Tensor] = []
        for node, sources in enumerate(self.sources):
            given = [maps[source] for source in sources] if sources else [x]
            maps.append(self._modules[f"node{node}"](given))  # type: ignore[misc]
        total = maps[self.ends[0]]
        for end in self.ends[1:]:
            total = total + maps[end]
        return total / len(self.ends)


def canonical(architecture: Architecture) -> Hashable:
    """Return the generator and seeds; a ring that is not rewired is not random and has no seeds."""
    seeds = tuple(architecture[f"stage{stage}.seed"] for stage in range(STAGES))
    generator: Any = architecture["generator"]
    return generator if generator[0] == "ws" and generator[2] == 0 else (generator, seeds)


@space(canonical=canonical)
def randwired(
    choose: Choose,
    *,
    inputs: tuple[int, int, int],
    classes: int,
    nodes: int = NODES,
    channels: int = CHANNELS,
) -> Callable[[], Any]:
    """Randomly wired networks: a graph generator, and a seed for each of three stages.

    Args:
        choose: the handle.
        inputs: (C, H, W) of one image, of any size.
        classes: number of classes.
        nodes: nodes of a stage, at least 9; 32 in the paper.
        channels: C, of the first stage; 78 in the paper's small regime.

    Raises:
        SpaceError: an argument is out of its range.
    """
    side = image("randwired", inputs)
    if nodes < 9 or channels < 2:
        raise SpaceError(
            f"space 'randwired' got nodes={nodes!r}, channels={channels!r}; expected at least 9 "
            "nodes (one more than the largest generator's neighbours) and 2 channels"
        )
    generator = choose("generator", GENERATORS)
    seeds = [choose.range(f"stage{stage}.seed", 0, SEEDS - 1) for stage in range(STAGES)]

    def build() -> Block:
        strides = fitting((2 if side > 64 else 1, 2, *(2,) * STAGES), side)
        parts = [
            ("stem0", block(ConvBNReLU, inputs[0], channels // 2, 3, strides[0])),
            ("stem1", block(ConvBN, channels // 2, channels, 3, strides[1])),
        ]
        width = channels
        for stage, seed in enumerate(seeds):
            after = channels * 2**stage
            graph = block(Stage, generator, seed, nodes, width, after, strides[stage + 2])
            parts.append((f"stage{stage}", graph))
            width = after
        parts.append(("act", block(nn.ReLU)))
        parts.append(("head", block(ConvBNReLU, width, HEAD, 1)))
        parts.append(("classifier", block(Classifier, HEAD, classes)))
        return chain(parts)

    return build
