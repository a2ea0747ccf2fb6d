"""Policies: what each operation does, and who draws which."""

from __future__ import annotations

import json

import pytest
import torch

from nasturtium.errors import TaskError
from nasturtium.task.augment import Augment
from nasturtium.task.augmentation_policy import OPS, apply_policy
from nasturtium.train.recipe import Recipe

ENDS = (torch.tensor(0.0), torch.tensor(1.0))


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def images(count=16, channels=3, height=8, width=8):
    return torch.rand(count, channels, height, width, generator=seeded(9))


def after(op, magnitude, x, seed=0):
    return apply_policy(x, (((op, 1.0, magnitude),),), 1, ENDS, seeded(seed))


def signs(count, seed=0):
    """Of the magnitudes of the only step."""
    generator = seeded(seed)
    torch.randint(1, (count,), generator=generator)
    return torch.where(torch.rand(2, count, generator=generator)[1] < 0.5, -1.0, 1.0)


@pytest.mark.parametrize("op", sorted(set(OPS) - {"invert", "solarize", "autocontrast"}))
@pytest.mark.parametrize("shape", [(3, 8, 8), (1, 6, 9)])
def test_no_magnitude_changes_nothing(op, shape):
    x = images(5, *shape)
    assert torch.allclose(after(op, 0.0, x), x, atol=1e-6 if op != "posterize" else 1 / 255)


@pytest.mark.parametrize("op", OPS)
def test_operations_stay_within_black_and_white(op):
    x = images(40)
    made = after(op, 1.0, x)
    assert made.shape == x.shape
    assert made.min() >= -1e-6 and made.max() <= 1 + 1e-6
    assert torch.equal(made, x) == (op == "identity")


def test_tones():
    x = images()
    sign = signs(len(x))[:, None, None, None]
    assert torch.allclose(after("invert", 0.0, x), 1 - x)
    assert torch.allclose(after("solarize", 0.4, x), torch.where(x >= 0.6, 1 - x, x))
    assert torch.allclose(after("brightness", 0.5, x), (x * (1 + 0.45 * sign)).clamp(0, 1))
    mean = x.mean((1, 2, 3), keepdim=True)
    assert torch.allclose(
        after("contrast", 0.5, x), (mean + (x - mean) * (1 + 0.45 * sign)).clamp(0, 1)
    )
    one = images(channels=1)
    assert torch.allclose(after("color", 1.0, one), one)  # a grey image has none
    stretched = after("autocontrast", 0.0, 0.3 + 0.2 * x)
    assert torch.allclose(stretched.amin((2, 3)), torch.zeros(()), atol=1e-6)
    assert torch.allclose(stretched.amax((2, 3)), torch.ones(()))
    assert len((after("posterize", 1.0, x) * 255).round().unique()) <= 16
    flat = torch.full((2, 3, 5, 5), 0.4)
    assert torch.allclose(after("sharpness", 1.0, flat), flat)


def test_geometry():
    x = images(30, 3, 20, 20)
    sign = signs(len(x))
    moved = after("translate_x", 0.1 / 0.45, x)  # a tenth of the side: two pixels
    for image, before, direction in zip(moved, x, sign, strict=True):
        if direction > 0:
            assert torch.allclose(image[:, :, :-2], before[:, :, 2:], atol=1e-5)
            assert image[:, :, -2:].abs().max() < 1e-5
        else:
            assert torch.allclose(image[:, :, 2:], before[:, :, :-2], atol=1e-5)
    down = after("translate_y", 0.1 / 0.45, x.transpose(2, 3))
    assert torch.allclose(down, moved.transpose(2, 3), atol=1e-5)
    # A disc is the same however it is turned, also on an oblong image.
    rows, columns = torch.arange(30)[:, None] - 14.5, torch.arange(60) - 29.5
    disc = ((rows**2 + columns**2).sqrt() < 10).float()[None, None]
    assert (after("rotate", 1.0, disc) - disc).abs().mean() < 0.02
    bar = (rows.abs().expand(30, 60) < 3).float()[None, None]
    assert (after("rotate", 1.0, bar) - bar).abs().mean() > 0.05


def test_the_filling_is_the_mean_colour():
    x = torch.full((20, 1, 8, 8), 2.0)
    ends = torch.tensor(-1.0), torch.tensor(3.0)
    made = apply_policy(x, ((("translate_x", 1.0, 1.0),),), 1, ends, seeded())
    assert sorted(set(made.round(decimals=3).unique().tolist()) & {0.0, 2.0}) == [0.0, 2.0]
    assert made.min() > -1e-5


def test_each_image_draws_its_own_and_probabilities_hold():
    x = torch.rand(3000, 1, 2, 2, generator=seeded(1)) * 0.5
    policy = ((("invert", 0.5, 0.0),), (("identity", 1.0, 0.0),))
    made = apply_policy(x, policy, 1, ENDS, seeded())
    inverted = (made != x).flatten(1).all(1).float().mean()
    assert inverted == pytest.approx(0.25, abs=0.03)
    twice = apply_policy(x, ((("invert", 1.0, 0.0),),), 2, ENDS, seeded())
    assert torch.allclose(twice, x, atol=1e-6)
    both = apply_policy(x, ((("invert", 1.0, 0.0), ("invert", 1.0, 0.0)),), 1, ENDS, seeded())
    assert torch.allclose(both, x, atol=1e-6)


def test_a_policy_among_the_rest_is_seeded_and_survives_json():
    augment = Augment(flip=True, cutout=2, policy=[[["rotate", 1, 0.5]]], draws=2)
    assert augment.policy == ((("rotate", 1.0, 0.5),),)
    x, y = images() - 0.5, torch.arange(16)
    first, again, other = (augment.apply(x, y, seeded(s))[0] for s in (0, 0, 1))
    assert torch.equal(first, again) and not torch.equal(first, other)
    recipe = Recipe(augment=augment)
    assert Recipe.from_json(json.loads(json.dumps(recipe.to_json()))) == recipe
    assert set(Recipe().to_json()["augment"]) == {"flip", "crop", "cutout", "mixup"}  # as ever


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"policy": ((("rotat", 1.0, 0.5),),)}, "no 'rotat'; did you mean 'rotate'"),
        ({"policy": (("rotate", 1.0, 0.5),)}, "got the step 'rotate'; it is a tuple of sub-pol"),
        ({"policy": ((("rotate", 1.5, 0.5),),)}, "probability and magnitude are shares"),
        ({"draws": 0}, r"draws=0\); expected a whole number"),
    ],
)
def test_messages(given, message):
    with pytest.raises(TaskError, match=message):
        Augment(**given)
    with pytest.raises(TaskError, match="only mixup applies to vectors"):
        Augment(policy=((("invert", 1.0, 0.0),),)).apply(
            torch.zeros(4, 3), torch.zeros(4, dtype=torch.int64), seeded()
        )
