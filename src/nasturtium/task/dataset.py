"""Map-style data sets (``len`` and indexing, as of torch, torchvision, Hugging Face) as arrays."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from nasturtium.errors import TaskError
from nasturtium.task.folder import is_grey, pixels
from nasturtium.task.layout import as_array

__all__ = ["class_names_of", "is_dataset", "read_dataset"]

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
    dataset: Any, *, part: str, notes: list[str], shape: tuple[int, int] | None = None
) -> tuple[NDArray[Any], NDArray[Any], str | None]:
    """Read all examples of a data set.

    Args:
        dataset: gives (input, label), or a dictionary with an image and a label.
        part: the split's name, for messages.
        notes: receives what was done to the images.
        shape: height and width of pictures; else their most common size.

    Returns:
        The inputs, the labels, and the layout of the inputs if it is known.
    """
    if len(dataset) == 0:
        raise TaskError(f"the {part} data set is empty; expected examples")
    inputs, labels = [], []
    for index in range(len(dataset)):
        example = dataset[index]
        if isinstance(example, Mapping):
            inputs.append(example[_key(example, _INPUTS, part)])
            labels.append(example[_key(example, _LABELS, part)])
        else:
            inputs.append(example[0])
            labels.append(example[1])
    values = as_array([_plain(label) for label in labels], what=f"{part} labels")
    if not all(isinstance(picture, Image.Image) for picture in inputs):
        arrays = [as_array(example, what=f"{part} inputs") for example in inputs]
        shapes = Counter(array.shape for array in arrays)
        if len(shapes) > 1:
            raise TaskError(
                f"{part} inputs differ in shape: {', '.join(map(str, list(shapes)[:3]))}; expected "
                "one shape: resize them in the data set, or let it give PIL images"
            )
        return np.stack(arrays), values, None
    sizes = Counter((picture.height, picture.width) for picture in inputs)
    shape = shape or sizes.most_common(1)[0][0]
    if others := len(inputs) - sizes[shape]:
        notes.append(f"{others} of {len(inputs)} {part} images resized to {shape[0]} x {shape[1]}")
    grey = all(is_grey(picture) for picture in inputs)
    stacked = np.stack([pixels(picture, grey=grey, shape=shape) for picture in inputs])
    return stacked, values, "NCHW"


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
