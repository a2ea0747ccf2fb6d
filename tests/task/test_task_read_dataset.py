from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import DataLoader, IterableDataset

from nasturtium.errors import TaskError
from nasturtium.task.load import load


class Names:
    """What the Hugging Face library calls a ClassLabel."""

    def __init__(self, *names: str) -> None:
        self.names = list(names)


class Rows:
    """Rows as of the Hugging Face library: dictionaries by index, features by name."""

    def __init__(self, images: list[Any], labels: list[Any], **features: Any) -> None:
        self.images, self.labels = images, labels
        self.features = {"image": object(), **features}

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> dict[str, Any]:
        return {"image": self.images[index], "label": self.labels[index]}


def picture(mode: str, side: int = 6, value: int = 100) -> Image.Image:
    if mode == "P":
        return Image.new("RGB", (side, side), (value, 0, 0)).quantize(4)
    colour = {"RGB": (value, 0, 0), "RGBA": (value, 0, 0, 9), "LA": (value, 9)}.get(mode, value)
    return Image.new(mode, (side, side), colour)


def broken() -> Image.Image:
    """Return a picture of which half the file is missing."""
    file = io.BytesIO()
    noise = np.random.default_rng(0).integers(0, 256, (64, 64)).astype(np.uint8)
    Image.fromarray(noise).save(file, "PNG")
    return Image.open(io.BytesIO(file.getvalue()[:2000]))


@pytest.mark.parametrize(
    ("mode", "channels"), [("L", 1), ("LA", 1), ("1", 1), ("RGB", 3), ("RGBA", 3)]
)
def test_types_of_images(mode: str, channels: int) -> None:
    images = [picture(mode, side, 1 if mode == "1" else 100) for side in [6] * 20 + [9, 4]]
    task = load(Rows(images, [0, 1] * 11))
    assert task.inputs == (channels, 6, 6)
    assert task.train.inputs.dtype == np.uint8
    assert task.train.inputs[0, 0, 0, 0] == (255 if mode == "1" else 100)
    assert task.notes == ("2 of 22 train images resized to 6 x 6",)


def test_palettes_are_colours_and_one_colour_makes_all_colour() -> None:
    task = load(Rows([picture("P")] * 20, [0, 1] * 10))
    assert task.inputs == (3, 6, 6)
    assert np.abs(task.train.inputs[0, :, 0, 0].astype(int) - (100, 0, 0)).max() <= 2
    mixed = load(Rows([picture("L")] * 10 + [picture("P")] * 10, [0, 1] * 10))
    assert mixed.inputs == (3, 6, 6)


def test_images_are_rotated_before_sizes_are_counted() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    turned = Image.new("L", (8, 6), 50)
    turned.info["exif"] = exif.tobytes()
    turned.getexif()[0x0112] = 6
    task = load(Rows([turned] * 20, [0, 1] * 10))
    assert (task.inputs, task.notes) == ((1, 8, 6), ())


@pytest.mark.parametrize(
    ("labels", "features", "names"),
    [
        ([0, 1] * 10, {"label": Names("cat", "dog")}, ("cat", "dog")),
        ([np.bool_(False), np.bool_(True)] * 10, {}, ("0", "1")),
        ([False, True] * 10, {}, ("0", "1")),
        (["dog", "cat"] * 10, {}, ("cat", "dog")),
        ([np.str_("dog"), np.str_("cat")] * 10, {"label": object()}, ("cat", "dog")),
        ([np.int64(3), np.array(5)] * 10, {}, ("3", "5")),
    ],
)
def test_labels(labels: list[Any], features: dict[str, Any], names: tuple[str, ...]) -> None:
    task = load(Rows([picture("L")] * 20, labels, **features))
    assert task.class_names == names
    told = [labels[k] for k in task.split_indices["train"]]
    if isinstance(told[0], str):
        assert [names[k] for k in task.train.labels] == told
    else:
        assert np.array_equal(task.train.labels, np.array(told) == max(labels[:2]))


@pytest.mark.parametrize(
    ("images", "labels", "message"),
    [
        ([picture("L")] * 4, ["a", None, "b", "a"], "1 of 4 train labels are missing, .* index 1"),
        ([picture("L")] * 4, ["a", float("nan"), "b", "a"], "1 of 4 train labels are missing"),
        ([picture("L"), *[np.zeros((6, 7))] * 3], [0, 1, 0, 1], "inputs differ in shape"),
        ([picture("L"), broken()], [0, 1], "train image 1 cannot be read .* leave it out"),
    ],
)
def test_messages_about_labels(images: list[Any], labels: list[Any], message: str) -> None:
    with pytest.raises(TaskError, match=message) as caught:
        load(Rows(images, labels))
    assert "\n" not in str(caught.value)


FIXED = np.random.default_rng(0).random((60, 3, 5, 5)).astype(np.float32)


class Made(torch.utils.data.Dataset[Any]):
    """A data set of what a function gives, as long as it says."""

    def __init__(self, give: Callable[[int], Any], length: Any = 60) -> None:
        self.give, self.length = give, length

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, index: int) -> Any:
        if not 0 <= index < len(FIXED):
            raise IndexError(index)
        return self.give(index)


class Endless(IterableDataset[Any]):
    def __iter__(self) -> Iterator[Any]:
        return iter([(FIXED[0], 0)])


def flipped(index: int) -> tuple[Any, int]:
    image = FIXED[index]
    return (image[:, :, ::-1].copy() if np.random.random() < 0.5 else image), index % 2


def jittered(index: int) -> tuple[Any, int]:
    return Image.fromarray((FIXED[index, 0] * 9 + np.random.random() * 99).astype("u1")), index % 2


def failing(index: int) -> tuple[Any, int]:
    if index == 7:
        raise RuntimeError("the disk\nis gone")
    return FIXED[index], index % 2


@pytest.mark.parametrize("give", [flipped, jittered])
def test_random_transforms_are_refused(give: Callable[[int], Any]) -> None:
    message = "train example .* changes from one reading to the next, so .* random transforms"
    with pytest.raises(TaskError, match=message) as caught:
        load(Made(give))
    assert "recipe=" in str(caught.value)
    fixed = [Made(give)[k] for k in range(60)]
    assert load(fixed).notes == ()  # a list of what they gave lasts


def test_examples_as_lists_and_of_half_precision() -> None:
    pairs = load(Made(lambda k: (FIXED[k], k % 2)))
    assert load(Made(lambda k: [FIXED[k], k % 2])).fingerprint == pairs.fingerprint
    assert load(Made(lambda k: (torch.tensor(FIXED[k]).bfloat16(), k % 2))).inputs == (3, 5, 5)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (Made(lambda k: (FIXED[k], 0, 1)), r"train example 0 is a tuple of 3; .* \[\(x\[0\], x"),
        (Made(lambda k: FIXED[k]), "example 0 is a ndarray; expected .input, label."),
        (Made(lambda k: None), "example 0 is a NoneType"),
        (Made(failing), "example 7 of 60 cannot be read: RuntimeError: the disk is gone; fix"),
        (Made(flipped, 0), "the train data set is empty"),
        (Made(flipped, -1), "length of the train data set is unknown: ValueError"),
        (Made(flipped, "many"), "length of the train data set is unknown: TypeError"),
        (
            Made(lambda k: (FIXED[k], k % 2), 61),
            "train example 60 of 61 cannot be read: IndexError",
        ),
        (
            Made(lambda k: (FIXED[k][:, : 5 - (k == 5)], k % 2)),
            r"differ in shape: \(3, 5, 5\) in example 0, \(3, 4, 5\) in example 5; expected",
        ),
        (Made(lambda k: (FIXED[k], torch.eye(3)[k % 3])), r"one-hot, so pass labels.argmax\(1\)"),
        (Made(lambda k: (FIXED[k], torch.ones(3))), "multi-label"),
        (Made(lambda k: (FIXED[k], {"boxes": [1]})), "labels hold Python objects"),
        (Endless(), r"of type Endless arrived \(for an iterable, pass the list of its"),
        ((Endless(), Endless()), r"a Endless arrived \(for an iterable, pass the list"),
        ((x for x in [1]), r"of type generator arrived \(for an iterable"),
        ({"train": DataLoader(Made(flipped))}, r"train is a DataLoader \(for a data loader, pass"),
        ((DataLoader(Made(flipped)),) * 2, r"a DataLoader arrived \(for a data loader, pass"),
    ],
)
def test_data_sets_that_cannot_be_read(data: Any, message: str) -> None:
    with pytest.raises(TaskError, match=message) as caught:
        load(data)
    assert "\n" not in str(caught.value)
