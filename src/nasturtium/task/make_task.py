"""Making a task of arrays: convert them, check them, divide them into splits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nasturtium.errors import TaskError
from nasturtium.task.array_storage import ArrayStorage
from nasturtium.task.input_arrays import (
    as_inputs,
    channel_statistics,
    describe_guesses,
    digest_arrays,
)
from nasturtium.task.labels import check_quantities, encode_labels, normalize_labels, number_classes
from nasturtium.task.split import Indices, SplitRecord, TooFewExamples, split_stratified
from nasturtium.task.table import fill_missing
from nasturtium.task.table_encoding import Encoding
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
    storage: ArrayStorage | None = None,
) -> Task:
    """Make a task of arrays; absent splits are divided off, stratified and seeded.

    Args:
        inputs: (N, H, W), (N, C, H, W) or (N, H, W, C) images, or (N, F) vectors; NumPy or torch;
            with ``layout`` also (N, C, L) or (N, L, C) signals.
        labels: (N,) integers or strings.
        name: what messages and reports call the task.
        valid: validation inputs and labels; divided off the training examples if not given.
        test: test inputs and labels; divided off all examples if not given.
        class_names: names in the order of the labels 0, 1, ...; the labels if not given.
        fractions: (valid, test): the share of all examples for the test set (0 for no test set),
            and the share of the remaining examples for the validation set.
        seed: seed of the division.
        size: resize the images to this height and width.
        layout: ``"NCHW"``, ``"NHWC"``, ``"NHW"``, ``"NCL"`` or ``"NLC"`` where the shape is
            ambiguous.
        notes: changes made to the data before.
        missing: treatment of NaN in vectors: ``"error"``, or ``"median"`` to replace it by the
            median of the feature's training examples.
        encoding: the encoding that made vectors of the columns of a table.
        storage: makes large arrays; in memory if not given.

    Raises:
        TaskError: inputs or labels are not usable; the message says why.

    Example:
        >>> import numpy as np
        >>> task = make_task(np.zeros((30, 8, 8), np.uint8), [0, 1, 2] * 10, name="blank")
        >>> task.data_shapes, len(task.train), len(task.valid), len(task.test)
        ({'inputs': (1, 8, 8), 'classes': 3}, 18, 6, 6)
    """
    shares = _check_options(fractions, seed, missing)
    storage = storage or ArrayStorage()
    notes = [*notes, *describe_guesses(inputs, layout)]
    parts = {"train": (inputs, labels), "valid": valid, "test": test}
    arrays = _convert(parts, layout, size, storage, allow_nan=missing == "median")
    if class_names is None:
        notes += check_quantities(arrays["train"][1])
    table, names = number_classes(arrays["train"][1], class_names)
    given = {
        part: Split(x, encode_labels(values, table, part=part))
        for part, (x, values) in arrays.items()
    }
    _check_alike(given)
    indices = _divide(given, names, shares, seed)
    splits = _take_splits(given, indices, storage)
    _check_classes(splits, names)
    if missing == "median":
        splits, encoding, filled = fill_missing(splits, encoding, storage)
        notes += filled
    mean, std = channel_statistics(splits["train"].inputs)
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
            valid=shares[0] if valid is None else None,
            test=shares[1] if test is None else None,
            digests={part: digest_arrays([index]) for part, index in indices.items()},
        ),
        split_indices=indices,
        fingerprint=digest_arrays(
            (array for split in given.values() for array in (split.inputs, split.labels)), names
        ),
        notes=tuple(notes),
        encoding=encoding,
    )


def _check_options(fractions: tuple[float, float], seed: int, missing: str) -> tuple[float, float]:
    """Check the options that no data are needed for; return the fractions (valid, test)."""
    valid, test = fractions
    if not (0 < valid < 1 and 0 <= test < 1):
        raise TaskError(
            f"fractions={fractions}; expected (valid, test) with 0 < valid < 1 and 0 <= test < 1"
        )
    if seed < 0:
        raise TaskError(f"seed={seed}; expected 0 or more")
    if missing not in ("error", "median"):
        raise TaskError(f"missing={missing!r}; expected 'error' or 'median'")
    return valid, test


def _convert(
    parts: Mapping[str, tuple[object, object] | None],
    layout: str | None,
    size: int | tuple[int, int] | None,
    storage: ArrayStorage,
    *,
    allow_nan: bool,
) -> dict[str, tuple[NDArray[Any], NDArray[Any]]]:
    """Return the inputs and labels of each given split as arrays."""
    arrays = {}
    for part, pair in parts.items():
        if pair is not None:
            x = as_inputs(
                pair[0], part=part, layout=layout, size=size, storage=storage, allow_nan=allow_nan
            )
            arrays[part] = (x, normalize_labels(pair[1], part=part, examples=len(x)))
    return arrays


def _divide(
    given: Mapping[str, Split], names: Sequence[str], shares: tuple[float, float], seed: int
) -> dict[str, Indices]:
    """Return the positions of each split's examples; divide absent splits off the training ones.

    Raises:
        TaskError: a class has too few examples.
    """
    share_valid, share_test = shares
    indices = {part: np.arange(len(split)) for part, split in given.items()}
    labels = given["train"].labels
    try:
        if "test" not in given and share_test > 0:
            keep = 2 if "valid" not in given else 1
            indices["test"], indices["train"] = split_stratified(
                labels, share_test, seed=seed, keep=keep
            )
        if "valid" not in given:
            left = indices["train"]
            chosen, rest = split_stratified(labels[left], share_valid, seed=seed + 1)
            indices["valid"], indices["train"] = left[chosen], left[rest]
    except TooFewExamples as error:
        raise TaskError(
            f"class {names[error.label]!r} has {error.examples} examples; dividing off "
            f"{' and '.join(_absent(given, share_test))} needs {error.needed} or more of each "
            "class: add examples, leave the class out, or pass the splits yourself"
        ) from None
    return indices


def _take_splits(
    given: Mapping[str, Split], indices: Mapping[str, Indices], storage: ArrayStorage
) -> dict[str, Split]:
    """Return the splits at their positions; those that were given whole stay as they are."""
    source = given["train"]
    return {
        part: given[part]
        if part in given and len(index) == len(given[part])
        else Split(storage.take_rows(f"{part}_inputs", source.inputs, index), source.labels[index])
        for part, index in indices.items()
    }


def _absent(given: Mapping[str, Split], share_test: float) -> list[str]:
    """Return the names of the splits that have to be divided off."""
    wanted = ("valid", "test") if share_test > 0 else ("valid",)
    return [part for part in wanted if part not in given]


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
