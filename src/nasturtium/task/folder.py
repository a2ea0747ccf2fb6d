"""Images on disk, ``<class>/*.png``, read into one array.

Images of different sizes are resized to the most common one. They stay grey if all of them are;
else they become RGB, and a transparent layer is dropped. Grey images of more than 8 bits a pixel
keep their values, as float32.
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
from nasturtium.task.listing import Listing, list_folder
from nasturtium.task.picture import Look, formats, look, pixels, resizing
from nasturtium.task.storage import Storage, spans
from nasturtium.task.wording import option, reason

__all__ = ["Folder", "Pictures", "read_folder"]

Array = NDArray[Any]
In = TypeVar("In")
Out = TypeVar("Out")


@dataclass(frozen=True, eq=False)
class Pictures:
    """Images of one shape and the name of the class of each.

    Attributes:
        inputs: (N, C, H, W), C is 1 or 3: uint8, or float32 where all images are deep.
        labels: (N,) class names.
    """

    inputs: Array
    labels: Array


@dataclass(frozen=True, eq=False)
class Folder:
    """What a folder holds: pictures of each split, and what was done to them."""

    parts: dict[str, Pictures]
    class_names: tuple[str, ...]
    notes: tuple[str, ...]


def read_folder(
    folder: Path,
    *,
    size: int | tuple[int, int] | None = None,
    skip_unreadable: bool = False,
    storage: Storage | None = None,
    listing: Listing | None = None,
) -> Folder:
    """Read ``folder/<class>/*``, or ``folder/train/<class>/*`` with ``valid`` and ``test`` or not.

    Args:
        folder: holds images of the kinds in ``SUFFIXES``; hidden files are left alone, and others
            are counted in a note.
        size: height and width for all images; else their most common size.
        skip_unreadable: leave images that cannot be read out, with a note, instead of raising.
        storage: where the arrays are made; in memory if not given.
        listing: what ``list_folder`` found, if that was asked before.

    Raises:
        TaskError: if there are no classes, a class is empty, an image cannot be read, or the
            images differ in depth.
    """
    storage = storage or Storage()
    listing = listing or list_folder(folder)
    names, where = tuple(listing.classes["train"]), escape_unprintable(str(folder))
    for part, classes in listing.classes.items():
        for name in classes:
            if name not in names:
                raise TaskError(
                    f"{part} of {where} has the class {name!r}, which train has not; its classes "
                    f"are {', '.join(names[:10])}"
                )
    entries = [
        (part, name, path)
        for part, found in listing.classes.items()
        for name in found
        for path in found[name]
    ]
    heads = dict(zip(listing.files, _mapped(_head, listing.files), strict=True))
    bad = {path: head for path, head in heads.items() if isinstance(head, str)}
    looks = {path: head for path, head in heads.items() if isinstance(head, Look)}
    _check_readable(bad, folder, skip_unreadable)
    if not looks:
        raise TaskError(f"{where} has no readable image; expected at least three a class")
    deep = _one_depth(looks, folder)
    shapes = Counter(one.shape for one in looks.values())
    common = shapes.most_common(1)[0][0]
    shape = common if size is None else (size, size) if isinstance(size, int) else size
    grey = all(one.grey for one in looks.values())
    example, dtype = (1 if grey else 3, *shape), np.dtype(np.float32 if deep else np.uint8)
    kept = [entry for entry in entries if entry[2] in looks]
    size_of_all = len(kept) * math.prod(example) * dtype.itemsize
    storage.need(size_of_all, f"the {len(kept)} images of {where}")
    parts = {}
    for part in listing.classes:
        files = [(name, path) for of, name, path in kept if of == part]
        inputs = storage.empty(f"{part}_decoded", (len(files), *example), dtype)
        parts[part] = _filled(inputs, files, bad)
        if not len(parts[part].labels):
            _check_readable(bad, folder, skip_unreadable)
            raise TaskError(f"{part} of {where} has no readable image")
    _check_readable(bad, folder, skip_unreadable)
    notes = [*listing.notes, *resizing(shapes, shape, "images"), *_notes(looks, parts, deep)]
    if bad:
        notes.append(f"{len(bad)} unreadable images skipped: {_some(bad, folder)}")
    return Folder(parts, names, tuple(notes))


def _filled(inputs: Array, files: list[tuple[str, Path]], bad: dict[Path, str]) -> Pictures:
    """Decode files of known classes into an array; those that cannot be decoded go to ``bad``."""
    grey, shape = inputs.shape[1] == 1, (inputs.shape[2], inputs.shape[3])

    def decoded(path: Path) -> Array | str:
        return _decode(path, shape, grey, inputs.dtype == np.float32)

    names: list[str] = []
    for span in spans(len(files), inputs.shape[1:]):
        images = _mapped(decoded, [path for _, path in files[span]])
        for (name, path), image in zip(files[span], images, strict=True):
            if isinstance(image, str):
                bad[path] = image
            else:
                inputs[len(names)] = image
                names.append(name)
    return Pictures(inputs[: len(names)], np.array(names))


def _notes(looks: dict[Path, Look], parts: dict[str, Pictures], deep: bool) -> list[str]:
    """Say what else becomes of the images."""
    notes = []
    if deep:
        low = min(found.inputs.min() for found in parts.values())
        high = max(found.inputs.max() for found in parts.values())
        notes.append(
            f"images of more than 8 bits a pixel keep their values, {low:g} to {high:g}, as float32"
        )
    if several := sum(one.frames for one in looks.values()):
        notes.append(f"{several} images have several frames; the first of each is taken")
    if reduced := sum(one.reduced for one in looks.values()):
        notes.append(f"{reduced} images of 16 bits a colour are read with 8")
    return notes


def _one_depth(looks: dict[Path, Look], folder: Path) -> bool:
    """Tell whether all images are deep.

    Raises:
        TaskError: only some are.
    """
    deep = {path: "" for path, one in looks.items() if one.deep}
    plain = {path: "" for path in looks if path not in deep}
    if deep and plain:
        raise TaskError(
            f"{len(deep)} of the images in {escape_unprintable(str(folder))} have more than 8 bits "
            f"a pixel ({_some(deep, folder, 1)}) and {len(plain)} have 8 "
            f"({_some(plain, folder, 1)}), so their values are of different scales; convert all "
            "to one depth"
        )
    return bool(deep)


def _mapped(function: Callable[[In], Out], values: Sequence[In]) -> list[Out]:
    """Apply a function in threads, as decoding lets other threads run; the order is kept."""
    with warnings.catch_warnings(), ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
        warnings.simplefilter("error", Image.DecompressionBombWarning)  # names no file
        return list(pool.map(function, values))


def _head(path: Path) -> Look | str:
    """Return what an image is, from its first bytes, or why it cannot be read."""
    try:
        if path.stat().st_size == 0:  # also a link to a file of the system, which may wait
            return "it is empty"
        with Image.open(path, formats=formats()) as image:
            return look(image)
    except Exception as error:  # Pillow's decoders raise errors of many kinds
        return _why(error)


def _decode(path: Path, shape: tuple[int, int], grey: bool, deep: bool) -> Array | str:
    try:
        with Image.open(path, formats=formats()) as image:
            return pixels(image, grey=grey, deep=deep, shape=shape)
    except Exception as error:
        return _why(error)


def _why(error: Exception) -> str:
    if isinstance(error, Image.DecompressionBombError | Image.DecompressionBombWarning):
        return f"more than {Image.MAX_IMAGE_PIXELS:,} pixels"
    return "no image" if isinstance(error, UnidentifiedImageError) else reason(error)


def _check_readable(bad: dict[Path, str], folder: Path, skip: bool) -> None:
    if bad and not skip:
        raise TaskError(
            f"{len(bad)} of the images in {escape_unprintable(str(folder))} cannot be read: "
            f"{_some(bad, folder)}; remove them, or leave them out: pass "
            f"{option('skip_unreadable=True')}"
        )


def _some(paths: dict[Path, str], folder: Path, most: int = 3) -> str:
    names = sorted(
        (escape_unprintable(p.relative_to(folder).as_posix()), why) for p, why in paths.items()
    )
    shown = [f"{name} ({why})" if why else name for name, why in names[:most]]
    return ", ".join(shown) + (f" and {len(names) - most} more" if len(names) > most else "")
