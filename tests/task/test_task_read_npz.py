from __future__ import annotations

import io
import random
import warnings
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nasturtium.errors import TaskError
from nasturtium.task.array_storage import find_mapped_file
from nasturtium.task.load import load

X = np.random.default_rng(0).random((30, 4)).astype(np.float32)
Y = np.arange(30) % 3


def saved(**arrays: Any) -> bytes:
    file = io.BytesIO()
    np.savez_compressed(file, **arrays)
    return file.getvalue()


def packed(**members: bytes) -> bytes:
    """Make an archive of any bytes, with sums that hold."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(f"{name}.npy", content)
    return file.getvalue()


def npy(array: Any) -> bytes:
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def headed(text: str, rest: bytes = b"") -> bytes:
    """Make a .npy file with a header of one's own."""
    line = text.encode() + b" " * (117 - len(text)) + b"\n"
    return b"\x93NUMPY\x01\x00" + len(line).to_bytes(2, "little") + line + rest


def test_arrays_of_any_order_and_type(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    plain = load((X, Y))
    for x in (X, np.asfortranarray(X), X.astype(">f4"), X.astype(np.float64)):
        path.write_bytes(saved(X=x, y=Y.astype(">i2"), notes=np.array("text")))
        assert load(path).fingerprint == plain.fingerprint
    path.write_bytes(saved(X=X, y=Y.astype(str)))
    assert load(path).class_names == ("0", "1", "2")
    path.write_bytes(saved(X=X, y=Y, other=np.array([{}])))  # which nobody asks for
    assert load(path).fingerprint == plain.fingerprint


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", r"\(it is empty\); write it again"),
        (npy(X), r"\(it is a single .npy array\); pass numpy.savez"),
        (saved(X=np.array([{}]), y=Y), "an array of Python objects, expected numbers"),
        (saved(X=X.astype("M8[s]"), y=Y), "an array of datetime64"),
        (saved(X=X)[:-30], "no plain arrays|cannot be read as an .npz"),
        (packed(X=npy(X)[:-8], y=npy(Y)), "the array ends too early"),
        (packed(X=npy(X) + b"more", y=npy(Y)), "more bytes than its array"),
        (packed(X=b"nothing", y=npy(Y)), "cannot be read"),
        (
            packed(
                X=headed("{'descr': '<f8', 'fortran_order': False, 'shape': (4000000000,), }"),
                y=npy(Y),
            ),
            "claims 32,000,000,000 bytes, its entry has 128",
        ),
        (
            packed(
                X=headed("{'descr': '<f8', 'fortran_order': False, 'shape': (-1, 2), }"), y=npy(Y)
            ),
            "an array of shape",
        ),
        (packed(X=headed("{" * 60), y=npy(Y)), "cannot be read"),
        (packed(X=headed("(" * 110 + ")"), y=npy(Y)), "cannot be read"),
    ],
)
def test_damaged_archives(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "a.npz"
    path.write_bytes(content)
    with pytest.raises(TaskError, match=message) as caught:
        load(path)
    assert "\n" not in str(caught.value)


def test_an_entry_that_claims_more_than_it_can_hold(tmp_path: Path) -> None:
    content = bytearray(saved(X=X, y=Y))
    at = content.index(b"PK\x01\x02") + 24  # the size of the first entry in the directory
    content[at : at + 4] = (2**31).to_bytes(4, "little")
    path = tmp_path / "a.npz"
    path.write_bytes(bytes(content))
    with pytest.raises(TaskError, match="claims more bytes than the file can hold"):
        load(path)


def test_a_small_file_of_large_arrays_asks_for_room(tmp_path: Path) -> None:
    zeros = np.zeros((600, 64, 64), np.uint8)
    zeros[:, 0, 0] = np.arange(600) % 256
    path = tmp_path / "a.npz"
    path.write_bytes(saved(X=zeros, y=np.arange(600) % 2))
    assert path.stat().st_size < zeros.nbytes / 100
    with pytest.raises(TaskError, match=r"the arrays of .*a.npz take .* MB, and 1 MB may be kept"):
        load(path, memory=1_000_000)
    task = load(path, memory=1_000_000, cache=tmp_path / "cache")
    assert find_mapped_file(task.train.inputs) is not None
    assert task.fingerprint == load(path).fingerprint


def test_altered_archives_are_refused_or_unharmed(tmp_path: Path) -> None:
    draw = random.Random(0)
    files = [saved(X=X, y=Y), npy(X)]
    file = io.BytesIO()
    np.savez(file, x_train=X, y_train=Y, x_test=np.asfortranarray(X), y_test=Y)
    files.append(file.getvalue())
    path = tmp_path / "a.npz"
    unharmed, said = set(), []
    for content in (files[0], files[2]):
        path.write_bytes(content)
        unharmed.add(load(path).fingerprint)
    for _ in range(400):
        content = bytearray(draw.choice(files))
        how = draw.randrange(3)
        if how == 0:
            del content[draw.randrange(len(content)) :]
        elif how == 1:
            for _ in range(draw.randint(1, 6)):
                content[draw.randrange(len(content))] ^= 1 << draw.randrange(8)
        else:
            header = bytearray(npy(X))
            for _ in range(draw.randint(1, 4)):
                header[draw.randrange(128)] = draw.choice(b"0123456789(),<>|'fiuOSUMV{}[]\n \xff")
            content = bytearray(packed(X=bytes(header), y=npy(Y)))
        path.write_bytes(content)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            try:
                task = load(path)
            except TaskError as error:
                said.append(str(error))
            else:
                assert task.fingerprint in unharmed or how == 2
    assert len(said) > 300
    assert not any("\n" in text for text in said)
