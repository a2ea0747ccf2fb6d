"""Labels as 0, 1, 2, ..., and the names of the classes."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from nasturtium.display.printable import escape_unprintable
from nasturtium.errors import TaskError
from nasturtium.task.encoding import is_missing
from nasturtium.task.layout import as_array

__all__ = ["as_labels", "as_values", "class_table", "doubtful"]

Array = NDArray[Any]

_ONE = "this version classifies images and tables, one class for each example"
_MANY = 20  # classes named by numbers up to which nobody doubts that they are classes
_FEW = 5  # examples of a class below which many such classes look like quantities


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
                f"{part} label {array[~whole][0]} (index {np.flatnonzero(~whole)[0]}) is no class; "
                f"expected integers or strings (regression is not supported yet: {_ONE})"
            )
    if array.dtype.kind in "fbiu":
        return array.astype(np.int64)
    if array.dtype.kind in "ST":
        return array.astype(np.str_)
    if array.dtype.kind != "U":
        raise TaskError(f"{part} labels are {array.dtype}; expected integers or strings")
    return array


def _advice(array: Array) -> str:
    """Say what labels of more than one axis are, and what to do."""
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


def doubtful(values: Array) -> list[str]:
    """Say that whole numbers are taken as classes, where they may be quantities.

    Raises:
        TaskError: if there are many different ones with few examples each.
    """
    if values.dtype.kind not in "iu" or not len(values):
        return []
    found, sizes = np.unique(values, return_counts=True)
    if len(found) <= _MANY:
        return []
    span = f"{len(found):,} different whole numbers, {found[0]} to {found[-1]}"
    if np.median(sizes) < _FEW:
        raise TaskError(
            f"train labels are {span}, for {len(values):,} examples; quantities (regression) are "
            f"not supported yet: {_ONE}; if they are classes, pass them as text, e.g. "
            "labels.astype(str)"
        )
    if found[0] in (0, 1) and found[-1] - found[0] + 1 == len(found):
        return []
    return [f"labels are {span}: each is taken as a class of its own, not as a quantity"]


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
        names = tuple(escape_unprintable(str(value)) for value in found)
        table = {value: number for number, value in enumerate(found)}
    else:
        by_number = values.dtype.kind != "U"
        table = {(k if by_number else name): k for k, name in enumerate(class_names)}
        names = tuple(map(escape_unprintable, class_names))
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
    try:
        return np.array(array.tolist())
    except (ValueError, OverflowError):  # lists of several lengths among them
        return array
