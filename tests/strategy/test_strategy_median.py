"""The median rule, by hand and against sorting."""

from __future__ import annotations

from statistics import median

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nasturtium.errors import StrategyError
from nasturtium.space.choice import space
from nasturtium.strategy.median import Median, MedianStop
from nasturtium.study.study import Study
from nasturtium.study.trial import Fidelity


@space
def line(choose):
    choose.range("x", 0, 100_000)
    return lambda: None


def test_refuses():
    with pytest.raises(StrategyError, match="grace=0"):
        MedianStop(grace=0)


@given(st.lists(st.floats(-1e6, 1e6), min_size=1))
def test_the_median_of_numbers_that_keep_coming(values):
    running = Median()
    for count, value in enumerate(values, 1):
        running.add(value)
        assert len(running) == count
        assert running.value == pytest.approx(median(values[:count]))


def test_median_rule_by_hand():
    strategy = MedianStop(least=3)
    study = Study(line, strategy)
    curves = ([0.1, 0.5], [0.2, 0.6], [0.9, 0.1])
    for curve in curves:
        trial = study.ask()
        study.tell(trial, {"accuracy": curve[-1]}, curve=[{"accuracy": a} for a in curve])
    state = study._state
    trial = study.ask()

    def stops(*values):
        running = trial._replace(curve=[{"accuracy": value} for value in values])
        return strategy.stops(state, study.searched, running)

    # Averages at the first point: 0.1, 0.2, 0.9; up to the second: 0.3, 0.4, 0.5.
    assert stops(0.19) and not stops(0.2)
    assert stops(0.1, 0.39) and not stops(0.1, 0.4)
    assert not stops(0.45, 0.0)  # the best so far counts
    assert not stops(0.0, 0.0, 0.0)  # nobody has been there
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
        study.tell(study.ask(), {"accuracy": 0.5}, curve=[{"loss": loss}])
    trial = study.ask()
    assert strategy.stops(study._state, study.searched, trial._replace(curve=[{"loss": 1.6}]))
    assert not strategy.stops(study._state, study.searched, trial._replace(curve=[{"loss": 1.4}]))
