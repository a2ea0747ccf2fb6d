from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nasturtium.errors import EstimateError
from nasturtium.task.augment import Augment
from nasturtium.train.numerics import Numerics
from nasturtium.train.recipe import SCHEDULES, Recipe
from nasturtium.train.seeds import derive_seed

RECIPE = Recipe(epochs=3, ema=0.9, clip=None, augment=Augment(flip=True, crop=2))


@pytest.mark.parametrize("record", [RECIPE, Recipe(), Numerics(precision="bf16", threads=3)])
def test_json_round_trip(record: Recipe | Numerics) -> None:
    assert type(record).from_json(json.loads(json.dumps(record.to_json()))) == record
    hash(record)


def test_replace() -> None:
    assert RECIPE.replace(lr=0.5).lr == 0.5
    assert RECIPE.replace(lr=0.5).augment == RECIPE.augment


@given(st.floats(0, 1), st.sampled_from(SCHEDULES), st.floats(0, 0.9))
def test_the_rate_stays_between_0_and_lr(progress: float, schedule: str, warmup: float) -> None:
    recipe = Recipe(lr=0.3, schedule=schedule, warmup=warmup)
    assert 0 <= recipe.rate(progress) <= 0.3
    assert recipe.rate(0) == pytest.approx(
        {"onecycle": 0.012}.get(schedule, 0.3 if warmup == 0 else 0)
    )
    assert recipe.rate(warmup or (0.3 if schedule == "onecycle" else 0)) == pytest.approx(0.3)
    assert recipe.rate(1) == pytest.approx(0.3 if schedule == "constant" else 0)


def test_cosine_is_half_the_rate_in_the_middle() -> None:
    assert Recipe(schedule="cosine", lr=0.2).rate(0.5) == pytest.approx(0.1)
    assert Recipe(schedule="cosine", lr=0.2, warmup=0.1).rate(0.05) == pytest.approx(0.1)


def test_seeds_differ_by_purpose_and_are_equal_everywhere() -> None:
    seeds = {
        derive_seed(seed, purpose, epoch)
        for seed in range(5)
        for purpose in "ab"
        for epoch in range(5)
    }
    assert len(seeds) == 50
    assert all(0 <= seed < 2**63 for seed in seeds)
    assert derive_seed(0, "order", 1) == 2002067703672271585
    assert derive_seed(1, 23) != derive_seed(12, 3)


@pytest.mark.parametrize(
    ("kind", "values", "message"),
    [
        (Recipe, {"optimizer": "sdg"}, "optimizer='sdg'; did you mean 'sgd'. expected one of sgd"),
        (Recipe, {"schedule": "linear"}, "schedule='linear'; expected one of cosine, onecycle"),
        (Recipe, {"epochs": 0}, "epochs=0; expected a whole number"),
        (Recipe, {"batch_size": 1.5}, "batch_size=1.5; expected a whole number"),
        (Recipe, {"lr": 0}, "lr=0; expected a positive number"),
        (Recipe, {"lr": float("nan")}, "lr=nan; expected a positive number"),
        (Recipe, {"momentum": 1}, "momentum=1; expected 0 or more, below 1"),
        (Recipe, {"weight_decay": -1}, "weight_decay=-1; expected 0 or more"),
        (Recipe, {"clip": 0}, "clip=0; expected a positive number, or None"),
        (Recipe, {"epoch": 3}, "recipe has no setting 'epoch'; did you mean 'epochs'"),
        (
            Recipe,
            {"augment": {"flipp": True}},
            "augment has no setting 'flipp'; did you mean 'flip'",
        ),
        (Numerics, {"precision": "fp61"}, "did you mean 'fp16'"),
        (Numerics, {"precision": "fp16"}, "precision='fp16' needs a CUDA device, not 'cpu'"),
        (Numerics, {"device": "gpu"}, "device='gpu' is not a device; expected 'cpu', 'cuda'"),
        (Numerics, {"threads": 0}, "threads=0; expected 1 or more"),
        (Numerics, {"memory_format": "nhwc"}, "expected one of contiguous, channels_last"),
    ],
)
def test_messages(kind: Any, values: dict[str, Any], message: str) -> None:
    with pytest.raises(EstimateError, match=message) as caught:
        kind.from_json(values)
    assert "\n" not in str(caught.value)
    if kind is Recipe and "augment" not in values:
        with pytest.raises(EstimateError, match=message):
            RECIPE.replace(**values)
