"""restrict, tie, ordered and where: exact numbers, even draws, messages."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from math import comb
from random import Random
from typing import Any

import pytest
from scipy.stats import chisquare
from small_spaces import conditional, flat, ranges, subsets
from torch import nn

import nasturtium as nas
from nasturtium.errors import SpaceError

WIDTHS = (8, 16, 24, 32, 40)


@nas.space
def stages(choose: Any) -> Any:
    """Four stages of five widths and three ratios."""
    for index in range(4):
        with choose.scope(f"stage{index}"):
            choose("width", WIDTHS)
            choose("ratio", (1, 2, 4))
    return nas.block(nn.Identity)


def test_restrict_by_name_and_pattern() -> None:
    space = stages.restrict({"stage*.width": (16, 8), "stage0.ratio": 4})
    assert space.size().value == 2**4 * 3**3
    for architecture in (space.sample(Random(seed)) for seed in range(20)):
        assert architecture["stage0.ratio"] == 4
        assert all(architecture[f"stage{i}.width"] in (8, 16) for i in range(4))
    assert subsets.restrict(some=(1, 2, 3)).size().value == (3 + 3) * 4
    assert ranges.restrict(whole=(2, 4), octave=(4, 8)).size().value == 3 * 5 * 5
    assert flat.restrict(a=(1, 2)).restrict(b="x").size().value == 4


def test_ties_answer_once() -> None:
    space = stages.tie("stage*.ratio")
    assert space.size().value == 5**4 * 3
    architecture = space.sample(Random(0))
    assert len({architecture[f"stage{i}.ratio"] for i in range(4)}) == 1
    assert len(space.decisions(architecture)) == 5
    assert len(architecture) == 8
    child = space.mutate(architecture, Random(1))
    assert len({child[f"stage{i}.ratio"] for i in range(4)}) == 1
    some = stages.tie(("stage0.width", "stage2.width"))
    assert some.size().value == 5**3 * 3**4


def test_the_first_that_is_asked_gives_the_answer_of_a_tie() -> None:
    """In any listing order, and where a member is not asked."""
    tied = conditional.tie("block*.op").restrict({"block1.op": "skip"})
    for architecture in tied.every():
        assert architecture["block0.op"] == "skip" or architecture["depth"] == 1
    for group in (("b", "a"), ("a", "b")):
        assert pairs.tie(group).size().value == 3
    absent = optional.tie("s*")
    for architecture in absent.every():
        assert len({architecture[name] for name in architecture if name != "first"}) == 1
    chained = optional.tie(("s2", "s1")).tie(("s0", "s1"))  # ties add up
    assert {a.key for a in chained.every()} == {a.key for a in absent.every()}


def test_orders_hold_in_any_listing_order_and_where_members_are_absent() -> None:
    falling = pairs.ordered(("b", "a"))
    assert {(a["a"], a["b"]) for a in falling.every()} == {
        (a, b) for a in (1, 2, 3) for b in (1, 2, 3) if b <= a
    }
    counts = Counter(falling.sample(Random(seed)) for seed in range(1800))
    assert chisquare(list(counts.values())).pvalue > 1e-3
    for architecture in optional.ordered(("s0", "s1", "s2")).every():
        values: Any = [architecture[name] for name in architecture if name != "first"]
        assert all(low <= high for low, high in pairwise(values))
    both = stages.restrict({"*.ratio": 1}).ordered(("stage0.width", "stage1.width"))
    both = both.ordered(("stage1.width", "stage2.width"))
    assert both.size().value == comb(len(WIDTHS) + 2, 3) * len(WIDTHS)
    bounded = pairs.tie(("a", "b")).ordered(("a", "b"))
    assert bounded.size().value == 3


@nas.space
def pairs(choose: Any) -> Any:
    """Two choices of three."""
    choose("a", (1, 2, 3))
    choose("b", (1, 2, 3))
    return nas.block(nn.Identity)


@nas.space
def optional(choose: Any) -> Any:
    """Three choices, of which the first or the second may be absent."""
    first = choose("first", (0, 1, 2))
    for index in range(3):
        if index != first - 1:
            choose(f"s{index}", (1, 2, 3))
    return nas.block(nn.Identity)


def test_restricted_ranges_stay_on_the_grid_and_in_the_type() -> None:
    @nas.space
    def numbers(choose: Any) -> Any:
        choose.range("whole", 8, 70, step=8)
        choose.range("real", 0.0, 5.0)
        choose.range("third", 1 / 3, 3.0, step=1 / 3)
        return nas.block(nn.Identity)

    part = numbers.restrict(whole=(20, 60), real=(1, 3), third=(1, 2))
    for seed in range(20):
        architecture = part.sample(Random(seed))
        assert numbers.decide(numbers.replay(architecture)) == architecture
        assert architecture["whole"] in (24, 32, 40, 48, 56)
        assert type(architecture["real"]) is float
    assert part.restrict(whole=(30, 99)).restrict(whole=40).sample(Random(0))["whole"] == 40
    regnet = nas.zoo.regnet.bind(inputs=(3, 32, 32), classes=10)
    drawn = regnet.restrict(w0=(20, 64)).sample(Random(0))
    assert regnet.decide(regnet.replay(drawn)) == drawn


def test_what_a_restriction_leaves_may_depend_on_other_answers() -> None:
    @nas.space
    def heads(choose: Any) -> Any:
        width = choose("width", (30, 32))
        choose("heads", tuple(n for n in (2, 3, 4) if width % n == 0))
        return nas.block(nn.Identity)

    assert {a["width"] for a in heads.restrict(heads=4).every()} == {32}
    assert heads.restrict(heads=(2, 3)).restrict(heads=(3, 4)).size().value == 1
    with pytest.raises(SpaceError, match=r"restricting 'heads' to \(7,\) leaves nothing"):
        heads.restrict(heads=7)


def test_ordered_answers_never_fall_and_are_counted() -> None:
    space = stages.ordered("stage*.width")
    assert space.restrict({"*.ratio": 1}).size().value == comb(len(WIDTHS) + 3, 4)
    assert space.size().value == comb(len(WIDTHS) + 3, 4) * 3**4
    for seed in range(30):
        architecture = space.mutate(space.sample(Random(seed)), Random(seed))
        widths = [architecture[f"stage{i}.width"] for i in range(4)]
        assert all(low <= high for low, high in pairwise(widths))  # type: ignore[operator]


def test_ordered_sequences_are_drawn_evenly() -> None:
    space = stages.restrict({"*.ratio": 1}).ordered("stage*.width")
    rng = Random(0)
    counts = Counter(space.sample(rng) for _ in range(7000))
    assert len(counts) == 70
    assert chisquare(list(counts.values())).pvalue > 1e-3


def test_limits_add_up_in_any_order() -> None:
    one = stages.restrict({"*.width": (8, 16, 24)}).tie("stage*.ratio").ordered("stage*.width")
    two = stages.ordered("stage*.width").tie("stage*.ratio").restrict({"*.width": (8, 16, 24)})
    assert one.size().value == two.size().value == comb(6, 4) * 3
    assert set(one.every()) == set(two.every())
    both = stages.restrict({"*.width": 8}).ordered("stage*.ratio").where(rising)
    assert both.size().value == comb(6, 4) - 3


def rising(architecture: nas.Architecture) -> bool:
    """Not all ratios are the same."""
    return architecture["stage0.ratio"] != architecture["stage3.ratio"]


def test_where_is_a_filter_and_not_a_view() -> None:
    narrow = flat.where(lambda architecture: architecture["a"] == 1)
    assert flat.size().value == 18
    assert {architecture["a"] for architecture in narrow.every()} == {1}
    assert narrow.where(lambda architecture: architecture["b"] == "x").size().value == 2
    for seed in range(10):
        assert narrow.mutate(narrow.sample(Random(seed)), Random(seed))["a"] == 1


def test_messages() -> None:
    with pytest.raises(SpaceError, match=r"no decision is called 'stage0\.widht'; did you mean"):
        stages.restrict({"stage0.widht": 8})
    with pytest.raises(SpaceError, match=r"no decision is called 'zzz' \(there are: stage0\.wid"):
        stages.tie("zzz")
    with pytest.raises(SpaceError, match=r"restricting 'a' to \(7,\) leaves nothing.*\(1, 2, 3\)"):
        flat.restrict(a=7)
    with pytest.raises(SpaceError, match=r"restricting 'some' to \(9,\) leaves nothing"):
        subsets.restrict(some=9)
    with pytest.raises(SpaceError, match=r"restricting 'some' to \(\) leaves nothing"):
        subsets.restrict(some=())
    with pytest.raises(SpaceError, match=r"restricting 'whole'.*for a range: low and high"):
        ranges.restrict(whole=(8, 9))
    with pytest.raises(SpaceError, match=r"names 1 decision\(s\).*a group needs two or more"):
        flat.tie("a")
    with pytest.raises(SpaceError, match=r"needs numbers; 'stage0\.op' has 'x'"):
        nas.space(worded).ordered("stage*.op").sample(Random(0))
    with pytest.raises(SpaceError, match=r"ordered\(\) works on choices between numbers; 'some'"):
        subsets.ordered(("some", "anything")).sample(Random(0))
    impossible = flat.where(lambda architecture: False)
    with pytest.raises(SpaceError, match=r"1000 draws in a row were rejected.*loosen restrict"):
        impossible.sample(Random(0))


def worded(choose: Any) -> Any:
    """Two choices between words."""
    choose("stage0.op", ("x", "y"))
    choose("stage1.op", ("x", "y"))
    return nas.block(nn.Identity)
