"""GraphSpace: a search space of the graphs that mutations make from a seed graph.

A graph space asks no decisions. Its architectures are the graphs that its mutations reach from its
seed, so they may grow without limit. A record holds one decision for each node of the graph, so
JSON, keys and the log treat it like any other. Strategies that mutate (and cross) work in such a
space; strategies that need decisions, neighbours or a supernet refuse it.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from random import Random
from typing import TYPE_CHECKING, Any, final

from nasturtium.architecture import Architecture
from nasturtium.errors import Rejected, SpaceError
from nasturtium.space.base import Space
from nasturtium.space.builder import (
    build_module,
    check_arguments,
    complete_arguments,
    select_arguments,
    select_unbound,
)
from nasturtium.space.node_graph import BuilderArguments, Graph, Mutation

if TYPE_CHECKING:
    from torch import nn

    from nasturtium.space.check_graph import GrowthReport

__all__ = ["GraphSpace"]

ATTEMPTS = 1000


@final
class GraphSpace(Space):
    """A search space of the graphs that mutations make from a seed graph.

    Args:
        builder: ``builder(graph, *, inputs, classes, ...) -> build``, as for ``@nas.space``, with
            the graph in place of the handle; it raises ``Rejected`` for a graph that it refuses.
        name: the space's name.
        seed: the graph from which all others grow.
        mutations: functions ``mutation(graph, rng, arguments) -> graph`` of a graph and the
            builder's arguments; they raise ``Rejected`` where they do not apply, and are equally
            likely.
        steps: least and most mutations between the seed and a sampled graph; the number is drawn
            evenly.
        arguments: keyword arguments bound so far.

    Example:
        >>> import nasturtium as nas
        >>> from random import Random
        >>> from torch import nn
        >>> from nasturtium.space.node_graph import Graph, Node
        >>> def network(graph, *, inputs, classes):
        ...     layers = [(name, nas.block(nn.ReLU)) for name in graph.order[:-1]]
        ...     return nas.chain(layers, head=nas.block(nn.Linear, inputs[0], classes))
        >>> def deepen(graph, rng, arguments):
        ...     name = graph.fresh("relu")
        ...     main = graph["output"].sources[0]
        ...     grown = graph.put(name, Node("relu", (main,)))
        ...     return grown.put("output", Node("output", (name,)))
        >>> seed = Graph({"output": Node("output", ("input",))})
        >>> space = nas.GraphSpace(network, "chains", seed, (deepen,), steps=(2, 2))
        >>> space.build(space.sample(Random(0)))
        Sequential(
          (relu0): ReLU()
          (relu1): ReLU()
          (head): Linear(in_features=3, out_features=10, bias=True)
        )
    """

    def __init__(
        self,
        builder: Callable[..., Callable[[], Any]],
        name: str,
        seed: Graph,
        mutations: Sequence[Mutation],
        steps: tuple[int, int] = (0, 10),
        arguments: Mapping[str, Any] | None = None,
    ) -> None:
        if not mutations or not 0 <= steps[0] <= steps[1]:
            raise SpaceError(
                f"graph space {name!r} got {len(mutations)} mutations and steps={steps!r}; "
                "expected at least one mutation, and the least and most steps from the seed, e.g. "
                "(0, 10)"
            )
        self.builder = builder
        self.name = name
        self.seed = seed
        self.mutations = tuple(mutations)
        self.steps = steps
        self.arguments = dict(arguments or {})
        self.__doc__ = builder.__doc__

    def sample(self, rng: Random) -> Architecture:
        """Apply a random number of mutations to the seed."""
        graph = self.seed
        for _ in range(rng.randint(*self.steps)):
            graph = self._mutated(graph, rng)
        return graph.architecture(self.name)

    def mutate(self, parent: Architecture, rng: Random) -> Architecture:
        """Apply one mutation, drawn at random, to the parent's graph.

        Raises:
            SpaceError: a thousand mutations in a row did not apply, or the record is not a graph.
        """
        return self._mutated(Graph.of(parent), rng).architecture(self.name)

    def cross(self, mother: Architecture, father: Architecture, rng: Random) -> Architecture:
        """Return the mother's graph; nodes that both parents have get the settings of either.

        Two nodes are the same if their names and operations are.
        """
        graph, other = Graph.of(mother), Graph.of(father)
        for _ in range(ATTEMPTS):
            nodes = dict(graph)
            for name, node in graph.items():
                if name in other and other[name].op == node.op and rng.random() < 0.5:
                    nodes[name] = node._replace(settings=other[name].settings)
            child = Graph(nodes)
            if self._allows(child):
                return child.architecture(self.name)
        return mother

    def build(self, architecture: Architecture, *, seed: int | None = None) -> nn.Module:
        """Build a new network of ordinary modules.

        Args:
            architecture: a record of this space.
            seed: draws the initial weights from this seed and leaves torch's generators alone;
                without one, torch's global generator is used.

        Raises:
            SpaceError: the record is not a graph, or the space does not allow it.
        """
        what = f"space {self.name!r}"
        return build_module(
            what, self.builder(Graph.of(architecture), **self.builder_arguments), seed
        )

    @property
    def builder_arguments(self) -> BuilderArguments:
        """All arguments of the builder; unbound ``inputs`` and ``classes`` are CIFAR-10's."""
        return complete_arguments(f"space {self.name!r}", self.builder, self.arguments)

    def canonical(self, architecture: Architecture) -> Hashable:
        """Return a form that isomorphic graphs share, and no others."""
        return Graph.of(architecture).canonical()

    def bind(self, **arguments: Any) -> GraphSpace:
        """Bind arguments of the builder, in a new space.

        Raises:
            SpaceError: the builder has no such argument.
        """
        check_arguments(f"space {self.name!r}", self.builder, arguments)
        return self._with(arguments={**self.arguments, **arguments})

    def bind_known(self, **shapes: Any) -> GraphSpace:
        return self.bind(**select_unbound(self.builder, self.arguments, shapes))

    def growing(self, least: int, most: int) -> GraphSpace:
        """Change how many mutations lie between the seed and a sampled graph, in a new space."""
        return self._with(steps=(least, most))

    def check(
        self,
        inputs: tuple[int, ...] | None = None,
        classes: int | None = None,
        *,
        samples: int = 20,
        seed: int = 0,
    ) -> GrowthReport:
        """Build and run networks from every mutation, and random ones, on the meta device.


        Args:
            inputs: shape of one example, e.g. ``(3, 32, 32)``; by default the bound one.
            classes: number of classes; by default the bound one.
            samples: number of random networks, besides the seed.
            seed: draws them.

        Raises:
            SpaceError: a network does not fit; names the mutation that led to it.
        """
        from nasturtium.space.check_graph import check

        bound = self.bind(**select_arguments(self.builder, inputs=inputs, classes=classes))
        shape = inputs or bound.builder_arguments.get("inputs")
        if shape is None:
            raise SpaceError(
                f"space {self.name!r}: give check() the shape of one example, inputs=..."
            )
        number = classes or bound.builder_arguments.get("classes")
        return check(bound, shape, number, samples=samples, seed=seed)

    def describe(self) -> Mapping[str, Any]:
        """Return name, arguments, seed, mutations, and the number of mutations of a sample."""
        return {
            "name": self.name,
            "arguments": {name: repr(value) for name, value in sorted(self.arguments.items())},
            "seed": {name: list(node) for name, node in self.seed.items()},
            "mutations": [mutation.__name__ for mutation in self.mutations],
            "steps": list(self.steps),
        }

    def _mutated(self, graph: Graph, rng: Random) -> Graph:
        reason, arguments = "none was drawn", self.builder_arguments
        for _ in range(ATTEMPTS):
            mutation = self.mutations[rng.randrange(len(self.mutations))]
            try:
                child = mutation(graph, rng, arguments)
                if child != graph:
                    self.builder(child, **arguments)
                    return child
                reason = f"{mutation.__name__} returned its parent unchanged"
            except Rejected as error:
                reason = str(error)
        raise SpaceError(
            f"space {self.name!r}: none of {ATTEMPTS} mutations applies to {graph!r} (the last "
            f"one: {reason}); give the space mutations that do"
        )

    def _allows(self, graph: Graph) -> bool:
        try:
            self.builder(graph, **self.builder_arguments)
        except Rejected:
            return False
        return True

    def _with(self, **changes: Any) -> GraphSpace:
        parts = {
            "builder": self.builder,
            "name": self.name,
            "seed": self.seed,
            "mutations": self.mutations,
            "steps": self.steps,
            "arguments": self.arguments,
        }
        return GraphSpace(**{**parts, **changes})

    def __repr__(self) -> str:
        bound = ", ".join(f"{name}={value!r}" for name, value in self.arguments.items())
        return f"<graph space {self.name}({bound})>"
