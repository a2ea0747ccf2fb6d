"""Pools: rows in, near rows out, nothing else."""

from __future__ import annotations

import pickle
from collections import Counter
from random import Random

import numpy as np
import pytest

import nasturtium as nas
from nasturtium.errors import SpaceError
from nasturtium.space.pool_space import PoolSpace
from nasturtium.space.zoo.nasbench101 import from_matrix

GRID = [{"x": x, "y": y} for x in range(6) for y in range(6)]
CODES = np.array([list(row.values()) for row in GRID])
BITS = (CODES[:, :, None] > np.arange(5)).reshape(36, -1)  # apart by the sum of differences


def test_near_rows_are_the_nearest_without_a_preference_among_ties():
    pool = PoolSpace("grid", GRID, BITS, near=4)
    centre = pool.architectures[14]  # x=2, y=2
    near = {(a["x"], a["y"]) for a in pool.neighbours(centre)}
    assert near == {(1, 2), (3, 2), (2, 1), (2, 3)}
    corner = {(a["x"], a["y"]) for a in pool.neighbours(pool.architectures[0])}
    assert corner == {(0, 1), (1, 0), (0, 2), (1, 1), (2, 0)}  # two are not four; five are at two
    rng = Random(0)
    drawn = Counter(pool.mutate(centre, rng) for _ in range(4000))
    assert set(drawn) == set(pool.neighbours(centre))
    assert max(drawn.values()) < 1.15 * min(drawn.values())


def test_samples_are_even_and_children_lie_between():
    pool, rng = PoolSpace("grid", GRID, BITS, near=4), Random(1)
    drawn = Counter(pool.sample(rng) for _ in range(7200))
    assert len(drawn) == 36 and min(drawn.values()) > 130 and max(drawn.values()) < 280
    mother, father = pool.architectures[7], pool.architectures[28]  # (1, 1) and (4, 4)
    for _ in range(50):
        child = pool.cross(mother, father, rng)
        assert 1 <= child["x"] <= 4 and 1 <= child["y"] <= 4
    assert pool.cross(mother, mother, rng) == mother


def test_pools_travel():
    pool = PoolSpace("grid", GRID, BITS, near=4)
    again = pickle.loads(pickle.dumps(pool))
    assert again.architectures == pool.architectures
    assert again.mutate(pool.architectures[3], Random(2)) == pool.mutate(
        pool.architectures[3], Random(2)
    )
    assert pool.bind() is pool and pool.describe() == {"name": "grid", "rows": 36, "near": 4}


def test_pools_refuse():
    same = r"rows 0 and 1 of the pool 'same' are the same record.*of its 36 rows 1 are different"
    with pytest.raises(SpaceError, match=same):
        PoolSpace("same", [{"x": 1}] * 36, BITS)
    with pytest.raises(SpaceError, match="has 1 rows; expected at least two"):
        PoolSpace("one", [{"x": 1}], BITS[:1])
    with pytest.raises(SpaceError, match=r"expected \(36, number of features\)"):
        PoolSpace("grid", GRID, BITS[:5])
    pool = PoolSpace("grid", GRID, BITS)
    with pytest.raises(SpaceError, match="cannot bind inputs to"):
        pool.bind(inputs=(3, 8, 8))
    with pytest.raises(SpaceError, match="cannot build a network"):
        pool.build(pool.architectures[0])


def test_one_network_in_two_forms_is_refused():
    """Two NAS-Bench-101 cells that differ only in the names of two vertices."""
    matrix = [[0, 1, 1, 0], [0, 0, 0, 1], [0, 0, 0, 1], [0, 0, 0, 0]]
    other = [[0, 1, 0, 1], [0, 0, 1, 0], [0, 0, 0, 1], [0, 0, 0, 0]]
    cells = [
        from_matrix(other, ["conv1x1", "conv3x3"]),
        from_matrix(matrix, ["conv3x3", "maxpool3x3"]),
        from_matrix(matrix, ["maxpool3x3", "conv3x3"]),
    ]
    features = np.eye(3)
    assert len(PoolSpace("nasbench101", cells, features)) == 3  # as records they differ
    form = nas.zoo.nasbench101.canonical
    pool = PoolSpace("nasbench101", cells[:2], features[:2], canonical=form)
    assert pool.canonical(cells[1]) == pool.canonical(cells[2])
    assert pickle.loads(pickle.dumps(pool)).canonical(cells[0]) == form(cells[0])
    words = (
        r"rows 1 and 2 of the pool 'nasbench101' have one canonical form \(the same network\)"
        r".*vertex1='conv3x3', vertex2='maxpool3x3'.*of its 3 rows 2 are different: give each"
    )
    with pytest.raises(SpaceError, match=words):
        PoolSpace("nasbench101", cells, features, canonical=form)
