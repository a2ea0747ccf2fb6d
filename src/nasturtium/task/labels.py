"""Labels as 0, 1, 2, ..., and the names of the classes."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from nasturtium.display.printable import escape_unprintable
from nasturtium.errors import TaskError
from nasturtium.task.input_arrays import as_array
from nasturtium.task.table_encoding import is_missing

__all__ = ["check_quantities", "encode_labels", "normalize_labels", "number_classes"]

Array = NDArray[Any]

_ONE = "this version classifies images and tables, one class for each example"
_MANY = 20  # different numbers; up to so many are classes without doubt
_FEW = 5  # examples of a class; with fewer, many such classes are probably quantities


def normalize_labels(labels: object, *, part: str, examples: int) -> Array:
    """Return (N,) labels as integers or strings.

    Raises:
        TaskError: their number differs from ``examples``, or they are not classes.
    """
    array = as_array(_unwrap_objects(labels, part), what=f"{part} labels")
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    if array.ndim != 1:
        raise TaskError(
            f"{part} labels have the shape {array.shape}; expected ({examples},): {_advice(array)}"
        )
    if len(array) != examples:
        raise TaskError(
            f"{part} has {examples} inputs but {len(array)} labels; expected one label per input"
        )
    if array.dtype.kind == "f":
        whole = np.isfinite(array) & (array == np.floor(array))
        if not whole.all():
            raise TaskError(
                f"{part} label {array[~whole][0]} (index {np.flatnonzero(~whole)[0]}) is not a "
                f"class; expected integers or strings (regression is not supported yet: {_ONE})"
            )
    if array.dtype.kind in "fbiu":
        return array.astype(np.int64)
    if array.dtype.kind in "ST":
        return array.astype(np.str_)
    if array.dtype.kind != "U":
        raise TaskError(f"{part} labels are {array.dtype}; expected integers or strings")
    return array


def _advice(array: Array) -> str:
    """Return the probable meaning of labels with several axes, and advice."""
    if array.ndim > 2:
        return f"one map of labels an example is segmentation, which is not supported yet: {_ONE}"
    if array.ndim == 0 or 0 in array.shape:
        return "one label for each input"
    if array.dtype.kind not in "fbiu":
        return f"several labels an example are not supported yet: {_ONE}"
    sums = array.sum(1, dtype=np.float64)
    if np.isin(array, (0, 1)).all():
        if (sums == 1).all():
            return "these are one-hot, so pass labels.argmax(1)"
        return f"several classes an example (multi-label) are not supported yet: {_ONE}"
    if (array >= 0).all() and np.allclose(sums, 1, atol=1e-3):
        return (
            "probabilities of classes are not supported yet; labels.argmax(1) takes the likeliest "
            "class of each example"
        )
    kind = "targets (regression)" if array.dtype.kind == "f" else "labels"
    return f"several {kind} an example are not supported yet: {_ONE}"


def check_quantities(values: Array) -> list[str]:
    """Return a note where whole numbers are treated as classes but may be quantities.

    Raises:
        TaskError: there are many different numbers with few examples each.
    """
    if values.dtype.kind not in "iu" or not len(values):
        return []
    numbers, sizes = np.unique(values, return_counts=True)
    if len(numbers) <= _MANY:
        return []
    span = f"{len(numbers):,} different whole numbers, {numbers[0]} to {numbers[-1]}"
    if np.median(sizes) < _FEW:
        raise TaskError(
            f"train labels are {span}, for {len(values):,} examples; quantities (regression) are "
            f"not supported yet: {_ONE}; if they are classes, pass them as text, e.g. "
            "labels.astype(str)"
        )
    if numbers[0] in (0, 1) and numbers[-1] - numbers[0] + 1 == len(numbers):
        return []
    return [f"labels are {span}: each is treated as a class, not as a quantity"]


def number_classes(
    values: Array, class_names: Sequence[str] | None
) -> tuple[dict[Hashable, int], tuple[str, ...]]:
    """Return the class of each possible label, and the names of the classes.

    Without ``class_names``, the labels that occur are the classes, in ascending order.

    Raises:
        TaskError: there are fewer than two classes, or two of one name.
    """
    if class_names is None:
        distinct = np.unique(values).tolist()
        names = tuple(escape_unprintable(str(value)) for value in distinct)
        table = {value: number for number, value in enumerate(distinct)}
    else:
        by_number = values.dtype.kind != "U"
        table = {(k if by_number else name): k for k, name in enumerate(class_names)}
        names = tuple(map(escape_unprintable, class_names))
    if len(set(names)) < len(names):
        raise TaskError(f"class_names={names} names a class twice; expected one name per class")
    if len(names) < 2:
        raise TaskError(f"there is only one class, {names}; expected two or more")
    return table, names


def encode_labels(values: Array, table: Mapping[Hashable, int], *, part: str) -> NDArray[np.int64]:
    """Return the class, 0 to C - 1, of each label.

    Raises:
        TaskError: a label is not in the table.
    """
    distinct, inverse = np.unique(values, return_inverse=True)
    numbers = [table.get(value, -1) for value in distinct.tolist()]
    if -1 in numbers:
        unknown = distinct.tolist()[numbers.index(-1)]
        known = ", ".join(repr(value) for value in list(table)[:10])
        more = f" and {len(table) - 10} more" if len(table) > 10 else ""
        raise TaskError(
            f"{part} has the label {unknown!r}, which is not a class; the classes are {known}{more}"
        )
    return np.asarray(numbers, np.int64)[inverse]


def _unwrap_objects(labels: object, part: str) -> object:
    """Return labels as they are, or Python objects as an array of strings or numbers.

    Raises:
        TaskError: some labels are missing.
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
    missing = [k for k, value in enumerate(array.ravel().tolist()) if is_missing(value)]
    if missing:
        raise TaskError(
            f"{len(missing)} of {array.size} {part} labels are missing, the first at index "
            f"{missing[0]}; leave those examples out"
        )
    try:
        return np.array(array.tolist())
    except (ValueError, OverflowError):  # lists of several lengths among them
        return array
