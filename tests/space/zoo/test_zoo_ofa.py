"""Once-for-all: its size, elastic shapes, resolution as a decision."""

from __future__ import annotations

from random import Random

import pytest
import torch

from nasturtium.errors import SpaceError
from nasturtium.space.zoo.ofa import DEPTHS, ofa

SMALL = ofa.bind(inputs=(3, 32, 32), classes=10)


def test_nine_choices_for_each_layer_that_is_kept():
    for depth in DEPTHS:
        size = SMALL.restrict({"*.depth": depth}).size(paths=50)
        assert (size.value, size.exact) == (9 ** (5 * depth), True)
    other = {f"stage{index}.{name}": value for index in range(1, 5) for name, value in _least()}
    assert SMALL.restrict(other).size(paths=500).value == 9**2 + 9**3 + 9**4


def _least():
    yield "depth", 2
    for layer in range(2):
        yield f"layer{layer}.kernel", 3
        yield f"layer{layer}.expansion", 3


def test_smaller_networks_are_parts_of_the_largest():
    largest, record = SMALL.decide(lambda d: d.options[-1]), SMALL.sample(Random(0))
    whole = dict(SMALL.skeleton(largest).named_parameters())
    for path, tensor in SMALL.skeleton(record).named_parameters():
        assert all(a <= b for a, b in zip(tensor.shape, whole[path].shape, strict=True))


def test_resolution_is_a_fact_or_a_decision():
    space = SMALL.bind(resolutions=(16, 24))
    assert "resolution" not in SMALL.sample(Random(0))
    for side in (16, 24):
        record = space.restrict(resolution=side).sample(Random(0))
        network = space.build(record, seed=0).eval()
        assert network.resize(torch.randn(1, 3, 32, 32)).shape == (1, 3, side, side)
        assert network(torch.randn(1, 3, 32, 32)).shape == (1, 10)


def test_refuses_by_name():
    with pytest.raises(SpaceError, match="multiplier=0"):
        ofa.bind(multiplier=0).sample(Random(0))
