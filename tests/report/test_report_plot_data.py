"""The numbers behind the plots and the trial table, and numbers as text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

import nasturtium as nas
from nasturtium.report.format import (
    classify_metric,
    format_duration,
    format_metric,
    format_number,
    join_words,
)
from nasturtium.report.plot_data import collect_curves, collect_trials


@nas.space
def tiny(choose, *, inputs, classes):
    choose("width", (1, 2, 4))
    choose("flag", (True, 1.5))
    return lambda: None


def study(**options) -> nas.Study:
    return nas.Study(tiny, nas.RandomSearch(), **options)


def test_columns_hold_every_trial_and_no_number_that_is_not_finite():
    found = study(constraints=("params<10",))
    found.tell(found.ask(), {"accuracy": 0.5, "params": 5, "loss": float("nan")}, seconds=2)
    found.fail(found.ask("control"), "it broke")
    found.tell(found.ask(), {"accuracy": 0.9, "params": 50})
    found.ask()
    data = collect_trials(found.history)
    trials = data["trials"]
    assert trials["number"] == [0, 1, 2, 3]
    assert trials["arm"] == [0, 1, 0, 0] and trials["state"] == [1, 2, 1, 0]
    assert trials["ok"] == [1, 0, 0, 0]  # the third violates its constraint
    assert trials["error"] == [-1, 0, -1, -1] and data["errors"] == ["it broke"]
    metrics = {metric["name"]: metric for metric in data["metrics"]}
    assert list(metrics) == ["accuracy", "params"]  # loss has no finite value at all
    assert metrics["accuracy"]["values"] == [0.5, None, 0.9, None]
    assert (metrics["accuracy"]["kind"], metrics["params"]["kind"]) == ("share", "count")
    assert (metrics["accuracy"]["goal"], metrics["params"]["goal"]) == ("max", "min")
    for decision in data["decisions"]:
        for row, trial in enumerate(found.history):
            value = trial.architecture[decision["name"]]
            shown = decision["options"][decision["at"][row]]
            assert shown == value and type(shown) is type(value)


def test_a_metric_that_is_sometimes_not_finite_says_where():
    found = study()
    found.tell(found.ask(), {"accuracy": 0.5, "loss": float("inf")})
    found.tell(found.ask(), {"accuracy": 0.5, "loss": 1.0})
    loss = collect_trials(found.history)["metrics"][1]
    assert loss["values"] == [None, 1] and loss["odd"] == [0]


def test_learning_curves_are_of_trials_that_reported():
    found = study()
    trial = found.ask()
    points = [{"epoch": 1, "accuracy": 0.1}, {"epoch": 2, "accuracy": float("nan"), "loss": 1}]
    found.tell(trial, {"accuracy": 0.2}, curve=points)
    found.tell(found.ask(), {"accuracy": 0.1})
    (curve,) = collect_curves(list(found.history))
    assert curve["over"] == "epoch" and curve["at"] == [1, 2]
    assert curve["values"] == {"accuracy": [0.1, None], "loss": [None, 1]}


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("accuracy", 0.975, "accuracy 97.50 %"),
        ("accuracy", 97.5, "accuracy 97.5"),
        ("params", 2300, "2.3 k parameters"),
        ("macs", 1.25e6, "1.25 M multiply-accumulates"),
        ("latency_cpu", 3.214, "latency cpu 3.21 ms"),
        ("seconds", 125, "seconds 2 min 5 s"),
        ("loss", float("inf"), "loss not a finite number"),
    ],
)
def test_numbers_have_their_units(name, value, words):
    assert format_metric(name, value) == words


@given(st.floats(1e-3, 1e11))
def test_short_numbers_are_near_and_short(value):
    text = format_number(value)
    number, _, suffix = text.partition(" ")
    scale = {"": 1, "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12}[suffix]
    assert float(number) * scale == pytest.approx(value, rel=6e-3) and len(text) <= 9


def test_times_and_lists_in_words():
    assert [format_duration(s) for s in (0.5, 61, 3700, 200_000)] == [
        "0.5 s",
        "1 min 1 s",
        "1 h 2 min",
        "2 days 8 h",
    ]
    assert join_words(["a"]) == "a" and join_words(["a", "b", "c"]) == "a, b and c"
    assert (
        classify_metric("accuracy", (0.1, 3.0)) == "plain"
        and classify_metric("val_accuracy") == "share"
    )
