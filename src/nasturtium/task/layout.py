"""Inputs in one shape: images as (N, C, H, W), vectors as (N, F), uint8 or float32."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from nasturtium.errors import TaskError
from nasturtium.task.storage import Storage, spans

__all__ = [
    "as_array",
    "as_inputs",
    "digest",
    "resized",
    "statistics",
]

Array = NDArray[Any]

_CHANNELS = (1, 3, 4)


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
    storage: Storage | None = None,
    gaps: bool = False,
) -> Array:
    """Return inputs as uint8 or float32, of shape (N, C, H, W) or (N, F).

    Args:
        values: (N, H, W), (N, C, H, W) or (N, H, W, C) images, or (N, F) vectors.
        part: the split's name, for messages.
        layout: ``"NCHW"`` or ``"NHWC"`` where the shape does not tell.
        size: height and width to resize images to, bilinearly.
        storage: where a converted array is made; in memory if not given.
        gaps: let NaN pass.

    Raises:
        TaskError: if the shape is ambiguous or unknown, or a value is NaN or infinite.
    """
    array = as_array(values, what=f"{part} inputs")
    if array.size == 0:
        raise TaskError(f"{part} inputs are empty (shape {array.shape}); expected examples")
    array = _in_order(array, part, layout)
    dtype = _compact_type(array, part)
    shape = array.shape[1:] if size is None else _resized_shape(array, size, part)
    if array.dtype == dtype and array.shape[1:] == shape and array.flags.c_contiguous:
        _check_finite(array, part, gaps)
        return array
    storage = storage or Storage()
    out = storage.empty(f"{part}_given", (len(array), *shape), dtype)
    check = _Finite(part, gaps)
    for span in spans(len(array), array.shape[1:]):
        with np.errstate(over="ignore"):  # what overflows is reported as infinite
            chunk = array[span].astype(dtype)
        check.look(chunk, span.start)
        out[span] = chunk if chunk.shape[1:] == shape else resized(chunk, *shape[1:])
    check.done()
    return out


def resized(images: Array, height: int, width: int) -> Array:
    """Resize (N, C, H, W) images bilinearly with antialiasing; the type is kept."""
    if images.shape[2:] == (height, width):
        return np.ascontiguousarray(images)
    out = np.empty((*images.shape[:2], height, width), images.dtype)
    for span in spans(len(images), images.shape[1:]):
        batch = torch.from_numpy(images[span].astype(np.float32))
        batch = functional.interpolate(
            batch, (height, width), mode="bilinear", align_corners=False, antialias=True
        )
        if images.dtype == np.uint8:
            batch = batch.round_().clamp_(0, 255)
        out[span] = batch.numpy()
    return out


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
    chunks = list(spans(len(inputs), inputs.shape[1:]))
    mean = sum(inputs[at].sum(axes, dtype=np.float64) for at in chunks) / count
    centre = mean.astype(np.float32).reshape(1, -1, *(1,) * (inputs.ndim - 2))
    squares = np.zeros(inputs.shape[1])
    for at in chunks:
        squares += np.square(inputs[at] - centre).sum(axes, dtype=np.float64)
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


def _compact_type(array: Array, part: str) -> np.dtype[Any]:
    """Keep uint8 and float32; small integers become uint8, other numbers float32."""
    if array.dtype == np.uint8 or array.dtype.kind == "b":
        return np.dtype(np.uint8)
    if array.dtype.kind in "iu":
        fits = array.min() >= 0 and array.max() <= 255
        return np.dtype(np.uint8 if fits else np.float32)
    if array.dtype.kind == "f":
        return np.dtype(np.float32)
    raise TaskError(f"{part} inputs are {array.dtype}; expected numbers")


def _resized_shape(array: Array, size: int | tuple[int, int], part: str) -> tuple[int, int, int]:
    if array.ndim != 4:
        raise TaskError(f"size={size} was given, but {part} inputs are vectors, not images")
    height, width = (size, size) if isinstance(size, int) else size
    if height < 1 or width < 1:
        raise TaskError(f"size={size} was given; expected a height and width of 1 or more")
    return array.shape[1], height, width


class _Finite:
    """Counts the values that are NaN or infinite, chunk by chunk.

    Args:
        part: the split's name, for messages.
        gaps: let NaN pass.
    """

    def __init__(self, part: str, gaps: bool) -> None:
        self.part = part
        self.gaps = gaps
        self.count = 0
        self.first = -1

    def look(self, chunk: Array, start: int) -> None:
        """Count in a chunk, whose first example has the index ``start``."""
        if chunk.dtype != np.float32:
            return
        bad = np.isinf(chunk) if self.gaps else ~np.isfinite(chunk)
        if not bad.any():
            return
        if self.first < 0:
            self.first = start + int(np.flatnonzero(bad.reshape(len(chunk), -1).any(1))[0])
        self.count += int(bad.sum())

    def done(self) -> None:
        """Raise a ``TaskError`` if there were any."""
        if not self.count:
            return
        raise TaskError(
            f"{self.part} inputs hold {self.count} values that are "
            f"{'' if self.gaps else 'NaN or '}infinite, the first in example {self.first}; remove "
            "or replace them"
        )


def _check_finite(array: Array, part: str, gaps: bool) -> None:
    check = _Finite(part, gaps)
    for span in spans(len(array), array.shape[1:]):
        check.look(array[span], span.start)
    check.done()
