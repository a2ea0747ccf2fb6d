"""Hostile data: archives, arrays, folders of images, tables, frames, and what holds them."""

from __future__ import annotations

import io
import json
import os
import pickle
import shutil
import struct
import warnings
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from random import Random
from typing import Any

import numpy as np

from fuzz.arrays import anything, array, arrays, csv, frame, labels
from fuzz.hostile import Payload, alter_bytes, alter_json
from fuzz.watch import REFUSED, Case
from nasturtium.task.load import load

__all__ = ["run"]


def run(case: Case) -> str:
    """Load hostile data; says whether they were accepted."""
    way = case.rng.choices(list(WAYS), list(WAYS.values()))[0]
    given = way(case)
    options = _options(case.rng)
    case.note(way.__name__, given if isinstance(given, str) else type(given).__name__, options)
    if isinstance(given, str) and case.rng.random() < 0.04:
        words = ["search", given, *["--space", "mlp", "--trials", "2", "--executor", "here", "-q"]]
        words += ["--recipe", "epochs=1", "--strategy", "random"]
        if load_options := ",".join(f"{key}={one}" for key, one in options.items()):
            words += ["--load", load_options]
        return "accepted" if case.command(*words).code == 0 else "refused"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return "refused" if case.call(load, given, **options) is REFUSED else "accepted"


def _options(rng: Random) -> dict[str, Any]:
    options: dict[str, Any] = {}
    if rng.random() < 0.15:
        options["missing"] = rng.choice(["median", "error", "mean", ""])
    if rng.random() < 0.15:
        options["size"] = rng.choice([1, 4, 8, 0, -1, (3, 5)])
    if rng.random() < 0.15:
        options["layout"] = rng.choice(["NCHW", "NHWC", "NHW", "NCL", "NLC", "x"])
    if rng.random() < 0.15:
        options["skip_unreadable"] = True
    if rng.random() < 0.1:
        options["fractions"] = rng.choice([(0.2, 0.2), (0.5, 0.0), (0.9, 0.9), (0.0, 0.5)])
    if rng.random() < 0.1:
        options["memory"] = rng.choice([0, 100, 10_000])
    return options


# -- archives -------------------------------------------------------------------------------------


def damaged_archive(case: Case) -> str:
    name = case.rng.choice(["d.npz", "c.npz"])
    altered, told = alter_bytes(case.rng, (case.material / name).read_bytes())
    case.note(told)
    Path("d.npz").write_bytes(altered)
    return "d.npz"


def _header(rng: Random) -> bytes:
    shape = rng.choice(["(60, 8, 8)", "(10**12,)", "(-1,)", "(2**70, 8)", "(1.5,)", "()", "(60,)"])
    kinds = [
        "'<f4'",
        "'|O'",
        "'<U9'",
        "'|V8'",
        "'<M8[s]'",
        "[('a', '<f4')]",
        "'x'",
        "'|S0'",
        "'<f2'",
    ]
    kinds += ["'<c16'", "'|b1'", "'>i8'", "None", "('<f4', (2, 2))"]
    order = rng.choice(["True", "False", "3"])
    told = f"{{'descr': {rng.choice(kinds)}, 'fortran_order': {order}, 'shape': {shape}, }}"
    if rng.random() < 0.1:
        told = rng.choice(["", "{", "(" * 5000, "__import__('os').system('touch PWNED')", "\xff"])
    body = told.encode("latin1") + b"\n"
    version = rng.choice([b"\x01\x00", b"\x02\x00", b"\x03\x00", b"\x09\x00"])
    length = struct.pack("<H" if version[0] == 1 else "<I", len(body) + rng.choice([0, 0, 0, 9]))
    return b"\x93NUMPY" + version + length + body


def _entry(rng: Random, answers: bool) -> bytes:
    drawn = rng.random()
    if drawn < 0.4:
        return _header(rng) + rng.randbytes(rng.choice([0, 100, 960, 15360]))
    file = io.BytesIO()
    if drawn < 0.6:
        np.save(file, np.array([Payload()] * 60, object), allow_pickle=True)
    elif drawn < 0.65:
        file.write(pickle.dumps(Payload()))
    else:
        np.save(file, labels(rng) if answers else array(rng))
    return file.getvalue()


def made_archive(case: Case) -> str:
    rng = case.rng
    name = rng.choice(["d.npz", "d.npz", "d.npz", "d.NPZ", "é.npz", "a b.npz", "d.npy", "d"])
    names = rng.choice([("X", "y"), ("x_train", "y_train"), ("X.npy", "y.npy"), ("../X", "y")])
    packed = rng.choice(
        [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA]
    )
    with warnings.catch_warnings(), zipfile.ZipFile(name, "w", packed) as archive:
        warnings.simplefilter("ignore")
        for place, entry in enumerate((*names, *rng.choices(["y", "x_test", "y_test", "z"], k=2))):
            full = entry if entry.endswith(".npy") else f"{entry}.npy"
            archive.writestr(full, _entry(rng, place == 1 or "y" in entry))
    if rng.random() < 0.3:
        Path(name).write_bytes(alter_bytes(rng, Path(name).read_bytes())[0])
    return name


def other_file(case: Case) -> str:
    """Load a file of another kind than its name says."""
    rng = case.rng
    source = rng.choice(["a.npy", "t.csv", "s.db", "trained.pt", "pictures/cat/00.png"])
    name = rng.choice(["d.npz", "d.npy", "d.csv", "d.parquet", "d.png", "d.pt", "d", ".npz"])
    content = (case.material / source).read_bytes()
    content = rng.choice(
        [content, content, b"", b"PK\x05\x06" + bytes(18), pickle.dumps(Payload())]
    )
    Path(name).write_bytes(content)
    return name


# -- folders --------------------------------------------------------------------------------------


def folder(case: Case) -> str:
    rng = case.rng
    root = Path(rng.choice(["pictures", "a b", "é", "x;touch PWNED;#", "-x", "a\nb"]))
    shutil.copytree(case.material / "pictures", root)
    paths = sorted(path for path in root.rglob("*") if path.is_file())
    for path in rng.sample(paths, rng.choice([1, 1, 2, 5])):
        drawn = rng.random()
        if drawn < 0.6:
            content, told = alter_bytes(rng, path.read_bytes())
            path.write_bytes(content)
            case.note(path, told)
        elif drawn < 0.7:
            path.rename(path.with_suffix(rng.choice([".png", ".jpg", ".tiff", ".webp", ".gif"])))
        elif drawn < 0.75:
            path.unlink()
            path.symlink_to(
                rng.choice(["nothing", path.name, "/dev/zero", "/etc", "..", "/proc/kmsg"])
            )
        elif drawn < 0.8:
            path.unlink()
            os.mkfifo(path)
        elif drawn < 0.85:
            path.write_bytes(rng.choice([b"", b"\x89PNG\r\n\x1a\n", b"GIF89a", _bomb(), b"<svg/>"]))
        elif drawn < 0.9:
            path.unlink()
            path.mkdir()
        else:
            _named(rng, path)
    if rng.random() < 0.2:
        _renamed_classes(rng, root)
    if rng.random() < 0.2:
        part = root / rng.choice(["train", "valid", "test", "Train", "fold"])
        inner = sorted(root.iterdir())
        part.mkdir(exist_ok=True)
        for one in inner if rng.random() < 0.7 else inner[:1]:
            if one != part:
                shutil.move(str(one), part / one.name)
    if rng.random() < 0.1:
        (root / "loop").symlink_to(".")
    return str(root)


def _bomb() -> bytes:
    """Return the header of an image of 60,000 by 60,000 pixels."""
    import zlib

    def chunk(kind: bytes, body: bytes) -> bytes:
        check = struct.pack(">I", zlib.crc32(kind + body))
        return struct.pack(">I", len(body)) + kind + body + check

    head = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    parts = chunk(b"IHDR", head), chunk(b"IDAT", zlib.compress(bytes(1000))), chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


NAMES: tuple[bytes, ...] = (
    b"caf\xe9",
    "é".encode(),
    b"a\nb",
    b"\x1b[2J",
    b"<img src=x onerror=alert(1)>",
    b"$(touch PWNED)",
    b"-rf",
    b"..x",
    b".hidden",
    b"x" * 200,
    b"train",
    b"test",
    b"__MACOSX",
    b"a,b",
    b"'",
    b'"',
    b" ",
    b"\\",
    b"|",
    b"nan",
    b"0",
)


def _named(rng: Random, path: Path) -> None:
    target = os.path.join(os.fsencode(path.parent), rng.choice(NAMES) + os.fsencode(path.suffix))
    os.rename(os.fsencode(path), target)


def _renamed_classes(rng: Random, root: Path) -> None:
    for one in sorted(root.iterdir()):
        target = os.path.join(os.fsencode(root), rng.choice(NAMES))
        if not os.path.lexists(target):
            os.rename(os.fsencode(one), target)


# -- what was saved ------------------------------------------------------------------------------


def kept_task(case: Case) -> str:
    """Load a saved task with an altered header whose digest is right."""
    from nasturtium.task.task import _digest_header

    shutil.copytree(case.material / "task", "task")
    path = Path("task", "task.json")
    header = json.loads(path.read_text())
    altered, told = alter_json(case.rng, json.dumps(header))
    case.note(told)
    try:
        header = json.loads(altered)
        header["digest"] = _digest_header(header)
        altered = json.dumps(header)
    except (ValueError, TypeError, AttributeError, RecursionError):
        pass
    path.write_text(altered, errors="surrogatepass")
    return "task"


WAYS: Mapping[Callable[[Case], Any], float] = {
    damaged_archive: 5,
    made_archive: 5,
    other_file: 1,
    folder: 3,
    arrays: 5,
    anything: 0.5,
    frame: 2,
    csv: 1,
    kept_task: 1,
}
