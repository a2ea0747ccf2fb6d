"""NASNet: the number of cells, the published networks, its skeletons."""

from __future__ import annotations

from math import comb, prod
from random import Random

import pytest
import torch

from nasturtium.cost.block_costs import BlockCounter
from nasturtium.cost.count import count
from nasturtium.errors import SpaceError
from nasturtium.space.drop_path import DropPath
from nasturtium.space.operations import FactorizedReduction
from nasturtium.space.zoo.nasnet import NASNET_A, NETWORKS, nasnet

# Parameters: what ports of the released weights have (trainable ones of Keras; Cadene's and osmr's
# in PyTorch). CIFAR's 3.3 M are printed in the paper's table 1; the number is ours.
PUBLISHED = {"4 @ 1056": 5_289_978, "6 @ 4032": 88_753_150, "6 @ 768": 3_346_538}


@pytest.mark.parametrize("blocks", [1, 3, 5])
def test_size(blocks):
    space = nasnet.bind(blocks=blocks)
    cells = (13**2 * 2) ** blocks * prod(comb(k, 2) for k in range(2, blocks + 2))
    assert (space.size(paths=20).value, space.size(paths=20).exact) == (cells**2, True)
    cells = (13**2 * 2) ** blocks * prod(k**2 for k in range(2, blocks + 2))
    assert space.bind(distinct=False).size(paths=20).value == cells**2


@pytest.mark.parametrize("name", NETWORKS)
def test_published_parameters(name):
    network = nasnet.bind(**NETWORKS[name]).skeleton(NASNET_A)
    assert sum(p.numel() for p in network.parameters()) == PUBLISHED[name]
    reads = NETWORKS[name]["channels"] * 24 if "channels" in NETWORKS[name] else 768
    assert network.classifier.linear.in_features == reads == int(name.split()[-1])


def test_published_macs():
    counter = BlockCounter()
    macs = {}
    for name, given in NETWORKS.items():
        macs[name] = counter.count(nasnet.bind(**given).plan(NASNET_A), given["inputs"]).macs
    assert round(macs["4 @ 1056"], -6) == 564_000_000
    assert round(macs["6 @ 4032"], -8) == 23_800_000_000
    space = nasnet.bind(**NETWORKS["4 @ 1056"])
    assert count(space.skeleton(NASNET_A), (3, 224, 224)).macs == macs["4 @ 1056"] == 563_638_816


def test_nasnet_a():
    assert len(nasnet.bind(distinct=False).decisions(NASNET_A)) == 2 * 5 * 5
    small = nasnet.bind(distinct=False, channels=8, repeats=1, inputs=(3, 16, 16))
    network = small.skeleton(NASNET_A)
    assert network.cell0.ends == [2, 3, 4, 5, 6]
    assert network.cell1.ends == [4, 5, 6]
    network = small.bind(kept=((0,), (3,))).skeleton(NASNET_A)
    assert network.cell0.ends == [0, 2, 3, 4, 5, 6]
    assert network.cell1.ends == [3, 4, 5, 6]


def test_unread_states_are_the_output():
    space = nasnet.bind(channels=8, repeats=1, blocks=2, inputs=(3, 8, 8))
    record = space.sample(Random(0))
    record = space.repair(
        {**record, "normal.block1.inputs": (0, 2), "normal.block1.combine": "concat"}
    )
    network = space.build(record, seed=0).eval()
    cell, x = network.cell0, torch.randn(2, 24, 8, 8)
    maps = [cell.input0(x), cell.input1(x)]
    assert maps[0] is x  # nothing is older than the stem
    maps.append(cell.block0(maps[0], maps[1]))
    assert torch.equal(cell(x, x), cell.block1(maps[0], maps[2]))
    assert network(torch.randn(2, 3, 8, 8)).shape == (2, 10)


def test_a_kept_input_is_brought_to_the_output():
    space = nasnet.bind(channels=8, repeats=1, blocks=1, inputs=(3, 8, 8), kept=((0,), (0, 1)))
    network = space.build(space.sample(Random(1)), seed=0).eval()
    assert network.cell0.ends == [0, 2]
    assert network.cell0.end0.conv.in_channels == 24  # the stem's map is no state of the cell
    assert network.cell1.ends == [0, 1, 2]
    assert isinstance(network.cell1.end1, FactorizedReduction)
    assert network(torch.randn(2, 3, 8, 8)).shape == (2, 10)


def test_behind_a_reduction_its_older_input_may_be_read():
    given = {"channels": 8, "repeats": 2, "blocks": 1, "inputs": (3, 16, 16)}
    space = nasnet.bind(**given, bypass=True)
    record = space.sample(Random(0))
    network, plain = space.build(record, seed=0).eval(), nasnet.bind(**given).build(record, seed=0)
    seen = {}

    def keep(name):
        return lambda module, maps, out: seen.__setitem__(name, (maps[0], maps[1], out))

    for name, cell in network.named_children():
        if name.startswith("cell"):
            cell.register_forward_hook(keep(name))
    network(torch.randn(1, 3, 16, 16))
    assert seen["cell3"][0] is seen["cell2"][0]  # cell 2 is the reduction
    assert seen["cell3"][1] is seen["cell2"][2]
    assert seen["cell4"][0] is seen["cell2"][2]
    assert isinstance(network.cell3.input0, FactorizedReduction)
    assert plain(torch.randn(2, 3, 16, 16)).shape == (2, 10)


def test_drop_path_grows_with_depth():
    space = nasnet.bind(distinct=False, channels=8, repeats=1, inputs=(3, 16, 16), drop_path=0.5)
    network = space.build(NASNET_A, seed=0)
    for index in range(5):
        cell = network.get_submodule(f"cell{index}")
        rates = {m.probability for m in cell.modules() if isinstance(m, DropPath)}
        assert rates == {0.5 * (index + 1) / 5}
    # Of a normal cell's ten operations two are the identity, of a reduction cell's one.
    assert sum(isinstance(m, DropPath) for m in network.modules()) == 3 * 8 + 2 * 9


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"blocks": 0}, "at least one block"),
        ({"drop_path": 1.0}, "a probability below 1"),
        ({"inputs": (3, 2, 2)}, "at least 4x4 pixels"),
        ({"kept": ((7,), ())}, "of 0 to 6"),
        ({"kept": ((),)}, "of a normal and of a reduction cell"),
    ],
)
def test_refuses_by_name(arguments, words):
    with pytest.raises(SpaceError, match=words):
        nasnet.bind(**arguments).sample(Random(0))
