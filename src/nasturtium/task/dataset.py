"""Map-style data sets (``len`` and indexing, as of torch, torchvision, Hugging Face) as arrays."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from nasturtium.errors import TaskError
from nasturtium.task.folder import is_grey, pixels, upright
from nasturtium.task.layout import as_array
from nasturtium.task.storage import Storage

__all__ = ["class_names_of", "is_dataset", "read_dataset"]

Array = NDArray[Any]

_INPUTS = ("image", "img", "inputs", "x", "pixel_values")
_LABELS = ("label", "labels", "y", "fine_label", "target")


def is_dataset(value: object) -> bool:
    """Tell whether a value has ``len`` and gives (input, label) pairs or dictionaries by index."""
    if isinstance(value, str | bytes | tuple | Mapping) or hasattr(value, "__array__"):
        return False
    if not (hasattr(value, "__len__") and hasattr(value, "__getitem__")):
        return False
    if len(value) == 0:
        return not isinstance(value, list)
    first = value[0]
    return isinstance(first, Mapping) or (isinstance(first, tuple) and len(first) == 2)


def read_dataset(
    dataset: Any,
    *,
    part: str,
    notes: list[str],
    shape: tuple[int, int] | None = None,
    storage: Storage | None = None,
) -> tuple[Array, list[Any], str | None]:
    """Read all examples of a data set; twice each where they are too large to be kept.

    Args:
        dataset: gives (input, label), or a dictionary with an image and a label.
        part: the split's name, for messages.
        notes: receives what was done to the images.
        shape: height and width of pictures; else their most common size.
        storage: where the array is made; in memory if not given.

    Returns:
        The inputs, the labels, and the layout of the inputs if it is known.
    """
    if len(dataset) == 0:
        raise TaskError(f"the {part} data set is empty; expected examples")
    storage = storage or Storage()
    storage.need(
        len(dataset) * _size(_example(dataset, 0, part)[0], part, shape), f"the {part} examples"
    )
    held: list[Any] = []
    labels, seen = [], Counter[_Kind]()
    for index in range(len(dataset)):
        given, label = _example(dataset, index, part)
        seen[_kind(given, part)] += 1
        labels.append(_plain(label))
        if storage.folder is None:
            held.append(given)

    def read(index: int) -> Any:
        return held[index] if held else _example(dataset, index, part)[0]

    shapes = list(dict.fromkeys(kind.shape for kind in seen))
    if not all(kind.picture for kind in seen):
        if len(shapes) > 1:
            raise TaskError(
                f"{part} inputs differ in shape: {', '.join(map(str, shapes[:3]))}; expected "
                "one shape: resize them in the data set, or let it give PIL images"
            )
        dtype = np.result_type(*(kind.dtype for kind in seen))
        out = storage.empty(f"{part}_read", (len(labels), *shapes[0]), dtype)
        for index in range(len(labels)):
            out[index] = as_array(read(index), what=f"{part} inputs")
        return out, labels, None
    sizes = Counter[tuple[int, ...]]()
    for kind, count in seen.items():
        sizes[kind.shape] += count
    height, width = shape or sizes.most_common(1)[0][0]
    if others := len(labels) - sizes[height, width]:
        notes.append(f"{others} of {len(labels)} {part} images resized to {height} x {width}")
    grey = all(kind.grey for kind in seen)
    out = storage.empty(f"{part}_read", (len(labels), 1 if grey else 3, height, width), np.uint8)
    for index in range(len(labels)):
        try:
            out[index] = pixels(read(index), grey=grey, shape=(height, width))
        except (OSError, ValueError) as error:
            raise TaskError(
                f"{part} image {index} cannot be read ({error}); leave it out of the data set"
            ) from error
    return out, labels, "NCHW"


def class_names_of(dataset: object) -> tuple[str, ...] | None:
    """Return the names that a data set gives its classes 0, 1, ..., if it does."""
    names = getattr(dataset, "classes", None)
    features = getattr(dataset, "features", None)
    if names is None and isinstance(features, Mapping):
        names = next(
            (features[k].names for k in _LABELS if hasattr(features.get(k), "names")), None
        )
    if isinstance(names, list | tuple) and all(isinstance(name, str) for name in names):
        return tuple(names)
    return None


class _Kind(NamedTuple):
    """What has to be known of all inputs before the first can be stored."""

    picture: bool
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    grey: bool


def _kind(given: Any, part: str) -> _Kind:
    if isinstance(given, Image.Image):
        return _Kind(True, upright(given), np.dtype(np.uint8), is_grey(given))
    array = as_array(given, what=f"{part} inputs")
    return _Kind(False, array.shape, array.dtype, False)


def _size(given: Any, part: str, shape: tuple[int, int] | None) -> int:
    """Bytes that an input takes once it is brought into shape."""
    kind = _kind(given, part)
    if kind.picture:
        return math.prod(shape or kind.shape) * (1 if kind.grey else 3)
    return math.prod(kind.shape) * (1 if kind.dtype.kind == "b" else min(kind.dtype.itemsize, 4))


def _example(dataset: Any, index: int, part: str) -> tuple[Any, Any]:
    example = dataset[index]
    if isinstance(example, Mapping):
        return example[_key(example, _INPUTS, part)], example[_key(example, _LABELS, part)]
    return example[0], example[1]


def _plain(label: Any) -> Any:
    """Return the number in a tensor or array of one element."""
    return label.item() if hasattr(label, "item") and getattr(label, "ndim", 0) == 0 else label


def _key(example: Mapping[str, object], options: tuple[str, ...], part: str) -> str:
    for option in options:
        if option in example:
            return option
    raise TaskError(
        f"{part} examples are dictionaries with the keys {', '.join(map(repr, example))}; expected "
        f"one of {', '.join(options)}"
    )
