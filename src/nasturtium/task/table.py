"""Tables with named columns: their labels, and missing values."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import Any

import numpy as np

from nasturtium.errors import TaskError
from nasturtium.task.array_storage import ArrayStorage, chunk_slices
from nasturtium.task.table_encoding import Encoding
from nasturtium.task.task import Split

__all__ = ["fill_missing", "is_table", "separate_labels"]


def is_table(value: object) -> bool:
    """Return whether a value is a table with named columns, as a pandas frame is."""
    return not isinstance(value, type) and all(
        hasattr(value, name) for name in ("columns", "dtypes", "to_numpy")
    )


def separate_labels(frame: Any, labels: Any, *, part: str) -> tuple[Any, Any]:
    """Return the features of a table and the labels, which may be the name of a column.

    Raises:
        TaskError: there is no such column, or the labels have another index.
    """
    if isinstance(labels, str):
        names = [str(name) for name in frame.columns]
        if labels not in names:
            near = difflib.get_close_matches(labels, names, 1)
            hint = f"did you mean {near[0]!r}? " if near else ""
            raise TaskError(
                f"the {part} table has no column {labels!r} for the labels; {hint}it has "
                f"{', '.join(names)}"
            )
        if names.count(labels) > 1:
            raise TaskError(f"the {part} table has the column {labels!r} twice; rename one")
        keys = [key for key in frame.columns if str(key) != labels]
        target = next(key for key in frame.columns if str(key) == labels)
        return frame[keys], np.asarray(frame[target])
    if hasattr(labels, "to_numpy"):
        rows, theirs = getattr(frame, "index", None), getattr(labels, "index", None)
        if rows is not None and theirs is not None and not rows.equals(theirs):
            raise TaskError(
                f"the {part} labels have another index than the table; pass "
                "labels.loc[frame.index], or labels.to_numpy() if they are in its order"
            )
        return frame, np.asarray(labels)
    return frame, labels


def fill_missing(
    splits: Mapping[str, Split], encoding: Encoding | None, storage: ArrayStorage
) -> tuple[dict[str, Split], Encoding | None, list[str]]:
    """Replace NaN by the median of the feature's training examples.

    Returns:
        The splits, the encoding with its medians, and notes.

    Raises:
        TaskError: the inputs are images, or a feature has no value in any training example.
    """
    train = splits["train"].inputs
    if train.ndim != 2:
        raise TaskError("missing='median' is for tables and vectors, but the inputs are images")
    known = ~np.isnan(train).all(0) if train.dtype.kind == "f" else np.ones(train.shape[1], bool)
    if not known.all():
        number = int(np.flatnonzero(~known)[0])
        name = number if encoding is None else repr(encoding.names[number])
        raise TaskError(f"feature {name} has no value in any training example; leave it out")
    medians = np.array([np.nanmedian(column) for column in train.T], np.float32)
    out, notes = {}, []
    for part, split in splits.items():
        inputs, count = split.inputs, 0
        if inputs.dtype.kind == "f" and np.isnan(inputs).any():
            inputs = storage.empty(f"{part}_filled", split.inputs.shape, split.inputs.dtype)
            for span in chunk_slices(len(inputs), inputs.shape[1:]):
                missing = np.isnan(split.inputs[span])
                inputs[span] = np.where(missing, medians, split.inputs[span])
                count += int(missing.sum())
            notes.append(f"{count} missing {part} values replaced by medians of train")
        out[part] = Split(inputs, split.labels)
    if encoding is not None:
        encoding = encoding.with_medians(medians.tolist())
    return out, encoding, notes
