"""Graphs: paths, subtrees, arrays, and networks that read them."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import spearmanr

from nasturtium.errors import EstimateError
from nasturtium.predict.gcn import GCN
from nasturtium.predict.graph_encodings import Graph, count_subtrees, encode_dense, find_paths

DIAMOND = Graph(("in", "a", "b", "out"), ((0, 1), (0, 2), (1, 3), (2, 3)))
CHAIN = Graph(("in", "a", "b", "out"), ((0, 1), (1, 2), (2, 3)))


def test_paths():
    assert find_paths(DIAMOND) == {("a",), ("b",)}
    assert find_paths(CHAIN) == {("a", "b")}
    assert find_paths(Graph(("in", "out"), ((0, 1),))) == {()}
    assert find_paths(Graph(("in", "a", "out"), ((0, 1),))) == frozenset()
    nodes = 18
    full = Graph(("n",) * nodes, tuple((s, t) for t in range(nodes) for s in range(t)))
    with pytest.raises(EstimateError, match="more than 10,000 paths"):
        find_paths(full)


def test_subtrees_by_hand():
    assert count_subtrees(CHAIN, 1) == {
        (0, "in"): 1, (0, "a"): 1, (0, "b"): 1, (0, "out"): 1,
        (1, "in()"): 1, (1, "a(in)"): 1, (1, "b(a)"): 1, (1, "out(b)"): 1,
    }  # fmt: skip
    turned = Graph(("in", "b", "a", "out"), ((0, 1), (0, 2), (1, 3), (2, 3)))
    assert count_subtrees(DIAMOND, 3) == count_subtrees(
        turned, 3
    )  # another order of nodes, the same graph
    assert count_subtrees(DIAMOND) != count_subtrees(CHAIN)


def test_dense():
    row = encode_dense([CHAIN], ("a", "b"), 5)[0]
    links, kinds = row[:25].reshape(5, 5), row[25:].reshape(5, 2)
    assert np.argwhere(links).tolist() == [[0, 1], [1, 2], [2, 3]]
    assert kinds.tolist() == [[0, 0], [1, 0], [0, 1], [0, 0], [0, 0]]
    with pytest.raises(EstimateError, match="4 nodes; there is room for 3"):
        encode_dense([CHAIN], ("a",), 3)


def test_a_larger_graph_truncated_to_fewer_nodes():
    assert CHAIN.truncate(4) is CHAIN
    small = CHAIN.truncate(3)
    assert small == Graph(("in", "a", "out"), ((0, 1),))


@pytest.mark.parametrize("edges", [((1, 0),), ((0, 4),), ((0, 0),)])
def test_invalid_edges(edges):
    with pytest.raises(EstimateError, match="source < target"):
        Graph(("in", "a", "out"), edges)


def random_graph(draw):
    inner = draw.integers(1, 5)
    labels = ("in", *draw.choice(["x", "y"], inner).tolist(), "out")
    edges = [(s, t) for t in range(1, inner + 2) for s in range(t) if draw.random() < 0.6]
    return Graph(labels, tuple({*edges, (0, 1), (inner, inner + 1)}))


def test_graph_networks_read_edges():
    """Use a target that counts edges between nodes of one kind, which labels alone do not show."""
    draw = np.random.default_rng(0)
    graphs = [random_graph(draw) for _ in range(200)]
    y = np.array([sum(g.labels[s] == "x" for s, _ in g.edges) for g in graphs], dtype=float)
    rows = encode_dense(graphs, ("in", "x", "y", "out"), 6)
    fitted = GCN(nodes=6, epochs=30, width=16, members=2).fit(rows[:120], y[:120])
    assert spearmanr(fitted.predict(rows[120:]).mean, y[120:])[0] > 0.8
    blind = rows.copy()
    blind[:, :36] = 0.0
    told = spearmanr(fitted.predict(blind[120:]).mean, y[120:])[0]
    assert spearmanr(fitted.predict(rows[120:]).mean, y[120:])[0] > told


def test_rows_that_are_not_graphs():
    with pytest.raises(EstimateError, match="not graphs of 4 nodes"):
        GCN(nodes=4).fit(np.zeros((3, 18)), [1.0, 2.0, 3.0])
