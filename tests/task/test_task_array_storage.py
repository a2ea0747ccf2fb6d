from __future__ import annotations

import os
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from nasturtium.errors import TaskError
from nasturtium.task import array_storage
from nasturtium.task import read_image_folder as folder_module
from nasturtium.task.array_storage import chunk_slices, find_mapped_file, memory_budget
from nasturtium.task.load import load
from nasturtium.task.make_task import make_task
from nasturtium.task.merge_splits import merge_train_and_valid
from nasturtium.task.task import Task


def pictures(root: Path, per_class: int = 6, side: int = 8) -> Path:
    rng = np.random.default_rng(0)
    for name in ("cat", "dog"):
        (root / name).mkdir(parents=True, exist_ok=True)
        for k in range(per_class):
            size = (side + (k == 0), side)
            pixels = rng.integers(0, 256, (size[1], size[0], 3)).astype(np.uint8)
            Image.fromarray(pixels).save(root / name / f"{k}.png")
    return root


class Rows:
    """A data set that remembers how often it was asked."""

    def __init__(self, count: int = 40, dtype: type = np.float64) -> None:
        self.examples = np.random.default_rng(0).random((count, 3, 5, 5)).astype(dtype)
        self.asked = 0

    def __len__(self) -> int:
        return len(self.examples)

    def __getitem__(self, index: int) -> tuple[Any, int]:
        self.asked += 1
        return self.examples[index], index % 2


def same(first: Task, second: Task) -> None:
    """Tell that two tasks are equal in all, to the last bit."""
    for part, split in first.splits.items():
        other = second.splits[part]
        assert split.inputs.dtype == other.inputs.dtype
        assert np.array_equal(split.inputs, other.inputs)
        assert np.array_equal(split.labels, other.labels)
        assert np.array_equal(first.split_indices[part], second.split_indices[part])
    for name in ("class_names", "mean", "std", "split", "fingerprint", "notes"):
        assert getattr(first, name) == getattr(second, name), name


@pytest.mark.parametrize("source", ["folder", "pictures", "rows", "arrays", "splits", "resized"])
def test_files_hold_what_memory_would(tmp_path: Path, source: str) -> None:
    rng = np.random.default_rng(0)
    x, y = rng.integers(0, 256, (50, 6, 7, 3)).astype(np.int64), np.arange(50) % 2
    options: dict[str, Any] = {}
    data: Any = (x, y)
    if source == "folder":
        data = pictures(tmp_path / "pets")
    elif source == "pictures":
        data = [(Image.fromarray(image.astype(np.uint8)), k) for image, k in zip(x, y, strict=True)]
    elif source == "rows":
        data = Rows()
    elif source == "splits":
        np.save(tmp_path / "x.npy", x.astype(np.float32))
        mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
        data = {"train": (mapped, y), "valid": (x / 2, y), "test": (x / 3, y)}
    elif source == "resized":
        options = {"size": (3, 4)}
    held = load(data, **options)
    kept = load(data, cache=tmp_path / "cache", **options)
    assert kept.name == held.name
    same(held, kept)
    assert find_mapped_file(kept.train.inputs) is not None
    assert find_mapped_file(held.train.inputs) is None
    folders = [path for path in (tmp_path / "cache").iterdir() if path.name != ".lock"]
    assert len(folders) == 1  # nothing half-built is left
    names = {path.name for path in folders[0].iterdir()}
    kinds = ("inputs", "labels", "indices")
    assert names == {"task.json"} | {f"{p}_{k}.npy" for p in held.splits for k in kinds}
    same(kept, load(data, cache=tmp_path / "cache", **options))
    same(merge_train_and_valid(held), merge_train_and_valid(kept, tmp_path / "cache", memory=0))


def test_a_folder_is_decoded_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root, decoded = pictures(tmp_path / "pets"), []
    decode = folder_module._decode
    monkeypatch.setattr(
        folder_module, "_decode", lambda path, *rest: decoded.append(path) or decode(path, *rest)
    )
    first = load(root, cache=tmp_path / "cache")
    assert len(decoded) == 12
    assert load(root, cache=tmp_path / "cache").fingerprint == first.fingerprint
    assert len(decoded) == 12
    load(root, cache=tmp_path / "cache", seed=1)
    assert len(decoded) == 24
    os.utime(root / "cat" / "0.png", (1, 1))  # a file that may have changed
    load(root, cache=tmp_path / "cache")
    assert len(decoded) == 36


def test_data_are_never_in_memory_as_a_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(array_storage, "_CHUNK_BYTES", 1 << 20)
    shape = (1500, 3, 64, 64)  # 18 MB as bytes

    class Large:
        def __len__(self) -> int:
            return shape[0]

        def __getitem__(self, index: int) -> tuple[Any, int]:
            return np.full(shape[1:], index % 251, np.uint8), index % 2

    tracemalloc.start()
    task = load(Large(), cache=tmp_path / "cache")
    whole = merge_train_and_valid(task, tmp_path / "cache", memory=0)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(whole.train) == 1200
    assert peak < 0.3 * np.prod(shape)


def test_a_task_saved_again_is_linked(tmp_path: Path) -> None:
    task = load(Rows(), cache=tmp_path / "cache")
    task.save(tmp_path / "again")
    file = find_mapped_file(task.train.inputs)
    assert file is not None
    assert os.path.samefile(file, tmp_path / "again" / "train_inputs.npy")
    same(task, Task.load(tmp_path / "again"))
    np.save(tmp_path / "mine.npy", np.random.default_rng(0).random((20, 4), np.float32))
    mine = np.load(tmp_path / "mine.npy", mmap_mode="r")
    y = np.arange(20) % 2
    whole = make_task(mine, y, name="t", valid=(mine, y), test=(mine, y))
    whole.save(tmp_path / "copied")  # a file of somebody else may change: it is not linked
    assert not os.path.samefile(tmp_path / "mine.npy", tmp_path / "copied" / "train_inputs.npy")


@pytest.mark.parametrize(
    "name", ["train_inputs.npy", "valid_labels.npy", "test_indices.npy", "task.json"]
)
def test_damaged_files_are_replaced(tmp_path: Path, name: str) -> None:
    root = pictures(tmp_path / "pets")
    first = load(root, cache=tmp_path / "cache")
    expected = [split.inputs.tobytes() for split in first.splits.values()]
    (kept,) = (tmp_path / "cache").glob("pets-*")
    file = kept / name
    content = bytearray(file.read_bytes())
    content[-9] ^= 1
    file.unlink()
    file.write_bytes(bytes(content))
    with pytest.raises(TaskError, match=f"is damaged .*the content of {name} has changed"):
        Task.load(kept)
    again = load(root, cache=tmp_path / "cache")
    same(first, again)
    assert [split.inputs.tobytes() for split in again.splits.values()] == expected
    assert [path.name for path in (tmp_path / "cache").iterdir() if path.is_dir()] == [kept.name]
    file.write_bytes(bytes(content))
    with pytest.raises(TaskError, match="is damaged"):
        first.save(kept)  # somebody's own folder is not written over
    first.save(kept, replace=True)
    same(first, Task.load(kept))


def test_merged_data_are_checked_too(tmp_path: Path) -> None:
    task = load(Rows(), cache=tmp_path / "cache")
    first = merge_train_and_valid(task, tmp_path / "cache", memory=0)
    (kept,) = (tmp_path / "cache").glob("*-whole")
    content = bytearray((kept / "train_inputs.npy").read_bytes())
    content[-1] ^= 1
    (kept / "train_inputs.npy").unlink()
    (kept / "train_inputs.npy").write_bytes(bytes(content))
    same(first, merge_train_and_valid(task, tmp_path / "cache", memory=0))
    same(first, Task.load(kept))


def test_only_whole_arrays_are_files(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.arange(24.0).reshape(6, 4))
    array = np.load(tmp_path / "a.npy", mmap_mode="c")
    assert find_mapped_file(array) == tmp_path / "a.npy" == find_mapped_file(np.asarray(array))
    for part in (array[1:], array.T, array[::-1], array[[0, 1, 2, 3, 4, 5]], np.zeros(3)):
        assert find_mapped_file(part) is None


def test_files_of_a_killed_process_are_removed(tmp_path: Path) -> None:
    remains = tmp_path / "cache" / ".building-abc"
    remains.mkdir(parents=True)
    (remains / "half.npy").write_bytes(b"x")
    load(Rows(), cache=tmp_path / "cache")
    assert not remains.exists()


def test_files_of_a_killed_save_are_removed_after_a_day(tmp_path: Path) -> None:
    task = load(Rows())
    old, new = (tmp_path / f".t.{name}" for name in ("old", "new"))
    for folder in (old, new):
        folder.mkdir()
        (folder / "half.npy").write_bytes(b"x")
    for path in (old / "half.npy", old):
        os.utime(path, (1, 1))
    task.save(tmp_path / "t")
    assert sorted(path.name for path in tmp_path.iterdir()) == [".t.new", "t"]


def test_the_budget() -> None:
    assert memory_budget() > 1 << 27
    rows = Rows(dtype=np.float32)
    assert find_mapped_file(load(rows, memory=40 * 75 * 4).train.inputs) is None
    assert rows.asked < 2 * len(rows)  # once each, and the first tells the size
    message = r"the train examples take 0.012 MB, and 0.0119 MB may .*; pass cache=folder"
    with pytest.raises(TaskError, match=message):
        load(rows, memory=40 * 75 * 4 - 100)


def test_no_room_on_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full, raising=False)
    with pytest.raises(TaskError, match=r"cannot be written to .*cache .No space left on device"):
        load(Rows(), cache=tmp_path / "cache")
    assert [path.name for path in (tmp_path / "cache").iterdir()] == [".lock"]


def test_chunks_cover_everything() -> None:
    for count, example in ((10, (3,)), (5000, (1, 8, 8)), (100, (3, 512, 512))):
        found = [k for span in chunk_slices(count, example) for k in range(span.start, span.stop)]
        assert found == list(range(count))
    assert next(iter(chunk_slices(10**6, (3, 512, 512)))).stop * 3 * 512 * 512 * 4 <= 64 << 20
