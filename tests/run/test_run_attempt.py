from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest
import torch

import nasturtium as nas
from nasturtium.run.attempt import attempt, outcome_from_json, outcome_to_json
from nasturtium.study.work import Setting


class Does(nas.Estimator):
    metrics = ("score",)

    def __init__(self, what: Callable[[nas.Job], Any]) -> None:
        self.what = what

    def estimate(self, job: nas.Job) -> Mapping[str, float]:
        found: Mapping[str, float] = self.what(job)
        return found


def tried(what: Callable[[nas.Job], Any], *bounds: nas.Objective) -> Any:
    setting = Setting("s", 0, nas.zoo.nasbench201, constraints=bounds)
    proposal = nas.Proposal(nas.Architecture("x", {"a": 1}))
    return attempt(Does(what), nas.Job(3, proposal, setting))


def test_numbers_of_any_kind_become_plain_ones() -> None:
    def estimate(job: nas.Job) -> Mapping[str, Any]:
        job.report({"loss": np.float32(0.5), "step": np.int64(1)})
        return {"score": torch.tensor(0.25), "params": np.int64(7)}

    outcome = tried(estimate)
    assert outcome.error is None
    assert outcome.metrics == {"score": 0.25, "params": 7.0}
    assert outcome.curve == ({"loss": 0.5, "step": 1.0},)
    assert {type(value) for value in (*outcome.metrics.values(), *outcome.curve[0].values())} == {
        float
    }
    assert outcome.seconds > 0.0
    left = json.loads(json.dumps(outcome_to_json(outcome)))
    assert outcome_from_json(3, left) == outcome


def raises(error: BaseException) -> Callable[[nas.Job], Any]:
    def estimate(job: nas.Job) -> Any:
        job.report({"loss": 2.0})
        raise error

    return estimate


@pytest.mark.parametrize(
    ("what", "reason"),
    [
        (raises(nas.EstimateError("no number")), "no number"),
        (raises(MemoryError("47 GB")), "out of memory"),
        (raises(ValueError("first\nsecond")), "ValueError: first (in estimate, test_run_attempt"),
        (raises(KeyError()), "KeyError: no message (in estimate"),
        (lambda job: torch.empty(10**15), "out of memory: "),
        (lambda job: np.empty(10**15), "out of memory"),
        (lambda job: None, "Does.estimate gave None; expected a mapping of numbers by name"),
        (lambda job: {"score": "good"}, "ValueError: could not convert string to float: 'good'"),
        (lambda job: job.task, "this estimator needs data"),
    ],
)
def test_an_error_is_the_reason_of_a_failure(what: Callable[[Any], Any], reason: str) -> None:
    outcome = tried(what)
    assert str(outcome.error).startswith(reason)
    assert "\n" not in str(outcome.error)
    assert outcome.metrics == {}
    assert outcome.number == 3


def test_a_broken_bound_keeps_the_metrics_that_broke_it() -> None:
    def estimate(job: nas.Job) -> Any:
        job.check({"latency": np.float32(8.0)})
        raise AssertionError("nothing is run after a bound is broken")

    outcome = tried(estimate, nas.Objective("latency", "min", bound=5.0))
    assert outcome.error == "latency = 8, bound latency<5"
    assert outcome.metrics == {"latency": 8.0}
    assert json.loads(json.dumps(outcome_to_json(outcome)))["metrics"] == {"latency": 8.0}


@pytest.mark.parametrize("request_to_stop", [KeyboardInterrupt, SystemExit])
def test_a_request_to_stop_is_passed_on(request_to_stop: type[BaseException]) -> None:
    with pytest.raises(request_to_stop):
        tried(raises(request_to_stop()))
