"""Check of a graph space before a search: networks from every mutation, and random networks."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING, Any, Protocol, final

import torch

from nasturtium.architecture import Architecture
from nasturtium.cost.count import forward_meta
from nasturtium.errors import NasturtiumError, Rejected, SpaceError
from nasturtium.space.node_graph import BuilderArguments, Graph, Mutation

if TYPE_CHECKING:
    from torch import nn

__all__ = ["GrowingSpace", "GrowthReport", "check"]

TIMES = 5  # networks that each mutation makes, if it applies to any


class GrowingSpace(Protocol):
    """The part of :class:`~nasturtium.space.graph_space.GraphSpace` that its check uses."""

    name: str
    seed: Graph
    mutations: tuple[Mutation, ...]
    builder: Callable[..., Callable[[], Any]]

    @property
    def builder_arguments(self) -> BuilderArguments:
        """The builder's keyword arguments."""

    def sample(self, rng: Random) -> Architecture:
        """Draw a random architecture."""

    def build(self, architecture: Architecture) -> nn.Module:
        """Build the network of an architecture."""


@final
@dataclass(frozen=True)
class GrowthReport:
    """The result of :meth:`GraphSpace.check`.

    Attributes:
        space: the space's name.
        applied: by mutation, the number of its networks that were built and run; 0 if it applied
            to none of the drawn graphs.
        networks: networks that were built and run.
        parameters: fewest, median and most parameters among the random networks.
        seconds: duration of the check.
    """

    space: str
    applied: Mapping[str, int]
    networks: int
    parameters: tuple[int, int, int]
    seconds: float

    def __str__(self) -> str:
        low, middle, high = self.parameters
        idle = [name for name, times in self.applied.items() if not times]
        note = f"; never applied: {', '.join(idle)}" if idle else ""
        return (
            f"space {self.space}: {len(self.applied)} mutations and {self.networks} networks built "
            f"and run in {self.seconds:.1f} s; {low:,} to {high:,} parameters (median "
            f"{middle:,}){note}"
        )


def check(
    space: GrowingSpace, inputs: tuple[int, ...], classes: int | None, *, samples: int, seed: int
) -> GrowthReport:
    """Build and run on meta the seed, random graphs, and what each mutation makes of them.

    Raises:
        SpaceError: a network does not build, does not accept ``inputs`` or does not give one
            number for each class; the message names the mutation that led to it.
    """
    start = time.perf_counter()
    rng = Random(seed)
    _tried(space, space.seed, "its seed", inputs, classes)
    drawn = [Graph.of(space.sample(rng)) for _ in range(max(1, samples))]
    sizes = sorted(_tried(space, graph, "a sampled graph", inputs, classes) for graph in drawn)
    applied = {mutation.__name__: 0 for mutation in space.mutations}
    pool = [space.seed, *drawn]  # and what mutations make of it: one undoes what another did
    for _ in range(TIMES):
        for mutation in space.mutations:
            child = _child(space, mutation, rng.sample(pool, len(pool)), rng)
            if child is not None:
                where = f"mutation {mutation.__name__!r}"
                _tried(space, child, where, inputs, classes)
                applied[mutation.__name__] += 1
                pool.append(child)
    return GrowthReport(
        space.name,
        applied,
        1 + len(drawn) + sum(applied.values()),
        (sizes[0], sizes[len(sizes) // 2], sizes[-1]),
        time.perf_counter() - start,
    )


def _child(
    space: GrowingSpace, mutation: Mutation, graphs: Sequence[Graph], rng: Random
) -> Graph | None:
    """Apply a mutation to the first graph that it applies to."""
    for graph in graphs:
        try:
            child = mutation(graph, rng, space.builder_arguments)
            space.builder(child, **space.builder_arguments)
        except Rejected:
            continue
        if child != graph:
            return child
    return None


def _tried(
    space: GrowingSpace, graph: Graph, where: str, inputs: tuple[int, ...], classes: int | None
) -> int:
    """Build and run a graph's network on meta, and return its number of parameters."""
    try:
        with torch.device("meta"):
            network = space.build(graph.architecture(space.name))
        shape = tuple(forward_meta(network, inputs, batch=2))
        problem = f"the network gives outputs of shape {shape} for a batch of 2; expected "
        problem += f"(2, {classes}), one number for each class"
    except NasturtiumError as error:
        shape, problem = (), str(error)
    except Exception as error:
        shape, problem = (), f"{type(error).__name__}: {str(error).splitlines()[0][:300]}"
    if not shape or (classes is not None and shape != (2, classes)):
        raise SpaceError(
            f"space {space.name!r} with inputs {tuple(inputs)} and {classes} classes: {where} "
            f"leads to a network that does not fit: {problem} (found in {graph!r})"
        )
    return sum(parameter.numel() for parameter in network.parameters())
