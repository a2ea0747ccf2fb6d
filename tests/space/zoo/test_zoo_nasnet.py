"""NASNet: the number of cells, its skeletons, NASNet-A."""

from __future__ import annotations

from math import comb, prod
from random import Random

import pytest
import torch

from nasturtium.cost.count import count
from nasturtium.errors import SpaceError
from nasturtium.space.zoo.nasnet import NASNET_A, nasnet


@pytest.mark.parametrize("blocks", [1, 3, 5])
def test_size(blocks):
    space = nasnet.using(blocks=blocks)
    cells = (13**2 * 2) ** blocks * prod(comb(k, 2) for k in range(2, blocks + 2))
    assert (space.size(paths=20).value, space.size(paths=20).exact) == (cells**2, True)
    cells = (13**2 * 2) ** blocks * prod(k**2 for k in range(2, blocks + 2))
    assert space.using(distinct=False).size(paths=20).value == cells**2


def test_nasnet_a():
    space = nasnet.using(distinct=False)
    assert len(space.decisions(NASNET_A)) == 2 * 5 * 5
    large = space.using(channels=44, repeats=4, inputs=(3, 224, 224), classes=1000)
    cost = count(large.skeleton(NASNET_A), (3, 224, 224))
    assert (cost.params, cost.macs) == (4_769_614, 512_720_672)  # see the module's deviations
    network = space.using(channels=8, repeats=1, inputs=(3, 16, 16)).skeleton(NASNET_A)
    assert network.cell0.ends == [2, 3, 4, 5, 6]
    assert network.cell1.ends == [4, 5, 6]


def test_unread_states_are_the_output():
    space = nasnet.using(channels=8, repeats=1, blocks=2, inputs=(3, 8, 8))
    record = space.sample(Random(0))
    record = space.repair(
        {**record, "normal.block1.inputs": (0, 2), "normal.block1.combine": "concat"}
    )
    network = space.build(record, seed=0).eval()
    cell, x = network.cell0, torch.randn(2, 24, 8, 8)
    maps = [cell.input0(x), cell.input1(x)]
    maps.append(cell.block0(maps[0], maps[1]))
    assert torch.equal(cell(x, x), cell.block1(maps[0], maps[2]))
    assert network(torch.randn(2, 3, 8, 8)).shape == (2, 10)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [({"blocks": 0}, "at least one block"), ({"inputs": (3, 2, 2)}, "at least 4x4 pixels")],
)
def test_refuses_by_name(arguments, words):
    with pytest.raises(SpaceError, match=words):
        nasnet.using(**arguments).sample(Random(0))
