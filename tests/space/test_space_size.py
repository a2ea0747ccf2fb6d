"""Sizes: walked ones equal brute force, and Knuth's intervals cover the truth."""

from __future__ import annotations

from math import inf
from typing import Any

import pytest
from small_spaces import FINITE, SMALL, continuous
from torch import nn

import nasturtium as nas
from nasturtium.errors import SpaceError


@pytest.mark.parametrize("name", SMALL)
def test_small_spaces_are_walked(name: str) -> None:
    space = SMALL[name]
    size = space.size()
    assert (size.value, size.low, size.high) == (FINITE[space],) * 3
    assert size.method in ("walked", "fixed")
    assert size.exact


@nas.space
def deep(choose: Any) -> Any:
    """10 + 10^2 + ... + 10^6 = 1,111,110 records."""
    for index in range(choose("depth", (1, 2, 3, 4, 5, 6))):
        choose(f"op{index}", tuple(range(10)))
    return nas.block(nn.Identity)


@nas.space
def picky(choose: Any) -> Any:
    """Seven choices of ten with an even sum: 5,000,000."""
    if sum(choose(f"q{index}", tuple(range(10))) for index in range(7)) % 2:
        choose.reject("odd")
    return nas.block(nn.Identity)


@nas.space
def uneven(choose: Any) -> Any:
    """A weighted choice, a subset and a grid in the logarithm, five times: (8 * 7 * 8)^3."""
    for index in range(3):
        choose.subset(f"s{index}", (1, 2, 3))
        choose.range(f"r{index}", 1, 7, log=True)
        choose(f"q{index}", tuple(range(8)))
    return nas.block(nn.Identity)


@pytest.mark.parametrize(
    ("space", "truth"), [(deep, 1_111_110), (picky, 5_000_000), (uneven, (8 * 7 * 8) ** 3)]
)
def test_intervals_cover_the_truth(space: nas.ChoiceSpace, truth: int) -> None:
    sizes = [space.size(paths=400, seed=seed) for seed in range(20)]
    assert {size.method for size in sizes} == {"estimated"}
    assert sum(size.low <= truth <= size.high for size in sizes) >= 17
    mean = sum(size.value for size in sizes) / 20
    assert mean == pytest.approx(truth, rel=0.1)
    assert "95 % interval" in str(sizes[0])


def test_large_spaces_without_conditions_are_exact() -> None:
    @nas.space
    def wide(choose: Any) -> Any:
        for index in range(30):
            choose(f"q{index}", tuple(range(7)))
        return nas.block(nn.Identity)

    size = wide.size(paths=10)
    assert size.value == 7**30
    assert size.method == "fixed"
    assert str(size) == "2.25e25 (exact)"


def test_sizes_beyond_floats() -> None:
    @nas.space
    def huge(choose: Any, *, number: int) -> Any:
        for index in range(number + choose("more", (0, 1)) if number < 400 else number):
            choose(f"q{index}", tuple(range(10)))
        choose.subset("any", tuple(range(1500)))
        return nas.block(nn.Identity)

    size = huge.bind(number=350).size(paths=50)
    truth = (10**350 + 10**351) * 2**1500
    assert size.low <= truth <= size.high
    assert str(size).startswith("about 10^80")
    assert str(huge.bind(number=400).size(paths=5)) == "10^852 (exact)"


def test_a_continuous_range_in_a_rare_branch() -> None:
    @nas.space
    def rare(choose: Any) -> Any:
        if sum(choose(f"q{index}", (0, 1, 2)) for index in range(8)) == 16:
            choose.range("rate", 0.0, 1.0)
        return nas.block(nn.Identity)

    assert rare.size(paths=50).value == inf


def test_continuous_spaces_are_infinite() -> None:
    size = continuous.size()
    assert size.value == inf
    assert not size.exact
    assert str(size) == "infinite (a continuous range)"
    with pytest.raises(SpaceError, match="continuous and cannot be walked through"):
        next(continuous.every())


def test_canonical_forms_are_counted() -> None:
    @nas.space(canonical=lambda architecture: frozenset(architecture.values()))
    def pair(choose: Any) -> Any:
        choose("a", (1, 2, 3))
        choose("b", (1, 2, 3))
        return nas.block(nn.Identity)

    assert pair.size().value == 9
    assert pair.classes() == 6
    with pytest.raises(SpaceError, match=r"more than 5 records.*raise the limit"):
        pair.classes(limit=5)
