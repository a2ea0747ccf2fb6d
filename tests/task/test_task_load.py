from __future__ import annotations

import os
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import DataLoader, TensorDataset

from nasturtium.errors import TaskError
from nasturtium.task.load import load
from nasturtium.task.read_data import BUNDLED


def draw(
    path: Path, *, colour: bool = False, size: tuple[int, int] = (8, 6), seed: int = 0
) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    shape = (size[1], size[0], 3) if colour else (size[1], size[0])
    array = np.random.default_rng(seed).integers(0, 256, shape).astype(np.uint8)
    Image.fromarray(array).save(path)


def fill(root: Path, per_class: int = 5, **options: bool) -> Path:
    for number, name in enumerate(("cat", "dog")):
        for k in range(per_class):
            draw(root / name / f"{k}.png", seed=10 * number + k, **options)
    return root


@pytest.mark.parametrize("name", BUNDLED)
def test_bundled_sets(name: str) -> None:
    task = load(name)
    assert task.name == name
    assert task.inputs == {"digits": (1, 8, 8), "iris": (4,), "wine": (13,)}.get(name, (30,))
    if name == "digits":
        assert task.train.inputs.dtype == np.uint8
        assert (task.train.inputs.min(), task.train.inputs.max()) == (0, 255)
        assert sum(len(split) for split in task.splits.values()) == 1797
    if name == "iris":
        assert task.class_names == ("setosa", "versicolor", "virginica")


def test_a_task_and_a_saved_one_are_taken_as_they_are(tmp_path: Path) -> None:
    task = load("iris")
    assert load(task) is task
    task.save(tmp_path / "iris")
    assert load(tmp_path / "iris").fingerprint == task.fingerprint


def test_arrays_pairs_mappings_and_npz_are_one_task(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    x, y = rng.integers(0, 256, (40, 8, 8)).astype(np.uint8), np.arange(40) % 4
    train, test = (x[:32], y[:32]), (x[32:], y[32:])
    np.savez(tmp_path / "a.npz", x_train=x[:32], y_train=y[:32], x_test=x[32:], y_test=y[32:])
    np.savez(tmp_path / "b.npz", X=x, y=y)
    pairs = [
        load((train, test)),
        load({"train": train, "test": test}),
        load(tmp_path / "a.npz"),
        load((TensorDataset(*map(torch.from_numpy, train)), [*zip(*test, strict=True)])),
    ]
    assert len({task.fingerprint for task in pairs}) == 1
    assert load((x, y)).fingerprint == load(str(tmp_path / "b.npz")).fingerprint
    assert load(tmp_path / "b.npz").name == "b"
    valid = load({"train": train, "validation": test, "test": test})
    assert np.array_equal(valid.valid.labels, test[1])


def test_folder_of_classes(tmp_path: Path) -> None:
    root = fill(tmp_path / "pets")
    (root / ".cache").mkdir()
    (root / "cat" / "notes.txt").write_text("no image")
    task = load(root)
    assert (task.name, task.class_names, task.inputs) == ("pets", ("cat", "dog"), (1, 6, 8))
    assert task.notes == ("1 files were left out: .txt (1)",)
    first = np.asarray(Image.open(root / "cat" / "0.png"))
    everything = np.concatenate([split.inputs for split in task.splits.values()])
    assert any(np.array_equal(first, image[0]) for image in everything)
    other = fill(tmp_path / "elsewhere" / "animals")
    assert load(other).fingerprint == task.fingerprint  # data alone, not their path


def test_folder_of_splits_resized_and_coloured(tmp_path: Path) -> None:
    fill(tmp_path / "train", 6)
    fill(tmp_path / "val", 2)
    fill(tmp_path / "test", 3)
    draw(tmp_path / "train" / "dog" / "big.jpg", colour=True, size=(20, 16))
    task = load(tmp_path)
    assert task.inputs == (3, 6, 8)
    assert (len(task.train), len(task.valid)) == (13, 4)
    assert task.test is not None
    assert len(task.test) == 6
    assert task.notes == ("1 of 23 images resized to 6 x 8",)
    assert load(tmp_path, size=5).inputs == (3, 5, 5)


def test_an_image_is_rotated_upright(tmp_path: Path) -> None:
    fill(tmp_path)
    sideways = np.arange(48, dtype=np.uint8).reshape(8, 6)
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by 90 degrees clockwise
    Image.fromarray(sideways).save(tmp_path / "cat" / "turned.png", exif=exif)
    task = load(tmp_path)
    assert task.notes == ()
    images = np.concatenate([split.inputs[:, 0] for split in task.splits.values()])
    assert any(np.array_equal(image, np.rot90(sideways, -1)) for image in images)


def test_unreadable_images(tmp_path: Path) -> None:
    fill(tmp_path)
    whole = (tmp_path / "cat" / "0.png").read_bytes()
    (tmp_path / "cat" / "0.png").write_bytes(whole[: len(whole) // 2])
    for k in range(3):
        (tmp_path / "dog" / f"x{k}.png").write_bytes(b"no image")
    with pytest.raises(
        TaskError, match=r"3 of the images .* dog/x0.png \(not an image\), .*skip_unreadable=True"
    ):
        load(tmp_path)
    task = load(tmp_path, skip_unreadable=True)
    assert sum(map(len, task.splits.values())) == 9
    (note,) = task.notes
    assert note == (
        "4 unreadable images skipped: cat/0.png (OSError: image file is truncated), dog/x0.png "
        "(not an image), dog/x1.png (not an image) and 1 more"
    )


class Rows:
    """A data set of rows with PIL images, like those of the Hugging Face library."""

    classes = ("even", "odd")

    def __init__(self, count: int, sizes: tuple[int, ...] = (8,)) -> None:
        self.count, self.sizes = count, sizes

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> dict[str, object]:
        if not 0 <= index < self.count:
            raise IndexError(index)
        side = self.sizes[index % len(self.sizes)]
        return {"img": Image.new("RGB", (side, side), (index, 0, 0)), "label": index % 2}


def test_data_sets_of_images() -> None:
    task = load(Rows(30, (8, 8, 9)), name="rows")
    assert task.inputs == (3, 8, 8)
    assert task.class_names == ("even", "odd")
    assert task.notes == ("10 of 30 train images resized to 8 x 8",)
    pair = load((Rows(20), Rows(6, (9,))))
    assert pair.inputs == (3, 8, 8)  # the test images follow the training images
    assert pair.test is not None
    assert pair.test.inputs[:, 0, 0, 0].tolist() == list(range(6))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ("digit", "did you mean 'digits'"),
        ("no-such-set", "neither a path nor a known name; the names are breast_cancer"),
        ("nowhere/at/all", "nowhere/at/all does not exist; expected a folder"),
        (Path("absent"), "absent does not exist"),
        (3, r"data of type int arrived; expected a name"),
        (Rows(0), "the train data set is empty"),
        ({"training": 1}, "key 'training'; expected 'train'"),
        ({"test": (np.zeros((4, 2)), [0, 1, 0, 1])}, "test but no train"),
        ({"train": 3}, "train is a int; expected"),
        ([({"picture": 1})], "keys 'picture'; expected one of image"),
        ([(np.zeros(3), 0), (np.zeros(4), 1)], "differ in shape"),
        (DataLoader(TensorDataset(torch.zeros(4))), "expected a name"),
        (DataLoader(TensorDataset(torch.zeros(4), torch.zeros(4))), "pass loader.dataset"),
    ],
)
def test_messages(data: object, message: str) -> None:
    with pytest.raises(TaskError, match=message) as caught:
        load(data)
    assert "\n" not in str(caught.value)


def test_messages_about_files(tmp_path: Path) -> None:
    def refused(message: str, path: Path = tmp_path) -> None:
        with pytest.raises(TaskError, match=message):
            load(path)

    refused("has no classes; expected one folder of images per class")
    draw(tmp_path / "cat" / "0.png")
    refused("only one class")
    (tmp_path / "dog").mkdir()
    refused("dog has no images; expected .png")
    fill(tmp_path)
    fill(tmp_path / "split" / "train")
    draw(tmp_path / "split" / "test" / "bird" / "0.png")
    refused("test of .* has the class 'bird', which train does not have", tmp_path / "split")
    (tmp_path / "a.txt").write_text("")
    refused("unknown type; expected an .npz file", tmp_path / "a.txt")
    np.savez(tmp_path / "a.npz", images=np.zeros(3))
    refused("holds images; expected x_train", tmp_path / "a.npz")
    np.savez(tmp_path / "o.npz", X=np.array([{}]), y=np.zeros(1))
    refused("cannot be read as an .npz file of plain arrays", tmp_path / "o.npz")
    (tmp_path / "z.npz").write_bytes(b"PK\x03\x04 no archive")
    refused("cannot be read as an .npz", tmp_path / "z.npz")


def test_mnist_is_read_quickly() -> None:
    root = os.environ.get("NASTURTIUM_DATA", "")
    path = Path(root, "images", "mnist", "mnist.npz")
    if not root or not path.is_file():
        pytest.skip("NASTURTIUM_DATA names no folder with images/mnist/mnist.npz")
    start = time.process_time()
    task = load(path)
    assert time.process_time() - start < 5
    assert (task.inputs, task.classes) == ((1, 28, 28), 10)
    assert (len(task.train), len(task.valid)) == (48000, 12000)
    whole = 0.1307 * 255  # the mean of the 60,000 training images that everybody uses
    assert task.mean[0] == pytest.approx(whole, abs=0.2)
