"""The median rule, by hand."""

from __future__ import annotations

import pytest

from nasturtium.errors import StrategyError
from nasturtium.space.decorator import space
from nasturtium.strategy.multifidelity.median_stopping import MedianStop
from nasturtium.study.fidelity import Fidelity
from nasturtium.study.study import Study


@space
def line(choose):
    choose.range("x", 0, 100_000)
    return lambda: None


def test_refuses():
    with pytest.raises(StrategyError, match="grace=0"):
        MedianStop(grace=0)


def test_median_rule_by_hand():
    strategy = MedianStop(least=3)
    study = Study(line, strategy)
    curves = ([0.1, 0.5, 0.5], [0.2, 0.6, 0.6], [0.9, 0.1, 0.1])
    for curve in curves:
        trial = study.ask()
        study.tell(trial, {"accuracy": curve[-1]}, curve=[{"accuracy": a} for a in curve])
    state = study.state
    trial = study.ask()

    def stops(*values):
        running = trial._replace(curve=[{"accuracy": value} for value in values])
        return strategy.stops(state, study.searched, running)

    # Averages at the first point: 0.1, 0.2, 0.9; up to the second: 0.3, 0.4, 0.5.
    assert stops(0.19) and not stops(0.2)
    assert stops(0.1, 0.39) and not stops(0.1, 0.4)
    assert not stops(0.45, 0.0)  # the best so far counts
    assert not stops(0.0, 0.0, 0.0)  # nobody went on from there: it is the end
    longer = trial._replace(
        proposal=trial.proposal._replace(fidelity=Fidelity(epochs=0.5)), curve=[{"accuracy": 0.0}]
    )
    assert not strategy.stops(state, study.searched, longer)
    patient = MedianStop(least=3, grace=2)
    assert not patient.stops(state, study.searched, trial._replace(curve=[{"accuracy": 0.0}]))


def test_median_rule_minimises_losses():
    strategy = MedianStop(least=2, metric="loss")
    study = Study(line, strategy)
    for loss in (1.0, 2.0):
        study.tell(study.ask(), {"accuracy": 0.5}, curve=[{"loss": loss}, {"loss": loss}])
    trial = study.ask()
    assert strategy.stops(study.state, study.searched, trial._replace(curve=[{"loss": 1.6}]))
    assert not strategy.stops(study.state, study.searched, trial._replace(curve=[{"loss": 1.4}]))


def test_stopped_trials_count_by_the_points_that_they_reached():
    strategy = MedianStop(least=2)
    study = Study(line, strategy)
    study.tell(study.ask(), {"accuracy": 0.9}, curve=[{"accuracy": a} for a in (0.5, 0.7, 0.9)])
    study.tell(study.ask(), {"accuracy": 0.3}, curve=[{"accuracy": 0.3}], stopped=True)
    trial = study.ask()
    low = trial._replace(curve=[{"accuracy": 0.39}])  # the median of 0.5 and 0.3 is 0.4
    assert strategy.stops(study.state, study.searched, low)
    assert not strategy.stops(study.state, study.searched, low._replace(curve=[{"accuracy": 0.4}]))
    later = low._replace(curve=[{"accuracy": 0.0}, {"accuracy": 0.0}])
    assert not strategy.stops(study.state, study.searched, later)  # one alone came that far


def test_what_is_told_after_a_trial_was_asked_for_does_not_stop_it():
    strategy = MedianStop(least=2)
    study = Study(line, strategy)
    first, second, trial = study.ask(), study.ask(), study.ask()
    for one in (first, second):
        study.tell(one, {"accuracy": 0.9}, curve=[{"accuracy": 0.9}] * 2)
    low = {"curve": [{"accuracy": 0.1}]}
    assert not strategy.stops(study.state, study.searched, trial._replace(**low))
    assert strategy.stops(study.state, study.searched, study.ask()._replace(**low))
