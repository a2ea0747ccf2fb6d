"""Labels as 0, 1, 2, ..., and the names of the classes."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from nasturtium.errors import TaskError
from nasturtium.task.encoding import is_missing
from nasturtium.task.layout import as_array

__all__ = ["as_labels", "as_values", "class_table"]

Array = NDArray[Any]


def as_values(labels: object, *, part: str, examples: int) -> Array:
    """Return (N,) labels as integers or strings.

    Raises:
        TaskError: if their number differs from ``examples``, or they are no classes.
    """
    array = as_array(_known(labels, part), what=f"{part} labels")
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    if array.ndim != 1:
        raise TaskError(
            f"{part} labels have the shape {array.shape}; expected ({examples},): of one-hot "
            "labels pass labels.argmax(1)"
        )
    if len(array) != examples:
        raise TaskError(
            f"{part} has {examples} inputs but {len(array)} labels; expected one label per input"
        )
    if array.dtype.kind == "f":
        whole = np.isfinite(array) & (array == np.floor(array))
        if not whole.all():
            raise TaskError(
                f"{part} label {array[~whole][0]} (index {np.flatnonzero(~whole)[0]}) is no class; "
                "expected integers or strings (regression is not supported)"
            )
    if array.dtype.kind in "fbiu":
        return array.astype(np.int64)
    if array.dtype.kind in "ST":
        return array.astype(np.str_)
    if array.dtype.kind != "U":
        raise TaskError(f"{part} labels are {array.dtype}; expected integers or strings")
    return array


def class_table(
    values: Array, class_names: Sequence[str] | None
) -> tuple[dict[Hashable, int], tuple[str, ...]]:
    """Return the class of each label that may occur, and the names of the classes.

    Without ``class_names`` the labels that do occur are the classes, in ascending order.

    Raises:
        TaskError: if there are fewer than two classes, or two of one name.
    """
    if class_names is None:
        found = np.unique(values).tolist()
        names = tuple(str(value) for value in found)
        table = {value: number for number, value in enumerate(found)}
    else:
        names = tuple(class_names)
        by_number = values.dtype.kind != "U"
        table = {(k if by_number else name): k for k, name in enumerate(names)}
    if len(set(names)) < len(names):
        raise TaskError(f"class_names={names} names a class twice; expected one name per class")
    if len(names) < 2:
        raise TaskError(f"there is only one class, {names}; expected two or more")
    return table, names


def as_labels(values: Array, table: Mapping[Hashable, int], *, part: str) -> NDArray[np.int64]:
    """Return the class, 0 to C - 1, of each label.

    Raises:
        TaskError: if a label is not in the table.
    """
    found, inverse = np.unique(values, return_inverse=True)
    numbers = [table.get(value, -1) for value in found.tolist()]
    if -1 in numbers:
        stranger = found.tolist()[numbers.index(-1)]
        known = ", ".join(repr(value) for value in list(table)[:10])
        more = f" and {len(table) - 10} more" if len(table) > 10 else ""
        raise TaskError(
            f"{part} has the label {stranger!r}, which is no class; the classes are {known}{more}"
        )
    return np.asarray(numbers, np.int64)[inverse]


def _known(labels: object, part: str) -> object:
    """Return labels as they are, or the strings or numbers among Python objects as an array.

    Raises:
        TaskError: if some are missing.
    """
    if isinstance(labels, torch.Tensor):
        return labels
    try:
        array = np.asarray(labels)
        if array.dtype.kind == "U" and not hasattr(labels, "dtype"):
            array = np.asarray(labels, object)  # NumPy makes the text "nan" of a missing label
    except ValueError:
        return labels
    if array.dtype != object:
        return labels
    gone = [k for k, value in enumerate(array.ravel().tolist()) if is_missing(value)]
    if gone:
        raise TaskError(
            f"{len(gone)} of {array.size} {part} labels are missing, the first at index {gone[0]}; "
            "leave those examples out"
        )
    return np.array(array.tolist())
