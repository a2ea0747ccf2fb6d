"""Networks that grow from one that does nothing: the space of large-scale evolution.

Real et al. (2017), "Large-Scale Evolution of Image Classifiers", section 3. A network is a graph of
convolutions and identities. A vertex transforms its main input and adds what its skips give, and
is then batch-normalised and rectified, or left linear; a skip of another shape is resized (nearest
pixels, channels cut off or padded with zeros). Evolution begins with a linear classifier.

Implemented: the mutations that change the graph, each drawn evenly. Insert a convolution (3x3,
stride 1 or 2, as many channels as its input has, rectified or not), remove one, change its stride
by a power of two, its channels to between half and twice, its kernel's height or width to another
odd number; insert an identity; add and remove skips. Weights are inherited by name and shape
(``train(inherit=True)``), as in section 3.3.

Deviations. Sampled networks are up to ten mutations from the seed, so that random architectures
differ; ``evonet.growing(0, 0)`` begins as the paper does. A 3x3 convolution to ``stem`` channels
precedes the graph, since the paper's grow from the image's three; 0 leaves it out. Kernels change
by two pixels a side, and neither they nor strides may reach beyond the map. The learning rate is
the recipe's; resetting weights and training on belong to the estimator.

Function-preserving, where it can be: an inserted identity leaves the network's function as it was.
So does, in evaluation, an inserted convolution of stride 1 that is linear or whose input is
rectified, since a convolution that keeps its input's channels and size begins as the identity, its
normalisation likewise (Chen et al. 2016, "Net2Net", section 2.3); and an added skip, whose gate, a
learned factor, begins at zero. In the paper both begin at random and skips have no gate.

The tests hold each of these mutations against its parent's function.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random
from typing import Any, cast, final

import torch
from torch import Tensor, nn

from nasturtium.architecture import Value
from nasturtium.errors import Rejected, SpaceError
from nasturtium.module_factory import Block, block, chain
from nasturtium.space.graph_space import GraphSpace
from nasturtium.space.node_graph import INPUT, OUTPUT, BuilderArguments, Graph, Node
from nasturtium.space.operations import Classifier, ConvBNReLU
from nasturtium.space.zoo.image_skeleton import image

__all__ = ["MUTATIONS", "SEED", "evonet"]

CONV, IDENTITY = "conv", "identity"
STEM = 16

Settings = tuple[int, int, int, int, bool]  # kernel's height and width, channels, stride, rectified


def settings_of(name: str, node: Node) -> Settings:
    """Return a convolution's settings.

    Raises:
        SpaceError: the node has others.
    """
    found = cast(Settings, node.settings)
    kinds = [type(value) for value in found]
    if kinds != [int] * 4 + [bool] or min(found[:4]) < 1 or not found[0] % 2 == found[1] % 2 == 1:
        raise SpaceError(
            f"the convolution {name!r} has the settings {node.settings!r}; expected the kernel's "
            "odd height and width, channels, stride, and whether it is rectified"
        )
    return found


@final
class Vertex(nn.Module):
    """A main input transformed, plus gated skips, normalised and rectified where it says so.

    Args:
        inputs: channels of its main input.
        settings: of its convolution; ``None`` for the identity.
        skips: names of the vertices whose output is added.
    """

    def __init__(self, inputs: int, settings: Settings | None, skips: tuple[str, ...]) -> None:
        super().__init__()
        self.main: nn.Module = nn.Identity()
        self.after: nn.Module = nn.Identity()
        self.skips = skips
        if skips:
            self.gates = nn.ParameterDict({name: nn.Parameter(torch.zeros(())) for name in skips})
        if settings is not None:
            height, width, channels, stride, rectified = settings
            padding = (height // 2, width // 2)
            shape = (inputs, channels, (height, width), stride, padding)
            self.main = nn.Conv2d(*shape, bias=not rectified)
            if rectified:
                self.after = nn.Sequential()
                self.after.add_module("norm", nn.BatchNorm2d(channels))
                self.after.add_module("act", nn.ReLU())
            if stride == 1 and inputs == channels and not self.main.weight.is_meta:
                self._to_identity()

    @torch.no_grad()
    def _to_identity(self) -> None:
        main = cast(nn.Conv2d, self.main)
        nn.init.dirac_(main.weight)
        if main.bias is not None:
            main.bias.zero_()
        for part in self.after.children():
            if isinstance(part, nn.BatchNorm2d):
                part.weight.fill_((1 + part.eps) ** 0.5)  # with a running variance of 1

    def forward(self, x: Tensor, *others: Tensor) -> Tensor:
        out: Tensor = self.main(x)
        for name, other in zip(self.skips, others, strict=True):
            out = out + self.gates[name] * fitted(other, out)
        rectified: Tensor = self.after(out)
        return rectified


def fitted(x: Tensor, like: Tensor) -> Tensor:
    """Bring a skip to another tensor's shape: nearest pixels, channels cut or padded with zeros."""
    if x.shape[2:] != like.shape[2:]:
        x = nn.functional.interpolate(x, like.shape[2:], mode="nearest")
    more = like.shape[1] - x.shape[1]
    return nn.functional.pad(x, (0, 0, 0, 0, 0, more)) if more > 0 else x[:, : like.shape[1]]


@final
class Vertices(nn.Module):
    """The vertices of a graph, without its output: (N, C, H, W) to (N, C', h, w).

    Args:
        graph: the graph.
        channels: of the input.
    """

    def __init__(self, graph: Graph, channels: int) -> None:
        super().__init__()
        widths = widths_of(graph, channels)
        self.sources = {name: graph[name].sources for name in graph.order[:-1]}
        for name, (main, *skips) in self.sources.items():
            node = graph[name]
            settings = settings_of(name, node) if node.op == CONV else None
            self.add_module(name, Vertex(widths[main], settings, tuple(skips)))
        self.last = graph[OUTPUT].sources[0]

    def forward(self, x: Tensor) -> Tensor:
        maps = {INPUT: x}
        for name, sources in self.sources.items():
            maps[name] = self._modules[name](*(maps[s] for s in sources))  # type: ignore[misc]
        return maps[self.last]


def widths_of(graph: Graph, channels: int) -> dict[str, int]:
    """Channels of the input and of each vertex."""
    widths = {INPUT: channels}
    for name, node in graph.items():
        conv = node.op == CONV
        widths[name] = settings_of(name, node)[2] if conv else widths[node.sources[0]]
    return widths


def check_sides(graph: Graph, side: int) -> None:
    """Refuse kernels and strides that reach beyond the map whose shorter side this is.

    Raises:
        Rejected: there is such a kernel or stride.
        SpaceError: there is a node of another operation.
    """
    sides = {INPUT: side}
    for name, node in graph.items():
        here = sides[name] = sides[node.sources[0]]
        if node.op == CONV:
            height, width, _, stride, _ = settings_of(name, node)
            if max(height, width) // 2 >= here or stride > here:
                raise Rejected(
                    f"{name} has a kernel of {height}x{width} and stride {stride} on {here} pixels"
                )
            sides[name] = -(-here // stride)
        elif node.op != (OUTPUT if name == OUTPUT else IDENTITY):
            raise SpaceError(
                f"space 'evonet' got a node {name!r} of the operation {node.op!r}; expected "
                f"{CONV!r} or {IDENTITY!r}, and {OUTPUT!r} for the output alone"
            )


def network(
    graph: Graph, *, inputs: tuple[int, int, int], classes: int, stem: int = STEM
) -> Callable[[], Any]:
    """Large-scale evolution: graphs of convolutions, identities and skips, grown from nothing.

    Args:
        graph: of vertices ``conv`` and ``identity``.
        inputs: (C, H, W) of one image; above 64 pixels the stem has stride 4.
        classes: number of classes.
        stem: channels of a 3x3 convolution before the graph; 0, as in the paper, for none.

    Raises:
        SpaceError: the graph has other nodes; ``Rejected`` where a kernel or a stride reaches
            beyond the map.
    """
    side = image("evonet", inputs)
    if stem < 0:
        raise SpaceError(f"space 'evonet' got stem={stem!r}; expected a number of channels, or 0")
    stride = 4 if stem and side > 64 else 1
    check_sides(graph, -(-side // stride))

    def build() -> Block:
        channels = stem or inputs[0]
        parts = [("body", block(Vertices, graph, channels))] if len(graph) > 1 else []
        if stem:
            parts.insert(0, ("stem", block(ConvBNReLU, inputs[0], stem, 3, stride)))
        last = widths_of(graph, channels)[OUTPUT]
        return chain([*parts, ("head", block(Classifier, last, classes))])

    return build


# -- mutations ------------------------------------------------------------------------------------


def insert_convolution(graph: Graph, rng: Random, arguments: BuilderArguments) -> Graph:
    """Insert a 3x3 convolution into a main connection: stride 1 or 2, rectified or not."""
    reader = _one(rng, graph.order, "vertex")
    channels = widths_of(graph, arguments.get("stem", STEM) or arguments["inputs"][0])
    settings = (3, 3, channels[graph[reader].sources[0]], rng.choice((1, 2)), rng.random() < 0.5)
    return _inserted(graph, reader, CONV, settings)


def remove_convolution(graph: Graph, rng: Random, arguments: BuilderArguments) -> Graph:
    """Remove a convolution; its readers read its main source."""
    return graph.without(_convolution(graph, rng)[0])


def alter_stride(graph: Graph, rng: Random, arguments: BuilderArguments) -> Graph:
    """Halve or double the stride of a convolution."""
    name, (height, width, channels, stride, rectified) = _convolution(graph, rng)
    stride = stride // 2 if stride > 1 and rng.random() < 0.5 else stride * 2
    return _changed(graph, name, (height, width, channels, stride, rectified))


def alter_channels(graph: Graph, rng: Random, arguments: BuilderArguments) -> Graph:
    """Change the number of channels of a convolution, from half to twice of what it has."""
    name, (height, width, channels, stride, rectified) = _convolution(graph, rng)
    drawn = rng.randint(-(-channels // 2), 2 * channels)
    return _changed(graph, name, (height, width, drawn, stride, rectified))


def alter_kernel(graph: Graph, rng: Random, arguments: BuilderArguments) -> Graph:
    """Make the kernel of a convolution higher, lower, wider or narrower by two pixels."""
    name, (height, width, channels, stride, rectified) = _convolution(graph, rng)
    step = rng.choice((-2, 2))
    if rng.random() < 0.5:
        height = max(1, height + step)
    else:
        width = max(1, width + step)
    return _changed(graph, name, (height, width, channels, stride, rectified))


def insert_identity(graph: Graph, rng: Random, arguments: BuilderArguments) -> Graph:
    """Insert an identity into a main connection, to which skips may be added later."""
    return _inserted(graph, _one(rng, graph.order, "vertex"), IDENTITY, ())


def add_skip(graph: Graph, rng: Random, arguments: BuilderArguments) -> Graph:
    """Let a vertex read one more of the vertices that do not depend on it."""
    reader = _one(rng, graph.order[:-1], "vertex that could read another")
    node = graph[reader]
    later = {name for name in graph if reader in graph.before(name)}
    free = [n for n in (INPUT, *graph.order[:-1]) if n not in {reader, *node.sources, *later}]
    source = _one(rng, free, "vertex to be read")
    return graph.put(reader, node._replace(sources=(*node.sources, source)))


def remove_skip(graph: Graph, rng: Random, arguments: BuilderArguments) -> Graph:
    """Remove a skip."""
    reader = _one(rng, [n for n, node in graph.items() if len(node.sources) > 1], "skip")
    node = graph[reader]
    gone = _one(rng, node.sources[1:], "skip")
    return graph.put(reader, node._replace(sources=tuple(s for s in node.sources if s != gone)))


def _one(rng: Random, names: Sequence[str], what: str) -> str:
    if not names:
        raise Rejected(f"there is no {what}")
    return names[rng.randrange(len(names))]


def _convolution(graph: Graph, rng: Random) -> tuple[str, Settings]:
    name = _one(rng, [n for n in graph if graph[n].op == CONV], "convolution")
    return name, settings_of(name, graph[name])


def _inserted(graph: Graph, reader: str, op: str, settings: tuple[Value, ...]) -> Graph:
    """Return the graph with a new vertex between a vertex and its main source."""
    name, (main, *skips) = graph.fresh("vertex"), graph[reader].sources
    grown = graph.put(name, Node(op, (main,), settings))
    return grown.put(reader, graph[reader]._replace(sources=(name, *skips)))


def _changed(graph: Graph, name: str, settings: Settings) -> Graph:
    return graph.put(name, graph[name]._replace(settings=settings))


SEED = Graph({OUTPUT: Node(OUTPUT, (INPUT,))})
MUTATIONS = (
    insert_convolution,
    remove_convolution,
    alter_stride,
    alter_channels,
    alter_kernel,
    insert_identity,
    add_skip,
    remove_skip,
)

evonet = GraphSpace(network, "evonet", SEED, MUTATIONS)
