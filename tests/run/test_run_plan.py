"""A call becomes a plan: nothing of it is lost, and what it is differs from how long it takes."""

from __future__ import annotations

import dataclasses
import inspect
from typing import Any

import pytest

import nasturtium as nas
from nasturtium.run import search as search_module
from nasturtium.run.call import RECORDED, SearchCall
from nasturtium.run.manifest import check_unchanged
from nasturtium.run.plan import IDENTITY, SearchPlan
from nasturtium.run.resolve import resolve

PARAMETERS = inspect.signature(nas.search).parameters


class Stop(Exception):
    """Ends a search once its call is known."""


def plan(**given: Any) -> SearchPlan:
    defaults = {name: parameter.default for name, parameter in PARAMETERS.items()}
    named = {"data": "digits", "space": "nasbench201(cells=1,channels=4)", "store": None}
    return resolve(SearchCall(**{**defaults, **named, **given}))


def test_a_call_has_every_argument_under_its_own_name(monkeypatch: pytest.MonkeyPatch) -> None:
    assert [field.name for field in dataclasses.fields(SearchCall)] == list(PARAMETERS)
    calls: list[SearchCall] = []

    def check(call: SearchCall) -> None:
        calls.append(call)
        raise Stop

    monkeypatch.setattr(search_module, "check_call", check)
    given: dict[str, Any] = {name: f"value of {name}" for name in PARAMETERS}
    with pytest.raises(Stop):
        nas.search(**given)
    assert vars(calls[0]) == given


def test_a_plan_is_frozen_and_its_json_has_its_identity() -> None:
    first = plan()
    with pytest.raises(dataclasses.FrozenInstanceError):
        first.seed = 3  # type: ignore[misc]
    assert set(IDENTITY) <= set(first.to_json())
    assert set(first.to_json()["call"]) == set(RECORDED)
    assert first.name == "digits-nasbench201-portfolio"
    assert {"params", "macs", "accuracy"} <= set(first.estimator.metrics)


@pytest.mark.parametrize(
    "change",
    [{"trials": 7}, {"hours": 1.0}, {"confirm": 0}, {"executor": "here"}, {"time_limit": 9.0}],
)
def test_budget_and_surroundings_may_differ(change: dict[str, Any]) -> None:
    check_unchanged(plan().to_json(), plan(**change).to_json(), "s")


@pytest.mark.parametrize(
    ("change", "entry"),
    [
        ({"seed": 1}, "seed"),
        ({"split_seed": 1}, "data"),
        ({"recipe": "epochs=3"}, "recipe"),
        ({"strategy": "random"}, "strategy"),
        ({"constraints": ("params<9k",)}, "constraints"),
    ],
)
def test_another_identity_is_another_study(change: dict[str, Any], entry: str) -> None:
    with pytest.raises(nas.StoreError, match=f"another {entry}"):
        check_unchanged(plan().to_json(), plan(**change).to_json(), "s")


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"recipe": 5}, nas.EstimateError, "recipe=5 is int; expected a nas.Recipe, or text"),
        ({"numerics": 5}, nas.EstimateError, "numerics=5 is int; expected nas.Numerics, or"),
        ({"objectives": "accuracy"}, nas.StrategyError, "objectives='accuracy'; expected a tuple"),
        ({"load": 5}, nas.TaskError, "load=5 is int; expected a mapping"),
    ],
)
def test_arguments_of_another_type_are_refused(
    change: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        nas.search("digits", store=None, **change)
