"""The records of a study, and the texts that people write for objectives and bounds."""

from __future__ import annotations

import math

import pytest

from nasturtium.architecture import Architecture
from nasturtium.errors import StrategyError
from nasturtium.study.fidelity import FULL, Fidelity
from nasturtium.study.objective import Objective, parse_constraint, parse_objective
from nasturtium.study.trial import Proposal


@pytest.mark.parametrize(
    ("text", "metric", "goal"),
    [
        ("accuracy", "accuracy", "max"),
        ("max:f1", "f1", "max"),
        ("min:energy", "energy", "min"),
        (" min : energy ", "energy", "min"),
        ("-score", "score", "min"),
        ("params", "params", "min"),
        ("macs", "macs", "min"),
        ("latency", "latency", "min"),
        ("latency_cpu", "latency_cpu", "min"),
        ("val_loss", "val_loss", "min"),
        ("val.top1", "val.top1", "max"),
        ("score", "score", "max"),
        ("accuracy_score", "accuracy_score", "max"),
        ("top5_error", "top5_error", "min"),
        ("min:rmse", "rmse", "min"),
        ("max:params", "params", "max"),
    ],
)
def test_objective_from_text(text, metric, goal):
    assert parse_objective(text) == Objective(metric, goal)


@pytest.mark.parametrize(
    "text", ["rmse", "mse", "perplexity", "fid_score", "size_mb", "glossiness"]
)
def test_a_metric_whose_direction_is_not_known_is_refused(text):
    with pytest.raises(StrategyError, match=f"write min:{text} or max:{text}"):
        parse_objective(text)
    with pytest.raises(StrategyError, match=r"did you mean 'accuracy'\?"):
        parse_objective("acuracy")


def test_objective_is_taken_as_it_is():
    given = Objective("latency", "min", bound=5.0)
    assert parse_objective(given) is given
    assert parse_constraint(given) is given


@pytest.mark.parametrize(
    "text", ["", "-", "most:accuracy", "a:b:c", "max:-latency", "two words", "min:", "acc<0.9"]
)
def test_objective_that_is_not_understood(text):
    with pytest.raises(StrategyError) as raised:
        parse_objective(text)
    assert str(raised.value) == (
        f"objective {text!r} is not understood; write a metric's name, optionally with its goal: "
        "accuracy, min:latency, max:f1"
    )


@pytest.mark.parametrize(
    ("text", "metric", "goal", "bound"),
    [
        ("params<50k", "params", "min", 50e3),
        ("params <= 1.5M", "params", "min", 1.5e6),
        ("params<2m", "params", "min", 2e6),
        ("params<1B", "params", "min", 1e9),
        ("flops<2G", "flops", "min", 2e9),
        ("macs<3e6", "macs", "min", 3e6),
        ("latency<5ms", "latency", "min", 5.0),
        ("latency<5", "latency", "min", 5.0),
        ("latency<0.005s", "latency", "min", 5.0),
        ("latency<250us", "latency", "min", 0.25),
        ("latency<250µs", "latency", "min", 0.25),
        ("latency_pixel3<1s", "latency_pixel3", "min", 1000.0),
        ("accuracy>0.9", "accuracy", "max", 0.9),
        (" accuracy >= 90% ", "accuracy", "max", 0.9),
        ("naswot>-12.5", "naswot", "max", -12.5),
    ],
)
def test_bound_from_text(text, metric, goal, bound):
    made = parse_constraint(text)
    assert (made.metric, made.goal) == (metric, goal)
    assert made.bound == pytest.approx(bound, rel=1e-12)


@pytest.mark.parametrize(
    "text",
    [
        "params",
        "params=3",
        "params<",
        "<3",
        "params<1.2.3",
        "params<5parsec",
        "latency<5M",
        "p<5ms",
    ],
)
def test_bound_that_is_not_understood(text):
    with pytest.raises(StrategyError) as raised:
        parse_constraint(text)
    assert str(raised.value) == (
        f"constraint {text!r} is not understood; write a metric, < or >, and a number, e.g. "
        "params<50k, macs<3M, latency<5ms, accuracy>0.9"
    )


def test_a_constraint_needs_its_bound():
    with pytest.raises(
        StrategyError, match=r"has no bound; give Objective\(\.\.\., bound=\.\.\.\)"
    ):
        parse_constraint(Objective("params", "min"))


def test_a_goal_is_max_or_min():
    with pytest.raises(StrategyError, match="objective 'f1' has goal 'most'; use max or min"):
        Objective("f1", "most")  # type: ignore[arg-type]


def test_excess_is_relative_to_the_bound():
    below = Objective("latency", "min", bound=4.0)
    assert [below.excess(value) for value in (3.0, 4.0, 5.0, 8.0)] == [0.0, 0.0, 0.25, 1.0]
    above = Objective("accuracy", "max", bound=0.8)
    assert above.excess(0.9) == 0.0
    assert above.excess(0.6) == pytest.approx(0.25)
    assert Objective("x", "min", bound=0.0).excess(3.0) == 3.0
    assert Objective("x", "max", bound=-2.0).excess(-3.0) == 0.5
    assert below.excess(math.nan) == math.inf
    assert Objective("latency", "min").excess(1e9) == 0.0


def test_an_objective_as_text():
    assert str(Objective("latency", "min", bound=5.0)) == "latency<5"
    assert str(Objective("accuracy", "max", bound=0.9)) == "accuracy>0.9"
    assert str(Objective("accuracy")) == "max accuracy"


@pytest.mark.parametrize("value", [0.0, -0.5, 1.01, math.nan])
@pytest.mark.parametrize("name", ["epochs", "data", "resolution"])
def test_a_fidelity_is_a_fraction(name, value):
    with pytest.raises(StrategyError) as raised:
        Fidelity(**{name: value})
    assert str(raised.value) == (
        f"fidelity {name}={value}; expected a fraction of the recipe, above 0 and at most 1"
    )


def test_a_fidelity_has_one_of_two_schedules():
    with pytest.raises(StrategyError, match="'cut'; expected 'complete' or 'prefix'"):
        Fidelity(schedule="cut")  # type: ignore[arg-type]


def test_the_cost_of_a_fidelity():
    assert FULL.full and FULL.cost == 1.0
    part = Fidelity(epochs=0.5, data=0.5, resolution=0.5)
    assert part.cost == pytest.approx(0.0625)
    assert not part.full
    assert Fidelity(schedule="prefix").full


@pytest.mark.parametrize(
    "proposal",
    [
        Proposal(Architecture("s", {"a": 1})),
        Proposal(Architecture("s", {"a": (1, ("x", 2.5))}), Fidelity(0.5, 1.0, 0.25, "prefix")),
        Proposal(Architecture("s", {}), FULL, 3, 0, True),
        Proposal(Architecture("s", {}), Fidelity(), 0),
    ],
)
def test_a_proposal_survives_json(proposal):
    assert Proposal.from_json(proposal.to_json()) == proposal


def test_what_is_as_usual_is_not_written():
    assert set(Proposal(Architecture("s", {}), Fidelity()).to_json()) == {"architecture"}
