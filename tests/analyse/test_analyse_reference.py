"""Reference networks: of the size asked for, for any input."""

from __future__ import annotations

import pytest
import torch

import nasturtium as nas
from nasturtium.analyse.reference_networks import REFERENCES, build_reference


def size(network):
    return sum(parameter.numel() for parameter in network.parameters())


@pytest.mark.parametrize("name", REFERENCES)
@pytest.mark.parametrize(
    ("inputs", "classes", "params"),
    [((1, 8, 8), 2, 1_000), ((3, 32, 32), 10, 25_000), ((2, 17, 9), 7, 300_000)],
)
def test_a_reference_has_the_size_and_the_outputs_asked_for(name, inputs, classes, params):
    network = build_reference(name, inputs, classes, params, seed=0)
    assert size(network) == pytest.approx(params, rel=0.15)
    assert network(torch.zeros(2, *inputs)).shape == (2, classes)


@pytest.mark.parametrize("name", REFERENCES)
def test_large_images_are_reduced(name):
    network = build_reference(name, (3, 224, 224), 10, 50_000, seed=0)
    shapes = []
    network.classifier.register_forward_pre_hook(lambda _, x: shapes.append(x[0].shape))
    network.eval()(torch.zeros(1, 3, 224, 224))
    assert shapes[0][-2:] == (7, 7)


def test_weights_come_from_the_seed_alone():
    before = torch.random.get_rng_state()
    first, again, other = (
        build_reference("resnet", (1, 8, 8), 3, 3_000, seed=s) for s in (1, 1, 2)
    )
    assert torch.equal(torch.random.get_rng_state(), before)
    name, value = next(iter(first.state_dict().items()))
    assert torch.equal(value, again.state_dict()[name])
    assert not torch.equal(value, other.state_dict()[name])


def test_what_cannot_be_built_is_refused():
    with pytest.raises(nas.SpaceError, match=r"no reference network 'resnets'.*'resnet'"):
        build_reference("resnets", (3, 32, 32), 10, 1000)
    with pytest.raises(nas.SpaceError, match=r"8x8 pixels or more, and got inputs=\(3, 7, 32\)"):
        build_reference("resnet", (3, 7, 32), 10, 1000)
    with pytest.raises(nas.SpaceError, match=r"inputs=\(64,\)"):
        build_reference("resnet", (64,), 10, 1000)
