"""NAS-Bench-101: number of cells, the authors' hash, channels and parameters."""

from __future__ import annotations

import os
from pathlib import Path
from random import Random

import numpy as np
import pytest
import torch

from nasturtium.errors import SpaceError
from nasturtium.space.zoo.nasbench101 import (
    OPS,
    Graph,
    canonical,
    channels_of,
    from_matrix,
    nasbench101,
    pruned,
)


def test_number_of_unequal_cells():
    forms = [nasbench101.bind(vertices=v).classes() for v in (2, 3, 4, 5)]
    assert forms == [1, 7, 91, 2532]


@pytest.mark.parametrize("seed", range(8))
def test_renamed_vertices_have_one_hash(seed):
    rng = Random(seed)
    record = nasbench101.sample(rng)
    edges = [(s, t) for s in range(7) for t in range(7) if record.get(f"edge{s}_{t}")]
    ops = {v: record.get(f"vertex{v}", "conv3x3") for v in range(1, 6)}
    order = [0]
    while len(order) < 6:  # any other topological order
        ready = [v for v in ops if v not in order]
        ready = [v for v in ready if all(s in order for s, t in edges if t == v)]
        order.append(rng.choice(ready))
    order.append(6)
    place = {vertex: index for index, vertex in enumerate(order)}
    moved = [[0] * 7 for _ in range(7)]
    for source, target in edges:
        moved[place[source]][place[target]] = 1
    other = from_matrix(moved, [ops[v] for v in order[1:-1]])
    assert nasbench101.canonical(other) == nasbench101.canonical(record)
    nearby = nasbench101.mutate(record, rng)
    same = nasbench101.skeleton(nearby).state_dict().keys()
    if same != nasbench101.skeleton(record).state_dict().keys():
        assert nasbench101.canonical(nearby) != nasbench101.canonical(record)


def _published():
    table = Path(os.environ.get("NASTURTIUM_DATA", "")) / "nb101/nasbench101_partial.npz"
    if not table.is_file():
        pytest.skip("NASTURTIUM_DATA has no NAS-Bench-101 table")
    return np.load(table)


def _record(data, row):
    number = int(data["num_vertices"][row])
    pairs = [(s, t) for s in range(7) for t in range(s + 1, 7)]
    bits = int(data["adj_bits"][row])
    matrix = [[0] * number for _ in range(number)]
    for index, (source, target) in enumerate(pairs):
        if bits >> index & 1:
            matrix[source][target] = 1
    return from_matrix(matrix, [OPS[op] for op in data["ops"][row][: number - 2]])


def test_hashes_are_in_the_published_order():
    with _published() as data:
        data = {name: data[name] for name in ("adj_bits", "ops", "num_vertices")}
    rows = np.linspace(0, 423_623, 300).astype(int)
    hashes = [canonical(_record(data, row)) for row in rows]
    assert hashes == sorted(hashes)
    assert len(set(hashes)) == len(hashes)


def test_published_parameters():
    with _published() as data:
        data = {k: data[k] for k in ("adj_bits", "ops", "num_vertices", "m_index", "m_params")}
    for place in Random(0).sample(range(len(data["m_index"])), 25):
        network = nasbench101.skeleton(_record(data, data["m_index"][place]))
        assert sum(p.numel() for p in network.parameters()) == data["m_params"][place]


def test_channels_of_what_feeds_the_output_add_up():
    graph = pruned([(0, 1), (0, 2), (0, 3), (1, 4), (2, 4), (3, 4), (0, 4)], 4)
    assert channels_of(graph, 8, 16) == (8, 6, 5, 5, 16)
    graph = pruned([(0, 1), (1, 2), (2, 3)], 3)
    assert channels_of(graph, 8, 16) == (8, 16, 16, 16)
    assert channels_of(pruned([(0, 6)], 6), 8, 16) == (8, 16)


def test_pruning():
    assert pruned([(0, 1), (2, 3)], 3) is None
    assert pruned([(0, 3), (0, 1), (2, 3)], 3) == Graph((0, 3), ((0, 1),))


def test_a_cell_computes_the_sum_and_the_concatenation():
    matrix = [[0, 1, 1, 1], [0, 0, 1, 1], [0, 0, 0, 1], [0, 0, 0, 0]]
    space = nasbench101.bind(vertices=4, channels=8, stacks=1, cells=1, inputs=(3, 8, 8))
    network = space.build(from_matrix(matrix, ["maxpool3x3", "conv1x1"], 4), seed=0).eval()
    cell, x = network.stack0.cell0, torch.randn(2, 8, 8, 8)
    first = cell.vertex1(cell.enter1(x))
    second = cell.vertex2(first + cell.enter2(x))
    assert torch.allclose(cell(x), torch.cat([first, second], 1) + cell.enter_output(x))


def test_only_vertices_on_a_path_are_asked():
    record = from_matrix([[0, 0, 1], [0, 0, 0], [0, 0, 0]], ["conv3x3"])
    assert not [name for name in record if name.startswith("vertex")]
    assert nasbench101.decisions(record)


@pytest.mark.parametrize(
    ("matrix", "ops", "words"),
    [
        ([[0, 1], [0, 0]], ["conv3x3"], "n - 2"),
        ([[0, 0, 1], [0, 0, 0], [0, 0, 0]], ["conv5x5"], "'maxpool3x3'"),
        ([[0, 0, 0], [0, 0, 1], [0, 0, 0]], ["conv3x3"], "path"),
        ([[0, 0, 1], [1, 0, 0], [0, 0, 0]], ["conv3x3"], "upper triangular"),
    ],
)
def test_refuses_other_matrices(matrix, ops, words):
    with pytest.raises(SpaceError, match=words):
        from_matrix(matrix, ops)


def test_refuses_by_name():
    with pytest.raises(SpaceError, match="2 to 7 vertices"):
        nasbench101.bind(vertices=8).sample(Random(0))
