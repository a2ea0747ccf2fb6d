"""Reading folders of images, ``<class>/*.png``, into one array for each split.

Images of different sizes are resized to the most common size. They stay grey if all of them are
grey; otherwise they become RGB, and an alpha channel is dropped. Grey images of more than 8 bits a
pixel keep their values, as float32.
"""

from __future__ import annotations

import math
import os
import warnings
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from nasturtium.display.printable import escape_unprintable
from nasturtium.errors import TaskError
from nasturtium.task.array_storage import ArrayStorage, chunk_slices
from nasturtium.task.decode_image import (
    ImageInfo,
    allowed_formats,
    decode_image,
    describe_resizing,
    inspect_image,
)
from nasturtium.task.list_image_folder import FolderListing, list_image_folder
from nasturtium.task.wording import option, reason

__all__ = ["ImageFolder", "LabelledImages", "read_image_folder"]

Array = NDArray[Any]
In = TypeVar("In")
Out = TypeVar("Out")


@dataclass(frozen=True, eq=False)
class LabelledImages:
    """Images of one shape and the name of the class of each.

    Attributes:
        inputs: (N, C, H, W), C is 1 or 3: uint8, or float32 if all images have more than 8 bits.
        labels: (N,) class names.
    """

    inputs: Array
    labels: Array


@dataclass(frozen=True, eq=False)
class ImageFolder:
    """The content of a folder: images of each split, and notes on their conversion."""

    parts: dict[str, LabelledImages]
    class_names: tuple[str, ...]
    notes: tuple[str, ...]


def read_image_folder(
    folder: Path,
    *,
    size: int | tuple[int, int] | None = None,
    skip_unreadable: bool = False,
    storage: ArrayStorage | None = None,
    listing: FolderListing | None = None,
) -> ImageFolder:
    """Read ``folder/<class>/*``, or ``folder/train/<class>/*``, ``valid`` and ``test`` optional.

    Args:
        folder: holds images of the types in ``SUFFIXES``; hidden files are ignored, and other
            files are counted in a note.
        size: height and width of all images; their most common size if not given.
        skip_unreadable: leave out images that cannot be read, with a note, instead of raising.
        storage: makes the arrays; in memory if not given.
        listing: the result of ``list_image_folder``, if it is known.

    Raises:
        TaskError: there are no classes, a class is empty, an image cannot be read, or the
            images differ in depth.
    """
    storage = storage or ArrayStorage()
    listing = listing or list_image_folder(folder)
    names, where = tuple(listing.classes["train"]), escape_unprintable(str(folder))
    for part, classes in listing.classes.items():
        for name in classes:
            if name not in names:
                raise TaskError(
                    f"{part} of {where} has the class {name!r}, which train does not have; its "
                    f"classes are {', '.join(names[:10])}"
                )
    entries = [
        (part, name, path)
        for part, classes in listing.classes.items()
        for name in classes
        for path in classes[name]
    ]
    headers = dict(zip(listing.files, _map_threads(_read_header, listing.files), strict=True))
    bad = {path: error for path, error in headers.items() if isinstance(error, str)}
    infos = {path: info for path, info in headers.items() if isinstance(info, ImageInfo)}
    _check_readable(bad, folder, skip_unreadable)
    if not infos:
        raise TaskError(f"{where} has no readable image; expected at least three a class")
    deep = _check_one_depth(infos, folder)
    shapes = Counter(info.shape for info in infos.values())
    common = shapes.most_common(1)[0][0]
    shape = common if size is None else (size, size) if isinstance(size, int) else size
    grey = all(info.grey for info in infos.values())
    example, dtype = (1 if grey else 3, *shape), np.dtype(np.float32 if deep else np.uint8)
    readable = [entry for entry in entries if entry[2] in infos]
    size_of_all = len(readable) * math.prod(example) * dtype.itemsize
    storage.reserve(size_of_all, f"the {len(readable)} images of {where}")
    parts = {}
    for part in listing.classes:
        files = [(name, path) for split, name, path in readable if split == part]
        inputs = storage.empty(f"{part}_decoded", (len(files), *example), dtype)
        parts[part] = _decode_files(inputs, files, bad)
        if not len(parts[part].labels):
            _check_readable(bad, folder, skip_unreadable)
            raise TaskError(f"{part} of {where} has no readable image")
    _check_readable(bad, folder, skip_unreadable)
    notes = [
        *listing.notes,
        *describe_resizing(shapes, shape, "images"),
        *_describe(infos, parts, deep),
    ]
    if bad:
        notes.append(f"{len(bad)} unreadable images skipped: {_list_some(bad, folder)}")
    return ImageFolder(parts, names, tuple(notes))


def _decode_files(
    inputs: Array, files: list[tuple[str, Path]], bad: dict[Path, str]
) -> LabelledImages:
    """Decode files of known classes into an array; errors of unreadable ones go to ``bad``."""
    grey, shape = inputs.shape[1] == 1, (inputs.shape[2], inputs.shape[3])

    def decode(path: Path) -> Array | str:
        return _decode(path, shape, grey, inputs.dtype == np.float32)

    names: list[str] = []
    for span in chunk_slices(len(files), inputs.shape[1:]):
        images = _map_threads(decode, [path for _, path in files[span]])
        for (name, path), image in zip(files[span], images, strict=True):
            if isinstance(image, str):
                bad[path] = image
            else:
                inputs[len(names)] = image
                names.append(name)
    return LabelledImages(inputs[: len(names)], np.array(names))


def _describe(
    infos: dict[Path, ImageInfo], parts: dict[str, LabelledImages], deep: bool
) -> list[str]:
    """Return notes on depth and on dropped frames and bits."""
    notes = []
    if deep:
        low = min(images.inputs.min() for images in parts.values())
        high = max(images.inputs.max() for images in parts.values())
        notes.append(
            f"images of more than 8 bits a pixel keep their values, {low:g} to {high:g}, as float32"
        )
    if several := sum(info.frames for info in infos.values()):
        notes.append(f"{several} images have several frames; the first of each is used")
    if reduced := sum(info.reduced for info in infos.values()):
        notes.append(f"{reduced} images of 16 bits a colour are read with 8")
    return notes


def _check_one_depth(infos: dict[Path, ImageInfo], folder: Path) -> bool:
    """Return whether all images have more than 8 bits a pixel.

    Raises:
        TaskError: only some of them have.
    """
    deep = {path: "" for path, info in infos.items() if info.deep}
    plain = {path: "" for path in infos if path not in deep}
    if deep and plain:
        raise TaskError(
            f"{len(deep)} of the images in {escape_unprintable(str(folder))} have more than 8 bits "
            f"a pixel ({_list_some(deep, folder, 1)}) and {len(plain)} have 8 "
            f"({_list_some(plain, folder, 1)}), so their values are of different scales; "
            "convert all to one depth"
        )
    return bool(deep)


def _map_threads(function: Callable[[In], Out], values: Sequence[In]) -> list[Out]:
    """Apply a function in threads, since decoding releases the interpreter; keep the order."""
    with warnings.catch_warnings(), ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
        warnings.simplefilter("error", Image.DecompressionBombWarning)  # does not name the file
        return list(pool.map(function, values))


def _read_header(path: Path) -> ImageInfo | str:
    """Return the properties of an image from its header, or why it cannot be read."""
    try:
        if path.stat().st_size == 0:  # also a special file, whose reading may block
            return "it is empty"
        with Image.open(path, formats=allowed_formats()) as image:
            return inspect_image(image)
    except Exception as error:  # Pillow's decoders raise errors of many kinds
        return _explain(error)


def _decode(path: Path, shape: tuple[int, int], grey: bool, deep: bool) -> Array | str:
    try:
        with Image.open(path, formats=allowed_formats()) as image:
            return decode_image(image, grey=grey, deep=deep, shape=shape)
    except Exception as error:
        return _explain(error)


def _explain(error: Exception) -> str:
    if isinstance(error, Image.DecompressionBombError | Image.DecompressionBombWarning):
        return f"more than {Image.MAX_IMAGE_PIXELS:,} pixels"
    return "not an image" if isinstance(error, UnidentifiedImageError) else reason(error)


def _check_readable(bad: dict[Path, str], folder: Path, skip: bool) -> None:
    if bad and not skip:
        raise TaskError(
            f"{len(bad)} of the images in {escape_unprintable(str(folder))} cannot be read: "
            f"{_list_some(bad, folder)}; remove them, or leave them out: pass "
            f"{option('skip_unreadable=True')}"
        )


def _list_some(paths: dict[Path, str], folder: Path, most: int = 3) -> str:
    names = sorted(
        (escape_unprintable(p.relative_to(folder).as_posix()), why) for p, why in paths.items()
    )
    shown = [f"{name} ({why})" if why else name for name, why in names[:most]]
    return ", ".join(shown) + (f" and {len(names) - most} more" if len(names) > most else "")
