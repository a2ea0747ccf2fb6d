"""The three kinds of decision: their answers, draws, moves and repairs."""

from __future__ import annotations

from collections import Counter
from fractions import Fraction
from math import inf
from random import Random
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chisquare

from nasturtium.decision.base import Decision
from nasturtium.decision.one_of import OneOf
from nasturtium.decision.range import Range
from nasturtium.decision.subset import Subset
from nasturtium.decision.union import union
from nasturtium.errors import SpaceError
from nasturtium.space.size import every

PLAIN = st.integers(-9, 9) | st.text("ab", max_size=3) | st.tuples(st.integers(0, 3))


@st.composite
def one_of(draw: Any) -> OneOf:
    options = draw(st.lists(PLAIN, min_size=1, max_size=6, unique=True))
    weighted = draw(st.booleans())
    bounds = {"min_size": len(options), "max_size": len(options)}
    weights = draw(st.lists(st.integers(1, 9), **bounds)) if weighted else None
    return OneOf("d", options, None if weights is None else tuple(weights))


@st.composite
def subset(draw: Any) -> Subset:
    options = draw(st.lists(PLAIN, min_size=1, max_size=5, unique=True))
    least = draw(st.integers(0, len(options)))
    return Subset("d", options, least, draw(st.integers(least, len(options) + 1)))


@st.composite
def grid(draw: Any) -> Range:
    log = draw(st.booleans())
    if draw(st.booleans()):
        low = draw(st.integers(1 if log else -20, 20))
        step = draw(st.none() | st.integers(1, 7))
        return Range("d", low, low + draw(st.integers(0, 30)), step, log)
    low = draw(st.sampled_from([0.25, 1.0, 2.5]))
    return Range("d", low, low + draw(st.sampled_from([0.0, 0.7, 3.0])), 0.1, log)


FINITE = one_of() | subset() | grid()


@given(FINITE, st.integers())
def test_what_is_drawn_and_varied_is_allowed(decision: Decision, seed: int) -> None:
    rng = Random(seed)
    value = decision.draw(rng)
    assert decision.allows(value)
    assert decision.nearest(value) == value
    near = list(decision.neighbours(value))
    assert all(decision.allows(other) and other != value for other in near)
    assert len(set(near)) == len(near)
    if decision.count > 1:
        other = decision.mutate(value, rng)
        assert decision.allows(other)
        assert other != value
        if isinstance(decision, Subset):
            assert other in near
    else:
        assert near == []
        with pytest.raises(SpaceError, match="nothing to mutate"):
            decision.mutate(value, rng)


@given(FINITE)
def test_all_answers_are_counted_and_their_chances_add_up(decision: Decision) -> None:
    answers = every(decision)
    assert len(set(answers)) == len(answers) == decision.count
    assert all(map(decision.allows, answers))
    total = sum((decision.chance(answer) for answer in answers), Fraction(0))
    assert float(total) == pytest.approx(1.0)


@given(FINITE)
def test_neighbours_are_mutual(decision: Decision) -> None:
    for value in every(decision):
        for other in decision.neighbours(value):
            assert value in decision.neighbours(other)


@given(FINITE)
def test_encodings_tell_answers_apart(decision: Decision) -> None:
    codes = [decision.encode(value) for value in every(decision)]
    assert len(set(codes)) == len(codes)
    assert len({len(code) for code in codes}) == 1


@given(FINITE, PLAIN | st.floats(-99, 99))
def test_the_nearest_is_allowed(decision: Decision, value: Any) -> None:
    assert decision.allows(decision.nearest(value))


@pytest.mark.parametrize(
    "decision",
    [
        OneOf("d", ("a", "b", "c", "d", "e")),
        OneOf("d", (1, 2, 3), (5, 3, 2)),
        Subset("d", (1, 2, 3, 4), 1, 3),
        Range("d", 3, 9),
        Range("d", 1, 12, log=True),
        Range("d", 1, 9, step=3, log=True),
        Range("d", 0.0, 1.0, step=0.2),
    ],
)
def test_draws_have_the_chances_that_are_stated(decision: Decision) -> None:
    rng = Random(0)
    counts = Counter(decision.draw(rng) for _ in range(5000))
    answers = every(decision)
    expected = [float(decision.chance(answer)) * 5000 for answer in answers]
    assert chisquare([counts[answer] for answer in answers], expected).pvalue > 1e-3


def test_types_are_told_apart() -> None:
    assert not OneOf("d", (0, 1)).allows(True)
    assert not OneOf("d", (0, 1)).allows(1.0)
    assert not OneOf("d", (0, 1)).allows([1])
    assert not Subset("d", (0, 1), 0, 2).allows((True,))
    assert not Range("d", 1, 3).allows(2.0)
    assert not Range("d", 0.0, 1.0, step=0.5).allows(0.3)
    assert not Subset("d", (1, 2, 3), 0, 2).allows((2, 1))


def test_equal_values_of_other_types_are_other_answers() -> None:
    assert not OneOf("d", ((1, 2), 3)).allows((True, 2))
    assert OneOf("d", ((1, 2), 3)).allows((1, 2))
    assert OneOf("d", (None, 0.1)).allows(None)
    assert not OneOf("d", (0, 0.1)).allows(None)
    made = Range("d", np.int64(1), np.int64(4))  # type: ignore[arg-type]
    assert {type(value) for value in every(made)} == {int}


def test_a_range_ends_on_its_grid() -> None:
    assert Range("d", 8, 30, step=8).high == 24
    assert every(Range("d", 8, 30, step=8)) == (8, 16, 24)
    assert every(Range("d", -0.3, 0.3, step=0.1)) == (-0.3, -0.2, -0.1, 0.0, 0.1, 0.2, 0.3)
    assert Range("d", -0.3, 0.3, step=0.1).allows(0.0)
    assert Range("d", 0.0, 0.3, step=0.1).allows(0.1 + 0.2)
    third = Range("d", 1 / 3, 4 / 3, step=1 / 3)
    assert all(map(third.allows, every(third)))
    fine = Range("d", 1e6, 1e6 + 1, step=1e-3)
    assert len(set(every(fine))) == fine.count == 1001
    part = third.within(0.5, 1.1)
    assert part is not None
    assert every(part) == every(third)[1:3]
    assert third.within(0.4, 0.6) is None
    assert every(Range("d", 2, 5).within(2.5, 4.5) or third) == (3, 4)


def test_the_union_of_two_decisions() -> None:
    assert union(OneOf("d", (1, 2)), OneOf("d", (2, 3))) == OneOf("d", (1, 2, 3))
    both = union(Subset("d", ("a", "b"), 1, 1), Subset("d", ("b", "c"), 0, 2))
    assert both == Subset("d", ("a", "b", "c"), 0, 2)
    assert union(Range("d", 1, 9, step=4), Range("d", 3, 7, step=4)) == Range("d", 1, 9, step=2)
    assert union(Range("d", 0.0, 1.0, 0.5), Range("d", 0.25, 2.25, 0.5)) == Range("d", 0.0, 2.25)
    assert union(Range("d", 1, 2), OneOf("d", (1, 2))) is None


def test_the_nearest_answer() -> None:
    assert OneOf("d", (16, 32, 64)).nearest(40) == 32
    assert OneOf("d", ("a", "b")).nearest("c") == "a"
    assert Subset("d", ("a", "b", "c"), 2, 2).nearest(("c",)) == ("a", "c")
    assert Range("d", 1, 9, step=4).nearest(100) == 9
    assert Range("d", 0.0, 1.0).nearest(-3) == 0.0


def test_a_continuous_range() -> None:
    decision = Range("d", 1e-4, 1.0, log=True)
    rng = Random(0)
    drawn = sorted(decision.draw(rng) for _ in range(1001))  # type: ignore[type-var]
    assert decision.count == inf
    assert drawn[500] == pytest.approx(1e-2, rel=0.5)  # the geometric middle
    assert decision.encode(1e-2) == pytest.approx((1.0, 0.5))
    assert len(list(decision.neighbours(1e-2))) == 2
    with pytest.raises(SpaceError, match=r"continuous and cannot be walked.*give it a step"):
        every(decision)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: OneOf("d", ()), "got no options"),
        (lambda: OneOf("d", "abc"), "got the text 'abc' as options; give a tuple"),
        (lambda: OneOf("d", (1, 1.0)), r"got equal options: \(1, 1.0\)"),
        (lambda: OneOf("d", (1, b"x")), "of type bytes cannot be an option"),
        (lambda: OneOf("d", {1, 2}), "got the set {1, 2} as options; give a tuple"),
        (lambda: Subset("d", (1, 1), 0, 1), "got equal options"),
        (lambda: Subset("d", (), 0, 0), "got no options"),
        (lambda: Subset("d", "ab", 0, 1), "got the text 'ab' as options"),
        (lambda: OneOf("d", (1, float("nan"))), "values have to be finite"),
        (lambda: OneOf(3, (1,)), "a decision got the name 3"),  # type: ignore[arg-type]
        (lambda: Range("d", 0, 10**20), "not exact in steps that small"),
        (lambda: Range("d", 1e9, 1e9 + 1, 1e-6), "not exact in steps that small"),
        (lambda: Range("d", 1e-200, 1.0, log=True), "expected at least 1e-150"),
        (lambda: Subset("d", (1, 2), 3, 3), "asks for 3 to 3 of 2 options"),
        (lambda: Subset("d", (1, 2), 2, 1), "asks for 2 to 1 of 2 options"),
        (lambda: Range("d", 2, 1), "expected low <= high"),
        (lambda: Range("d", 0, 1, log=True), "low > 0 where log is set"),
        (lambda: Range("d", 0, 1, step=0), "step > 0"),
        (lambda: Range("d", "a", 1), "expected numbers"),  # type: ignore[arg-type]
        (lambda: Range("d", 0.0, inf), "values have to be finite"),
    ],
)
def test_decisions_that_cannot_be(make: Any, message: str) -> None:
    with pytest.raises(SpaceError, match=message):
        make()
