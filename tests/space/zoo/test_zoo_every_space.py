"""What holds for every space of the zoo."""

from __future__ import annotations

import pickle
from random import Random
from typing import Any

import pytest

from nasturtium.architecture import Architecture
from nasturtium.cost.count import forward_meta
from nasturtium.errors import SpaceError
from nasturtium.space import zoo
from nasturtium.space.choice_space import ChoiceSpace

NAMES = sorted({*zoo.SPACES} - {"evonet"})  # which asks nothing


def _space(name: str) -> ChoiceSpace:
    made = getattr(zoo, name)
    assert isinstance(made, ChoiceSpace)
    return made


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("side", [8, 28, 224])
def test_networks_fit_images_of_every_size(name, side):
    space = _space(name).bind(inputs=(1, side, side), classes=7)
    network = space.skeleton(space.sample(Random(side)))
    assert forward_meta(network, (1, side, side), batch=2) == (2, 7)


@pytest.mark.parametrize("name", NAMES)
def test_oblong_images(name):
    space = _space(name).bind(inputs=(3, 20, 27), classes=7)
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


def _small(name: str) -> ChoiceSpace:
    """The space with few and narrow parts, in which every option can be built in a moment."""
    arguments: dict[str, dict[str, Any]] = {
        "anynet": {"stages": 2},
        "chain": {"residual": True},
        "darts": {"channels": 4, "layers": 3},
        "mobilenet": {"blocks": 2},
        "nasbench101": {"vertices": 5, "channels": 8, "stacks": 2, "cells": 1},
        "nasbench201": {"channels": 4, "cells": 1},
        "nasnet": {"channels": 8, "repeats": 1, "blocks": 2},
        "nasrl": {"layers": 4, "pools": (1,)},
        "randwired": {"channels": 4, "nodes": 9},
        "regnet": {"stages": 2},
    }
    limits: dict[str, dict[str, Any]] = {
        "anynet": {"*.depth": (1, 3), "*.width": (8, 24, 1024)},
        "chain": {"*.depth": (1, 4)},
        "ofa": {"*.depth": (2, 3)},
        "randwired": {"*.seed": (0, 2)},
        "regnet": {"depth": (4, 6), "w0": (8, 24), "wa": (8.0, 8.1), "group": (8, 16)},
    }
    return _space(name).bind(**arguments.get(name, {})).restrict(limits.get(name, {}))


@pytest.mark.parametrize("name", [name for name in NAMES if not name.startswith("anynet_")])
def test_every_option_builds(name):
    report = _small(name).check((1, 8, 8), 10, samples=1)
    assert report.options >= sum(min(d.count, 3) for d in _small(name).discover())


@pytest.mark.parametrize("name", [name for name in NAMES if name != "nasbench201"])
def test_named_parts(name):
    """Weights are shared by path, so no part may be called by a number.

    The one exception is a fixed pair of NAS-Bench-201's residual block.
    """
    space = _space(name)
    network = space.skeleton(space.sample(Random(2)))
    for path, _ in network.named_parameters():
        assert not any(part.isdigit() for part in path.split(".")), path


@pytest.mark.parametrize("name", NAMES)
def test_refuses_what_is_no_image(name):
    if name in ("mlp", "nasbench201"):
        pytest.skip("takes any input")
    with pytest.raises(SpaceError, match=r"\(channels, height, width\)"):
        _space(name).bind(inputs=(64,)).sample(Random(0))
