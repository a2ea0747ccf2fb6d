"""Encodings of labelled graphs for graph kernels, path encodings and graph networks.

Shervashidze, Schweitzer, van Leeuwen, Mehlhorn & Borgwardt (2011), "Weisfeiler-Lehman graph
kernels"; White, Neiswanger & Savani (2021), "BANANAS", for the encoding by paths.

Implemented: subtree counts on directed graphs (what a node reads defines it, as in NAS-BOWL), the
set of paths from input to output, and dense arrays. Deviations: none known.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, final

import numpy as np

from nasturtium.errors import EstimateError

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Graph", "count_subtrees", "encode_dense", "find_paths"]

MOST = 10_000  # paths of a graph


@final
@dataclass(frozen=True)
class Graph:
    """A directed acyclic graph; the first node is the input, the last one the output.

    Attributes:
        labels: of each node, in topological order.
        edges: pairs (source, target) with source < target.
    """

    labels: tuple[str, ...]
    edges: tuple[tuple[int, int], ...]

    def __post_init__(self) -> None:
        last = len(self.labels) - 1
        wrong = [edge for edge in self.edges if not 0 <= edge[0] < edge[1] <= last]
        if last < 1 or wrong:
            raise EstimateError(
                f"a graph of {last + 1} nodes got the edges {wrong or self.edges}; expected at "
                "least two nodes, and edges (source, target) with source < target"
            )

    def truncate(self, nodes: int) -> Graph:
        """Return the graph, or the first nodes and the output of a larger graph."""
        last = len(self.labels) - 1
        if last < nodes:
            return self
        places = {**{node: node for node in range(nodes - 1)}, last: nodes - 1}
        return Graph(
            tuple(self.labels[node] for node in places),
            tuple((places[s], places[t]) for s, t in self.edges if s in places and t in places),
        )

    def sources(self) -> list[list[int]]:
        """Return the inputs of each node, in ascending order."""
        read: list[list[int]] = [[] for _ in self.labels]
        for source, target in sorted(self.edges):
            read[target].append(source)
        return read


def count_subtrees(graph: Graph, depth: int = 2) -> Counter[Hashable]:
    """Count the subtrees up to a depth: a node's label, those of its inputs, and so on.

    The dot product of two such counts is the Weisfeiler-Lehman kernel.
    """
    read = graph.sources()
    labels: list[str] = list(graph.labels)
    counts: Counter[Hashable] = Counter((0, label) for label in labels)
    for level in range(1, depth + 1):
        labels = [
            f"{label}({','.join(sorted(labels[s] for s in sources))})"
            for label, sources in zip(labels, read, strict=True)
        ]
        counts.update((level, label) for label in labels)
    return counts


def find_paths(graph: Graph) -> frozenset[tuple[str, ...]]:
    """Return the labels along every path from input to output, without those two.

    Raises:
        EstimateError: there are more than ten thousand paths; use another encoding.
    """
    ways: list[list[tuple[str, ...]]] = [[()]]
    read = graph.sources()
    last = len(graph.labels) - 1
    for node in range(1, last + 1):
        label = () if node == last else (graph.labels[node],)
        here = [way + label for source in read[node] for way in ways[source]]
        if len(here) > MOST:
            raise EstimateError(
                f"a graph of {last + 1} nodes has more than {MOST:,} paths; encode it otherwise"
            )
        ways.append(here)
    return frozenset(ways[last])


def encode_dense(graphs: Iterable[Graph], labels: Sequence[str], nodes: int) -> NDArray[np.float32]:
    """Return graphs as rows: the adjacency matrix (source, target), then one-hot labels of nodes.

    Args:
        graphs: of at most ``nodes`` nodes; smaller ones are padded with unlabelled nodes.
        labels: the known labels; a node with another one is unlabelled.
        nodes: number of nodes in a row.

    Returns:
        (graphs, nodes * nodes + nodes * labels).

    Raises:
        EstimateError: a graph has more nodes.
    """
    graphs = list(graphs)
    places = {label: place for place, label in enumerate(labels)}
    links = np.zeros((len(graphs), nodes, nodes), dtype=np.float32)
    kinds = np.zeros((len(graphs), nodes, len(labels)), dtype=np.float32)
    for row, graph in enumerate(graphs):
        if len(graph.labels) > nodes:
            raise EstimateError(f"a graph has {len(graph.labels)} nodes; there is room for {nodes}")
        for source, target in graph.edges:
            links[row, source, target] = 1.0
        for node, label in enumerate(graph.labels):
            if label in places:
                kinds[row, node, places[label]] = 1.0
    return np.concatenate([links.reshape(len(graphs), -1), kinds.reshape(len(graphs), -1)], 1)
