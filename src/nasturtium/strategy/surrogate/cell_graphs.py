"""Rows for surrogates that read graphs, from the graphs that a space declares."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, final

from nasturtium.errors import StrategyError
from nasturtium.predict.graph_encodings import Graph, encode_dense

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from nasturtium.architecture import Architecture
    from nasturtium.space.base import Space

__all__ = ["Frame", "GraphOf", "graph_of"]

GraphOf = Callable[["Architecture"], Graph]
ROOM = 2  # nodes beyond the largest graph so far


def graph_of(space: Space) -> GraphOf:
    """Return the function from the space's architectures to graphs.

    Raises:
        StrategyError: the space does not declare it.
    """
    if space.graph is None:
        raise StrategyError(
            f"space {space.name!r} does not say how its architectures become graphs; declare it, "
            "@nas.space(graph=f), where f(architecture) gives a "
            "nasturtium.predict.graph_encodings.Graph"
        )
    return space.graph


@final
@dataclass(frozen=True)
class Frame:
    """A layout of cells as rows for graph networks.

    Attributes:
        nodes: room in a row.
        labels: the known labels.
        graph: of an architecture.
    """

    nodes: int
    labels: tuple[str, ...]
    graph: GraphOf

    @classmethod
    def of(cls, cells: Sequence[Architecture], graph: GraphOf) -> Frame:
        """Return a frame for these cells, with some room for mutants that are larger."""
        graphs = [graph(cell) for cell in cells]
        largest = max(max(len(one.labels) for one in graphs), len(cells[0]))
        labels = {label for one in graphs for label in one.labels}
        return cls(largest + ROOM, tuple(sorted(labels)), graph)

    def rows(self, cells: Sequence[Architecture]) -> NDArray[np.float32]:
        """Return rows of :func:`~nasturtium.predict.graph_encodings.encode_dense`, cut to size."""
        graphs = [self.graph(cell).truncate(self.nodes) for cell in cells]
        return encode_dense(graphs, self.labels, self.nodes)
