"""Make a task from arrays: bring them into one shape, check them, divide them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nasturtium.errors import TaskError
from nasturtium.task.encoding import Encoding
from nasturtium.task.frame import filled
from nasturtium.task.labels import as_labels, as_values, class_table, doubtful
from nasturtium.task.layout import as_inputs, digest, guessed, statistics
from nasturtium.task.split import SplitRecord, TooFew, stratified
from nasturtium.task.storage import Storage
from nasturtium.task.task import Split, Task

__all__ = ["make_task"]


def make_task(
    inputs: object,
    labels: object,
    *,
    name: str,
    valid: tuple[object, object] | None = None,
    test: tuple[object, object] | None = None,
    class_names: Sequence[str] | None = None,
    fractions: tuple[float, float] = (0.2, 0.2),
    seed: int = 0,
    size: int | tuple[int, int] | None = None,
    layout: str | None = None,
    notes: Sequence[str] = (),
    missing: str = "error",
    encoding: Encoding | None = None,
    storage: Storage | None = None,
) -> Task:
    """Make a task from arrays; what is not given is divided off, stratified and seeded.

    Args:
        inputs: (N, H, W), (N, C, H, W) or (N, H, W, C) images, or (N, F) vectors; NumPy or torch;
            with ``layout`` also (N, C, L) or (N, L, C) signals.
        labels: (N,) integers or strings.
        name: what messages and reports call the task.
        valid: validation inputs and labels; else divided off the training examples.
        test: test inputs and labels; else divided off all examples.
        class_names: names in the order of the labels 0, 1, ...; else the labels themselves.
        fractions: (valid, test): the share of all examples that becomes the test set (0 for no
            test set), and the share of what then remains that becomes the validation set.
        seed: seed of the division.
        size: resize the images to this height and width.
        layout: ``"NCHW"``, ``"NHWC"``, ``"NHW"``, ``"NCL"`` or ``"NLC"`` where the shape alone
            does not tell.
        notes: what was done to the data before.
        missing: what becomes of NaN in vectors: ``"error"``, or ``"median"`` of the feature's
            training examples.
        encoding: how vectors came of the columns of a table.
        storage: where large arrays are made; in memory if not given.

    Raises:
        TaskError: if inputs or labels do not fit; the message says how.

    Example:
        >>> import numpy as np
        >>> task = make_task(np.zeros((30, 8, 8), np.uint8), [0, 1, 2] * 10, name="blank")
        >>> task.facts, len(task.train), len(task.valid), len(task.test)
        ({'inputs': (1, 8, 8), 'classes': 3}, 18, 6, 6)
    """
    share_valid, share_test = _checked(fractions)
    if seed < 0:
        raise TaskError(f"seed={seed}; expected 0 or more")
    if missing not in ("error", "median"):
        raise TaskError(f"missing={missing!r}; expected 'error' or 'median'")
    storage = storage or Storage()
    given = {"train": (inputs, labels), "valid": valid, "test": test}
    notes = [*notes, *guessed(inputs, layout)]
    arrays: dict[str, tuple[NDArray[Any], NDArray[Any]]] = {}
    for part, pair in given.items():
        if pair is not None:
            x = as_inputs(
                pair[0],
                part=part,
                layout=layout,
                size=size,
                storage=storage,
                gaps=missing == "median",
            )
            arrays[part] = (x, as_values(pair[1], part=part, examples=len(x)))
    if class_names is None:
        notes += doubtful(arrays["train"][1])
    table, names = class_table(arrays["train"][1], class_names)
    parts = {
        part: Split(x, as_labels(values, table, part=part)) for part, (x, values) in arrays.items()
    }
    _check_alike(parts)
    indices = {part: np.arange(len(split)) for part, split in parts.items()}
    pool = parts["train"].labels
    try:
        if test is None and share_test > 0:
            keep = 2 if valid is None else 1
            indices["test"], indices["train"] = stratified(pool, share_test, seed=seed, keep=keep)
        if valid is None:
            left = indices["train"]
            chosen, rest = stratified(pool[left], share_valid, seed=seed + 1)
            indices["valid"], indices["train"] = left[chosen], left[rest]
    except TooFew as error:
        raise TaskError(
            f"class {names[error.label]!r} has {error.examples} examples; dividing off "
            f"{' and '.join(_missing(given, share_test))} needs {error.needed} or more of each "
            "class: add examples, leave the class out, or pass the splits yourself"
        ) from None
    splits = {
        part: parts[part]
        if part in parts and len(index) == len(parts[part])
        else Split(storage.taken(f"{part}_inputs", parts["train"].inputs, index), pool[index])
        for part, index in indices.items()
    }
    _check_classes(splits, names)
    if missing == "median":
        splits, encoding, filling = filled(splits, encoding, storage)
        notes += filling
    mean, std = statistics(splits["train"].inputs)
    return Task(
        name=name,
        train=splits["train"],
        valid=splits["valid"],
        test=splits.get("test"),
        class_names=names,
        mean=mean,
        std=std,
        split=SplitRecord(
            seed=seed,
            valid=share_valid if valid is None else None,
            test=share_test if test is None else None,
            digests={part: digest([index]) for part, index in indices.items()},
        ),
        split_indices=indices,
        fingerprint=digest(
            (array for split in parts.values() for array in (split.inputs, split.labels)), names
        ),
        notes=tuple(notes),
        encoding=encoding,
    )


def _checked(fractions: tuple[float, float]) -> tuple[float, float]:
    valid, test = fractions
    if not (0 < valid < 1 and 0 <= test < 1):
        raise TaskError(
            f"fractions={fractions}; expected (valid, test) with 0 < valid < 1 and 0 <= test < 1"
        )
    return valid, test


def _missing(given: Mapping[str, object], share_test: float) -> list[str]:
    """Name the splits that have to be divided off."""
    wanted = ("valid", "test") if share_test > 0 else ("valid",)
    return [part for part in wanted if given[part] is None]


def _check_alike(parts: Mapping[str, Split]) -> None:
    train = parts["train"].inputs
    for part, split in parts.items():
        if split.inputs.shape[1:] != train.shape[1:]:
            raise TaskError(
                f"{part} inputs have the shape {split.inputs.shape[1:]} and train inputs "
                f"{train.shape[1:]}; they must be equal: resize images with size=(height, width)"
            )
        if split.inputs.dtype != train.dtype:
            raise TaskError(
                f"{part} inputs are {split.inputs.dtype} and train inputs {train.dtype}; give both "
                "in one type and one scale"
            )


def _check_classes(splits: Mapping[str, Split], names: Sequence[str]) -> None:
    for part, split in splits.items():
        absent = np.flatnonzero(np.bincount(split.labels, minlength=len(names)) == 0)
        if len(absent):
            raise TaskError(
                f"class {names[absent[0]]!r} has no example in {part}; expected at least one of "
                "every class in every split: add some, or leave the class out"
            )
