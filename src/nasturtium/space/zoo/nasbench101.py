"""NAS-Bench-101: cells that are graphs of up to seven vertices and nine edges.

Ying et al. (2019), "NAS-Bench-101: Towards Reproducible Neural Architecture Search", sections 2.1
and 2.2. A cell is a directed acyclic graph whose first vertex is its input and whose last is its
output; each of the others has one of three operations. Three stacks of three cells behind a 3x3
convolution to 128 channels; between stacks the maps are halved and the channels doubled.

A record says for each of the 21 pairs of vertices whether there is an edge, and gives the operation
of every vertex that lies on a path from input to output. More than nine edges, or no such path, are
rejected. Many records are one cell: :func:`module_hash`, the space's canonical form, tells the
423,624 unequal cells apart.

Channels follow the authors' rule (:func:`channels_of`): vertices that feed the output share its
channels, which are concatenated there; the others are as wide as what they feed. Edges from the
input are 1x1 convolutions, and inside the cell tensors are cut to the channels of their target.

No deviations are known. The tests reproduce the number of cells, 423,624, by listing each once
(:mod:`nasturtium.space.zoo.nasbench101_enumeration`), and hashes and parameters of published cells.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from hashlib import md5
from typing import TYPE_CHECKING, Any, NamedTuple, final

import torch
from torch import Tensor, nn

from nasturtium.architecture import Architecture, Value
from nasturtium.cost.block_costs import Figures, conv, expect, norm, total
from nasturtium.errors import SpaceError
from nasturtium.module_factory import Block, block, chain
from nasturtium.space.decorator import space
from nasturtium.space.operations import Classifier, ConvBNReLU
from nasturtium.space.zoo.image_skeleton import fitting, image

if TYPE_CHECKING:
    from nasturtium.space.choose import Choose

__all__ = [
    "OPS",
    "Graph",
    "channels_of",
    "from_matrix",
    "module_hash",
    "nasbench101",
    "pruned",
]

VERTICES, EDGES, CHANNELS = 7, 9, 128
OPS = ("conv3x3", "conv1x1", "maxpool3x3")
BOTH = (False, True)


def _conv(kernel: int, width: int) -> nn.Module:
    return ConvBNReLU(width, width, kernel)


def _pool(width: int) -> nn.Module:
    return nn.MaxPool2d(3, 1, 1)


KERNELS = {"conv3x3": 3, "conv1x1": 1}
OPTIONS = {"conv3x3": block(_conv, 3), "conv1x1": block(_conv, 1), "maxpool3x3": block(_pool)}


class Graph(NamedTuple):
    """A cell's vertices that lie on a path from input to output, and its edges between them.

    Attributes:
        vertices: their numbers in the record, the input's first and the output's last.
        edges: pairs of places in ``vertices``, source before target.
    """

    vertices: tuple[int, ...]
    edges: tuple[tuple[int, int], ...]


def pruned(edges: Sequence[tuple[int, int]], last: int) -> Graph | None:
    """Return the part on paths from vertex 0 to vertex ``last``; nothing where there is no path.

    Args:
        edges: (source, target) with source < target, in any order.
        last: number of the output vertex.
    """
    reached, reaching = 1, 1 << last
    for source, target in sorted(edges):
        reached |= (reached >> source & 1) << target
    for source, target in sorted(edges, reverse=True):
        reaching |= (reaching >> target & 1) << source
    on = reached & reaching
    if not on & 1:
        return None
    vertices = tuple(v for v in range(last + 1) if on >> v & 1)
    place = {vertex: index for index, vertex in enumerate(vertices)}
    kept = ((place[s], place[t]) for s, t in sorted(edges) if s in place and t in place)
    return Graph(vertices, tuple(kept))


def channels_of(graph: Graph, inputs: int, outputs: int) -> tuple[int, ...]:
    """Channels of each vertex: those of what feeds the output add up to ``outputs``.

    Where they do not divide evenly, the first ones get one more. A vertex that does not feed the
    output has as many as the widest vertex that it feeds.
    """
    last = len(graph.vertices) - 1
    channels = [0] * last + [outputs]
    channels[0] = inputs
    feeding = [s for s, t in graph.edges if t == last and s]
    for index, vertex in enumerate(feeding):
        share, rest = divmod(outputs, len(feeding))
        channels[vertex] = share + (index < rest)
    for source, target in reversed(graph.edges):
        if source and source not in feeding:
            channels[source] = max(channels[source], channels[target])
    return tuple(channels)


def module_hash(graph: Graph, ops: Sequence[str]) -> str:
    """Return the authors' hash, equal for isomorphic cells: 32 hexadecimal digits.

    Every vertex begins with its degrees and operation, and takes up its neighbours' hashes as
    often as there are vertices.

    Args:
        graph: the pruned cell.
        ops: operations of its inner vertices.
    """
    number = len(graph.vertices)
    into: list[list[int]] = [[] for _ in range(number)]
    out: list[list[int]] = [[] for _ in range(number)]
    for source, target in graph.edges:
        into[target].append(source)
        out[source].append(target)
    labels = (-1, *(OPS.index(op) for op in ops), -2)
    hashes = [_md5(str((len(out[v]), len(into[v]), labels[v]))) for v in range(number)]
    for _ in range(number):
        texts = []
        for vertex in range(number):
            before = "".join(sorted(hashes[source] for source in into[vertex]))
            after = "".join(sorted(hashes[target] for target in out[vertex]))
            texts.append(f"{before}|{after}|{hashes[vertex]}")
        hashes = [_md5(text) for text in texts]
    return _md5(str(sorted(hashes)))


def _md5(text: str) -> str:
    return md5(text.encode(), usedforsecurity=False).hexdigest()


@final
class Cell(nn.Module):
    """A cell: (N, inputs, H, W) to (N, outputs, H, W).

    Args:
        graph: the pruned graph.
        ops: blocks of its inner vertices, each called with its channels.
        inputs: channels of the input.
        outputs: channels of the output.
    """

    @staticmethod
    def cost(
        shape: tuple[int, ...], graph: Graph, ops: Sequence[Block], inputs: int, outputs: int
    ) -> Figures:
        """Return the cost in closed form; see :mod:`nasturtium.cost.block_costs`."""
        expect(shape, inputs)
        widths = channels_of(graph, inputs, outputs)
        made = [norm(conv(shape, widths[t], 1)) for s, t in graph.edges if s == 0]
        for width, op in zip(widths[1:], ops, strict=False):
            label = op.args[0]
            if label in KERNELS:
                made.append(norm(conv((width, *shape[1:]), width, KERNELS[label])))
        return total(*made, shape=(outputs, *shape[1:]))

    def __init__(self, graph: Graph, ops: Sequence[Block], inputs: int, outputs: int) -> None:
        super().__init__()
        last = len(graph.vertices) - 1
        self.widths = channels_of(graph, inputs, outputs)
        self.sources: list[list[int]] = [[] for _ in range(last + 1)]
        for source, target in graph.edges:
            if source:
                self.sources[target].append(source)
        for source, target in graph.edges:
            if not source and target < last:
                name = f"enter{graph.vertices[target]}"
                self.add_module(name, ConvBNReLU(inputs, self.widths[target], 1))
        if (0, last) in graph.edges:
            self.enter_output = ConvBNReLU(inputs, outputs, 1)
        for place, op in enumerate(ops, 1):
            self.add_module(f"vertex{graph.vertices[place]}", op(self.widths[place]))
        self.names = tuple(str(vertex) for vertex in graph.vertices)

    def forward(self, x: Tensor) -> Tensor:
        maps = [x]
        for place in range(1, len(self.names) - 1):
            width, name = self.widths[place], self.names[place]
            terms = [maps[source][:, :width] for source in self.sources[place]]
            enter = self._modules.get(f"enter{name}")
            if enter is not None:
                terms.append(enter(x))
            total = terms[0]
            for term in terms[1:]:
                total = total + term
            maps.append(self._modules[f"vertex{name}"](total))  # type: ignore[misc]
        ends = [maps[source] for source in self.sources[-1]]
        enter = self._modules.get("enter_output")
        if not ends:
            assert enter is not None
            out: Tensor = enter(x)
            return out
        joined = torch.cat(ends, 1) if len(ends) > 1 else ends[0]
        return joined if enter is None else joined + enter(x)


def _edges(architecture: Architecture) -> tuple[list[tuple[int, int]], int]:
    """Return the edges of a record, and the number of its output vertex."""
    edges, last = [], 0
    for name, value in architecture.items():
        if name.startswith("edge"):
            source, _, target = name[4:].partition("_")
            last = max(last, int(target))
            if value:
                edges.append((int(source), int(target)))
    return edges, last


def canonical(architecture: Architecture) -> str:
    """Return the authors' hash of the pruned cell."""
    graph = pruned(*_edges(architecture))
    if graph is None:
        raise SpaceError(f"no path leads from input to output in {architecture!r}")
    return module_hash(graph, [str(architecture[f"vertex{v}"]) for v in graph.vertices[1:-1]])


def from_matrix(
    matrix: Sequence[Sequence[int]], ops: Sequence[str], vertices: int = VERTICES
) -> Architecture:
    """Return the architecture of an adjacency matrix, as NAS-Bench-101 publishes cells.

    Args:
        matrix: upper triangular, n x n with n up to ``vertices``; the last row is the output's.
        ops: operations of the n - 2 inner vertices, e.g. ``conv3x3`` or ``conv3x3-bn-relu``.
        vertices: the space's number of vertices.

    Raises:
        SpaceError: the matrix or the operations do not have this form, or nothing leads from
            input to output.
    """
    size = len(matrix)
    short = [op.removesuffix("-bn-relu") for op in ops]
    square = all(len(row) == size for row in matrix) and 2 <= size <= vertices
    if not square or len(short) != size - 2 or not set(short) <= set(OPS):
        raise SpaceError(
            f"not a NAS-Bench-101 cell: a matrix of {[len(row) for row in matrix]} columns with "
            f"operations {tuple(ops)!r}; expected n x n with 2 <= n <= {vertices}, and n - 2 "
            f"operations of {OPS!r}"
        )
    number = [*range(size - 1), vertices - 1]
    edges = [(number[s], number[t]) for s in range(size) for t in range(size) if matrix[s][t]]
    graph = pruned(edges, vertices - 1) if all(s < t for s, t in edges) else None
    if graph is None:
        raise SpaceError(
            f"not a NAS-Bench-101 cell: {matrix!r}; expected an upper triangular matrix in which "
            "a path leads from the first vertex to the last"
        )
    record: dict[str, Value] = {name: pair in edges for name, pair in _pairs(vertices)}
    record |= {f"vertex{v}": short[v - 1] for v in graph.vertices[1:-1]}
    return Architecture("nasbench101", record)


def _pairs(vertices: int) -> tuple[tuple[str, tuple[int, int]], ...]:
    return tuple(
        (f"edge{source}_{target}", (source, target))
        for source in range(vertices)
        for target in range(source + 1, vertices)
    )


PAIRS = {vertices: _pairs(vertices) for vertices in range(2, VERTICES + 1)}


@space(canonical=canonical)
def nasbench101(
    choose: Choose,
    *,
    inputs: tuple[int, int, int],
    classes: int,
    vertices: int = VERTICES,
    channels: int = CHANNELS,
    stacks: int = 3,
    cells: int = 3,
) -> Callable[[], Any]:
    """NAS-Bench-101: 423,624 cells, as graphs of up to seven vertices and nine edges.

    Args:
        choose: the handle.
        inputs: (C, H, W) of one image, of any size.
        classes: number of classes.
        vertices: most vertices of a cell, input and output included; 7 in the paper.
        channels: channels of the first stack; 128 in the paper.
        stacks: number of stacks; 3 in the paper.
        cells: cells per stack; 3 in the paper.

    Raises:
        SpaceError: an argument is out of its range.
    """
    side = image("nasbench101", inputs)
    if vertices not in PAIRS or channels < vertices or stacks < 1 or cells < 1:
        raise SpaceError(
            f"space 'nasbench101' got vertices={vertices!r}, channels={channels!r}, "
            f"stacks={stacks!r}, cells={cells!r}; expected 2 to {VERTICES} vertices, at least as "
            "many channels, and at least one stack and cell"
        )
    edges = []
    for name, pair in PAIRS[vertices]:
        if choose(name, BOTH):
            edges.append(pair)
            if len(edges) > EDGES:
                choose.reject(f"more than {EDGES} edges")
    graph = pruned(edges, vertices - 1)
    if graph is None:
        choose.reject("no path leads from input to output")
    ops = tuple([choose.module(f"vertex{v}", OPTIONS) for v in graph.vertices[1:-1]])

    def build() -> Block:
        strides = fitting([1] + [2] * (stacks - 1), side)
        parts = [("stem", block(ConvBNReLU, inputs[0], channels, 3))]
        width = channels
        for stack in range(stacks):
            body = []
            if strides[stack] == 2:
                body.append(("pool", block(nn.MaxPool2d, 2, 2, ceil_mode=True)))
            for index in range(cells):
                after = channels * 2**stack
                body.append((f"cell{index}", block(Cell, graph, ops, width, after)))
                width = after
            parts.append((f"stack{stack}", chain(body)))
        parts.append(("head", block(Classifier, width, classes)))
        return chain(parts)

    return build
