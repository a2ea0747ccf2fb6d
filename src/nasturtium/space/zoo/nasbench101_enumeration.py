"""Enumeration of the cells of NAS-Bench-101, each once: the paper's 423,624, in seconds.

Ying et al. (2019), "NAS-Bench-101: Towards Reproducible Neural Architecture Search", section 2.1,
counts cells of up to seven vertices and nine edges up to isomorphism, by a hash of each. Here they
are enumerated without a hash. A graph is a number whose bits are its edges. Where renaming inner
vertices turns several numbers into one another (edges still lead forward), the least represents
all; it is listed with each labelling by operations that no automorphism turns into a smaller one.

The listed cells are complete, and no two are isomorphic. The tests and
``scripts/reproduce/enumerate_nasbench101.py`` show that their hashes are the authors' hashes.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import permutations

import numpy as np
from numpy.typing import NDArray

from nasturtium.architecture import Architecture, Value
from nasturtium.errors import SpaceError
from nasturtium.space.zoo.nasbench101 import EDGES, OPS, PAIRS, VERTICES

__all__ = ["distinct", "graphs", "labellings", "number"]

Codes = NDArray[np.int64]


def number(vertices: int = VERTICES, edges: int = EDGES) -> int:
    """Return the number of cells up to isomorphism, of up to so many vertices and edges.

    Raises:
        SpaceError: the number of vertices is out of its range.

    Example:
        >>> [number(vertices) for vertices in (2, 3, 4, 5)]
        [1, 7, 91, 2532]
    """
    sizes = range(2, _checked(vertices) + 1)
    return sum(int(labellings(graphs(size, edges), size).sum()) for size in sizes)


def distinct(vertices: int = VERTICES, edges: int = EDGES) -> Iterator[Architecture]:
    """Yield one architecture for each cell of up to so many vertices and edges, small cells first.

    Records are those of ``nasbench101.bind(vertices=vertices)``.

    Raises:
        SpaceError: the number of vertices is out of its range.

    Example:
        >>> from nasturtium.space.zoo.nasbench101 import nasbench101
        >>> space = nasbench101.bind(vertices=4)
        >>> len({space.canonical(cell) for cell in distinct(4)})
        91
    """
    none: dict[str, Value] = {name: False for name, _ in PAIRS[_checked(vertices)]}
    for size in range(2, vertices + 1):
        names = [*range(size - 1), vertices - 1]  # the output is the last vertex of a record
        edge = [f"edge{names[s]}_{names[t]}" for _, (s, t) in PAIRS[size]]
        inner = [f"vertex{name}" for name in names[1:-1]]
        codes = graphs(size, edges)
        for code, kept in zip(codes.tolist(), labellings(codes, size), strict=True):
            graph = none | {name: True for bit, name in enumerate(edge) if code >> bit & 1}
            for label in np.flatnonzero(kept).tolist():
                ops = {name: OPS[label // 3**place % 3] for place, name in enumerate(inner)}
                yield Architecture.recorded("nasbench101", {**graph, **ops})


def graphs(vertices: int, edges: int = EDGES) -> Codes:
    """Return the graphs of exactly so many vertices, all on a path from the first to the last.

    Args:
        vertices: their number, input and output included.
        edges: the most edges.

    Returns:
        ascending codes, one of each isomorphism class: bit i is the i-th of the pairs
        (0, 1), (0, 2), ... (1, 2), ...

    Raises:
        SpaceError: the number of vertices is out of its range.
    """
    pairs = [pair for _, pair in PAIRS[_checked(vertices)]]
    codes: Codes = np.arange(1 << len(pairs), dtype=np.int64)
    codes = codes[sum(codes >> bit & 1 for bit in range(len(pairs))) <= edges]
    # Edges lead forward, so what has an edge in and an edge out is on a path.
    for vertex in range(vertices):
        into = sum(1 << bit for bit, (_, target) in enumerate(pairs) if target == vertex)
        out = sum(1 << bit for bit, (source, _) in enumerate(pairs) if source == vertex)
        for mask in (into, out):
            if mask:
                codes = codes[codes & mask != 0]
    for names in _renamings(vertices):
        moved, forward = _renamed(codes, names)
        codes = codes[~forward | (moved >= codes)]
    return codes


def labellings(codes: Codes, vertices: int) -> NDArray[np.bool_]:
    """Return, for each graph, which labellings with operations represent their class.

    Args:
        codes: (n,) graphs of :func:`graphs`.
        vertices: their number of vertices.

    Returns:
        (n, 3^(vertices - 2)): labelling l gives the inner vertex v the operation number
        l // 3^(v - 1) mod 3.
    """
    labels = np.arange(3 ** (vertices - 2))
    kept = np.ones((len(codes), len(labels)), dtype=np.bool_)
    for names in _renamings(vertices):
        moved, forward = _renamed(codes, names)
        same = forward & (moved == codes)
        if same.any():
            other = np.zeros_like(labels)
            for vertex in range(1, vertices - 1):
                other += labels // 3 ** (vertex - 1) % 3 * 3 ** (names[vertex] - 1)
            kept[same] &= labels <= other
    return kept


def _renamings(vertices: int) -> Iterator[tuple[int, ...]]:
    """Yield new names of the vertices; the first and the last keep theirs."""
    for inner in permutations(range(1, vertices - 1)):
        yield (0, *inner, vertices - 1)


def _renamed(codes: Codes, names: tuple[int, ...]) -> tuple[Codes, NDArray[np.bool_]]:
    """Return the codes under other names, and whether all edges still lead forward."""
    pairs = [pair for _, pair in PAIRS[len(names)]]
    bits = {pair: bit for bit, pair in enumerate(pairs)}
    moved, backward = np.zeros_like(codes), 0
    for bit, (source, target) in enumerate(pairs):
        new = bits.get((names[source], names[target]))
        if new is None:
            backward |= 1 << bit
        else:
            moved |= (codes >> bit & 1) << new
    return moved, codes & backward == 0


def _checked(vertices: int) -> int:
    if vertices not in PAIRS:
        raise SpaceError(
            f"cells of {vertices!r} vertices cannot be listed; expected 2 to {VERTICES}, as in "
            "NAS-Bench-101"
        )
    return vertices
