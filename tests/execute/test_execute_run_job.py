from __future__ import annotations

import json
import signal
import sys
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
import torch

import nasturtium as nas
from nasturtium.execute.run_job import SignalRequests, outcome_from_json, outcome_to_json, run_job
from nasturtium.study.context import StudyContext


class Does(nas.Estimator):
    metrics = ("score",)

    def __init__(self, what: Callable[[nas.Job], Any]) -> None:
        self.what = what

    def estimate(self, job: nas.Job) -> Mapping[str, float]:
        found: Mapping[str, float] = self.what(job)
        return found


def tried(what: Callable[[nas.Job], Any], *bounds: nas.Objective) -> Any:
    context = StudyContext("s", 0, nas.zoo.nasbench201, constraints=bounds)
    proposal = nas.Proposal(nas.Architecture("x", {"a": 1}))
    requests = SignalRequests()
    requests.open()
    try:
        return run_job(Does(what), nas.Job(3, proposal, context), requests)
    finally:
        requests.close()


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


class Unkind(BaseException):
    def __str__(self) -> str:
        raise ValueError


class Rude:
    def __repr__(self) -> str:
        raise ValueError

    def __float__(self) -> float:
        raise TypeError


def endless(depth: int) -> int:
    return endless(depth + 1)


@pytest.mark.parametrize(
    ("what", "reason"),
    [
        (raises(nas.EstimateError("no number")), "no number"),
        (raises(MemoryError("47 GB")), "out of memory"),
        (
            raises(ValueError("first\nsecond")),
            "ValueError: first (in estimate, test_execute_run_job",
        ),
        (raises(KeyError()), "KeyError: no message (in estimate"),
        (lambda job: torch.empty(10**15), "out of memory: "),
        (lambda job: np.empty(10**15), "out of memory"),
        (lambda job: None, "Does.estimate gave None; expected a mapping of numbers by name"),
        (lambda job: {"score": "0.9"}, "Does.estimate: score is '0.9', which is not a number"),
        (lambda job: {"score": 1j}, "Does.estimate: score is 1j, which is not a number"),
        (lambda job: {"score": np.complex128(1j)}, "Does.estimate: score is "),
        (lambda job: {"score": np.array(["a"])}, "Does.estimate: score is "),
        (lambda job: {"score": torch.zeros(2)}, "Does.estimate: score is tensor([0., 0.]), which"),
        (lambda job: {"score": 10**400}, "Does.estimate: score is 100000"),
        (lambda job: {"score": Rude()}, "Does.estimate: score is <Rude instance at 0x"),
        (
            lambda job: {1: 0.5},
            "Does.estimate: a metric has the name 1; names of metrics are print",
        ),
        (lambda job: {"a\udcff": 0.5}, "Does.estimate: a metric has the name 'a\\udcff'; names of"),
        (lambda job: job.report({"loss": None}), "job.report: loss is None, which is not a number"),
        (lambda job: job.report([0.5]), "job.report gave [0.5]; expected a mapping of numbers by"),
        (lambda job: job.curve.append({"a": "b"}) or {}, "job.curve: a is 'b', which is not a num"),
        (lambda job: job.check({"score": "b"}) or {"score": 1j}, "Does.estimate: score is 1j"),
        (raises(SystemExit(5)), "SystemExit: 5 (in estimate, test_execute_run_job.py:"),
        (raises(KeyboardInterrupt()), "KeyboardInterrupt: no message (in estimate"),
        (raises(GeneratorExit()), "GeneratorExit: no message (in estimate"),
        (raises(Unkind()), "Unkind: its text cannot be read (in estimate"),
        (raises(nas.EstimateError("caf\udce9\x00\x1b[2J")), "caf\\xe9\\x00\\x1b[2J"),
        (raises(ValueError("caf\udce9.png")), "ValueError: caf\\xe9.png (in estimate"),
        (raises(ValueError("x" * 10**6)), "ValueError: xxxx"),
        (lambda job: endless(0), "RecursionError: "),
        (lambda job: job.task, "this estimator needs data"),
    ],
)
def test_an_error_is_the_reason_of_a_failure(what: Callable[[Any], Any], reason: str) -> None:
    outcome = tried(what)
    assert str(outcome.error).startswith(reason)
    assert str(outcome.error).isprintable()
    assert len(str(outcome.error)) <= 2000
    json.dumps(outcome_to_json(outcome), ensure_ascii=False).encode()
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


def swallows(job: nas.Job) -> Any:
    try:
        signal.raise_signal(signal.SIGINT)
    except BaseException as error:
        raise ValueError("interrupted") from error


@pytest.mark.parametrize("what", [lambda job: signal.raise_signal(signal.SIGINT), swallows])
def test_ctrl_c_is_passed_on(what: Callable[[nas.Job], Any]) -> None:
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        tried(what)
    assert signal.getsignal(signal.SIGINT) is before


def test_a_request_of_the_programs_own_to_end_is_passed_on() -> None:
    before = signal.signal(signal.SIGTERM, lambda *_: sys.exit(7))
    try:
        with pytest.raises(SystemExit):
            tried(lambda job: signal.raise_signal(signal.SIGTERM))
    finally:
        signal.signal(signal.SIGTERM, before)


def test_outside_the_main_thread_nothing_is_a_request() -> None:
    with ThreadPoolExecutor(1) as threads:
        outcome = threads.submit(tried, raises(KeyboardInterrupt())).result()
    assert outcome.error.startswith("KeyboardInterrupt: ")
