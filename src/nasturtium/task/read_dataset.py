"""Reading map-style data sets (with ``len`` and indexing, as those of torch) as arrays."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from nasturtium.errors import TaskError
from nasturtium.task.array_storage import ArrayStorage
from nasturtium.task.decode_image import ImageInfo, decode_image, describe_resizing, inspect_image
from nasturtium.task.input_arrays import as_array
from nasturtium.task.wording import reason

__all__ = ["find_class_names", "is_dataset", "read_dataset"]

Array = NDArray[Any]

_INPUTS = ("image", "img", "inputs", "x", "pixel_values")
_LABELS = ("label", "labels", "y", "fine_label", "target")
_READ_TWICE = 16  # examples that are read twice, to detect random transforms


def is_dataset(value: object) -> bool:
    """Return whether a value has ``len`` and returns examples by index.

    A list is a data set only if its first item is a pair or a dictionary.
    """
    if isinstance(value, str | bytes | tuple | range | Mapping) or hasattr(value, "__array__"):
        return False
    if not isinstance(value, list):
        return hasattr(value, "__len__") and hasattr(value, "__getitem__")
    return bool(value) and (isinstance(value[0], Mapping) or _is_pair(value[0]))


def read_dataset(
    dataset: Any,
    *,
    part: str,
    notes: list[str],
    shape: tuple[int, int] | None = None,
    storage: ArrayStorage | None = None,
) -> tuple[Array, list[Any], str | None]:
    """Read all examples of a data set; each one twice if they do not fit in memory.

    Args:
        dataset: returns (input, label), or a dictionary with an image and a label.
        part: the split's name, for messages.
        notes: the changes made to the images are appended to it.
        shape: height and width of images; their most common size if not given.
        storage: makes the array; in memory if not given.

    Returns:
        The inputs, the labels, and the layout of the inputs if it is known.

    Raises:
        TaskError: examples cannot be read, differ in shape, or change when they are read again.
    """
    count = _length(dataset, part)
    storage = storage or ArrayStorage()
    size = count * _count_bytes(_example(dataset, 0, part)[0], part, shape)
    storage.reserve(size, f"the {part} examples")
    held: list[Any] = []
    labels, kinds = [], []
    for index in range(count):
        given, label = _example(dataset, index, part)
        kinds.append(_kind(given, part))
        labels.append(_plain(label))
        if index % max(1, count // _READ_TWICE) == 0:
            _check_repeatable(dataset, index, part, given, label)
        if storage.folder is None:
            held.append(given)

    def read(index: int) -> Any:
        return held[index] if held else _example(dataset, index, part)[0]

    images = [kind.image for kind in kinds if kind.image is not None]
    if len(images) == count:
        return _read_images(read, images, part, notes, shape, storage), labels, "NCHW"
    for index, kind in enumerate(kinds):
        if kind.shape != kinds[0].shape:
            raise TaskError(
                f"{part} inputs differ in shape: {kinds[0].shape} in example 0, {kind.shape} in "
                f"example {index}; expected one shape: resize them in the data set, or let it "
                "give PIL images"
            )
    dtype = np.result_type(*{kind.dtype for kind in kinds})
    out = storage.empty(f"{part}_read", (count, *kinds[0].shape), dtype)
    for index in range(count):
        out[index] = as_array(read(index), what=f"{part} inputs")
    return out, labels, None


def _read_images(
    read: Callable[[int], Any],
    images: Sequence[ImageInfo],
    part: str,
    notes: list[str],
    shape: tuple[int, int] | None,
    storage: ArrayStorage,
) -> Array:
    """Read PIL images in one size, one number of channels (the largest) and one depth."""
    sizes = Counter(image.shape for image in images)
    height, width = shape or sizes.most_common(1)[0][0]
    notes += describe_resizing(sizes, (height, width), f"{part} images")
    grey, deep = all(image.grey for image in images), any(image.deep for image in images)
    if deep and not all(image.deep for image in images):
        first = [image.deep for image in images].index(False)
        raise TaskError(
            f"{part} images differ in depth: image {first} has 8 bits a pixel, others more, so "
            "their values are of different scales; convert all to one depth"
        )
    example = (1 if grey else 3, height, width)
    dtype = np.float32 if deep else np.uint8
    out = storage.empty(f"{part}_read", (len(images), *example), dtype)
    for index in range(len(images)):
        try:
            out[index] = decode_image(read(index), grey=grey, deep=deep, shape=(height, width))
        except (OSError, ValueError, SyntaxError) as error:
            raise TaskError(
                f"{part} image {index} cannot be read ({reason(error)}); leave it out of the data "
                "set"
            ) from error
    if deep:
        notes.append(
            f"{part} images of more than 8 bits a pixel keep their values, {out.min():g} to "
            f"{out.max():g}, as float32"
        )
    return out


def find_class_names(dataset: object) -> tuple[str, ...] | None:
    """Return a data set's names of the classes 0, 1, ..., or ``None`` if it has none."""
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
    """Properties of an input that are needed of all inputs before the first is stored."""

    image: ImageInfo | None
    shape: tuple[int, ...]
    dtype: np.dtype[Any]


def _kind(given: Any, part: str) -> _Kind:
    if isinstance(given, Image.Image):
        info = inspect_image(given)
        return _Kind(info, info.shape, np.dtype(np.float32 if info.deep else np.uint8))
    array = as_array(given, what=f"{part} inputs")
    return _Kind(None, array.shape, array.dtype)


def _count_bytes(given: Any, part: str, shape: tuple[int, int] | None) -> int:
    """Return the bytes of an input after resizing and conversion."""
    kind = _kind(given, part)
    each = 1 if kind.dtype.kind == "b" else min(kind.dtype.itemsize, 4)
    if kind.image is not None:
        return math.prod(shape or kind.shape) * each * (1 if kind.image.grey else 3)
    return math.prod(kind.shape) * each


def _length(dataset: Any, part: str) -> int:
    try:
        count = len(dataset)
    except Exception as error:
        raise TaskError(f"the length of the {part} data set is unknown: {reason(error)}") from error
    if count == 0:
        raise TaskError(f"the {part} data set is empty; expected examples")
    return count


def _example(dataset: Any, index: int, part: str) -> tuple[Any, Any]:
    try:
        example = dataset[index]
    except Exception as error:  # whatever the user's program raises
        raise TaskError(
            f"{part} example {index} of {len(dataset)} cannot be read: {reason(error)}; fix the "
            "data set, or leave the example out"
        ) from error
    if isinstance(example, Mapping):
        return example[_key(example, _INPUTS, part)], example[_key(example, _LABELS, part)]
    if _is_pair(example):
        return example[0], example[1]
    what = type(example).__name__
    if isinstance(example, tuple | list):
        what += f" of {len(example)}"
    raise TaskError(
        f"{part} example {index} is a {what}; expected (input, label), or a dictionary with an "
        "image and a label: pass e.g. [(x[0], x[1]) for x in dataset]"
    )


def _is_pair(example: object) -> bool:
    """Return whether an example is (input, label), which some data sets return as a list."""
    if isinstance(example, tuple):
        return len(example) == 2
    if not isinstance(example, list) or len(example) != 2:
        return False
    return hasattr(example[0], "shape") or isinstance(example[0], Image.Image)


def _check_repeatable(dataset: Any, index: int, part: str, given: Any, label: Any) -> None:
    """Check that an example is the same when it is read again."""
    again, other = _example(dataset, index, part)
    kind = _kind(given, part)
    same = kind == _kind(again, part) and _equal(_plain(label), _plain(other))
    if same:
        try:
            one, two = (as_array(one, what=f"{part} inputs") for one in (given, again))
        except OSError:  # a damaged image, which is reported when it is stored
            return
        same = one.tobytes() == two.tobytes()
    if not same:
        raise TaskError(
            f"{part} example {index} changes from one reading to the next, so the data set has "
            "random transforms; examples are read once and kept, for validation and test too: "
            "pass the data set without them, and augment in training with "
            "recipe=\"augment={'flip': True, 'crop': 4}\""
        )


def _plain(label: Any) -> Any:
    """Return a label as a plain number if it is a tensor or array of one element."""
    return label.item() if hasattr(label, "item") and getattr(label, "ndim", 0) == 0 else label


def _equal(label: Any, other: Any) -> bool:
    if isinstance(label, str | int | float | np.generic):
        return repr(label) == repr(other)  # NaN equals itself
    try:
        return np.array_equal(np.asarray(label), np.asarray(other))
    except (ValueError, TypeError):  # not labels of classes, which is reported later
        return True


def _key(example: Mapping[str, object], options: tuple[str, ...], part: str) -> str:
    for option in options:
        if option in example:
            return option
    raise TaskError(
        f"{part} examples are dictionaries with the keys {', '.join(map(repr, example))}; expected "
        f"one of {', '.join(options)}"
    )
