from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
from PIL import Image

from nasturtium.errors import TaskError
from nasturtium.task.sources import load


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
    ("mode", "channels"), [("L", 1), ("LA", 1), ("1", 1), ("I;16", 1), ("RGB", 3), ("RGBA", 3)]
)
def test_kinds_of_pictures(mode: str, channels: int) -> None:
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


def test_pictures_are_turned_upright_before_sizes_are_counted() -> None:
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
def test_messages(images: list[Any], labels: list[Any], message: str) -> None:
    with pytest.raises(TaskError, match=message) as caught:
        load(Rows(images, labels))
    assert "\n" not in str(caught.value)
