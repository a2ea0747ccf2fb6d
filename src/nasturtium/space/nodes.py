"""Graphs of nodes, as records and up to the names of nodes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from random import Random
from typing import Any, NamedTuple, cast, final

from nasturtium.architecture import Architecture, Value, plain
from nasturtium.errors import SpaceError

__all__ = ["INPUT", "OUTPUT", "Facts", "Graph", "Mutation", "Node"]

INPUT = "input"
OUTPUT = "output"

Facts = Mapping[str, Any]  # the keyword arguments of a builder


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
    """A frozen directed acyclic graph from ``input``, which is no node, to the node ``output``.

    Nodes are given in an order in which each stands behind those that it reads.

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
                        f"node {name!r} reads {source!r}, which is no node that can be read; "
                        f"there are: {', '.join(sorted({INPUT, *nodes} - {OUTPUT}))}"
                    )
        self.order = _ordered(nodes)
        self._nodes = {name: nodes[name] for name in self.order}

    @classmethod
    def of(cls, architecture: Architecture) -> Graph:
        """The graph that a record describes.

        Raises:
            SpaceError: it describes none.
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
                        f"{architecture!r} is no record of a graph: {name!r} is {value!r}; "
                        "expected (operation, (source, ...), (setting, ...))"
                    )
        return cls(nodes)

    def architecture(self, space: str) -> Architecture:
        """The record that :meth:`of` reads."""
        return Architecture(space, {name: plain(tuple(node)) for name, node in self.items()})

    def put(self, name: str, node: Node) -> Graph:
        """The graph with this node, in place of the one of that name if there is one."""
        return Graph({**self._nodes, name: node})

    def without(self, name: str) -> Graph:
        """The graph without this node; its readers read its main source in its place."""
        main = self[name].sources[0]
        nodes = {}
        for other, node in self.items():
            if other != name:
                replaced = [main if source == name else source for source in node.sources]
                nodes[other] = node._replace(sources=tuple(dict.fromkeys(replaced)))
        return Graph(nodes)

    def before(self, name: str) -> frozenset[str]:
        """All that a node depends on, the input included."""
        found: set[str] = set()
        left = list(self[name].sources)
        while left:
            source = left.pop()
            if source not in found:
                found.add(source)
                left += self[source].sources if source != INPUT else ()
        return frozenset(found)

    def fresh(self, kind: str) -> str:
        """A name for a new node, which no node of the graph has."""
        numbers = [name.removeprefix(kind) for name in self if name.startswith(kind)]
        return f"{kind}{1 + max((int(n) for n in numbers if n.isdecimal()), default=-1)}"

    def canonical(self) -> tuple[Any, ...]:
        """A form that two graphs share exactly when they differ in the names of nodes only.

        Nodes that the output does not depend on are left out. Nodes are told apart by what they do,
        read and are read by; where that leaves some alike, one is singled out at a time, and the
        least of the forms is taken.
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


Mutation = Callable[[Graph, Random, Facts], Graph]


def _ordered(nodes: Mapping[str, Node]) -> tuple[str, ...]:
    """Each behind those it reads, the shorter and then the lesser name first where free."""
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
    """The least form of all numberings that respect the colours."""
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
    """Split colours by those of the nodes read and of the readers, until nothing more splits."""
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
