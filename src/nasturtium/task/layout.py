"""Arrays in one shape: images as (N, C, H, W), vectors as (N, F), labels as 0, 1, 2, ..."""

from __future__ import annotations

import hashlib
from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from nasturtium.errors import TaskError

__all__ = [
    "as_array",
    "as_inputs",
    "as_labels",
    "as_values",
    "class_table",
    "digest",
    "resized",
    "statistics",
]

Array = NDArray[Any]

_CHANNELS = (1, 3, 4)
_CHUNK = 4096  # examples at a time, so that no pass over the data needs much memory


def as_array(values: object, *, what: str) -> Array:
    """Return a NumPy array of a tensor, an array or nested lists.

    Raises:
        TaskError: if the parts of ``values`` differ in shape, or are no numbers or strings.
    """
    if isinstance(values, torch.Tensor):
        values = values.detach().cpu().numpy()
    try:
        array = np.asarray(values)
    except ValueError as error:
        raise TaskError(
            f"{what} cannot be made into one array ({error}); all examples need the same shape"
        ) from error
    if array.dtype == object:
        raise TaskError(f"{what} hold Python objects; expected an array of numbers or strings")
    return array


def as_inputs(
    values: object,
    *,
    part: str = "train",
    layout: str | None = None,
    size: int | tuple[int, int] | None = None,
) -> Array:
    """Return inputs as uint8 or float32, of shape (N, C, H, W) or (N, F).

    Args:
        values: (N, H, W), (N, C, H, W) or (N, H, W, C) images, or (N, F) vectors.
        part: the split's name, for messages.
        layout: ``"NCHW"`` or ``"NHWC"`` where the shape does not tell.
        size: height and width to resize images to, bilinearly.

    Raises:
        TaskError: if the shape is ambiguous or unknown, or a value is NaN or infinite.
    """
    array = as_array(values, what=f"{part} inputs")
    if array.size == 0:
        raise TaskError(f"{part} inputs are empty (shape {array.shape}); expected examples")
    array = _compact(_in_order(array, part, layout), part)
    _check_finite(array, part)
    if size is None:
        return np.ascontiguousarray(array)
    if array.ndim != 4:
        raise TaskError(f"size={size} was given, but {part} inputs are vectors, not images")
    height, width = (size, size) if isinstance(size, int) else size
    if height < 1 or width < 1:
        raise TaskError(f"size={size} was given; expected a height and width of 1 or more")
    return resized(array, height, width)


def resized(images: Array, height: int, width: int) -> Array:
    """Resize (N, C, H, W) images bilinearly with antialiasing; the type is kept."""
    if images.shape[2:] == (height, width):
        return np.ascontiguousarray(images)
    out = np.empty((*images.shape[:2], height, width), images.dtype)
    for start in range(0, len(images), _CHUNK):
        batch = torch.from_numpy(images[start : start + _CHUNK].astype(np.float32))
        batch = functional.interpolate(
            batch, (height, width), mode="bilinear", align_corners=False, antialias=True
        )
        if images.dtype == np.uint8:
            batch = batch.round_().clamp_(0, 255)
        out[start : start + _CHUNK] = batch.numpy()
    return out


def as_values(labels: object, *, part: str, examples: int) -> Array:
    """Return (N,) labels as integers or strings.

    Raises:
        TaskError: if their number differs from ``examples``, or they are no classes.
    """
    array = as_array(labels, what=f"{part} labels")
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
    if array.dtype.kind == "S":
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


def digest(arrays: Iterable[Array], words: Iterable[str] = ()) -> str:
    """Return the SHA-256 of arrays (type, shape and values) and words, in hexadecimal."""
    state = hashlib.sha256()
    for word in words:
        state.update(f"{len(word)}:{word}".encode())
    for array in arrays:
        little = np.ascontiguousarray(array.astype(array.dtype.newbyteorder("<"), copy=False))
        state.update(f"{little.dtype.str}{little.shape}".encode())
        state.update(little.data)
    return state.hexdigest()


def statistics(inputs: Array) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return mean and standard deviation of each channel (axis 1); 1 instead of a deviation of 0.

    Two passes, so that a large mean does not drown a small deviation.
    """
    axes = (0, *range(2, inputs.ndim))
    count = inputs.size // inputs.shape[1]
    chunks = range(0, len(inputs), _CHUNK)
    mean = sum(inputs[at : at + _CHUNK].sum(axes, dtype=np.float64) for at in chunks) / count
    centre = mean.astype(np.float32).reshape(1, -1, *(1,) * (inputs.ndim - 2))
    squares = np.zeros(inputs.shape[1])
    for at in chunks:
        squares += np.square(inputs[at : at + _CHUNK] - centre).sum(axes, dtype=np.float64)
    std = np.sqrt(squares / count)
    std[std < 1e-12] = 1.0
    return tuple(mean.tolist()), tuple(std.tolist())


def _in_order(array: Array, part: str, layout: str | None) -> Array:
    """Bring the channels to axis 1."""
    if layout not in (None, "NCHW", "NHWC"):
        raise TaskError(f"layout={layout!r}; expected 'NCHW' or 'NHWC'")
    if array.ndim == 2:
        return array
    if array.ndim == 3:
        return array[:, np.newaxis]
    if array.ndim != 4:
        raise TaskError(
            f"{part} inputs have the shape {array.shape}; expected (N, H, W), (N, C, H, W) or "
            "(N, H, W, C) images, or (N, F) vectors"
        )
    if layout is None:
        first, last = array.shape[1] in _CHANNELS, array.shape[3] in _CHANNELS
        if first == last:
            raise TaskError(
                f"{part} inputs of the shape {array.shape} may be (N, C, H, W) or (N, H, W, C); "
                "pass layout='NCHW' or layout='NHWC'"
            )
        layout = "NCHW" if first else "NHWC"
    return array if layout == "NCHW" else array.transpose(0, 3, 1, 2)


def _compact(array: Array, part: str) -> Array:
    """Keep uint8 and float32; small integers become uint8, other numbers float32."""
    if array.dtype == np.uint8 or array.dtype == np.float32:
        return array
    if array.dtype.kind == "b":
        return array.astype(np.uint8)
    if array.dtype.kind in "iu":
        fits = array.min() >= 0 and array.max() <= 255
        return array.astype(np.uint8 if fits else np.float32)
    if array.dtype.kind == "f":
        with np.errstate(over="ignore"):  # what overflows is reported as infinite
            return array.astype(np.float32)
    raise TaskError(f"{part} inputs are {array.dtype}; expected numbers")


def _check_finite(array: Array, part: str) -> None:
    if array.dtype != np.float32:
        return
    count, first = 0, -1
    for start in range(0, len(array), _CHUNK):
        chunk = array[start : start + _CHUNK]
        bad = ~np.isfinite(chunk)
        if not bad.any():
            continue
        if first < 0:
            first = start + int(np.flatnonzero(bad.reshape(len(chunk), -1).any(1))[0])
        count += int(bad.sum())
    if count:
        raise TaskError(
            f"{part} inputs hold {count} values that are NaN or infinite, the first in example "
            f"{first}; remove or replace them"
        )
