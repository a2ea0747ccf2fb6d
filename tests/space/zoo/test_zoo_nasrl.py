"""NAS-RL's space: its size by the formula, concatenated inputs, pooling."""

from __future__ import annotations

from random import Random

import pytest
import torch

from nasturtium.errors import SpaceError
from nasturtium.space.zoo.nasrl import nasrl


@pytest.mark.parametrize("layers", [1, 2, 3, 15])
def test_size(layers):
    size = nasrl.bind(layers=layers).size(paths=20)
    assert (size.value, size.exact) == (64**layers * 2 ** ((layers - 1) * (layers - 2) // 2), True)


def test_skips_join_the_input():
    space = nasrl.bind(inputs=(3, 8, 8), layers=4, pools=(0,))
    record = space.repair({**space.sample(Random(0)), "layer3.skips": (0, 1)})
    network = space.build(record, seed=0).eval()
    widths = [record[f"layer{index}.filters"] for index in range(3)]
    assert network.chain.layer3.conv.in_channels == sum(widths)
    x = torch.randn(2, 3, 8, 8)
    assert network(x).shape == (2, 10)
    assert network.chain(x).shape[-1] == 4
    cut = space.repair({**record, "layer3.skips": ()})
    assert space.build(cut, seed=0).chain.layer3.conv.in_channels == widths[2]


@pytest.mark.parametrize("arguments", [{"layers": 0}, {"layers": 3, "pools": (3,)}])
def test_refuses_by_name(arguments):
    with pytest.raises(SpaceError, match="numbers from 0 to layers - 1"):
        nasrl.bind(**arguments).sample(Random(0))
