"""Cells as labelled graphs, for surrogates that read graphs.

Implemented: cells with an operation on every edge (``edge0_1``, ``edge0_2``, ... as NAS-Bench-201
asks), read as graphs whose nodes are the operations; and cells with an operation at every vertex
(``edges`` and ``ops``, as rows of NAS-Bench-101 have). ``none`` and what hangs on it vanish;
``skip_connect`` stays a node, as in the encodings of BANANAS.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, final

from nasturtium.errors import StrategyError
from nasturtium.predict.graph import Graph, dense

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from nasturtium.architecture import Architecture

__all__ = ["Frame", "cell_graph", "has_graph"]

INPUT, OUTPUT = "input", "output"
ROOM = 2  # nodes beyond the largest graph so far


def has_graph(architecture: Architecture) -> bool:
    """Whether :func:`cell_graph` knows this kind of cell."""
    return set(architecture) == {"edges", "ops"} or (
        "edge0_1" in architecture and all(_edge(name) is not None for name in architecture)
    )


def cell_graph(architecture: Architecture) -> Graph:
    """The graph of a cell.

    Raises:
        StrategyError: the architecture is of no kind that is known.
    """
    if not has_graph(architecture):
        raise StrategyError(
            f"there is no graph of {architecture!r}: known are cells with operations on edges "
            "(edge0_1, ...) or at vertices (edges, ops); give graph=, a function from an "
            "architecture to a nasturtium.predict.graph.Graph"
        )
    if "edges" in architecture:
        edges: Any = architecture["edges"]
        ops: Any = architecture["ops"]
        # An output that is not the vertex after the last operation is moved there.
        last = len(ops) + 1
        return Graph((INPUT, *map(str, ops), OUTPUT), tuple((s, min(t, last)) for s, t in edges))
    labels, links = [INPUT], list[tuple[int, int]]()
    outputs: dict[int, list[int]] = {0: [0]}  # nodes of the graph that sum up to a cell's node
    named = sorted(((_edge(name) or (0, 0))[::-1], str(op)) for name, op in architecture.items())
    for (target, source), op in named:
        if op == "none" or not outputs.get(source):
            continue
        links += [(node, len(labels)) for node in outputs[source]]
        outputs.setdefault(target, []).append(len(labels))
        labels.append(op)
    last = named[-1][0][0]
    links += [(node, len(labels)) for node in outputs.get(last, [])]
    return Graph((*labels, OUTPUT), tuple(links))


@final
@dataclass(frozen=True)
class Frame:
    """How cells are written as rows for graph networks.

    Attributes:
        nodes: room in a row.
        labels: the known labels.
    """

    nodes: int
    labels: tuple[str, ...]

    @classmethod
    def of(cls, cells: Sequence[Architecture]) -> Frame:
        """A frame for these cells, with some room for mutants that are larger."""
        graphs = [cell_graph(cell) for cell in cells]
        largest = max(max(len(graph.labels) for graph in graphs), len(cells[0]))
        labels = {label for graph in graphs for label in graph.labels}
        return cls(largest + ROOM, tuple(sorted(labels)))

    def rows(self, cells: Sequence[Architecture]) -> NDArray[np.float32]:
        """The rows of :func:`~nasturtium.predict.graph.dense`; what has no room is left out."""
        graphs = [cell_graph(cell).within(self.nodes) for cell in cells]
        return dense(graphs, self.labels, self.nodes)


def _edge(name: str) -> tuple[int, int] | None:
    source, under, target = name.removeprefix("edge").partition("_")
    known = name.startswith("edge") and under and source.isdigit() and target.isdigit()
    return (int(source), int(target)) if known else None
