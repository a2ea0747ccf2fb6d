"""Candidates that are estimated once more, and the answer that is chosen among them."""

from __future__ import annotations

from random import Random

import pytest

import nasturtium as nas
from nasturtium.study.confirmation import answer, confirmed, default_count, next_candidate
from nasturtium.study.trial import Proposal


def study_of(values: list[float], **options: object) -> nas.Study:
    """A study of different architectures with the given accuracies."""
    study = nas.Study(nas.zoo.nasbench201, nas.RandomSearch(), store=None, **options)
    rng, seen = Random(0), set()
    for value in values:
        drawn = study.space.sample(rng)
        while drawn.key in seen:
            drawn = study.space.sample(rng)
        seen.add(drawn.key)
        study.tell(study.add(drawn, "search"), {"accuracy": value, "size": value})
    return study


def confirm_all(study: nas.Study, count: int, values: list[float]) -> list[int]:
    """Answer all confirmations; returns the number of the trial that each one repeats."""
    first = {trial.architecture.key: trial.number for trial in study.history}
    asked = []
    while (trial := study.confirm(count)) is not None:
        asked.append(first[trial.architecture.key])
        study.tell(trial, {"accuracy": values[len(asked) - 1], "size": 0.0})
    return asked


def test_the_answer_has_the_best_mean_and_not_the_luckiest_estimate() -> None:
    study = study_of([0.5, 0.9, 0.8, 0.7, 0.6])
    assert study.best.number == 1
    assert confirm_all(study, 3, [0.5, 0.78, 0.76]) == [1, 2, 3]  # each once, best first
    assert study.best.number == 2
    assert study.best.metrics["accuracy"] == 0.8  # what the search saw of it
    assert [one.trial.number for one in confirmed(study.history)] == [2, 3, 1]
    assert confirmed(study.history)[0].mean == pytest.approx(0.79)
    assert [trial.arm for trial in study.history[5:]] == ["confirm"] * 3
    assert len(study.searched) == 5  # strategies do not see them
    assert study.count("searched") == 5


def test_losses_are_confirmed_by_the_smallest_mean() -> None:
    study = study_of([0.5, 0.1, 0.2], objectives=("min:accuracy",))
    confirm_all(study, 2, [0.9, 0.2])
    assert study.best.number == 2


def test_an_exact_estimator_is_asked_twice_and_no_more() -> None:
    study = study_of([0.5, 0.9, 0.8, 0.7, 0.6])
    for value in (0.9, 0.8):
        trial = study.confirm(5)
        assert trial is not None
        study.tell(trial, {"accuracy": value, "size": value})
    assert study.confirm(5) is None
    assert study.best.number == 1


def test_candidates_that_break_a_bound_are_not_confirmed() -> None:
    study = study_of([0.5, 0.9, 0.8, 0.7], constraints=("size<0.85",))
    assert confirm_all(study, 3, [0.6, 0.75, 0.5]) == [2, 3, 0]
    assert study.best.number == 3
    assert (
        study_of([0.9, 0.95, 0.5], constraints=("size<0.6",)).confirm(3) is None
    )  # one is no choice


def test_a_failed_confirmation_leaves_the_estimate_of_the_search() -> None:
    study = study_of([0.5, 0.9, 0.8])
    for _ in range(2):
        trial = study.confirm(2)
        assert trial is not None
        study.fail(trial, "out of memory")
    assert study.confirm(2) is None
    assert study.best.number == 1


def test_confirmations_that_are_out_are_not_asked_for_again_after_a_kill() -> None:
    study = study_of([0.5, 0.9, 0.8])
    trial = study.confirm(2)
    assert trial is not None
    again = nas.Study(study.space, nas.RandomSearch(), store=study.store)
    assert again.interrupted == 1
    assert next_candidate(again.history, 2).number == 2


def test_a_trial_of_higher_fidelity_outdoes_confirmed_ones() -> None:
    study = nas.Study(nas.zoo.nasbench201, nas.RandomSearch(), store=None)
    rng, half = Random(0), nas.Fidelity(epochs=0.5)
    for value in (0.9, 0.8):
        trial = study._ask_for(Proposal(study.space.sample(rng), half), "search")
        study.tell(trial, {"accuracy": value})
    confirm_all(study, 2, [0.1, 0.8])
    assert study.best.number == 1
    study.tell(study.add(study.space.sample(rng), "search"), {"accuracy": 0.3})
    assert answer(study.history).metrics["accuracy"] == 0.3


def test_few_trials_and_several_objectives_are_not_confirmed_by_default() -> None:
    assert [default_count(n, 1) for n in (0, 19, 20, 55, 1000)] == [0, 0, 2, 5, 5]
    assert default_count(1000, 2) == 0
