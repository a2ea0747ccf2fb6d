from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import nasturtium.train.batch_stream as stream_module
from nasturtium.task.augment import Augment
from nasturtium.task.make_task import make_task
from nasturtium.task.task import Task
from nasturtium.train.batch_stream import BatchStream
from nasturtium.train.evaluate import Batches, evaluate
from nasturtium.train.fit import Fitted, fit
from nasturtium.train.loop import TimeLimit
from nasturtium.train.numerics import Numerics
from nasturtium.train.recipe import Recipe


@pytest.fixture
def task(tmp_path: Path) -> Task:
    rng = np.random.default_rng(0)
    y = np.arange(300) % 3
    x = rng.integers(0, 200, (300, 2, 8, 9)) + 20 * y[:, None, None, None]
    make_task(x.astype(np.uint8), y, name="noise", layout="NCHW").save(tmp_path / "task")
    return Task.load(tmp_path / "task")


def net() -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        conv = [nn.Conv2d(2, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU()]
        return nn.Sequential(
            *conv, nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Dropout(0.1), nn.Linear(16, 3)
        )


def same(first: Fitted, second: Fitted) -> bool:
    states = first.model.state_dict(), second.model.state_dict()
    return first.curve == second.curve and all(
        torch.equal(t, states[1][n]) for n, t in states[0].items()
    )


RECIPE = Recipe(epochs=2, batch_size=32, augment=Augment(flip=True, crop=1, mixup=0.2))


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"data": 0.4},
        {"resolution": 0.5},
        {"data": 0.4, "resolution": 0.5, "numerics": Numerics(memory_format="channels_last")},
    ],
)
@pytest.mark.parametrize("block", [1, 10_000])
def test_streaming_changes_nothing(
    task: Task, options: dict[str, Any], block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream_module, "_BLOCK", block)
    held = fit(net(), task, RECIPE, seed=0, **options)
    streamed = fit(net(), task, RECIPE, seed=0, memory=0, **options)
    assert same(held, streamed)
    assert held.curve[0]["train_loss"] != held.curve[1]["train_loss"]


def test_floats_and_policies_stream_alike() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(120, 1, 6, 6)).astype(np.float32)
    task = make_task(x, np.arange(120) % 2, name="t", layout="NCHW")
    place = (task.train, task, torch.device("cpu"), Numerics())
    held, streamed = Batches.place(*place), Batches.place(*place, memory=0)
    assert isinstance(streamed.inputs, BatchStream)
    assert isinstance(held.inputs, torch.Tensor)
    for one, other in zip(held.ends(), streamed.ends(), strict=True):
        assert torch.equal(one, other)
    order = torch.randperm(len(held))[:50]
    for ordered in (order, None):
        found = list(streamed.inputs_of(ordered, 16))
        assert [len(batch) for batch in found][:-1] == [16] * (len(found) - 1)
        assert torch.equal(torch.cat(found), torch.cat(list(held.inputs_of(ordered, 16))))


@pytest.mark.parametrize(("budget", "streams"), [(10, True), (10**9, False)])
def test_mapped_inputs_stream_where_they_do_not_fit(
    task: Task, budget: int, streams: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nasturtium.train.evaluate.memory_budget", lambda: budget)
    place = (torch.device("cpu"), Numerics())
    assert isinstance(Batches.place(task.train, task, *place).inputs, BatchStream) == streams
    rows = np.arange(len(task.train))[::2]
    chosen = Batches.place(task.train, task, *place, chosen=rows)
    assert len(chosen) == len(rows)
    assert isinstance(chosen.inputs, BatchStream) == streams
    copied = make_task(np.array(task.train.inputs), task.train.labels, name="t", layout="NCHW")
    held = Batches.place(copied.train, copied, *place)
    assert isinstance(held.inputs, torch.Tensor)  # what is in memory already stays there
    assert evaluate(net(), task.valid, task)["loss"] > 0


def test_the_reading_thread_ends_with_the_training(task: Task) -> None:
    def reading() -> list[threading.Thread]:
        return [t for t in threading.enumerate() if t.name.startswith("nasturtium-reads")]

    with pytest.raises(TimeLimit):
        fit(net(), task, RECIPE, seed=0, memory=0, time_limit=0.0)
    assert reading() == []


def test_an_error_while_reading_is_raised(task: Task, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object, **__: object) -> None:
        raise OSError("the disk is gone")

    monkeypatch.setattr(BatchStream, "_read", fails)
    with pytest.raises(OSError, match="the disk is gone"):
        fit(net(), task, RECIPE, seed=0, memory=0)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_cuda(task: Task) -> None:
    numerics = Numerics(device="cuda")
    held = fit(net(), task, RECIPE, seed=0, numerics=numerics)
    streamed = fit(net(), task, RECIPE, seed=0, numerics=numerics, memory=0)
    assert held.curve == streamed.curve
