"""What a training may still become, by the line through those that ended."""

from __future__ import annotations

from random import Random

import numpy as np
import pytest
from scipy.stats import linregress, t
from searching import observed

import nasturtium as nas
from nasturtium.strategy.surrogate.learning_curve_extrapolation import (
    LEAST,
    LearningCurves,
    chance_of_best,
)
from nasturtium.strategy.surrogate.observations import best_trials
from nasturtium.strategy.surrogate.portfolio import Portfolio
from nasturtium.study.study import Study


@nas.space
def plain(choose):
    choose("kind", tuple(range(200)))
    return lambda: None


def ended(curves, objective="accuracy", uniform=False):
    """A study of trainings that ended, and one that was asked for after them."""

    class Next(nas.Strategy):
        def propose(self, state, history, rng):
            number = len(history)
            return nas.Proposal(nas.Architecture("plain", {"kind": number}), uniform=uniform)

    metric = objective.removeprefix("min:")
    study = Study(plain, Next(), objectives=(objective,))
    for curve in curves:
        points = [{metric: value} for value in curve]
        study.tell(study.ask(), points[-1], curve=points)
    return study.history, study.ask()


def at(trial, *values, metric="accuracy"):
    return trial._replace(curve=[{metric: value} for value in values])


def random_curves(count, rng):
    starts = [rng.random() for _ in range(count)]
    return [(v, v + 0.1, 0.5 * v + 0.5 + 0.02 * rng.gauss(0, 1)) for v in starts]


@pytest.mark.parametrize("sign", [1, -1])
def test_the_chance_is_that_of_a_regression(sign):
    rng = Random(3)
    curves = [[sign * value for value in curve] for curve in random_curves(12, rng)]
    objective = "accuracy" if sign == 1 else "min:accuracy"
    history, trial = ended(curves, objective)
    here, ends = (sign * np.array([curve[place] for curve in curves]) for place in (1, 2))
    line = linregress(here, ends)
    now = 0.7
    residual = ends - line.intercept - line.slope * here
    scale = np.sqrt(residual @ residual / 10)
    scale *= np.sqrt(1 + 1 / 12 + (now - here.mean()) ** 2 / ((here - here.mean()) ** 2).sum())
    bar = np.sort(ends)[-3]
    expected = t.sf((bar - line.intercept - line.slope * now) / scale, 10)
    found = chance_of_best(history, at(trial, 0.0, sign * now), among=3)
    assert found == pytest.approx(expected, rel=1e-6)


def test_says_nothing_without_knowledge():
    rng = Random(0)
    few, trial = ended(random_curves(LEAST - 1, rng))
    assert chance_of_best(few, at(trial, 0.0), among=3) == 1.0
    history, trial = ended(random_curves(LEAST, rng))
    assert chance_of_best(history, at(trial, 0.0), among=3) < 0.5
    assert chance_of_best(history, at(trial, 0.0, 0.0, 0.0), among=3) == 1.0  # it has ended
    # A start that says nothing, or the opposite, of the end is no reason to end anything.
    backwards, trial = ended([(v, 1 - v) for v in (0.1 * place for place in range(LEAST))])
    assert chance_of_best(backwards, at(trial, 0.0), among=3) == 1.0


def test_what_is_told_later_does_not_matter():
    history, trial = ended(random_curves(10, Random(1)))
    before = chance_of_best(history, at(trial, 0.2), among=3)
    history._complete(nas.study.trial.Outcome(trial.number, {"accuracy": 99.0}))
    assert chance_of_best(history, at(trial, 0.2), among=3) == before


def test_the_portfolio_ends_what_has_no_hope():
    history, trial = ended(random_curves(12, Random(2)))
    strategy = Portfolio()
    assert strategy.stops(strategy.start(), history, at(trial, 0.0))
    assert not strategy.stops(strategy.start(), history, at(trial, 0.9))
    assert not Portfolio(stop_below=0).stops(strategy.start(), history, at(trial, 0.0))
    history, trial = ended(random_curves(12, Random(2)), uniform=True)
    assert not strategy.stops(strategy.start(), history, at(trial, 0.0))


@pytest.mark.parametrize("sign", [1, -1])
def test_the_end_of_a_stopped_training_is_that_of_the_line(sign):
    curves = [[sign * value for value in curve] for curve in random_curves(12, Random(3))]
    history, trial = ended(curves, "accuracy" if sign == 1 else "min:accuracy")
    ends = LearningCurves()
    for one in history.finished[: LEAST - 1]:
        ends.learn(history, one)
    stopped = at(trial, 0.0, sign * 0.7)._replace(state="stopped", metrics={"accuracy": 0.0})
    assert ends.expected_rank(history, stopped) is None  # too few have ended
    for one in history.finished[LEAST - 1 :]:
        ends.learn(history, one)
    line = linregress([curve[1] for curve in curves], [curve[2] for curve in curves])
    expected = sign * (line.intercept + line.slope * sign * 0.7)
    assert ends.expected_rank(history, stopped) == (0.0, pytest.approx(expected))
    longer = at(stopped, 0.0, 0.0, 0.0, 0.0)  # than any that ended
    assert ends.expected_rank(history, longer) is None
    assert ends.expected_rank(history, at(stopped, float("nan"))) is None


def test_a_bound_on_what_training_changes_is_not_judged_by_an_early_value():
    history, trial = ended(random_curves(12, Random(3)))
    ends = LearningCurves()
    for one in history.finished:
        ends.learn(history, one)
    early = trial._replace(curve=[{"accuracy": 0.5, "loss": 9.0}], state="stopped")
    early = early._replace(metrics={"accuracy": 0.5, "loss": 9.0, "size": 4.0})
    history.constraints = (nas.Objective("size", "min", bound=2.0),)
    assert ends.expected_rank(history, early)[0] == -1.0
    history.constraints = (nas.Objective("loss", "min", bound=2.0),)
    assert ends.expected_rank(history, early) is None


def test_a_stopped_training_is_no_parent_and_not_the_best_point():
    history, trial = ended(random_curves(12, Random(3)))
    stopped = nas.study.trial.Outcome(
        trial.number, {"accuracy": 99.0}, [{"accuracy": 99.0}], stopped=True
    )
    history._complete(stopped)
    observations = observed(history, LearningCurves())
    assert len(observations.trials) == 13
    assert max(observations.ranks) == observations.ranks[-1]
    assert trial.number not in [one.number for one in best_trials(observations, 20)]
    assert len(observed(history).trials) == 12
