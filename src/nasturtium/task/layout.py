"""Inputs in one shape: images (N, C, H, W), signals (N, C, L), vectors (N, F)."""

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
from nasturtium.task.wording import option, reason

__all__ = [
    "LAYOUTS",
    "as_array",
    "as_inputs",
    "digest",
    "guessed",
    "resized",
    "statistics",
    "value_range",
]

Array = NDArray[Any]

LAYOUTS = ("NCHW", "NHWC", "NHW", "NCL", "NLC")

_CHANNELS = (1, 3, 4)
_OBLONG = 8  # from this ratio of sides on, a grey image may as well be a signal


def as_array(values: object, *, what: str) -> Array:
    """Return a NumPy array of a tensor, an array or nested lists.

    Raises:
        TaskError: if the parts of ``values`` differ in shape, or are no numbers or strings.
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
        hint = "; of a sparse matrix pass .toarray()" if hasattr(values, "toarray") else ""
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
    storage: Storage | None = None,
    gaps: bool = False,
) -> Array:
    """Return inputs as uint8 or float32, of shape (N, C, H, W), (N, C, L) or (N, F).

    Args:
        values: (N, H, W), (N, C, H, W) or (N, H, W, C) images, (N, F) vectors, or signals.
        part: the split's name, for messages.
        layout: one of ``LAYOUTS`` where the shape does not tell; signals are ``"NCL"`` or
            ``"NLC"``.
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
        state.update(f"{len(word)}:{word}".encode("utf-8", "backslashreplace"))
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
            way = option("layout='NCHW'")
            raise TaskError(
                f"{part} inputs of the shape {array.shape} may be (N, C, H, W) or (N, H, W, C); "
                f"pass {way}, or 'NHWC' likewise"
            )
        layout = "NCHW" if first else "NHWC"
    return array if layout == "NCHW" else array.transpose(0, 3, 1, 2)


def guessed(values: object, layout: str | None) -> list[str]:
    """Say what inputs are taken for, where their shape and type may mean something else."""
    shape = tuple(getattr(values, "shape", ()))
    if layout is None and len(shape) == 3 and max(shape[1:]) >= _OBLONG * min(shape[1:]) > 0:
        way = option("layout='NCL'")
        return [
            f"inputs of the shape {shape} are taken as grey images of {shape[1]} x {shape[2]}, "
            f"with one channel put in; of signals pass {way}, or 'NLC' likewise, and a space of "
            "your own"
        ]
    integers = isinstance(values, np.ndarray) and values.dtype.kind in "iu"
    if isinstance(values, torch.Tensor) and values.layout is torch.strided:
        integers = values.dtype in (torch.int16, torch.int32, torch.int64) and not values.is_meta
    if not integers or len(shape) != 2 or 0 in shape:
        return []
    low, high = (int(found) for found in (values.min(), values.max()))  # type: ignore[attr-defined]
    if low < 0 or high <= 255:
        return []
    return [
        f"inputs are whole numbers from {low} to {high}: taken as quantities (float32), not as "
        "tokens or categories, which arrays cannot say (of categories pass a pandas frame)"
    ]


def value_range(inputs: Array) -> tuple[float, float]:
    """Return the least and the greatest value of inputs."""
    parts = [inputs[at] for at in spans(len(inputs), inputs.shape[1:])]
    return min(float(part.min()) for part in parts), max(float(part.max()) for part in parts)


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
        raise TaskError(f"size={size} was given, but {part} inputs are no images")
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
