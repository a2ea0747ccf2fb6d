"""What holds for every space of the zoo."""

from __future__ import annotations

import pickle
from random import Random

import pytest

from nasturtium.architecture import Architecture
from nasturtium.cost.count import forward_meta
from nasturtium.errors import SpaceError
from nasturtium.space import zoo
from nasturtium.space.choice import ChoiceSpace

NAMES = sorted(zoo.SPACES)


def _space(name: str) -> ChoiceSpace:
    made = getattr(zoo, name)
    assert isinstance(made, ChoiceSpace)
    return made


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("side", [8, 28, 32, 224])
def test_networks_fit_images_of_every_size(name, side):
    space = _space(name).using(inputs=(1, side, side), classes=7)
    network = space.skeleton(space.sample(Random(side)))
    assert forward_meta(network, (1, side, side), batch=2) == (2, 7)


@pytest.mark.parametrize("name", NAMES)
def test_oblong_images(name):
    space = _space(name).using(inputs=(3, 20, 27), classes=7)
    network = space.skeleton(space.sample(Random(0)))
    assert forward_meta(network, (3, 20, 27), batch=1) == (1, 7)


@pytest.mark.parametrize("name", NAMES)
def test_records_are_replayed(name):
    space, rng = _space(name), Random(1)
    first, second = space.sample(rng), space.sample(rng)
    for record in (first, space.mutate(first, rng), space.cross(first, second, rng)):
        again = Architecture.from_json(record.to_json())
        assert [decision.name for decision in space.decisions(again)]
        assert space.canonical(again) == space.canonical(record)
        assert pickle.loads(pickle.dumps(space)).decisions(again)
    changed = space.mutate(first, rng)
    assert changed != first


@pytest.mark.parametrize("name", NAMES)
def test_named_parts(name):
    """Weights are shared by path, so no part may be called by a number."""
    space = _space(name)
    network = space.skeleton(space.sample(Random(2)))
    for path, _ in network.named_parameters():
        assert not any(part.isdigit() for part in path.split(".")), path


@pytest.mark.parametrize("name", NAMES)
def test_refuses_what_is_no_image(name):
    if name == "nasbench201":
        pytest.skip("takes any input")
    with pytest.raises(SpaceError, match=r"\(channels, height, width\)"):
        _space(name).using(inputs=(64,)).sample(Random(0))
