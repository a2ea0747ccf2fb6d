from __future__ import annotations

import math
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from nasturtium.errors import EstimateError
from nasturtium.task.augment import Augment
from nasturtium.task.load import load
from nasturtium.task.make_task import make_task
from nasturtium.task.task import Task
from nasturtium.train.evaluate import evaluate
from nasturtium.train.fit import Fitted, Progress, fit
from nasturtium.train.loop import Diverged
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


def mobile(seed: int = 0) -> nn.Module:
    """Return depthwise separable convolutions, as of MobileNet, for 8 x 8 images."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        body = [*layer(1, 16)]
        for inputs, outputs, stride in ((16, 32, 1), (32, 48, 2), (48, 48, 1), (48, 64, 2)):
            body += [*layer(inputs, inputs, 3, stride, inputs), *layer(inputs, outputs, 1)]
        head = [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 10)]
        return nn.Sequential(*body, *head)


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


def test_the_default_recipe_learns_digits() -> None:
    task = digits()
    fitted = fit(mobile(), task, Recipe(), seed=0)
    assert task.test is not None
    assert evaluate(fitted.model, task.test, task)["accuracy"] >= 0.98
    assert fitted.metrics["accuracy"] >= 0.97
    again = evaluate(fitted.model, task.valid, task)
    assert {name: fitted.metrics[name] for name in again} == again
    assert tuple(again) == task.metrics
    assert (len(fitted.curve), fitted.epochs, fitted.stopped, fitted.resumed) == (
        10,
        10,
        "complete",
        0,
    )
    assert not fitted.model.training
    assert fitted.curve[-1]["train_loss"] < fitted.curve[0]["train_loss"]


def test_metrics_are_what_they_say() -> None:
    class Constant(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return torch.tensor([[2.0, 0.0, 0.0]]).expand(len(x), 3)

    y = np.repeat([0, 1, 2], (60, 30, 10))
    task = make_task(np.zeros((100, 4), np.float32), y, name="t")
    model = Constant().train()
    metrics = evaluate(model, task.valid, task, batch_size=3)
    share = (task.valid.labels == 0).mean()
    assert metrics["accuracy"] == share
    assert metrics["balanced_accuracy"] == pytest.approx(1 / 3)
    assert metrics["loss"] == pytest.approx(math.log(math.exp(2) + 2) - 2 * share, rel=1e-5)
    assert model.training


RICH = Recipe(
    epochs=4,
    batch_size=32,
    ema=0.9,
    warmup=0.2,
    augment=Augment(flip=True, crop=1, cutout=2, mixup=0.2),
)


def test_cheaper_fidelities_see_less() -> None:
    seen: list[tuple[int, ...]] = []

    class Spy(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            if self.training:
                seen.append(tuple(x.shape))
            return x

    model = nn.Sequential(
        Spy(), *layer(1, 4), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 10)
    )
    fitted = fit(model, small(), Recipe(epochs=4), seed=0, epochs=0.5, data=0.25, resolution=0.5)
    assert fitted.epochs == 2
    assert {shape[1:] for shape in seen} == {(1, 4, 4)}
    assert sum(shape[0] for shape in seen) / 2 == pytest.approx(len(small().train) / 4, abs=5)


def test_a_last_batch_of_one_is_left_out_for_batch_normalisation() -> None:
    task = make_task(np.random.default_rng(0).random((70, 4)), np.arange(70) % 2, name="t")
    sizes: list[int] = []

    class Spy(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            if self.training:
                sizes.append(len(x))
            return x

    count = len(task.train)
    recipe = Recipe(epochs=1, batch_size=count - 1)
    fit(nn.Sequential(Spy(), nn.BatchNorm1d(4), nn.Linear(4, 2)), task, recipe, seed=0)
    assert sizes == [count - 1]
    fit(nn.Sequential(Spy(), nn.Linear(4, 2)), task, recipe, seed=0)
    assert sizes[1:] == [count - 1, 1]
    fit(nn.Sequential(Spy(), nn.Linear(4, 2)), task, recipe.replace(drop_last=True), seed=0)
    assert sizes[3:] == [count - 1]


@pytest.mark.parametrize(
    "numerics",
    [
        Numerics(precision="bf16"),
        Numerics(memory_format="channels_last"),
        Numerics(threads=2),
    ],
)
def test_numerics(numerics: Numerics) -> None:
    types: list[tuple[torch.dtype, bool, int]] = []

    class Spy(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            last = x.is_contiguous(memory_format=torch.channels_last)
            types.append((x.dtype, last, torch.get_num_threads()))
            return x

    model = nn.Sequential(*layer(1, 8), Spy(), nn.Flatten(), nn.Linear(512, 10))
    plain = fit(plain_net(), small(), Recipe(epochs=2), seed=0)
    fitted = fit(model, small(), Recipe(epochs=2), seed=0, numerics=numerics)
    assert {t for t, *_ in types} == {numerics.dtype}
    assert {last for _, last, _ in types} == {numerics.memory_format == "channels_last"}
    assert {threads for *_, threads in types} == {numerics.threads}
    assert fitted.metrics["loss"] == pytest.approx(plain.metrics["loss"], abs=0.5)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("precision", ["fp32", "bf16", "fp16"])
def test_cuda(tmp_path: Path, precision: str) -> None:
    numerics = Numerics(device="cuda", precision=precision, memory_format="channels_last")
    settings: dict[str, Any] = {"seed": 0, "numerics": numerics, "complete": False}
    settings |= {"checkpoint": tmp_path / "c"}
    fit(plain_net(), digits(), RICH, epochs=0.5, **settings)
    fitted = fit(plain_net(), digits(), RICH, **settings)
    assert fitted.resumed == 2
    assert fitted.metrics["accuracy"] > 0.7


def test_an_auxiliary_output_is_trained_but_not_evaluated() -> None:
    class Two(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.main, self.aside = nn.Linear(64, 10), nn.Linear(64, 10)

        def forward(self, x: Tensor) -> Tensor | tuple[Tensor, Tensor]:
            x = x.flatten(1)
            return (self.main(x), self.aside(x)) if self.training else self.main(x)

    model = Two()
    before = model.aside.weight.clone()
    fitted = fit(model, small(), Recipe(epochs=2, auxiliary=0.5), seed=0)
    assert not torch.equal(before, model.aside.weight)
    assert fitted.metrics["accuracy"] > 0.3
    held = model.aside.weight.clone()
    fit(model, small(), Recipe(epochs=1, auxiliary=0.0, weight_decay=0.0), seed=0)
    assert torch.equal(held, model.aside.weight)


def test_the_average_of_the_weights_is_what_is_evaluated_and_returned() -> None:
    recipe = Recipe(epochs=2, ema=0.95)
    plain = fit(plain_net(), small(), recipe.replace(ema=0.0), seed=0)
    averaged = fit(plain_net(), small(), recipe, seed=0)
    assert averaged.curve[0]["train_loss"] == plain.curve[0]["train_loss"]  # training is the same
    assert not same(plain, averaged)
    assert evaluate(averaged.model, small().valid, small())["loss"] == averaged.metrics["loss"]


def test_weight_decay_leaves_biases_and_norms_alone() -> None:
    class Idle(nn.Module):
        """A network whose loss depends on no weight: only decay can change them."""

        def __init__(self) -> None:
            super().__init__()
            self.conv, self.norm = nn.Conv2d(1, 2, 1), nn.BatchNorm2d(2)

        def forward(self, x: Tensor) -> Tensor:
            return self.norm(self.conv(x)).mean() * 0 + x.new_zeros(len(x), 10)

    model = Idle()
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    fit(model, small(), Recipe(epochs=1, weight_decay=0.1), seed=0)
    changed = {name for name, p in model.named_parameters() if not torch.equal(p, before[name])}
    assert changed == {"conv.weight"}
    assert model.conv.weight.abs().sum() < before["conv.weight"].abs().sum()


def test_the_callback_sees_every_epoch_and_can_end_the_training() -> None:
    reports: list[Progress] = []

    def stop(progress: Progress) -> bool:
        reports.append(progress)
        return progress.epoch < 2

    fitted = fit(plain_net(), small(), RICH, seed=5, progress=stop)
    assert (fitted.epochs, fitted.stopped) == (2, "progress")
    assert [(r.epoch, r.epochs) for r in reports] == [(1, 4), (2, 4)]
    assert reports[-1].metrics["accuracy"] == fitted.metrics["accuracy"]


def test_a_diverging_training_reports_the_place() -> None:
    recipe = Recipe(lr=1e30, clip=None, schedule="constant")
    with pytest.raises(
        Diverged, match=r"loss became (nan|inf) in epoch \d+ at a learning rate of 1e"
    ):
        fit(plain_net(), small(), recipe, seed=0)


@pytest.mark.parametrize(
    ("model", "options", "message"),
    [
        (nn.Linear(8, 10), {}, r"output of shape \(64, 1, 8, 10\); expected \(64, 10\)"),
        (nn.Flatten(), {}, "no parameters to train"),
        (nn.Flatten(), {"epochs": 0}, r"epochs=0; expected a share of the recipe's, in \(0, 1\]"),
        (nn.Flatten(), {"data": 1.5}, "data=1.5; expected a share"),
        (nn.Flatten(), {"numerics": Numerics(device="cuda:99")}, "torch sees . CUDA devices"),
    ],
)
def test_messages(model: nn.Module, options: dict[str, Any], message: str) -> None:
    with pytest.raises(EstimateError, match=message):
        fit(model, small(), Recipe(), seed=0, **options)


def test_vectors_have_no_resolution() -> None:
    with pytest.raises(EstimateError, match="inputs of 'iris' are not images"):
        fit(nn.Linear(4, 3), load("iris"), Recipe(), seed=0, resolution=0.5)


def test_a_recipe_as_text_is_refused() -> None:
    with pytest.raises(EstimateError, match=r"fit got recipe='epochs=2'; expected a nas\.Recipe"):
        fit(nn.Linear(64, 10), load("digits"), "epochs=2", seed=0)  # type: ignore[arg-type]
