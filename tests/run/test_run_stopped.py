"""Trainings that were ended early, and fidelities that round to equal epochs, in whole searches."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from torch import nn

import nasturtium as nas
from nasturtium.analyse.comparison.selection import split_pools
from nasturtium.analyse.curves import search_curve
from nasturtium.errors import StrategyError
from nasturtium.report.page import render_page
from nasturtium.run.defaults import merge_rungs, round_fidelities
from nasturtium.run.progress_text import format_start
from nasturtium.status.search_progress import measure_progress
from nasturtium.status.study_summary import rows, summary
from nasturtium.strategy.multifidelity.asha import ASHA
from nasturtium.strategy.multifidelity.bohb import BOHB
from nasturtium.strategy.multifidelity.hyperband import Hyperband
from nasturtium.strategy.multifidelity.median_stopping import MedianStop
from nasturtium.strategy.multifidelity.successive_halving import SuccessiveHalving
from nasturtium.train.loop import Loop

EPOCHS = 10
FACES = (np.random.default_rng(0).integers(0, 256, (80, 4, 4), dtype=np.uint8), np.arange(80) % 2)


@nas.space
def kinds(choose, *, inputs, classes):
    for name in "abcd":
        choose(name, tuple(range(8)))
    return lambda: nn.Sequential(nn.Flatten(), nn.Linear(16, classes))


class Overfit(nas.Estimator):
    """A validation loss that falls until the third epoch and rises then: stopping flatters it."""

    metrics = ("loss",)

    def __init__(self, obeys=True):
        self.obeys = obeys

    def estimate(self, job):
        quality = sum(job.architecture.values()) / 28
        for epoch in range(6):
            loss = quality + abs(epoch - 2) * 0.3
            if not job.report({"loss": loss}) and self.obeys:
                break
        return {"loss": loss}


class Counting(nas.Estimator):
    """Counts the epochs that it trains."""

    metrics = ("accuracy",)

    def full_epochs(self):
        return EPOCHS

    def estimate(self, job):
        value = sum(job.architecture.values()) / 28
        for epoch in range(max(1, round(EPOCHS * job.fidelity.epochs))):
            DONE.append(job.number)
            if not job.report({"accuracy": value * (epoch + 1) / EPOCHS}):
                break
        return {"accuracy": value * (epoch + 1) / EPOCHS}


DONE: list[int] = []  # the number of the trial, once for each epoch


class Uneven(nas.Strategy):
    """Proposes fidelities that round to equal epochs, and knows no better."""

    def propose(self, state, history, rng):
        share = (1 / 27, 1 / 9, 1 / 3, 1.0)[len(history) % 4]
        return nas.Proposal(history.space.sample(rng), nas.Fidelity(epochs=share))


def searched(strategy, estimator, trials=60, *, objectives=("accuracy",), **settings):
    DONE.clear()
    given = {"executor": "here", "store": None, "control": 0.1, "space": kinds, **settings}
    return nas.search(
        FACES, strategy=strategy, estimator=estimator, objectives=objectives, trials=trials, **given
    )


def test_a_training_that_was_ended_early_is_no_result():
    study = searched("portfolio", Overfit(), 60, objectives=("loss",))
    history = study.history
    stopped, finished = history.stopped, history.finished
    assert len(stopped) > 10 and len(stopped) + len(finished) == len(history)
    assert list(history.where(state="stopped")) == sorted(stopped, key=lambda trial: trial.number)
    assert all(trial.state == "stopped" and len(trial.curve) < 6 for trial in stopped)
    assert all(trial.state == "finished" and len(trial.curve) == 6 for trial in finished)
    assert min(trial.metrics["loss"] for trial in stopped) < study.best.metrics["loss"]
    assert study.best.metrics["loss"] == min(trial.metrics["loss"] for trial in finished)
    assert not any(trial.proposal.uniform or trial.arm == "control" for trial in stopped)
    # They count as searched, and nowhere as results.
    assert study.count("searched") == 60
    known = {trial.number for trial in finished}
    parted = split_pools(history)
    assert {t.number for t in (*parted.search, *parted.control)} <= known
    searched_for = [trial for trial in finished if trial.arm == "search"]
    assert len(parted.proposed) == sum(not t.proposal.uniform for t in searched_for)
    curve = search_curve(history, history.objectives[0])
    assert curve is not None and curve.best[-1] == study.best.metrics["loss"]
    # No architecture that was stopped is tried again.
    keys = [trial.architecture.key for trial in study.searched]
    assert len(set(keys)) == len(keys)
    # Everything that shows the study says so.
    assert summary(study)["trials"]["stopped"] == len(stopped)
    assert f"{len(stopped)} stopped early" in dict(rows(study))["trials"]
    assert f"{len(stopped)} stopped early" in measure_progress(study, 60, None, 1.0).budget()
    assert f"{len(stopped)} of them stopped early, without a result" in render_page(study)
    again = nas.Study(study.space, nas.Portfolio(), objectives=("loss",), store=study.store,
                      name=study.name)  # fmt: skip
    assert [t.state for t in again.history] == [t.state for t in history]
    assert again.best == study.best and again.cost == study.cost


def test_an_estimator_that_does_not_end_is_finished():
    study = searched("portfolio", Overfit(obeys=False), 40, objectives=("loss",))
    assert not study.history.stopped and len(study.history.finished) == len(study.history)


STRATEGIES = {
    "asha": ASHA(),
    "asha, resuming": ASHA(schedule="prefix"),
    "hyperband": Hyperband(),
    "bohb": BOHB(),
    "halving": SuccessiveHalving(count=9, least=1 / 9),
    "median, asha": MedianStop(ASHA()),
    "asha, median": ASHA(MedianStop(least=3)),
    "median": MedianStop(),
    "portfolio": nas.Portfolio(),
    "hyperband, portfolio": Hyperband(nas.Portfolio()),
    "uneven": Uneven(),
}


@pytest.mark.parametrize("name", STRATEGIES)
def test_what_is_recorded_is_what_was_trained(name):
    study = searched(STRATEGIES[name], Counting())
    for trial in study.history:
        assert trial.epochs == DONE.count(trial.number)
        assert trial.planned == round(trial.fidelity.epochs * EPOCHS, 9)
        assert (trial.state == "stopped") == (trial.epochs < trial.planned)
    done = sum(DONE.count(trial.number) for trial in study.searched)
    assert study.cost == pytest.approx(done / EPOCHS)
    fair = sum(t.proposal.uniform and t.fidelity.full for t in study.history)
    assert fair >= 0.1 * study.cost - 1e-9
    again = nas.Study(study.space, study.strategy, store=study.store, name=study.name)
    assert again.cost == study.cost and again.count("uniform") == study.count("uniform")
    assert list(again.history) == list(study.history)
    if name != "uneven":  # no two rungs train equally long
        rungs = {trial.proposal.fidelity for trial in study.searched}
        assert len({trial.planned for trial in study.searched}) == len(rungs)
        twice = [(trial.architecture.key, trial.planned) for trial in study.searched]
        assert len(set(twice)) == len(twice)
    if name in ("portfolio", "median"):
        assert study.history.stopped


@pytest.mark.parametrize(
    "strategy",
    [
        ASHA(least=1 / 4, eta=2, schedule="prefix"),
        ASHA(least=1 / 4, eta=2),
        MedianStop(least=2),
    ],
)
def test_real_trainings_cost_what_they_take(strategy, monkeypatch):
    taken = []
    epoch = Loop.epoch
    monkeypatch.setattr(
        Loop, "epoch", lambda loop, *given: (taken.append(given[0]), epoch(loop, *given))[1]
    )
    study = searched(strategy, "train", 14, recipe="epochs=4", control=0, numerics="threads=1")
    assert study.cost == pytest.approx(len(taken) / 4)
    assert study.cost == pytest.approx(sum(map(study.history.cost, study.history)))
    for trial in study.history:
        assert trial.epochs == trial.curve[-1]["epoch"] == len(trial.curve)
        assert (trial.state == "stopped") == (trial.epochs < trial.planned)
    assert bool(study.history.stopped) == isinstance(strategy, MedianStop)
    resumed = [trial for trial in study.history if trial.proposal.resume is not None]
    assert bool(resumed) == (getattr(strategy, "schedule", None) == "prefix")


def test_a_training_asked_to_end_after_its_last_epoch_has_finished():
    class Late(nas.RandomSearch):
        def stops(self, state, history, trial):
            return len(trial.curve) == 2

    study = searched(Late(), "train", 2, recipe="epochs=2", control=0, numerics="threads=1")
    assert [trial.state for trial in study.history] == ["finished"] * 2
    study = searched(Late(), Counting(), 2, control=0)
    assert [trial.state for trial in study.history] == ["stopped"] * 2


def test_a_training_that_fails_records_the_epochs_that_it_had(monkeypatch):
    def score(loop, *turn):
        done.append(1)
        return {"accuracy": 0.5, "loss": math.nan if len(done) == 3 else 1.0}

    done = []
    monkeypatch.setattr(Loop, "score", score)
    study = searched("random", "train", 2, recipe="epochs=4", control=0, numerics="threads=1")
    failed = study.history[0]
    assert (failed.state, failed.epochs, failed.planned) == ("failed", 2, 4)
    assert study.cost == pytest.approx(1.5)


def test_rungs_are_those_of_the_recipe():
    found = merge_rungs(MedianStop(ASHA(nas.RegularizedEvolution(5, 2), eta=3)), 10)
    assert isinstance(found, MedianStop) and isinstance(found.strategy, ASHA)
    assert [round(10 * rung.epochs) for rung in found.strategy.rungs] == [1, 3, 10]
    assert isinstance(found.strategy.strategy, nas.RegularizedEvolution)
    assert len(merge_rungs(ASHA(), 81).rungs) == 4
    own = ASHA(epochs=27)
    assert merge_rungs(own, 10) is own
    plain = nas.RandomSearch()
    assert merge_rungs(plain, 10) is plain
    study = searched(ASHA(), Counting(), 3, control=0)
    assert "rungs of 1, 3, 10 epochs" in format_start(study)


@pytest.mark.parametrize("strategy", ["asha", "hyperband", "bohb", 'median(strategy="asha")'])
def test_a_recipe_of_one_epoch_has_no_rungs(strategy):
    with pytest.raises(StrategyError) as raised:
        searched(strategy, "train", recipe="epochs=1")
    assert str(raised.value) == (
        "halving got least=0.037, eta=3 and trainings of 1 epochs: every rung trains for 1, so "
        "that none is shorter; give a recipe with more epochs, or a strategy without rungs"
    )


def test_a_fidelity_is_whole_examples_and_pixels():
    task = nas.load(FACES)
    train = round_fidelities(kinds, task, Counting())
    assert round_fidelities(kinds, task, Overfit()) is None and train is not None
    size = len(task.train)
    asked = nas.Fidelity(epochs=0.26, data=0.333, resolution=0.6)
    found, epochs = train(nas.Proposal(None, asked))
    chosen = sum(round(0.333 * count) for count in np.bincount(task.train.labels))
    assert (found.epochs, epochs) == (0.3, 3)
    assert found.data == pytest.approx(chosen / size) and found.resolution == 0.5
    full = nas.Fidelity()
    assert train(nas.Proposal(None, full)) == (full, EPOCHS)
    assert train(nas.Proposal(None, found)) == (found, 3)


def test_a_study_of_which_every_trial_was_stopped():
    study = nas.Study(kinds.bind(inputs=(4,), classes=2), nas.RandomSearch())
    for _ in range(3):
        study.tell(study.ask(), {"accuracy": 0.9}, stopped=True)
    with pytest.raises(StrategyError) as raised:
        study.best  # noqa: B018
    assert str(raised.value) == (
        "study 'study' has no finished trial: of 3 trials 3 were stopped early and none was "
        "trained to its end; resume it with more trials, or with a strategy that stops fewer"
    )
    assert study.front == () and summary(study)["best"] is None
    assert dict(rows(study))["trials"].startswith("3 searched, 3 stopped early")
    assert "stopped early: 3" in render_page(study)
    assert json.loads(json.dumps(summary(study)))["random"] is None


def test_draws_beside_which_others_were_stopped_are_no_control():
    study = nas.Study(kinds.bind(inputs=(4,), classes=2), nas.RandomSearch())
    trials = [study.ask() for _ in range(3)]
    assert study.count("uniform") == 3
    for trial, stopped in zip(trials, (False, False, True), strict=True):
        study.tell(trial, {"accuracy": 0.9}, stopped=stopped)
    assert study.count("uniform") == 0 and study.history.uniform_draws() == []
    study.ask()
    assert study.count("uniform") == 0
    drawn = study.ask("control")
    study.tell(drawn, {"accuracy": 0.5})
    assert study.count("uniform") == 1
    assert [trial.number for trial in study.history.uniform_draws()] == [drawn.number]
    assert split_pools(study.history).drawn == (0.5,)
