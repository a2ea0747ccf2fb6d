"""Graph: a directed acyclic graph of operations, its record, and its canonical form."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from random import Random
from typing import Any, NamedTuple, cast, final

from nasturtium.architecture import Architecture, Value, plain
from nasturtium.errors import SpaceError

__all__ = ["INPUT", "OUTPUT", "BuilderArguments", "Graph", "Mutation", "Node"]

INPUT = "input"
OUTPUT = "output"

BuilderArguments = Mapping[str, Any]  # the keyword arguments of a builder


class Node(NamedTuple):
    """One node of a graph.

    Attributes:
        op: what it does.
        sources: names of the nodes that it reads; the first is the main one, the order of the
            others does not matter.
        settings: of the operation, plain values.
    """

    op: str
    sources: tuple[str, ...]
    settings: tuple[Value, ...] = ()


@final
class Graph(Mapping[str, Node]):
    """A frozen directed acyclic graph from ``input``, which is not a node, to the node ``output``.

    Each node stands behind those that it reads.

    Args:
        nodes: by name; names stay with their nodes, since weights are inherited by them.

    Raises:
        SpaceError: there is no output, a source is missing, or nodes read one another in a circle.

    Example:
        >>> graph = Graph({"output": Node("output", ("input",))})
        >>> graph.put("first", Node("conv", ("input",), (3,))).order
        ('first', 'output')
    """

    def __init__(self, nodes: Mapping[str, Node]) -> None:
        if OUTPUT not in nodes or INPUT in nodes:
            raise SpaceError(
                f"a graph needs a node {OUTPUT!r}, and none that is called {INPUT!r}; got "
                f"{sorted(nodes)}"
            )
        for name, node in nodes.items():
            for source in node.sources:
                if source != INPUT and (source not in nodes or source == OUTPUT):
                    raise SpaceError(
                        f"node {name!r} reads {source!r}, which it cannot read; it "
                        f"can read: {', '.join(sorted({INPUT, *nodes} - {OUTPUT}))}"
                    )
        self.order = _ordered(nodes)
        self._nodes = {name: nodes[name] for name in self.order}

    @classmethod
    def of(cls, architecture: Architecture) -> Graph:
        """Read the graph that a record describes.

        Raises:
            SpaceError: the record does not describe a graph.
        """
        nodes = {}
        for name, value in architecture.items():
            match value:
                case (str() as op, tuple() as sources, tuple() as settings) if sources and all(
                    isinstance(source, str) for source in sources
                ):
                    nodes[name] = Node(op, cast(tuple[str, ...], sources), settings)
                case _:
                    raise SpaceError(
                        f"{architecture!r} is not the record of a graph: {name!r} is {value!r}; "
                        "expected (operation, (source, ...), (setting, ...))"
                    )
        return cls(nodes)

    def architecture(self, space: str) -> Architecture:
        """Return the record that :meth:`of` reads."""
        return Architecture(space, {name: plain(tuple(node)) for name, node in self.items()})

    def put(self, name: str, node: Node) -> Graph:
        """Return the graph with this node, which replaces a node of the same name."""
        return Graph({**self._nodes, name: node})

    def without(self, name: str) -> Graph:
        """Return the graph without this node; its readers read its main source instead."""
        main = self[name].sources[0]
        nodes = {}
        for other, node in self.items():
            if other != name:
                replaced = [main if source == name else source for source in node.sources]
                nodes[other] = node._replace(sources=tuple(dict.fromkeys(replaced)))
        return Graph(nodes)

    def before(self, name: str) -> frozenset[str]:
        """Return all nodes that a node depends on, the input included."""
        found: set[str] = set()
        left = list(self[name].sources)
        while left:
            source = left.pop()
            if source not in found:
                found.add(source)
                left += self[source].sources if source != INPUT else ()
        return frozenset(found)

    def fresh(self, kind: str) -> str:
        """Return a name for a new node that no node of the graph has."""
        numbers = [name.removeprefix(kind) for name in self if name.startswith(kind)]
        return f"{kind}{1 + max((int(n) for n in numbers if n.isdecimal()), default=-1)}"

    def canonical(self) -> tuple[Any, ...]:
        """Return a form that two graphs share if and only if they differ only in nodes' names.

        Nodes that the output does not depend on are left out. Nodes are distinguished by their
        operations, sources and readers. Where some are still alike, each of them is put first in
        turn, and the least of the forms is the result.
        """
        kept = {*self.before(OUTPUT), OUTPUT}
        nodes = {name: node for name, node in self.items() if name in kept}
        labels = {name: repr((node.op, node.settings)) for name, node in nodes.items()}
        ranks = {label: rank for rank, label in enumerate(sorted({*labels.values()}))}
        return _least({name: ranks[label] for name, label in labels.items()}, nodes, labels)

    def __getitem__(self, name: str) -> Node:
        return self._nodes[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._nodes)

    def __len__(self) -> int:
        return len(self._nodes)

    def __hash__(self) -> int:
        return hash(frozenset(self._nodes.items()))

    def __repr__(self) -> str:
        return f"Graph({self._nodes!r})"


Mutation = Callable[[Graph, Random, BuilderArguments], Graph]


def _ordered(nodes: Mapping[str, Node]) -> tuple[str, ...]:
    """Return a topological order; free nodes are ordered by length of name, then by name."""
    order: list[str] = []
    done, left = {INPUT}, sorted(nodes, key=lambda name: (len(name), name))
    while left:
        ready = next((n for n in left if done.issuperset(nodes[n].sources)), None)
        if ready is None:
            raise SpaceError(f"the nodes {', '.join(left)} read one another in a circle")
        left.remove(ready)
        done.add(ready)
        order.append(ready)
    return tuple(order)


def _least(
    colours: dict[str, int], nodes: Mapping[str, Node], labels: Mapping[str, str]
) -> tuple[Any, ...]:
    """Return the least form of all numberings that respect the colours."""
    colours = _refined(colours, nodes)
    classes: dict[int, list[str]] = {}
    for name, colour in colours.items():
        classes.setdefault(colour, []).append(name)
    alike = min(((c, names) for c, names in classes.items() if len(names) > 1), default=None)
    if alike is not None:
        doubled = {name: 2 * colour + 1 for name, colour in colours.items()}
        return min(_least({**doubled, n: 2 * alike[0]}, nodes, labels) for n in alike[1])
    place = {INPUT: -1, **colours}
    form = []
    for name in sorted(nodes, key=place.__getitem__):
        main, *others = (place[source] for source in nodes[name].sources)
        form.append((labels[name], main, tuple(sorted(others))))
    return tuple(form)


def _refined(colours: dict[str, int], nodes: Mapping[str, Node]) -> dict[str, int]:
    """Split colours by the colours of sources and readers until none splits further."""
    while True:
        seen = {INPUT: -1, **colours}
        readers: dict[str, list[tuple[bool, int]]] = {name: [] for name in seen}
        for name, node in nodes.items():
            for index, source in enumerate(node.sources):
                readers[source].append((index > 0, seen[name]))
        keys = {}
        for name, node in nodes.items():
            main, *others = (seen[source] for source in node.sources)
            keys[name] = (seen[name], main, sorted(others), sorted(readers[name]))
        ranks = {repr(key): rank for rank, key in enumerate(sorted(keys.values()))}
        before = len({*colours.values()})
        colours = {name: ranks[repr(key)] for name, key in keys.items()}
        if len({*colours.values()}) == before:
            return colours
