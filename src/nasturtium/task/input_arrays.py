"""Inputs as arrays of one layout: images (N, C, H, W), signals (N, C, L), vectors (N, F)."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from nasturtium.errors import TaskError
from nasturtium.task.array_storage import ArrayStorage, chunk_slices
from nasturtium.task.wording import option, reason

__all__ = [
    "LAYOUTS",
    "as_array",
    "as_inputs",
    "channel_statistics",
    "describe_guesses",
    "digest_arrays",
    "resize_images",
    "value_range",
]

Array = NDArray[Any]

LAYOUTS = ("NCHW", "NHWC", "NHW", "NCL", "NLC")

_CHANNELS = (1, 3, 4)
_OBLONG = 8  # ratio of sides from which a grey image may be a signal


def as_array(values: object, *, what: str) -> Array:
    """Return a NumPy array of a tensor, an array or nested lists.

    Raises:
        TaskError: the parts of ``values`` differ in shape, or are not numbers or strings.
    """
    try:
        array = _tensor_as_array(values) if isinstance(values, torch.Tensor) else np.asarray(values)
    except (ValueError, TypeError, RuntimeError) as error:
        raise TaskError(
            f"{what} cannot be made into one array ({reason(error)}); expected numbers or "
            "strings; all examples need the same shape"
        ) from error
    if isinstance(values, np.ma.MaskedArray) and np.ma.is_masked(values):
        raise TaskError(f"{what} have masked values; fill them, e.g. with array.filled(numpy.nan)")
    if array.dtype == object:
        hint = "; for a sparse matrix, pass .toarray()" if hasattr(values, "toarray") else ""
        raise TaskError(
            f"{what} hold Python objects; expected an array of numbers or strings{hint}"
        )
    return array


def _tensor_as_array(tensor: torch.Tensor) -> Array:
    tensor = tensor.detach().cpu().resolve_conj().resolve_neg()
    if tensor.layout is not torch.strided:
        raise ValueError(f"a tensor of layout {tensor.layout}: pass tensor.to_dense()")
    if tensor.is_meta:
        raise ValueError("a tensor on the meta device has no values")
    small = tensor.is_floating_point() and tensor.dtype not in (torch.float32, torch.float64)
    array: Array = (tensor.float() if small else tensor).numpy()  # NumPy has no bfloat16
    return array


def as_inputs(
    values: object,
    *,
    part: str = "train",
    layout: str | None = None,
    size: int | tuple[int, int] | None = None,
    storage: ArrayStorage | None = None,
    allow_nan: bool = False,
) -> Array:
    """Return inputs as uint8 or float32, of shape (N, C, H, W), (N, C, L) or (N, F).

    Args:
        values: (N, H, W), (N, C, H, W) or (N, H, W, C) images, (N, F) vectors, or signals.
        part: the split's name, for messages.
        layout: one of ``LAYOUTS`` where the shape is ambiguous; signals are ``"NCL"`` or
            ``"NLC"``.
        size: height and width to resize images to, bilinearly.
        storage: makes a converted array; in memory if not given.
        allow_nan: accept NaN.

    Raises:
        TaskError: the shape is ambiguous or unknown, or a value is NaN or infinite.
    """
    array = as_array(values, what=f"{part} inputs")
    if array.size == 0:
        raise TaskError(f"{part} inputs are empty (shape {array.shape}); expected examples")
    array = _move_channels(array, part, layout)
    dtype = _compact_type(array, part)
    shape = array.shape[1:] if size is None else _resized_shape(array, size, part)
    if array.dtype == dtype and array.shape[1:] == shape and array.flags.c_contiguous:
        _check_finite(array, part, allow_nan)
        return array
    storage = storage or ArrayStorage()
    out = storage.empty(f"{part}_given", (len(array), *shape), dtype)
    check = _FiniteCheck(part, allow_nan)
    for span in chunk_slices(len(array), array.shape[1:]):
        with np.errstate(over="ignore"):  # overflows are reported as infinite
            chunk = array[span].astype(dtype)
        check.add(chunk, span.start)
        out[span] = chunk if chunk.shape[1:] == shape else resize_images(chunk, *shape[1:])
    check.finish()
    return out


def resize_images(images: Array, height: int, width: int) -> Array:
    """Resize (N, C, H, W) images bilinearly with antialiasing; the type is kept."""
    if images.shape[2:] == (height, width):
        return np.ascontiguousarray(images)
    out = np.empty((*images.shape[:2], height, width), images.dtype)
    for span in chunk_slices(len(images), images.shape[1:]):
        batch = torch.from_numpy(images[span].astype(np.float32))
        batch = functional.interpolate(
            batch, (height, width), mode="bilinear", align_corners=False, antialias=True
        )
        if images.dtype == np.uint8:
            batch = batch.round_().clamp_(0, 255)
        out[span] = batch.numpy()
    return out


def digest_arrays(arrays: Iterable[Array], words: Iterable[str] = ()) -> str:
    """Return the SHA-256 of arrays (type, shape and values) and words, in hexadecimal."""
    state = hashlib.sha256()
    for word in words:
        state.update(f"{len(word)}:{word}".encode("utf-8", "backslashreplace"))
    for array in arrays:
        little = np.ascontiguousarray(array.astype(array.dtype.newbyteorder("<"), copy=False))
        state.update(f"{little.dtype.str}{little.shape}".encode())
        state.update(little.data)
    return state.hexdigest()


def channel_statistics(inputs: Array) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return mean and standard deviation of each channel (axis 1); 1 instead of a deviation of 0.

    Two passes keep a small deviation exact beside a large mean.
    """
    axes = (0, *range(2, inputs.ndim))
    count = inputs.size // inputs.shape[1]
    chunks = list(chunk_slices(len(inputs), inputs.shape[1:]))
    mean = sum(inputs[at].sum(axes, dtype=np.float64) for at in chunks) / count
    centre = mean.astype(np.float32).reshape(1, -1, *(1,) * (inputs.ndim - 2))
    squares = np.zeros(inputs.shape[1])
    for at in chunks:
        squares += np.square(inputs[at] - centre).sum(axes, dtype=np.float64)
    std = np.sqrt(squares / count)
    std[std < 1e-12] = 1.0
    return tuple(mean.tolist()), tuple(std.tolist())


def _move_channels(array: Array, part: str, layout: str | None) -> Array:
    """Return an array with its channels at axis 1."""
    if layout is not None and layout not in LAYOUTS:
        raise TaskError(f"layout={layout!r}; expected one of {', '.join(map(repr, LAYOUTS))}")
    if array.ndim not in (2, 3, 4):
        raise TaskError(
            f"{part} inputs have the shape {array.shape}; expected (N, H, W), (N, C, H, W) or "
            "(N, H, W, C) images, or (N, F) vectors"
        )
    if layout is not None and len(layout) != array.ndim:
        raise TaskError(f"{part} inputs of the shape {array.shape} do not fit layout={layout!r}")
    if array.ndim == 2:
        return array
    if array.ndim == 3:
        if layout in (None, "NHW"):
            return array[:, np.newaxis]
        return array if layout == "NCL" else array.transpose(0, 2, 1)
    if layout is None:
        first, last = array.shape[1] in _CHANNELS, array.shape[3] in _CHANNELS
        if first == last:
            advice = option("layout='NCHW'")
            raise TaskError(
                f"{part} inputs of the shape {array.shape} may be (N, C, H, W) or (N, H, W, C); "
                f"pass {advice}, or 'NHWC' likewise"
            )
        layout = "NCHW" if first else "NHWC"
    return array if layout == "NCHW" else array.transpose(0, 3, 1, 2)


def describe_guesses(values: object, layout: str | None) -> list[str]:
    """Return a note on how inputs are interpreted, where their shape or type is ambiguous."""
    shape = tuple(getattr(values, "shape", ()))
    if layout is None and len(shape) == 3 and max(shape[1:]) >= _OBLONG * min(shape[1:]) > 0:
        advice = option("layout='NCL'")
        return [
            f"inputs of the shape {shape} are treated as grey images of {shape[1]} x {shape[2]}, "
            f"with one channel added; for signals, pass {advice}, or 'NLC' likewise, and a "
            "user-defined space"
        ]
    integers = isinstance(values, np.ndarray) and values.dtype.kind in "iu"
    if isinstance(values, torch.Tensor) and values.layout is torch.strided:
        integers = values.dtype in (torch.int16, torch.int32, torch.int64) and not values.is_meta
    if not integers or len(shape) != 2 or 0 in shape:
        return []
    low, high = (int(value) for value in (values.min(), values.max()))  # type: ignore[attr-defined]
    if low < 0 or high <= 255:
        return []
    return [
        f"inputs are whole numbers from {low} to {high}: treated as quantities (float32), not as "
        "tokens or categories (for categories, pass a pandas frame)"
    ]


def value_range(inputs: Array) -> tuple[float, float]:
    """Return the least and the greatest value of inputs."""
    parts = [inputs[at] for at in chunk_slices(len(inputs), inputs.shape[1:])]
    return min(float(part.min()) for part in parts), max(float(part.max()) for part in parts)


def _compact_type(array: Array, part: str) -> np.dtype[Any]:
    """Return uint8 for integers from 0 to 255, float32 for other numbers."""
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
        raise TaskError(f"size={size} was given, but {part} inputs are not images")
    height, width = (size, size) if isinstance(size, int) else size
    if height < 1 or width < 1:
        raise TaskError(f"size={size} was given; expected a height and width of 1 or more")
    return array.shape[1], height, width


class _FiniteCheck:
    """A count of the values that are NaN or infinite, chunk by chunk.

    Args:
        part: the split's name, for messages.
        allow_nan: accept NaN.
    """

    def __init__(self, part: str, allow_nan: bool) -> None:
        self.part = part
        self.allow_nan = allow_nan
        self.count = 0
        self.first = -1

    def add(self, chunk: Array, start: int) -> None:
        """Count the values of a chunk whose first example has the index ``start``."""
        if chunk.dtype != np.float32:
            return
        bad = np.isinf(chunk) if self.allow_nan else ~np.isfinite(chunk)
        if not bad.any():
            return
        if self.first < 0:
            self.first = start + int(np.flatnonzero(bad.reshape(len(chunk), -1).any(1))[0])
        self.count += int(bad.sum())

    def finish(self) -> None:
        """Raise a ``TaskError`` if any value was NaN or infinite."""
        if not self.count:
            return
        raise TaskError(
            f"{self.part} inputs hold {self.count} values that are "
            f"{'' if self.allow_nan else 'NaN or '}infinite, the first in example {self.first}; "
            "remove or replace them"
        )


def _check_finite(array: Array, part: str, allow_nan: bool) -> None:
    check = _FiniteCheck(part, allow_nan)
    for span in chunk_slices(len(array), array.shape[1:]):
        check.add(array[span], span.start)
    check.finish()
