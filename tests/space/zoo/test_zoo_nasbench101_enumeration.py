"""NAS-Bench-101's cells, each once: as many as published, and those that the space has."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from nasturtium.errors import SpaceError
from nasturtium.space.zoo.nasbench101 import nasbench101, pruned
from nasturtium.space.zoo.nasbench101_enumeration import distinct, graphs, labellings, number


def test_the_published_number_of_cells():
    """Ying et al. (2019), section 2.1."""
    assert [number(vertices) for vertices in range(2, 8)] == [1, 7, 91, 2532, 64542, 423_624]


def test_cells_are_those_of_the_space_each_once():
    space = nasbench101.bind(vertices=4)
    cells = list(distinct(4))
    forms = [space.canonical(cell) for cell in cells]
    assert len(set(forms)) == len(forms) == 91
    assert set(forms) == {space.canonical(cell) for cell in space.every()}
    for cell in cells:
        assert space.decide(space.replay(cell)) == cell


def test_hashes_tell_cells_of_five_vertices_apart():
    space = nasbench101.bind(vertices=5)
    assert len({space.canonical(cell) for cell in distinct(5)}) == 2532


def test_graphs_are_whole_and_small():
    codes = graphs(6, edges=7)
    pairs = [(s, t) for s in range(6) for t in range(s + 1, 6)]
    assert all(a < b for a, b in pairwise(codes.tolist()))
    for code in codes.tolist():
        edges = [pair for bit, pair in enumerate(pairs) if code >> bit & 1]
        assert len(edges) <= 7
        whole = pruned(edges, 5)
        assert whole is not None and whole.vertices == tuple(range(6))


def test_twins_have_as_many_labellings_as_pairs_without_order():
    """Two parallel vertices: six of nine labellings are unequal; in a row: all nine."""
    pairs = [(0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (2, 3)]
    codes = graphs(4, edges=4).tolist()
    kept = dict(zip(codes, labellings(np.array(codes), 4).sum(1).tolist(), strict=True))
    twins = sum(1 << pairs.index(pair) for pair in ((0, 1), (0, 2), (1, 3), (2, 3)))
    row = sum(1 << pairs.index(pair) for pair in ((0, 1), (1, 2), (2, 3)))
    assert (kept[twins], kept[row]) == (6, 9)


@pytest.mark.parametrize("vertices", [1, 8, "7"])
def test_other_numbers_of_vertices_are_refused(vertices):
    with pytest.raises(SpaceError, match=r"cannot be listed; expected 2 to 7"):
        number(vertices)
    with pytest.raises(SpaceError, match=r"cannot be listed; expected 2 to 7"):
        next(distinct(vertices))
