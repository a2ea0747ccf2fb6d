"""From data to a study, in one process: what is refused, rejected, extended and gone on with."""

from __future__ import annotations

import gc
import json
import signal
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import nasturtium as nas
from nasturtium.estimate.combined import Combined
from nasturtium.run import preflight
from nasturtium.study.context import StudyContext
from nasturtium.study.stores.sql import SqlStore
from nasturtium.train.fit import fit
from nasturtium.train.loop import Loop
from nasturtium.train.weights import load_weights

RECIPE = "epochs=2,lr=0.05,batch_size=32"


@nas.space
def net(choose: Any, *, inputs: Any, classes: int) -> Any:
    width = choose("width", (4, 8, 16))
    act = choose("act", ("relu", "tanh"))

    def build() -> nn.Module:
        kind = nn.ReLU if act == "relu" else nn.Tanh
        first = nn.Linear(int(np.prod(inputs)), width)
        return nn.Sequential(nn.Flatten(), first, kind(), nn.Linear(width, classes))

    return build


@cache
def data(seed: int = 0) -> tuple[Any, Any]:
    labels = np.arange(120) % 3
    noise = np.random.default_rng(seed).integers(0, 150, (120, 4, 4))
    return (noise + 80 * np.eye(4, dtype=int)[labels][:, None]).astype(np.uint8), labels


class Look(nas.Estimator):
    """Numbers by a function; nothing is trained."""

    metrics = ("score",)

    def __init__(self, look: Callable[[nas.Job], Mapping[str, float]]) -> None:
        self._look = look

    def estimate(self, job: nas.Job) -> Mapping[str, float]:
        return self._look(job)


def search(**more: Any) -> nas.Study:
    options: dict[str, Any] = {
        "space": net,
        "recipe": RECIPE,
        "strategy": nas.RegularizedEvolution(population=1, sample=1),
        "trials": 6,
        "executor": "here",
        "numerics": "threads=1",
        "store": None,
    }
    return nas.search(more.pop("data", data()), **{**options, **more})


def scored(**more: Any) -> nas.Study:
    look = more.pop("look", lambda job: {"score": float(job.architecture["width"])})
    return search(**{"estimator": Look(look), "objectives": ("score",), **more})


def test_a_study_in_memory() -> None:
    stages: list[str] = []
    study = search(watch=lambda study, stage, trial: stages.append(stage))
    assert len(study.history.finished) == 6
    assert study.best.metrics["accuracy"] > 0.5
    assert {"params", "macs", "loss"} <= set(study.best.metrics)
    assert stages[0] == "check"
    assert stages[-1] == "done"
    files = study.files
    assert files is not None
    assert files.folder.exists()
    del study
    gc.collect()
    assert not files.folder.exists()  # what was kept in memory goes with it


def test_a_thread_of_a_program_may_search() -> None:
    with ThreadPoolExecutor(1) as pool:
        study = pool.submit(search, trials=2, control=0).result()
    assert told(study) == told(search(trials=2, control=0))


def test_the_same_call_goes_on_and_more_trials_extend(tmp_path: Path) -> None:
    store = tmp_path / "s.db"
    first = scored(store=store, name="s", trials=4, control=0.0)
    known = [trial.architecture for trial in first.history]
    calls: list[int] = []

    def look(job: nas.Job) -> dict[str, float]:
        calls.append(job.number)
        return {"score": float(job.architecture["width"])}  # type: ignore[arg-type]

    again = scored(store=store, name="s", trials=4, control=0.0, look=look)
    assert calls == []
    assert len(again.history) == 4
    more = scored(store=store, name="s", trials=9, control=0.0, look=look)
    assert calls == [4, 5, 6, 7, 8]
    assert [trial.architecture for trial in more.history][:4] == known
    whole = scored(store=tmp_path / "whole.db", name="s", trials=9, control=0.0)
    assert [t.proposal for t in whole.history] == [t.proposal for t in more.history]


@nas.space
def wider(choose: Any, *, inputs: Any, classes: int) -> Any:
    width = choose("width", (4, 8, 32))
    return lambda: nn.Sequential(nn.Flatten(), nn.LazyLinear(width), nn.Linear(width, classes))


@pytest.mark.parametrize(
    ("entry", "change"),
    [
        ("space", {"space": wider}),
        ("recipe", {"recipe": "epochs=3"}),
        ("seed", {"seed": 1}),
        ("data", {"data": data(1)}),
        ("strategy", {"strategy": nas.RegularizedEvolution(population=2, sample=2)}),
        ("objectives", {"objectives": ("params",)}),
        ("constraints", {"constraints": ("params<300",)}),
        ("control", {"control": 0.5}),
        ("ordered", {"ordered": False}),
    ],
)
def test_another_study_of_that_name_is_refused(
    entry: str, change: dict[str, Any], tmp_path: Path
) -> None:
    store = tmp_path / "s.db"
    scored(store=store, name="s", trials=2, control=0.1)
    before = SqlStore(store).text("s")
    look = {"estimator": Look(lambda job: {"score": 1.0}), "objectives": ("score",)}
    with pytest.raises(nas.StoreError, match=f"study 's' exists with another {entry}"):
        search(store=store, name="s", **{"trials": 3, **look, **change})
    assert SqlStore(store).text("s") == before
    SqlStore(store).lease("s").release()


def test_other_numerics_are_refused_and_the_same_are_not(tmp_path: Path) -> None:
    scored(store=tmp_path / "s.db", name="s", trials=2)
    scored(store=tmp_path / "s.db", name="s", trials=2, numerics=None)
    with pytest.raises(nas.StoreError, match=r"computes with .*threads=1.*this call has .*bf16"):
        scored(store=tmp_path / "s.db", name="s", trials=2, numerics="threads=1,precision=bf16")


def test_resume_by_name_and_what_cannot_be_resumed_so(tmp_path: Path) -> None:
    file = tmp_path / "own.py"
    file.write_text(
        "import nasturtium as nas\n"
        "class Fixed(nas.Estimator):\n"
        "    metrics = ('score',)\n"
        "    def estimate(self, job):\n"
        "        return {'score': job.number}\n"
    )
    store = tmp_path / "s.db"
    nas.search(
        "digits",
        space="nasbench201(cells=1,channels=4)",
        estimator=f"{file}:Fixed",
        objectives=("score",),
        strategy="random",
        trials=2,
        executor="here",
        store=store,
    )
    study = nas.resume(store, trials=3)
    assert len(study.history) == 3
    assert [t.proposal for t in nas.resume(store).history] == [t.proposal for t in study.history]
    own = tmp_path / "own.db"
    scored(store=own, trials=2)
    with pytest.raises(nas.StoreError, match=r"its own data, .*strategy.*; run that program again"):
        nas.resume(own)
    with pytest.raises(nas.StoreError, match="has no study 'digit-nasbench201-random'; did you"):
        nas.resume(store, "digit-nasbench201-random")


def test_bounds_on_counts_reject_before_anything_is_estimated() -> None:
    seen: list[int] = []

    def look(job: nas.Job) -> dict[str, float]:
        seen.append(job.number)
        return {"score": float(job.architecture["width"])}  # type: ignore[arg-type]

    study = scored(look=look, constraints=("params<200",))
    assert len(seen) == len(study.history.finished)
    assert all(trial.metrics["params"] < 200 for trial in study.history.finished)
    rejected = [trial for trial in study.history if trial.state == "rejected"]
    assert rejected
    assert all("params = " in str(trial.error) for trial in rejected)


class Depth(nas.Estimator):
    """A free number; for one network there is none."""

    metrics = ("depthness",)
    free = True

    def estimate(self, job: nas.Job) -> Mapping[str, float]:
        if job.architecture["act"] == "tanh" and job.architecture["width"] == 4:
            raise nas.EstimateError("no number for this one")
        return {"depthness": float(job.architecture["width"])}  # type: ignore[arg-type]


def test_bounds_on_free_estimates_reject_before_anything_is_estimated() -> None:
    def look(job: nas.Job) -> dict[str, float]:
        seen.append(job.number)
        return {"score": float(job.architecture["width"])}  # type: ignore[arg-type]

    seen: list[int] = []
    estimator = Combined(Look(look), Depth())
    more: dict[str, Any] = {"strategy": nas.RandomSearch(), "trials": 12}
    study = scored(estimator=estimator, constraints=("depthness<10", "params<999"), **more)
    assert len(seen) == len([trial for trial in study.history if trial.state != "rejected"])
    assert {trial.architecture["width"] for trial in study.history.finished} == {4, 8}
    errors = {trial.state: str(trial.error) for trial in study.history if trial.error}
    assert errors["rejected"] == "depthness = 16, bound depthness<10"
    assert errors["failed"] == "no number for this one"


class Drawn(nas.Estimator):
    """Prepares a file, and gives what is in it."""

    def __init__(self, name: str) -> None:
        self.metrics = (name,)

    def prepare(self, preparation: Any) -> None:
        if preparation.prepared is None:
            path = preparation.context.files.temporary()
            path.write_text(self.metrics[0])
            preparation.keep(path)
        self.found = preparation.prepared.read_text()

    def estimate(self, job: nas.Job) -> Mapping[str, float]:
        return {self.metrics[0]: float(self.found == self.metrics[0])}


def test_each_of_two_estimators_of_one_class_has_a_prepared_file_of_its_own(tmp_path: Path) -> None:
    def call(trials: int) -> nas.Study:
        estimator = Combined(Drawn("score"), Combined(Drawn("one"), Drawn("two")))
        return scored(estimator=estimator, store=tmp_path / "study.db", trials=trials)

    call(1)
    study = call(2)
    assert [[t.metrics[n] for n in ("score", "one", "two")] for t in study.history] == [
        [1.0] * 3
    ] * 2
    assert len(set(study.prepared.values())) == len(study.prepared) == 3
    assert len([e for e in study.store.read(study.name) if e.kind == "prepared"]) == 3


def test_a_time_limit_is_kept_in_a_worker_process(tmp_path: Path) -> None:
    study = scored(time_limit=30.0, executor=None, trials=1)
    assert study.manifest["executor"] == "processes"
    assert study.manifest["lag"] == study.manifest["workers"] == 1


def test_bounds_that_nothing_meets_are_said_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(preflight, "SECONDS", 0.5)
    begin = time.monotonic()
    with pytest.raises(
        nas.StrategyError,
        match=r"none of [\d,]+ random architectures meets params<10; the nearest had params 83",
    ):
        scored(constraints=("params<10",))
    assert time.monotonic() - begin < 10.0


def test_a_latency_bound_rejects_after_the_measurement_without_training(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from nasturtium.estimate import hardware

    class Taken:
        median_ms = 9.0
        spread = 0.0
        load = 0.0

    def measured(model: nn.Module, *args: Any, **more: Any) -> Taken:
        taken = Taken()
        taken.median_ms = float(sum(p.numel() for p in model.parameters()))
        return taken

    trained: list[int] = []

    def look(job: nas.Job) -> dict[str, float]:
        trained.append(job.number)
        return {"score": 1.0}

    monkeypatch.setattr(hardware, "measure", measured)
    study = scored(look=look, constraints=("latency<100ms",), strategy=nas.RandomSearch())
    rejected = [trial for trial in study.history if trial.state == "rejected"]
    assert rejected
    assert all(trial.metrics["latency"] >= 100 for trial in rejected)
    assert all(str(trial.error).startswith("latency = ") for trial in rejected)
    assert trained == [trial.number for trial in study.history.finished]
    assert len(trained) == 6


def huge(job: nas.Job) -> Mapping[str, float]:
    return {"score": float(torch.empty(10**15).sum())}


@pytest.mark.parametrize(
    ("look", "reason"),
    [
        (lambda job: 1 / 0, "ZeroDivisionError: division by zero"),
        (lambda job: {"score": float("nan")}, "score is nan, which is not a finite number"),
        (lambda job: {"scare": 1.0}, "the estimate has no metric 'score'; it gave "),
        (huge, "out of memory"),
    ],
)
def test_a_failed_trial_has_its_reason_and_the_search_goes_on(look: Any, reason: str) -> None:
    def sometimes(job: nas.Job) -> Any:
        return look(job) if job.number % 2 else {"score": float(job.number)}

    study = scored(look=sometimes, trials=4)
    assert [trial.state for trial in study.history] == ["finished", "failed"] * 2
    assert str(study.history[1].error).startswith(reason)
    with pytest.raises(nas.EstimateError, match=r"the first 4 trials of study .* all failed, 4"):
        scored(look=look, trials=4)


def test_a_training_that_diverges_or_takes_too_long_fails() -> None:
    with pytest.raises(nas.EstimateError, match="all failed, 2 of them with: the loss became nan"):
        search(recipe="epochs=2,lr=1e30,clip=None,batch_size=8", trials=2, seed=1)
    with pytest.raises(nas.EstimateError, match="with: the time limit passed in epoch 1, step 1"):
        search(time_limit=1e-9, trials=2)


@pytest.mark.parametrize(
    ("wrong", "error", "message"),
    [
        ({"trials": 0}, nas.StrategyError, "expected at least one trial"),
        ({"control": 1.0}, nas.StrategyError, "up to, not including, 1"),
        ({"space": lambda choose: None}, nas.SpaceError, "decorate the builder with @nas.space"),
        (
            {"strategy": nas.RandomSearch},
            nas.StrategyError,
            "it is a class: give an instance of it",
        ),
        (
            {"estimator": 3},
            nas.EstimateError,
            "estimator=3 is not an estimator; expected a name",
        ),
        ({"executor": 3}, nas.EstimateError, "executor=3 is not an executor"),
        ({"objectives": ("acuracy",)}, nas.StrategyError, "did you mean 'accuracy'"),
        ({"constraints": ("energy<3",)}, nas.EstimateError, "nothing gives the metric 'energy'"),
        ({"numerics": "fast"}, nas.EstimateError, "write e.g. threads=1,precision=bf16"),
        ({"numerics": "thread=1"}, nas.EstimateError, "threads"),
        ({"recipe": "epoch=1"}, nas.EstimateError, "epochs"),
        ({"name": "a/b"}, nas.StrategyError, "cannot be named 'a/b'"),
        (
            {"strategy": "evolution(population=50)", "trials": 10},
            nas.StrategyError,
            r"population=50\) has a population of 50, but the budget is 10 trials: all of them "
            "would be random; give a smaller population= or more trials",
        ),
        ({"strategy": "nsga2", "trials": 39}, nas.StrategyError, "nsga2 has a population of 40"),
        ({"strategy": "tournament", "trials": 63}, nas.StrategyError, "a population of 64"),
        ({"strategy": "local", "trials": 9}, nas.StrategyError, "the best of 10 random starts"),
        (
            {"strategy": "hyperband(least=0.1)", "trials": 8, "recipe": "epochs=9"},
            nas.StrategyError,
            "trains 9 networks for 0.111 of the epochs in its first rung, but the budget is 8 "
            "trials: none would be trained for longer; give a larger least=",
        ),
        *(
            (
                {"strategy": name, "trials": 26, "recipe": "epochs=27"},
                nas.StrategyError,
                "trains 27 networks for 0.037",
            )
            for name in ("halving", "bohb")
        ),
        (
            {"strategy": "asha(strategy='evolution')", "trials": 19},
            nas.StrategyError,
            r"RegularizedEvolution inside asha\(.* has a population of 20",
        ),
    ],
)
def test_what_cannot_be_done_is_said(
    wrong: dict[str, Any], error: type[Exception], message: str, tmp_path: Path
) -> None:
    with pytest.raises(error, match=message):
        search(**{"store": tmp_path / "s.db", **wrong})
    if (tmp_path / "s.db").exists():
        assert SqlStore(tmp_path / "s.db").studies() == ()


def test_the_default_strategy_takes_any_budget() -> None:
    """Also one that its first, spread-out trials use up."""
    look = Look(lambda job: {"score": float(job.architecture["width"])})
    for trials in (1, 10, 11):
        study = nas.search(
            data(), space=net, estimator=look, objectives=("score",), trials=trials, store=None
        )
        assert study.manifest["strategy"]["name"] == "Portfolio"
        assert len(study.history.where(arm="search").finished) == trials


def test_a_removed_study_leaves_nothing_to_its_namesake(tmp_path: Path) -> None:
    """A result that a killed run left must not become another study's."""
    store = tmp_path / "s.db"
    study = scored(store=store, name="s", trials=2, control=0.0)
    assert study.files is not None
    context = StudyContext("s", 0, study.space, study.task, study.files)
    job = nas.Job(0, study.history[0].proposal, context)
    outcome = {"metrics": {"score": 77.0}, "curve": [], "files": {}, "error": None}
    left = {"job": job.digest, **outcome, "seconds": 0.0, "cpu_seconds": 0.0}
    for path in tmp_path.glob("s.db*"):
        if path.is_file():
            path.unlink()
    study.files.leave_result("s", 0, left)
    again = scored(store=store, name="s", trials=2, control=0.0)
    assert again.history[0].metrics["score"] != 77.0


def test_a_child_starts_from_its_parents_weights_also_in_a_resumed_study(tmp_path: Path) -> None:
    class Chain(nas.Strategy):
        def propose(self, state: Any, history: nas.History, rng: Random) -> nas.Proposal:
            if not history.finished:
                return nas.Proposal(history.space.sample(rng))
            return nas.Proposal(history[0].architecture, parent=history.finished[-1].number)

    def chain(trials: int) -> nas.Study:
        # With no learning worth the name, what a child has is what it inherited.
        return search(
            strategy=Chain(),
            estimator="train(inherit=True)",
            recipe="epochs=1,lr=1e-12,weight_decay=0.0",
            trials=trials,
            control=0.0,
            store=tmp_path / "s.db",
            name="s",
        )

    chain(2)
    study = chain(4)
    assert study.files is not None
    weights = [load_weights(study.files.get(t.files["weights"])) for t in study.history]
    for name, tensor in weights[0].items():
        assert all(torch.allclose(tensor, other[name], atol=1e-6) for other in weights[1:])
    own = study.space.build(study.history[0].architecture, seed=1)
    assert not torch.allclose(own.state_dict()["1.weight"], weights[0]["1.weight"], atol=1e-2)


def promoted(**options: Any) -> nas.Study:
    class Promote(nas.Strategy):
        def propose(self, state: Any, history: nas.History, rng: Random) -> nas.Proposal:
            if not len(history):
                third = nas.Fidelity(epochs=1 / 3, schedule="prefix")
                return nas.Proposal(history.space.sample(rng), third)
            shares = {1: 2 / 3, 2: 1.0}
            fidelity = nas.Fidelity(epochs=shares[len(history)], schedule="prefix")
            return nas.Proposal(history[0].architecture, fidelity, resume=len(history) - 1)

    return search(strategy=Promote(), recipe="epochs=3,lr=0.05", control=0.0, trials=3, **options)


def test_a_promotion_is_the_uninterrupted_longer_training_bit_for_bit() -> None:
    study = promoted(estimator=nas.Train(nas.Recipe(epochs=3, lr=0.05), keep=True))
    last = study.history[2]
    assert [len(trial.curve) for trial in study.history] == [1, 2, 3]
    context = StudyContext("s", 0, study.space)
    job = nas.Job(0, study.history[0].proposal, context)
    assert study.task is not None
    whole = fit(
        study.space.build(last.architecture, seed=job.seed("init")),
        study.task,
        nas.Recipe(epochs=3, lr=0.05),
        seed=job.seed("fit"),
    )
    assert tuple(dict(point) for point in last.curve) == whole.curve
    assert study.files is not None
    weights = load_weights(study.files.get(last.files["weights"]))
    assert all(torch.equal(t, weights[name]) for name, t in whole.model.state_dict().items())


def told(study: nas.Study) -> list[Any]:
    return [json.dumps([t.metrics, t.files], sort_keys=True) for t in study.history]


def test_promotions_make_the_same_log_in_every_run() -> None:
    assert told(promoted()) == told(promoted())


def test_a_failed_trial_has_its_whole_curve_also_when_it_was_interrupted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Fit: Any = fit
    monkeypatch.setitem(Fit.__kwdefaults__, "checkpoint_seconds", 0.0)
    real = Loop.epoch
    interrupted: list[bool] = []

    def epoch(loop: Loop, number: int, *rest: Any) -> Any:
        if number == 2 and interrupted == [False]:
            interrupted[:] = [True]
            signal.raise_signal(signal.SIGINT)
        if number == 3:
            raise nas.EstimateError("it diverged")
        return real(loop, number, *rest)

    monkeypatch.setattr(Loop, "epoch", epoch)
    recipe = {"recipe": "epochs=4,lr=0.05", "trials": 1, "control": 0.0, "name": "s"}
    curves = []
    for store, dies in (("quiet.db", [True]), ("stopped.db", [False])):
        interrupted[:] = dies
        for _ in range(2 - dies[0]):
            with pytest.raises((nas.EstimateError, KeyboardInterrupt)):
                search(store=tmp_path / store, **recipe)
        curves.append(SqlStore(tmp_path / store).text("s")[-1])
    assert curves[0] == curves[1]
