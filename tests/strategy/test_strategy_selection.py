"""Fronts, crowding, volumes, directions and niches, and children: exact on small examples."""

from __future__ import annotations

import itertools
import math
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from moocore import hypervolume

from nasturtium.space.decorator import space
from nasturtium.strategy.multiobjective.pareto import contributions, crowding, fronts, largest
from nasturtium.strategy.multiobjective.reference_directions import (
    Scale,
    directions,
    directions_for,
    nearest,
    niched,
)
from nasturtium.strategy.multiobjective.variation import blended, stepped, varied


def by_hand(losses, violations):
    """Deb's definition, word by word: peel off what nothing left dominates."""

    def dominates(i, j):
        if violations[i] != violations[j]:
            return violations[i] < violations[j]
        if violations[i] > 0:
            return False
        pairs = list(zip(losses[i], losses[j], strict=True))
        return all(a <= b for a, b in pairs) and any(a < b for a, b in pairs)

    left, found = set(range(len(losses))), []
    while left:
        front = sorted(i for i in left if not any(dominates(j, i) for j in left))
        found.append(front)
        left -= set(front)
    return found


@settings(deadline=None, max_examples=60)
@given(
    st.integers(2, 4).flatmap(
        lambda width: st.lists(
            st.tuples(*[st.integers(0, 4)] * width, st.integers(0, 2)), min_size=1, max_size=24
        )
    )
)
def test_fronts_are_those_of_brute_force(rows):
    losses = np.array([row[:-1] for row in rows], dtype=float)
    violations = np.array([row[-1] for row in rows], dtype=float)
    assert [sorted(front) for front in fronts(losses, violations)] == by_hand(losses, violations)


def test_crowding_of_a_small_front():
    # Sorted by the first objective the gaps of a point's neighbours are 2/4 and 3/6, then 3/4, 4/6.
    losses = np.array([(0.0, 6.0), (1.0, 4.0), (2.0, 3.0), (4.0, 0.0)])
    assert crowding(losses) == pytest.approx([math.inf, 2 / 4 + 3 / 6, 3 / 4 + 4 / 6, math.inf])
    assert crowding(losses[::-1])[1] == pytest.approx(3 / 4 + 4 / 6)
    assert crowding(np.ones((2, 2))).tolist() == [math.inf, 0.0]  # of equal points one counts
    twice = np.concatenate([losses, losses[1:2]])
    assert crowding(twice) == pytest.approx([*crowding(losses), 0.0])


def test_contributions_are_differences_of_volumes():
    rng = np.random.default_rng(0)
    points = rng.random((40, 3))
    front = points[fronts(points)[0]]
    low, high = front.min(0), front.max(0)
    scaled = (front - low) / (high - low)
    whole = hypervolume(scaled, ref=[1.1] * 3)
    without = [hypervolume(np.delete(scaled, i, 0), ref=[1.1] * 3) for i in range(len(front))]
    assert contributions(front) == pytest.approx(whole - np.array(without))


def test_between_two_objectives_the_ends_are_worth_most():
    front = np.array([(0.0, 3.0), (1.0, 1.0), (3.0, 0.0)])
    assert contributions(front).tolist() == pytest.approx([math.inf, (4 / 9), math.inf])
    point = np.array([4.0, 4.0])  # measured from a point, they are worth what they add
    assert contributions(front, point) * 16 == pytest.approx([1.0, 4.0, 1.0])
    assert sorted(largest(front, 2).tolist()) == [0, 2]


def test_truncation_by_volume_keeps_the_better_set():
    rng = np.random.default_rng(1)
    points = rng.random((9, 3))
    points /= np.linalg.norm(points, axis=1, keepdims=True)  # one front
    kept = largest(points, 6)
    volumes = [
        hypervolume(points[list(some)], ref=[1.1] * 3)
        for some in itertools.combinations(range(9), 6)
    ]
    assert len(set(kept.tolist())) == 6
    assert hypervolume(points[kept], ref=[1.1] * 3) >= np.quantile(volumes, 0.9)


def test_directions_of_das_and_dennis():
    assert directions(2, 4).tolist() == [[0, 1], [0.25, 0.75], [0.5, 0.5], [0.75, 0.25], [1, 0]]
    for objectives, parts in ((3, 12), (4, 5), (5, 6)):
        made = directions(objectives, parts)
        assert len(made) == math.comb(parts + objectives - 1, objectives - 1)
        assert len(np.unique(made, axis=0)) == len(made)
        assert made.sum(1) == pytest.approx(1.0)
        assert (made >= 0).all()
    assert len(directions_for(3, 92)) == 91  # the paper's twelve parts
    # Eight objectives: layers of 3 and 2 parts, 120 + 36 directions, as in the paper's table.
    two = directions_for(8, 156)
    assert len(two) == 156
    assert two.sum(1) == pytest.approx(1.0)
    assert (two > 0).all(1).sum() == 36


def test_losses_are_scaled_by_intercepts():
    """Points of the plane x / 2 + y / 4 + z / 8 = 1, moved: the intercepts are 2, 4 and 8."""
    ends = np.array([[2.0, 0, 0], [0, 4, 0], [0, 0, 8], [0.5, 1, 4], [1, 1, 2]]) + 10
    scale = Scale()
    assert scale.scaled(ends, range(5)) == pytest.approx((ends - 10) / (2, 4, 8))
    # Seen before, they still give the scale when the population has left the ends.
    assert scale.scaled(ends[3:], range(2)) == pytest.approx((ends[3:] - 10) / (2, 4, 8))
    flat = np.array([[0.0, 1.0, 5.0], [1.0, 0.0, 5.0], [0.5, 0.5, 5.0]])  # no such plane
    assert np.isfinite(Scale().scaled(flat, range(3))).all()


def test_niches_fill_the_emptiest_directions_first():
    rays = directions(2, 2)  # (0, 1), (1/2, 1/2), (1, 0)
    points = np.array([[0.0, 1.0], [0.1, 1.0], [0.4, 0.6], [0.5, 0.5], [1.0, 0.1]])
    niche, distance = nearest(points, rays)
    assert niche.tolist() == [0, 0, 1, 1, 2]
    assert distance == pytest.approx([0, 0.1, 0.1 * math.sqrt(2), 0, 0.1], abs=1e-6)
    for seed in range(5):
        assert sorted(niched(niche, distance, np.zeros(3, int), 3, Random(seed))) == [0, 3, 4]
        # The first direction has two members already: it comes last.
        kept = niched(niche, distance, np.array([2, 0, 0]), 3, Random(seed))
        assert sorted(kept) == [2, 3, 4]
    drawn = {niched(niche, distance, np.array([1, 5, 5]), 1, Random(seed))[0] for seed in range(20)}
    assert drawn == {0, 1}  # beyond the first member, any of the direction's


@settings(deadline=None, max_examples=40)
@given(st.floats(0, 1), st.floats(0, 1))
def test_children_of_numbers_lie_about_their_parents(one, two):
    rng = Random(0)
    children = np.array([blended(one, two, rng) for _ in range(400)])
    assert ((children >= 0) & (children <= 1)).all()
    low, high = min(one, two), max(one, two)
    gap = high - low
    assert children.mean() == pytest.approx((one + two) / 2, abs=0.15 * gap + 1e-9)
    near = np.minimum(abs(children - low), abs(children - high))
    assert np.median(near) <= 0.1 * gap + 1e-9


def test_steps_have_the_papers_density():
    """Of a step in the middle of a range, P(|step| > d) = (1 - d)^21, cut at the bounds."""
    rng = Random(0)
    steps = np.array([stepped(0.5, rng) - 0.5 for _ in range(20_000)])
    assert abs(steps.mean()) < 0.002
    for distance in (0.01, 0.03, 0.1):
        assert (abs(steps) > distance).mean() == pytest.approx((1 - distance) ** 21, abs=0.01)
    ends = np.array([stepped(place, rng) for place in (0.0, 1.0) for _ in range(200)])
    assert ((ends >= 0) & (ends <= 1)).all()


def test_numbers_are_blended_and_options_crossed():
    @space
    def mixed(choose):
        choose.range("rate", 1e-4, 1.0, log=True)
        choose.range("width", 8, 512)
        choose("kind", ("a", "b", "c"))
        if choose.range("depth", 1, 3) == 3:
            choose("extra", (True, False))
        return lambda: None

    rng = Random(0)
    one = mixed.decide(lambda d: {"rate": 1e-2, "width": 100, "kind": "a", "depth": 2}[d.name])
    two = mixed.decide(lambda d: {"rate": 1e-1, "width": 300, "kind": "b", "depth": 3,
                                  "extra": True}[d.name])  # fmt: skip
    plain = [varied(mixed, [one, two], rng, mutates=False) for _ in range(300)]
    assert {child["kind"] for child in plain} == {"a", "b"}
    assert {child["depth"] for child in plain} == {2, 3}
    assert all(("extra" in child) == (child["depth"] == 3) for child in plain)
    assert len({child["width"] for child in plain}) > 20
    rates = np.log([child["rate"] for child in plain])
    assert rates.mean() == pytest.approx(np.log([1e-2, 1e-1]).mean(), abs=0.15)
    changed = [varied(mixed, [one], rng, mutates=True) for _ in range(400)]
    share = np.mean([child["kind"] != "a" for child in changed])
    assert share == pytest.approx(1 / 4, abs=0.07)
    for child in plain + changed:
        assert mixed.decide(lambda d, child=child: child[d.name]) == child


def test_parents_that_were_asked_otherwise():
    """One name may be an option here and a number there: what does not fit is drawn."""

    @space
    def either(choose):
        if choose("numbers", (True, False)):
            choose.range("x", 0.0, 1.0)
        else:
            choose("x", ("low", "high"))
        return lambda: None

    rng = Random(0)
    one = either.decide(lambda d: {"numbers": True, "x": 0.25}[d.name])
    two = either.decide(lambda d: {"numbers": False, "x": "low"}[d.name])
    children = [varied(either, [one, two], rng, mutates=True) for _ in range(200)]
    assert {type(child["x"]) for child in children} == {float, str}

    @space
    def moving(choose):
        start = choose("start", (0.0, 100.0))
        choose.range("x", start, start + 1.0)
        return lambda: None

    one = moving.decide(lambda d: {"start": 0.0, "x": 0.25}[d.name])
    two = moving.decide(lambda d: {"start": 100.0, "x": 100.75}[d.name])
    for _ in range(200):
        child = varied(moving, [one, two], rng, mutates=True)
        assert child["start"] <= child["x"] <= child["start"] + 1.0
