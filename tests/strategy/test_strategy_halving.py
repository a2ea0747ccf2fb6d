"""Halving: rung counts of the papers, promotions step by step, and the median rule."""

from __future__ import annotations

from collections import Counter

import pytest

from nasturtium.errors import StrategyError
from nasturtium.space.choice import space
from nasturtium.strategy.asha import ASHA
from nasturtium.strategy.evolution import RegularizedEvolution
from nasturtium.strategy.halving import Hyperband, SuccessiveHalving
from nasturtium.strategy.median import MedianStop
from nasturtium.strategy.random import RandomSearch
from nasturtium.study.study import Study
from nasturtium.study.trial import Fidelity


@space
def line(choose):
    choose.range("x", 0, 100_000)
    return lambda: None


def worth(trial):
    return {"accuracy": trial.architecture["x"] / 100_000}


def drive(strategy, trials, seed=0):
    study = Study(line, strategy, seed=seed)
    for _ in range(trials):
        trial = study.ask()
        study.tell(trial, worth(trial))
    return study


# Hyperband (JMLR 2018), table 1: R = 81, eta = 3; rows are brackets s = 4 ... 0.
TABLE = (
    ((81, 1), (27, 3), (9, 9), (3, 27), (1, 81)),
    ((34, 3), (11, 9), (3, 27), (1, 81)),
    ((15, 9), (5, 27), (1, 81)),
    ((8, 27), (2, 81)),
    ((5, 81),),
)


def test_hyperband_has_the_papers_brackets():
    made = Hyperband(least=1 / 81).brackets
    found = tuple(tuple((n, round(81 * f.epochs)) for n, f in bracket) for bracket in made)
    assert found == TABLE


def test_hyperband_runs_the_papers_brackets():
    total = sum(count for bracket in TABLE for count, _ in bracket)
    study = drive(Hyperband(least=1 / 81), 2 * total)
    asked = [round(81 * trial.fidelity.epochs) for trial in study.history]
    expected = [resource for bracket in TABLE for count, resource in bracket for _ in range(count)]
    assert asked == 2 * expected
    # What stands at the end of the first bracket is the best of its 81.
    first = [trial.architecture["x"] for trial in study.history[:81]]
    assert study.history[120].architecture["x"] == max(first)
    assert [t.architecture["x"] for t in study.history[81:108]] == sorted(first)[::-1][:27]


def test_successive_halving_counts():
    study = drive(SuccessiveHalving(count=27, least=1 / 27), 80)
    rungs = Counter(round(27 * trial.fidelity.epochs) for trial in study.history)
    assert rungs == {1: 27 * 2, 3: 9 * 2, 9: 3 * 2, 27: 1 * 2}


def test_halving_waits_for_a_rung_and_copes_with_failures():
    study = Study(line, SuccessiveHalving(count=9, least=1 / 9))
    trials = [study.ask() for _ in range(9)]
    assert study.ask() is None
    for trial in trials[:7]:
        study.tell(trial, worth(trial))
    study.fail(trials[7], "out of memory")
    assert study.ask() is None
    study.fail(trials[8], "out of memory")
    promoted = [study.ask() for _ in range(3)]
    best = sorted((trial.architecture["x"] for trial in trials[:7]), reverse=True)[:3]
    assert [trial.architecture["x"] for trial in promoted] == best
    for trial in promoted:
        study.fail(trial, "out of memory")
    assert study.ask().fidelity.epochs == pytest.approx(1 / 9)  # a new bracket


def test_prefix_schedules_resume_and_complete_ones_do_not():
    for schedule, resumed in (("prefix", True), ("complete", False)):
        study = drive(SuccessiveHalving(count=9, least=1 / 9, schedule=schedule), 13)
        promotions = study.history[9:]
        assert {trial.fidelity.schedule for trial in study.history} == {schedule}
        for trial in promotions:
            resume = trial.proposal.resume
            assert (resume is not None) is resumed
            if resumed:
                before = study.history.trial(resume)
                assert before.architecture == trial.architecture
                assert before.fidelity.epochs * 3 == pytest.approx(trial.fidelity.epochs)


def test_asha_step_by_step():
    """Nine configurations, one worker: algorithm 2 of the paper, by hand."""
    study = Study(line, ASHA(least=1 / 9))
    low, middle, full = study.strategy.rungs
    asked = []
    ranks = iter([0.5, 0.4, 0.6, 0.3, 0.2, 0.7, 0.1, 0.15, 0.8])
    score = {}
    while True:
        trial = study.ask()
        key = trial.architecture.key
        if trial.fidelity == low:
            value = next(ranks, None)
            if value is None:
                break
            score[key] = value
        asked.append((trial.fidelity, score[key]))
        study.tell(trial, {"accuracy": score[key]})
    assert asked == [
        (low, 0.5), (low, 0.4), (low, 0.6),  # three finished: the best one of three goes up
        (middle, 0.6),
        (low, 0.3), (low, 0.2), (low, 0.7),  # six finished: the best two are 0.7 and 0.6
        (middle, 0.7),
        (low, 0.1), (low, 0.15), (low, 0.8),  # nine: 0.8, 0.7 and 0.6
        (middle, 0.8),
        (full, 0.8),  # three at the middle rung: their best one goes to the top
    ]  # fmt: skip


def test_asha_never_waits():
    study = Study(line, ASHA(least=1 / 9))
    trials = [study.ask() for _ in range(20)]
    assert all(trial is not None for trial in trials)
    assert {trial.fidelity.epochs for trial in trials} == {1 / 9}


def test_asha_hides_promotions_from_the_inner_strategy():
    seen = []

    class Spy(RandomSearch.__mro__[1]):
        def start(self):
            return 0

        def fold(self, state, trial):
            return state + 1

        def propose(self, state, history, rng):
            assert state == len(history.finished)
            seen.append([trial.architecture.key for trial in history.finished])
            assert {trial.fidelity.epochs for trial in history} <= {1 / 9}
            return RandomSearch().propose(None, history, rng)

    study = drive(ASHA(Spy(), 1 / 9), 60)
    assert any(trial.fidelity.full for trial in study.history)
    assert all(len(keys) == len(set(keys)) for keys in seen)


def test_asha_around_evolution_climbs():
    plain = drive(ASHA(RandomSearch(), 1 / 9), 150).best
    study = drive(ASHA(RegularizedEvolution(10, 3), 1 / 9), 150)
    children = [t for t in study.history if t.proposal.parent is not None]
    low = study.history.where(fidelity=study.strategy.rungs[0])
    assert children and all(low.trial(t.proposal.parent) for t in children)
    assert study.best.metrics["accuracy"] > 0.9 and plain.fidelity.full


def test_wrappers_refuse():
    with pytest.raises(StrategyError, match="between 0 and 1"):
        ASHA(least=2.0)
    with pytest.raises(StrategyError, match="no rung between"):
        Hyperband(least=0.5, eta=3)
    with pytest.raises(StrategyError, match="give at least 27"):
        SuccessiveHalving(count=20, least=1 / 27)
    with pytest.raises(StrategyError, match="grace=0"):
        MedianStop(grace=0)


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
