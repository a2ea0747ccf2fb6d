from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from nasturtium.space.drop_path import DropPath
from nasturtium.task.augment import Augment
from nasturtium.task.load import load
from nasturtium.task.make_task import make_task
from nasturtium.task.task import Task
from nasturtium.train.checkpoint import Checkpoint
from nasturtium.train.evaluate import evaluate
from nasturtium.train.fit import Fitted, Progress, fit
from nasturtium.train.loop import TimeLimit
from nasturtium.train.numerics import Numerics
from nasturtium.train.recipe import Recipe


@cache
def digits() -> Task:
    return load("digits")


@cache
def small() -> Task:
    x, y = digits().train.inputs[:240], digits().train.labels[:240]
    return make_task(x, y, name="small digits", class_names=digits().class_names)


def layer(
    inputs: int, outputs: int, kernel: int = 3, stride: int = 1, groups: int = 1
) -> list[Any]:
    conv = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False)
    return [conv, nn.BatchNorm2d(outputs), nn.ReLU()]


def plain_net(seed: int = 0) -> nn.Module:
    """Return a small network with all that has a state or draws numbers."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return nn.Sequential(*layer(1, 6), nn.Flatten(), nn.Dropout(0.2), nn.Linear(6 * 64, 10))


def same(first: Fitted, second: Fitted) -> bool:
    """Tell whether two trainings are equal bit for bit, but for their times."""
    states = first.model.state_dict(), second.model.state_dict()
    return first.curve == second.curve and all(
        torch.equal(t, states[1][n]) for n, t in states[0].items()
    )


RICH = Recipe(
    epochs=4,
    batch_size=32,
    ema=0.9,
    warmup=0.2,
    augment=Augment(flip=True, crop=1, cutout=2, mixup=0.2),
)


def test_global_state_is_left_as_it_was() -> None:
    model = plain_net()
    state, threads = torch.get_rng_state(), torch.get_num_threads()
    fitted = fit(model, small(), RICH, seed=5, numerics=Numerics(threads=threads + 1))
    evaluate(model, small().valid, small(), numerics=Numerics(threads=threads + 1))
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.get_num_threads() == threads
    torch.manual_seed(1)  # nor does it matter
    again = fit(plain_net(), small(), RICH, seed=5, numerics=Numerics(threads=threads + 1))
    assert same(fitted, again)


@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
@pytest.mark.parametrize("killed_after", [1, 3])
def test_a_killed_training_resumes_identically(
    tmp_path: Path, optimizer: str, killed_after: int
) -> None:
    recipe = RICH.replace(optimizer=optimizer, lr=0.01)
    whole = fit(plain_net(), small(), recipe, seed=5)
    assert not same(whole, fit(plain_net(), small(), recipe, seed=6))

    class Killed(BaseException):
        pass

    def kill(progress: Progress) -> bool:
        if progress.epoch == killed_after:
            raise Killed
        return True

    settings: dict[str, Any] = {"seed": 5, "checkpoint": tmp_path / "c", "checkpoint_seconds": 0}
    with pytest.raises(Killed):
        fit(plain_net(), small(), recipe, progress=kill, **settings)
    resumed = fit(plain_net(seed=1), small(), recipe, **settings)  # its first weights do not matter
    assert resumed.resumed == killed_after
    assert same(whole, resumed)
    assert [p.name for p in tmp_path.iterdir()] == ["c"]
    assert same(whole, fit(plain_net(), small(), recipe, **settings))  # nothing is left to do


STRANGE: tuple[Any, ...] = (2**70, "x", {}, {"weight": torch.ones(3)}, None)


@pytest.mark.parametrize("entry", ["model", "optimizer", "average"])
def test_a_checkpoint_with_a_state_of_another_form_is_ignored(tmp_path: Path, entry: str) -> None:
    path, recipe = tmp_path / "c", RICH.replace(epochs=2)
    settings: dict[str, Any] = {"seed": 5, "checkpoint": path, "checkpoint_seconds": 0}
    fit(plain_net(), small(), recipe, progress=lambda done: False, **settings)
    whole = fit(plain_net(), small(), recipe, seed=5)
    sound = Checkpoint._read_any(path)
    assert sound is not None
    for strange in STRANGE:
        replace(sound, state={**sound.state, entry: strange}).write(path)
        fitted = fit(plain_net(), small(), recipe, **settings)
        assert fitted.resumed == 0
        assert same(whole, fitted)


class Listener(nn.Module):
    """Notes which share of the schedule it is told."""

    def __init__(self) -> None:
        super().__init__()
        self.told: list[float] = []

    def advance(self, progress: float) -> None:
        self.told.append(progress)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x


def test_drop_path_increases_over_the_schedule_and_resumes(tmp_path: Path) -> None:
    def net(seed: int = 0) -> nn.Module:
        parts = list(plain_net(seed).children())
        return nn.Sequential(Listener(), *parts[:3], DropPath(0.5), *parts[3:])

    settings: dict[str, Any] = {"seed": 5, "checkpoint": tmp_path / "c", "checkpoint_seconds": 0}
    whole = fit(net(), small(), RICH, seed=5)
    assert whole.model[0].told == [0.0, 0.25, 0.5, 0.75]
    assert whole.model[4].rate == 0.5 * 0.75
    fit(net(), small(), RICH, progress=lambda done: done.epoch < 2, **settings)
    resumed = fit(net(seed=1), small(), RICH, **settings)
    assert resumed.resumed == 2
    assert resumed.model[0].told == [0.5, 0.75]
    assert same(whole, resumed)
    # A prefix is told of the whole schedule, and a shorter complete training of its own.
    assert fit(net(), small(), RICH, seed=5, epochs=0.5, complete=False).model[0].told == [0, 0.25]
    assert fit(net(), small(), RICH, seed=5, epochs=0.5).model[0].told == [0, 0.5]


def test_a_foreign_or_damaged_checkpoint_is_ignored(tmp_path: Path) -> None:
    recipe = RICH.replace(epochs=2)
    path = tmp_path / "c"
    settings: dict[str, Any] = {"checkpoint": path, "checkpoint_seconds": 0}
    whole = fit(plain_net(), small(), recipe, seed=5, **settings)
    good = path.read_bytes()
    for other in ({"recipe": recipe.replace(lr=0.2)}, {"seed": 6}, {"data": 0.5}, {"epochs": 0.5}):
        changed = {"recipe": recipe, "seed": 5} | settings | other
        assert fit(plain_net(), small(), **changed).resumed == 0, other
        path.write_bytes(good)
    assert fit(plain_net(), small(), recipe, seed=5, **settings).resumed == 2
    pooled = nn.Sequential(nn.MaxPool2d(1), *plain_net().children())
    averaged = nn.Sequential(
        nn.AvgPool2d(1), *plain_net().children()
    )  # equal tensors, other network
    fit(pooled, small(), recipe, seed=5, **settings)
    assert fit(averaged, small(), recipe, seed=5, **settings).resumed == 0
    for damaged in (good[:-100], good[:200] + b"\0" + good[201:], b"", b"no checkpoint"):
        path.write_bytes(damaged)
        again = fit(plain_net(), small(), recipe, seed=5, **settings)
        assert again.resumed == 0
        assert same(whole, again)


def test_a_prefix_is_the_beginning_of_the_whole_and_can_be_continued(tmp_path: Path) -> None:
    whole = fit(plain_net(), small(), RICH, seed=5)
    settings: dict[str, Any] = {"seed": 5, "complete": False, "checkpoint": tmp_path / "c"}
    half = fit(plain_net(), small(), RICH, epochs=0.5, **settings)
    assert half.curve == whole.curve[:2]
    promoted = fit(plain_net(), small(), RICH, epochs=1.0, **settings)
    assert promoted.resumed == 2
    assert same(whole, promoted)
    short = fit(plain_net(), small(), RICH, epochs=0.5, seed=5)
    assert short.curve[-1]["lr"] < half.curve[-1]["lr"] / 5  # its schedule came to its end


def test_the_time_limit_holds_within_an_epoch_and_after_resuming(tmp_path: Path) -> None:
    with pytest.raises(TimeLimit, match="in epoch 1, step 1 of"):
        fit(plain_net(), small(), RICH, seed=0, time_limit=0)
    settings: dict[str, Any] = {"seed": 0, "complete": False, "checkpoint": tmp_path / "c"}
    fit(plain_net(), small(), RICH, epochs=0.25, **settings)
    with pytest.raises(TimeLimit, match="in epoch 2, step 1 of"):
        fit(plain_net(), small(), RICH, time_limit=1e-9, **settings)
