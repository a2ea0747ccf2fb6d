"""Randomly wired networks: what the generators promise, published sizes."""

from __future__ import annotations

from random import Random

import pytest
import torch

from nasturtium.cost.block_costs import BlockCounter
from nasturtium.cost.count import count
from nasturtium.errors import SpaceError
from nasturtium.space.zoo.randwired import GENERATORS, SEEDS, randwired, wiring

SMALL = randwired.bind(inputs=(3, 16, 16), nodes=9, channels=4)


@pytest.mark.parametrize("generator", GENERATORS)
def test_a_graph_is_connected_ordered_and_repeatable(generator):
    nodes = 20
    edges = wiring(generator, nodes, 7)
    assert edges == wiring(generator, nodes, 7)
    assert all(0 <= source < target < nodes for source, target in edges)
    assert len(set(edges)) == len(edges)
    reached = {0}
    for _ in range(nodes):
        reached |= {v for edge in edges if reached & set(edge) for v in edge}
    assert len(reached) == nodes


def test_numbers_of_edges():
    assert {len(wiring(("ba", m), 32, 1)) for m in (5,)} == {(32 - 5) * 5}
    assert {len(wiring(("ws", 4, p), 32, 1)) for p in (0.0, 0.75, 1.0)} == {32 * 2}
    drawn = [len(wiring(("er", 0.2), 32, seed)) for seed in range(40)]
    assert sum(drawn) / 40 == pytest.approx(0.2 * 32 * 31 / 2, rel=0.05)


def test_rewiring_moves_edges_with_its_probability():
    ring = set(wiring(("ws", 4, 0.0), 32, 0))
    assert (0, 1) in ring
    assert (0, 31) in ring
    moved = [len(ring - set(wiring(("ws", 4, 0.25), 32, seed))) / 64 for seed in range(40)]
    assert sum(moved) / 40 == pytest.approx(0.25, abs=0.04)


def test_earlier_nodes_attract_more_edges():
    edges = [edge for seed in range(20) for edge in wiring(("ba", 3), 32, seed)]
    degree = [sum(node in edge for edge in edges) for node in range(32)]
    assert sum(degree[:8]) > 2 * sum(degree[-8:])


def test_published_size():
    space = randwired.bind(inputs=(3, 224, 224), classes=1000)
    space, counter = space.restrict(generator=(("ws", 4, 0.75),)), BlockCounter()
    plans = [space.plan(space.sample(Random(seed))) for seed in range(30)]
    costs = [counter.count(plan, (3, 224, 224)) for plan in plans]
    assert round(sum(cost.params for cost in costs) / 30, -5) == 5.6e6
    assert sum(cost.macs for cost in costs) / 30 == pytest.approx(583e6, rel=0.01)
    drawn = space.sample(Random(0))
    assert count(space.skeleton(drawn), (3, 224, 224)) == costs[0]


def test_size_and_forms():
    size = randwired.size(paths=50)
    assert (size.value, size.exact) == (28 * SEEDS**3, True)
    ring = SMALL.restrict(generator=(("ws", 4, 0.0),))
    assert len({ring.canonical(ring.sample(Random(seed))) for seed in range(5)}) == 1
    assert len({SMALL.canonical(SMALL.sample(Random(seed))) for seed in range(5)}) == 5


def test_a_node_weighs_its_inputs():
    space = SMALL.restrict(generator=(("er", 0.8),))
    network = space.build(space.sample(Random(0)), seed=0).eval()
    stage = network.stage0
    node = max(range(9), key=lambda n: len(stage.sources[n]))
    module = stage.get_submodule(f"node{node}")
    maps = [torch.randn(2, 4, 4, 4) for _ in stage.sources[node]]
    with torch.no_grad():
        module.weights.fill_(100.0)  # gates of one
        assert torch.allclose(module(maps), module.op(torch.stack(maps).sum(0)), atol=1e-5)
    assert network(torch.randn(2, 3, 16, 16)).shape == (2, 10)


@pytest.mark.parametrize("generator", [("ws", 9, 0.5), ("tree",), ("ba", 0)])
def test_refuses_other_generators(generator):
    with pytest.raises(SpaceError, match="'randwired' got generator"):
        wiring(generator, 9, 0)


def test_refuses_by_name():
    with pytest.raises(SpaceError, match="at least 9"):
        randwired.bind(nodes=4).sample(Random(0))
