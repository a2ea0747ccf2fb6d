"""Conversion of two common kinds of cells to graphs; a space declares its kind.

Implemented: cells with an operation on every edge (``edge0_1``, ``edge0_2``, ... as NAS-Bench-201
asks), read as graphs whose nodes are the operations; and cells with an operation at every vertex
(``edges`` and ``ops``, as rows of NAS-Bench-101 have). Operations ``none``, and those that read
only them, are removed; ``skip_connect`` stays a node, as in the encodings of BANANAS.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nasturtium.predict.graph_encodings import Graph

__all__ = ["edge_cell", "vertex_cell"]

INPUT, OUTPUT = "input", "output"


def edge_cell(cell: Mapping[str, Any]) -> Graph:
    """Return the graph of a cell whose decisions are the operations of its edges.

    Example:
        >>> edge_cell({"edge0_1": "conv", "edge0_2": "none", "edge1_2": "pool"})
        Graph(labels=('input', 'conv', 'pool', 'output'), edges=((0, 1), (1, 2), (2, 3)))
    """
    labels, links = [INPUT], list[tuple[int, int]]()
    outputs: dict[int, list[int]] = {0: [0]}  # nodes of the graph that sum up to a cell's node
    named = sorted((_edge(name), str(op)) for name, op in cell.items())
    for (target, source), op in named:
        if op == "none" or not outputs.get(source):
            continue
        links += [(node, len(labels)) for node in outputs[source]]
        outputs.setdefault(target, []).append(len(labels))
        labels.append(op)
    last = named[-1][0][0]
    links += [(node, len(labels)) for node in outputs.get(last, [])]
    return Graph((*labels, OUTPUT), tuple(links))


def vertex_cell(cell: Mapping[str, Any]) -> Graph:
    """Return the graph of a cell with ``edges`` (pairs of vertices) and ``ops`` of vertices.

    Example:
        >>> vertex_cell({"edges": ((0, 1), (1, 2)), "ops": ("conv",)})
        Graph(labels=('input', 'conv', 'output'), edges=((0, 1), (1, 2)))
    """
    last = len(cell["ops"]) + 1  # an output that is not the vertex after the last moves there
    edges = tuple((source, min(target, last)) for source, target in cell["edges"])
    return Graph((INPUT, *map(str, cell["ops"]), OUTPUT), edges)


def _edge(name: str) -> tuple[int, int]:
    """Return the target and the source of ``edge<source>_<target>``."""
    source, _, target = name.removeprefix("edge").partition("_")
    return int(target), int(source)
