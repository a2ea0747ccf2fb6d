"""Hostile data that a program passes: arrays, labels, frames, and other objects."""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pandas as pd

from fuzz.hostile import Payload, alter_bytes, text, value
from fuzz.watch import Case

__all__ = ["anything", "array", "arrays", "csv", "frame", "labels"]


def array(rng: Random) -> Any:
    shape = rng.choice(
        [
            (60, 8, 8),
            (60, 1, 8, 8),
            (60, 8, 8, 3),
            (60, 5),
            (60, 3, 4),
            (60,),
            (0, 5),
            (60, 0),
            (),
            (59, 5),
            (60, 1, 1, 1),
            (60, 2, 3, 4, 5),
            (60, 8, 8, 7),
        ]
    )
    kind = rng.choice(["f4", "f8", "f2", "u1", "i8", "i2", "b", "c8", "U3", "S3", "u8", "M8[s]"])
    seeded = np.random.default_rng(rng.randrange(2**32))
    array = seeded.integers(0, 2 if kind == "b" else 200, shape)
    made: Any = array.astype("i8").astype(kind) if kind != "M8[s]" else array.astype(kind)
    if made.dtype.kind == "f" and made.size and rng.random() < 0.4:
        made = np.array(made)
        spoiled = rng.choice([np.nan, np.inf, -np.inf, 6e4, 1e38, -1e-40])
        made.flat[rng.randrange(made.size)] = spoiled
        if rng.random() < 0.3:
            made[...] = spoiled
    return made


def labels(rng: Random) -> Any:
    plain = np.repeat(np.arange(3), 20)
    return rng.choice(
        [
            plain,
            plain,
            plain.astype("f8"),
            plain + 0.5,
            np.where(plain == 0, np.nan, plain),
            plain - 1,
            plain * 10**15,
            plain.astype(str),
            plain.astype("S3"),
            plain == 0,
            plain * 0,
            np.arange(60),
            np.arange(60) / 60,
            plain[:, None],
            np.eye(3)[plain],
            plain.astype("c8"),
            np.array(["a\nb", "\ud800", ""], object)[plain],
            plain.astype("M8[s]"),
            plain[:10],
            np.array(3),
            plain.astype("u8") + np.uint64(2**63),
            np.array([None, 1, "x"], object)[plain],
        ]
    )


def arrays(case: Case) -> Any:
    rng = case.rng
    first: Any = (array(rng), labels(rng))
    drawn = rng.random()
    if drawn < 0.5:
        return first
    second = (array(rng), labels(rng))
    if drawn < 0.65:
        return first, second
    if drawn < 0.8:
        return {"train": first, rng.choice(["valid", "test", "x", "val"]): second}
    if drawn < 0.9:
        import torch

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            if first[0].dtype.kind in "fb" or first[0].dtype == np.uint8:
                return torch.from_numpy(np.array(first[0])), first[1]
        return first
    return (
        list(zip(first[0], first[1], strict=False)) if first[0].ndim and first[1].ndim else [first]
    )


def anything(case: Case) -> Any:
    rng = case.rng
    return rng.choice(
        [
            value(rng),
            [value(rng)] * 3,
            (value(rng), value(rng)),
            {"train": value(rng)},
            Payload(),
            [(value(rng), value(rng))] * 4,
            Path("x"),
            io.BytesIO(b""),
            object,
            {1: 2},
        ]
    )


def frame(case: Case) -> Any:
    rng = case.rng
    count = rng.choice([40, 40, 40, 0, 1, 3])

    def column() -> Any:
        kind = rng.randrange(12)
        numbers = list(range(count))
        options: Mapping[int, Callable[[], Any]] = {
            0: lambda: numbers,
            1: lambda: [n / 3 if n % 5 else float("nan") for n in numbers],
            2: lambda: ["abc"[n % 3] for n in numbers],
            3: lambda: [n % 2 == 0 for n in numbers],
            4: lambda: [value(rng) for _ in numbers],
            5: lambda: pd.Categorical(["xyz"[n % 3] for n in numbers]),
            6: lambda: pd.to_datetime(numbers, unit="D"),
            7: lambda: [float("inf")] * count,
            8: lambda: pd.array([n if n % 4 else None for n in numbers], dtype="Int64"),
            9: lambda: [text(rng) for _ in numbers],
            10: lambda: [complex(n, 1) for n in numbers],
            11: lambda: pd.array(["a" if n % 2 else None for n in numbers], dtype="string"),
        }
        return options[kind]()

    names: list[Any] = [
        rng.choice(["a", "b", "y", "y", text(rng), 3, None, ("a", 1)]) for _ in range(4)
    ]
    made = pd.concat([pd.Series(column(), name=name) for name in names], axis=1)
    if rng.random() < 0.1:
        with suppress(TypeError, ValueError):  # pandas makes no index of some columns
            made = made.set_index(made.columns[0])
    labels = rng.choice(["y", "y", "y", names[0], "nothing", None])
    return (made, labels) if rng.random() < 0.8 else (made, pd.Series(column()))


def csv(case: Case) -> Any:
    """Read an altered table with pandas."""
    content, told = alter_bytes(case.rng, (case.material / "t.csv").read_bytes())
    case.note(told)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            made = pd.read_csv(io.BytesIO(content), encoding_errors="surrogateescape")
    except (ValueError, pd.errors.ParserError):
        Path("t.csv").write_bytes(content)
        return "t.csv"
    return made, case.rng.choice(["answer", *map(str, made.columns)])
