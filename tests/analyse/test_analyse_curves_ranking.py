"""Curves over trials and seconds, normal scores, and rank correlations."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from evidenced import drawn, study_of
from hypothesis import given, settings
from hypothesis import strategies as st

import nasturtium as nas
from nasturtium.analyse.curves import Curve, control_curve, search_curve
from nasturtium.analyse.normal_scores import normal_scores
from nasturtium.analyse.ranking import rank_correlation

ACCURACY = nas.Objective("accuracy")
numbers = st.lists(st.integers(-3, 3), min_size=4, max_size=12)


@settings(max_examples=20, deadline=None)
@given(numbers, st.integers(0, 100))
def test_a_rank_correlation_is_tau_b_of_all_pairs(values, seed):
    x = np.array(values, dtype=float)
    y = np.random.default_rng(seed).integers(-3, 4, len(x)).astype(float)
    first, second = np.sign(x[:, None] - x), np.sign(y[:, None] - y)
    pairs = float((first * first).sum() * (second * second).sum()) ** 0.5
    tau = rank_correlation(x, y).tau
    if pairs == 0.0:
        assert tau is None
    else:
        assert tau == pytest.approx(float((first * second).sum()) / pairs)


def test_rank_correlation_says_why_there_is_none():
    few = rank_correlation([0.1, 0.2, 0.3], [1, 2, 3])
    assert few.tau is None
    assert few.reason == "3 networks have both values, and 4 are needed"
    flat = rank_correlation([0.1] * 5, [1, 2, 3, 4, 5])
    assert flat.reason == "all 5 networks have the same value"


def test_the_interval_of_a_rank_correlation_holds_the_truth_and_narrows():
    rng = np.random.default_rng(1)

    def of(count):
        x = rng.normal(size=count)
        return rank_correlation(x, x + rng.normal(size=count))  # tau = 0.5 in the long run

    small, large = of(15), of(200)
    assert small.low <= small.tau <= small.high
    assert large.high - large.low < small.high - small.low
    assert large.low < 0.5 < large.high


def test_normal_scores_are_near_expected_order_statistics():
    rng = np.random.default_rng(0)
    best = -np.sort(-rng.normal(size=(20000, 10)), axis=1).mean(0)
    assert normal_scores(10, 10) == pytest.approx(best, abs=0.02)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=7))
def test_the_controls_curve_is_the_mean_over_all_choices(values):
    curve = control_curve(tuple(values), len(values), 2.0)
    for place, best in enumerate(curve.best):
        choices = [max(chosen) for chosen in combinations(values, place + 1)]
        assert best == pytest.approx(sum(choices) / len(choices), abs=1e-9)
    assert curve.seconds == tuple(2.0 * (place + 1) for place in range(len(values)))
    assert not any(curve.extrapolated)


def test_beyond_its_draws_the_controls_curve_is_marked_and_rises_on():
    curve = control_curve(tuple(drawn(20)), 60, 1.0)
    assert curve.extrapolated == (False,) * 20 + (True,) * 40
    assert list(curve.best) == sorted(curve.best)
    assert all(lo <= b <= hi for lo, b, hi in zip(curve.low, curve.best, curve.high, strict=True))
    widths = np.subtract(curve.high, curve.low)
    assert widths[-1] > widths[19]


def test_an_extrapolated_accuracy_stays_below_one():
    curve = control_curve((0.2, 0.9, 0.99, 0.98), 100_000, 1.0)
    assert max(curve.high) <= 1.0
    assert len(curve.trials) <= 200
    assert curve.trials[-1] == 100_000


def test_the_extrapolation_foretells_what_more_draws_give():
    errors = []
    for seed in range(40):
        values = drawn(200, seed=seed)
        foretold = control_curve(tuple(values[:30]), 200, 1.0).best[-1]
        errors.append(foretold - max(values))
    assert abs(np.mean(errors)) < 0.01  # of a deviation of 0.05


def test_the_searchs_curve_is_what_happened():
    study = study_of([0.3, 0.2, 0.5, 0.4], seconds=2.0)
    study.fail(study.ask(), "diverged", seconds=1.0)
    curve = search_curve(study.history, ACCURACY)
    assert curve.best == (0.3, 0.3, 0.5, 0.5, 0.5)
    assert curve.trials == (1, 2, 3, 4, 5)
    assert curve.seconds == (2, 4, 6, 8, 9)
    assert all(low <= best for low, best in zip(curve.low, curve.best, strict=True))
    assert Curve.from_json(curve.to_json()) == curve


def test_a_search_that_began_with_failures_has_a_curve_from_its_first_result():
    study = study_of([])
    study.fail(study.ask(), "out of memory", seconds=3.0)
    for value in (0.5, 0.4):
        study.tell(study.ask(), {"accuracy": value}, seconds=1.0)
    curve = search_curve(study.history, ACCURACY)
    assert (curve.trials, curve.seconds, curve.best) == ((2, 3), (4, 5), (0.5, 0.5))


def test_what_is_made_small_falls():
    study = nas.Study(nas.zoo.nasbench201, nas.RandomSearch(), objectives=("loss",))
    for value in (3.0, 2.0, 2.5):
        study.tell(study.ask(), {"loss": value})
    objective = nas.Objective("loss", "min")
    assert search_curve(study.history, objective).best == (3.0, 2.0, 2.0)
    control = control_curve((-3.0, -2.0, -2.5), 3, 0.0, objective.sign)
    assert control.best == pytest.approx((2.5, (2.0 + 2.0 + 2.5) / 3, 2.0))


def test_a_search_without_results_has_no_curve():
    study = study_of([])
    assert search_curve(study.history, ACCURACY) is None
    assert control_curve((), 10, 1.0) is None


def test_a_curve_goes_on_to_a_million_trials_at_most():
    found = control_curve((0.1, 0.2, 0.3), 1e300, 1.0)
    assert found is not None and found.trials[-1] == 1_000_000
