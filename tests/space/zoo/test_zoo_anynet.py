"""AnyNet A to E: exact sizes, the rule for group widths, limits, small images."""

from __future__ import annotations

from itertools import pairwise
from math import comb
from random import Random

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from nasturtium.errors import SpaceError
from nasturtium.space.zoo.anynet import (
    BOTTLENECKS,
    GROUPS,
    Bottleneck,
    Stage,
    anynet,
    anynet_b,
    anynet_c,
    anynet_d,
    anynet_e,
    compatible,
)


def test_sizes_are_exact():
    shared = 3 * 6
    sizes = [s.size(paths=50) for s in (anynet, anynet_b, anynet_c, anynet_d, anynet_e)]
    assert all(size.exact for size in sizes)
    assert [size.value for size in sizes] == [
        (16 * 128 * 3 * 6) ** 4,
        (16 * 128 * 6) ** 4 * 3,
        (16 * 128) ** 4 * shared,
        16**4 * comb(131, 4) * shared,
        comb(19, 4) * comb(131, 4) * shared,
    ]
    assert sizes[3].value == pytest.approx(1.38e13, rel=2e-3)
    assert sizes[4].value == pytest.approx(8.2e11, rel=4e-3)


def test_limits_hold_in_samples():
    rng = Random(0)
    for _ in range(20):
        record = anynet_e.mutate(anynet_e.sample(rng), rng)
        for name in ("bottleneck", "group"):
            assert len({record[f"stage{i}.{name}"] for i in range(4)}) == 1
        for name in ("width", "depth"):
            assert all(a <= b for a, b in pairwise(record[f"stage{i}.{name}"] for i in range(4)))


@given(st.integers(1, 4096), st.sampled_from(BOTTLENECKS), st.sampled_from((*GROUPS, 24, 40, 112)))
def test_compatible_widths(width, bottleneck, group):
    made = compatible(Stage(1, width, bottleneck, group))
    inner = made.width // bottleneck
    assert made.width % bottleneck == 0
    assert inner % made.group == 0
    assert made.group <= group
    assert compatible(made) == made
    if width % (bottleneck * group) == 0:
        assert made == Stage(1, width, bottleneck, group)


@pytest.mark.parametrize(
    ("stage", "fits"),
    [
        (Stage(1, 8, 4, 32), Stage(1, 8, 4, 2)),
        (Stage(1, 528, 1, 24), Stage(1, 528, 1, 24)),
        (Stage(1, 536, 1, 24), Stage(1, 528, 1, 24)),
        (Stage(1, 80, 1, 24), Stage(1, 72, 1, 24)),
    ],
)
def test_compatible_by_hand(stage, fits):
    assert compatible(stage) == fits


def test_records_of_one_network_have_one_form():
    first = anynet.restrict({"stage0.width": 8, "stage0.bottleneck": 4}).sample(Random(0))
    forms = {anynet.canonical(anynet.repair({**first, "stage0.group": group})) for group in GROUPS}
    assert len(forms) == 2  # the inner width is 2, so groups of 2 to 32 are groups of 2
    assert len({anynet.canonical(anynet.sample(Random(seed))) for seed in range(9)}) == 9


def test_squeeze_is_a_quarter_of_the_blocks_input():
    space = anynet.bind(squeeze=0.25, inputs=(3, 8, 8)).restrict({"*.width": 64, "*.depth": 1})
    network = space.build(space.sample(Random(0)), seed=0)
    assert network.stage0.block0.squeeze.reduce.out_channels == 8
    assert network.stage1.block0.squeeze.reduce.out_channels == 16
    assert network(torch.randn(2, 3, 8, 8)).shape == (2, 10)


@pytest.mark.parametrize("arguments", [{"stages": 0}, {"squeeze": -0.25}])
def test_refuses_by_name(arguments):
    with pytest.raises(SpaceError, match="space 'anynet' got stages="):
        anynet.bind(**arguments).sample(Random(0))


def test_widths_that_do_not_fit_their_groups_can_be_refused():
    strict = anynet.bind(adjust=False)
    rng = Random(0)
    for _ in range(20):
        record = strict.sample(rng)
        stages = [
            Stage(*(record[f"stage{index}.{name}"] for name in Stage._fields)) for index in range(4)
        ]
        assert all(compatible(stage) == stage for stage in stages)
    fixed = {"*.width": 24, "*.bottleneck": 1, "*.group": 16}
    assert anynet.restrict(fixed).sample(rng)["stage0.width"] == 24  # moved when it is built
    words = (
        "stage0: groups of 16 do not divide a width of 24 over a bottleneck of 1; the nearest "
        "that fits is a width of 32 with groups of 16"
    )
    with pytest.raises(SpaceError, match=words):
        strict.restrict(fixed).sample(rng)
    with pytest.raises(SpaceError, match=words):
        strict.restrict(fixed).check((3, 32, 32), 10)


def test_stages_that_cannot_be():
    with pytest.raises(SpaceError, match=r"Stage\(.*group=0\); expected .* of at least 1"):
        compatible(Stage(1, 24, 1, 0))
    with pytest.raises(SpaceError, match="24 inner channels cannot have groups of 16"):
        Bottleneck(24, 24, 24, 16, 1, 0)
    with pytest.raises(SpaceError, match=r"'stage0.group' to \(3,\) leaves nothing.*1, 2, 4, 8"):
        anynet.restrict({"stage0.group": 3}).sample(Random(0))
