"""Spaces without a fixed vocabulary: a seed graph, and mutations that grow it.

Where a builder asks a question for every choice, a graph space asks none. Its architectures are
whatever its mutations reach from its seed, so they may grow without bound; their records hold one
decision for each node of the graph, which is why JSON, keys and the log treat them like any other.
Strategies that mutate (and cross) work in such a space; those that need a list of decisions, of
neighbours, or a supernet do not, and say so.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from random import Random
from typing import TYPE_CHECKING, Any, final

from nasturtium.architecture import Architecture
from nasturtium.errors import Rejected, SpaceError
from nasturtium.space.base import Space
from nasturtium.space.builder import asked_of, built, check_arguments, facts_of, keywords
from nasturtium.space.nodes import Facts, Graph, Mutation

if TYPE_CHECKING:
    from torch import nn

    from nasturtium.space.check_graph import GrowthReport

__all__ = ["GraphSpace"]

ATTEMPTS = 1000


@final
class GraphSpace(Space):
    """A space that grows: what mutations make of a seed graph.

    Args:
        builder: ``builder(graph, *, inputs, classes, ...) -> build``, as for ``@nas.space`` but for
            the graph in place of the handle; it raises ``Rejected`` for a graph that it refuses.
        name: the space's name.
        seed: the graph from which all others grow.
        mutations: functions ``mutation(graph, rng, facts) -> graph`` of a graph and the builder's
            arguments, which raise ``Rejected`` where they do not apply; which is drawn evenly.
        steps: least and most mutations between the seed and a sampled graph, drawn evenly.
        arguments: keyword arguments bound so far.
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
        """The seed after a random number of mutations."""
        graph = self.seed
        for _ in range(rng.randint(*self.steps)):
            graph = self._mutated(graph, rng)
        return graph.architecture(self.name)

    def mutate(self, parent: Architecture, rng: Random) -> Architecture:
        """The parent's graph after one mutation that applies to it.

        Raises:
            SpaceError: a thousand mutations in a row did not apply, or the record is no graph.
        """
        return self._mutated(Graph.of(parent), rng).architecture(self.name)

    def cross(self, mother: Architecture, father: Architecture, rng: Random) -> Architecture:
        """The mother's graph, in which settings of nodes that both parents have come from either.

        Nodes are the same where their names and operations are. Raises what :meth:`mutate` does.
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
        """A fresh network with ordinary modules.

        Args:
            architecture: a record of this space.
            seed: draws the initial weights from this seed and leaves torch's generators alone;
                without one, torch's global generator is used.

        Raises:
            SpaceError: the record is no graph, or not one that the space allows.
        """
        what = f"space {self.name!r}"
        return built(what, self.builder(Graph.of(architecture), **self.facts), seed)

    @property
    def facts(self) -> Facts:
        """The builder's keyword arguments; unbound ``inputs`` and ``classes`` are CIFAR-10's."""
        return facts_of(f"space {self.name!r}", self.builder, self.arguments)

    def canonical(self, architecture: Architecture) -> Hashable:
        """A form that isomorphic graphs share, and no others."""
        return Graph.of(architecture).canonical()

    def bind(self, **arguments: Any) -> GraphSpace:
        """The same space under other builder arguments.

        Raises:
            SpaceError: the builder has no such argument.
        """
        check_arguments(f"space {self.name!r}", self.builder, arguments)
        return self._with(arguments={**self.arguments, **arguments})

    def bind_known(self, **facts: Any) -> GraphSpace:
        known = {parameter.name for parameter in keywords(self.builder)} - set(self.arguments)
        return self.bind(**{name: value for name, value in facts.items() if name in known})

    def growing(self, least: int, most: int) -> GraphSpace:
        """The same space with other numbers of mutations between the seed and a sampled graph."""
        return self._with(steps=(least, most))

    def check(
        self,
        inputs: tuple[int, ...] | None = None,
        classes: int | None = None,
        *,
        samples: int = 20,
        seed: int = 0,
    ) -> GrowthReport:
        """Build what every mutation makes, and random networks, before any work starts.

        Networks are built and run on the meta device, so this costs milliseconds for each.

        Args:
            inputs: shape of one example, e.g. ``(3, 32, 32)``; the bound one if not given.
            classes: number of classes; the bound one if not given.
            samples: how many random networks to try, the seed aside.
            seed: draws them.

        Raises:
            SpaceError: a network does not fit; names the mutation that led to it.
        """
        from nasturtium.space.check_graph import check

        bound = self.bind(**asked_of(self.builder, inputs=inputs, classes=classes))
        shape = inputs or bound.facts.get("inputs")
        if shape is None:
            raise SpaceError(
                f"space {self.name!r}: give check() the shape of one example, inputs=..."
            )
        number = classes or bound.facts.get("classes")
        return check(bound, shape, number, samples=samples, seed=seed)

    def describe(self) -> Mapping[str, Any]:
        """Name, arguments, seed, mutations, and how far from the seed samples are drawn."""
        return {
            "name": self.name,
            "arguments": {name: repr(value) for name, value in sorted(self.arguments.items())},
            "seed": {name: list(node) for name, node in self.seed.items()},
            "mutations": [mutation.__name__ for mutation in self.mutations],
            "steps": list(self.steps),
        }

    def _mutated(self, graph: Graph, rng: Random) -> Graph:
        reason, facts = "none was drawn", self.facts
        for _ in range(ATTEMPTS):
            mutation = self.mutations[rng.randrange(len(self.mutations))]
            try:
                child = mutation(graph, rng, facts)
                if child != graph:
                    self.builder(child, **facts)
                    return child
                reason = f"{mutation.__name__} gave its parent back"
            except Rejected as error:
                reason = str(error)
        raise SpaceError(
            f"space {self.name!r}: none of {ATTEMPTS} mutations applies to {graph!r} (the last "
            f"one: {reason}); give the space mutations that do"
        )

    def _allows(self, graph: Graph) -> bool:
        try:
            self.builder(graph, **self.facts)
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
