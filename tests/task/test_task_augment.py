from __future__ import annotations

import pytest
import torch
from torch import Tensor

from nasturtium.errors import TaskError
from nasturtium.task.augment import Augment


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def batch(count: int = 64, side: int = 8) -> tuple[Tensor, Tensor]:
    return torch.randn(count, 3, side, side, generator=seeded(9)), torch.arange(count) % 5


ALL = Augment(flip=True, crop=2, cutout=3, mixup=0.4)


def test_nothing_by_default() -> None:
    x, y = batch()
    same, labels = Augment().apply(x, y, seeded())
    assert same is x
    assert labels is y


def test_seeded_repeats_and_other_seeds_differ() -> None:
    x, y = batch()
    first, again, other = (ALL.apply(x, y, seeded(s), classes=5) for s in (1, 1, 2))
    assert torch.equal(first[0], again[0])
    assert torch.equal(first[1], again[1])
    assert not torch.equal(first[0], other[0])


def test_flip_twice_is_the_identity_and_about_half_are_flipped() -> None:
    x, y = batch(400)
    flip = Augment(flip=True)
    once, _ = flip.apply(x, y, seeded())
    twice, _ = flip.apply(once, y, seeded())
    assert torch.equal(twice, x)
    flipped = (once != x).flatten(1).any(1)
    assert 150 < int(flipped.sum()) < 250
    assert torch.equal(once[flipped], x[flipped].flip(-1))


def test_crop_shifts_each_image_by_whole_pixels_and_fills_with_zero() -> None:
    x, y = batch(200)
    shifted, _ = Augment(crop=2).apply(x, y, seeded())
    padded = torch.nn.functional.pad(x, (2, 2, 2, 2))
    seen = set()
    for image, source in zip(shifted, padded, strict=True):
        matches = [
            (dy, dx)
            for dy in range(5)
            for dx in range(5)
            if torch.equal(image, source[:, dy : dy + 8, dx : dx + 8])
        ]
        assert len(matches) == 1
        seen.update(matches)
    assert len(seen) == 25


@pytest.mark.parametrize("side", [3, 4])
def test_cutout_sets_one_square_to_zero(side: int) -> None:
    x = torch.ones(500, 2, 8, 8)
    cut, _ = Augment(cutout=side).apply(x, torch.zeros(500, dtype=torch.int64), seeded())
    hole = cut[:, 0] == 0
    assert torch.equal(cut[:, 1] == 0, hole)
    heights, widths = hole.any(2).sum(1), hole.any(1).sum(1)
    assert torch.equal(hole.sum((1, 2)), heights * widths)  # a rectangle
    assert heights.max() == widths.max() == side
    assert heights.min() == side // 2 if side % 2 == 0 else side // 2 + 1  # cut off by the border
    assert set(torch.nonzero(hole.any(0))[:, 0].tolist()) == set(range(8))


def test_mixup_targets_sum_to_one_and_match_the_inputs() -> None:
    classes = 5
    y = torch.arange(64) % classes
    x = torch.nn.functional.one_hot(y, classes).float()  # so that inputs are their own targets
    mixed, targets = Augment(mixup=0.4).apply(x, y, seeded(), classes=classes)
    assert torch.allclose(mixed, targets)
    assert torch.allclose(targets.sum(1), torch.ones(64))
    soft = Augment(mixup=0.4).apply(x, x, seeded())[1]
    assert torch.equal(soft, targets)


def test_mixup_weights_follow_the_beta_law() -> None:
    weights = []
    generator = seeded()
    for _ in range(2000):
        _, y = Augment(mixup=0.5).apply(
            torch.zeros(2, 1), torch.tensor([0, 1]), generator, classes=2
        )
        if y[0, 0] != 1 or y[1, 1] != 1:  # the two were mixed with each other
            weights.append(float(y[0, 0]))
    mean = sum(weights) / len(weights)
    variance = sum((w - mean) ** 2 for w in weights) / len(weights)
    assert mean == pytest.approx(0.5, abs=0.04)
    assert variance == pytest.approx(1 / 8, abs=0.02)  # of Beta(1/2, 1/2)


def test_messages() -> None:
    x, y = batch()
    with pytest.raises(TaskError, match=r"Augment\(crop=-1\); expected 0"):
        Augment(crop=-1)
    with pytest.raises(TaskError, match="pass classes="):
        Augment(mixup=0.2).apply(x, y, seeded())
    with pytest.raises(TaskError, match="only mixup applies to vectors"):
        Augment(flip=True).apply(torch.zeros(4, 3), y[:4], seeded())
