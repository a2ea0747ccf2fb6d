"""Images on disk, ``<class>/*.png``, read into one array.

Images of different sizes are resized to the most common one. They stay grey if all of them are;
else they become RGB, and a transparent layer is dropped.
"""

from __future__ import annotations

import math
import os
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from nasturtium.errors import TaskError
from nasturtium.task.storage import Storage, spans

__all__ = [
    "SUFFIXES",
    "Folder",
    "Listing",
    "Pictures",
    "list_folder",
    "pixels",
    "read_folder",
    "upright",
]

SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp")
_NAMES = {"train": ("train",), "valid": ("valid", "val", "validation"), "test": ("test",)}
_GREY = ("1", "L", "I", "I;16", "I;16B", "I;16L", "LA")
_UNREADABLE = (OSError, ValueError, SyntaxError, Image.DecompressionBombError)
_TURNED = (5, 6, 7, 8)  # EXIF orientations that exchange height and width
_ORIENTATION = 0x0112

Array = NDArray[Any]
In = TypeVar("In")
Out = TypeVar("Out")


@dataclass(frozen=True, eq=False)
class Pictures:
    """Images of one shape and the name of the class of each.

    Attributes:
        inputs: (N, C, H, W) uint8, C is 1 or 3.
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


@dataclass(frozen=True, eq=False)
class Listing:
    """The files of a folder of images.

    Attributes:
        classes: for each split, the files of each class.
    """

    classes: dict[str, dict[str, list[Path]]]

    @property
    def files(self) -> list[Path]:
        """All files, in order."""
        return [
            path for found in self.classes.values() for files in found.values() for path in files
        ]


def list_folder(folder: Path) -> Listing:
    """List ``folder/<class>/*``, or ``folder/train/<class>/*`` with ``valid`` and ``test`` or not.

    Raises:
        TaskError: if there are no classes, or a class is empty.
    """
    return Listing({part: _list_classes(root) for part, root in _roots(folder).items()})


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
        folder: holds PNG, JPEG, WebP or BMP images; hidden files and other types are left alone.
        size: height and width for all images; else their most common size.
        skip_unreadable: leave damaged images out, with a note, instead of raising.
        storage: where the arrays are made; in memory if not given.
        listing: what ``list_folder`` found, if that was asked before.

    Raises:
        TaskError: if there are no classes, a class is empty, or an image cannot be read.
    """
    storage = storage or Storage()
    listed = (listing or list_folder(folder)).classes
    names = tuple(listed["train"])
    for part, classes in listed.items():
        for name in classes:
            if name not in names:
                raise TaskError(
                    f"{part} of {folder} has the class {name!r}, which train has not; its classes "
                    f"are {', '.join(names[:10])}"
                )
    paths = [
        (part, name, p) for part, found in listed.items() for name in found for p in found[name]
    ]
    heads = _mapped(_head, [path for *_, path in paths])
    bad = {path for (*_, path), head in zip(paths, heads, strict=True) if head is None}
    fine = [head for head in heads if head is not None]
    _check_readable(bad, folder, skip_unreadable)
    if not fine:
        raise TaskError(f"{folder} has no readable image; expected at least three a class")
    common = Counter(shape for shape, _ in fine).most_common(1)[0][0]
    shape = common if size is None else (size, size) if isinstance(size, int) else size
    grey = all(is_grey for _, is_grey in fine)
    notes = []
    if others := sum(found != shape for found, _ in fine):
        notes.append(f"{others} of {len(fine)} images resized to {shape[0]} x {shape[1]}")
    kept = [entry for entry in paths if entry[2] not in bad]
    example = (1 if grey else 3, *shape)
    storage.need(len(kept) * math.prod(example), f"the {len(kept)} images of {folder}")
    parts = {}
    for part in listed:
        files = [(name, path) for of, name, path in kept if of == part]
        inputs = storage.empty(f"{part}_decoded", (len(files), *example), np.uint8)
        names_of: list[str] = []
        for span in spans(len(files), example):
            images = _mapped(lambda path: _decode(path, shape, grey), [p for _, p in files[span]])
            for (name, path), image in zip(files[span], images, strict=True):
                if image is None:
                    bad.add(path)
                else:
                    inputs[len(names_of)] = image
                    names_of.append(name)
        parts[part] = Pictures(inputs[: len(names_of)], np.array(names_of))
    _check_readable(bad, folder, skip_unreadable)
    if bad:
        notes.append(f"{len(bad)} unreadable images skipped: {_some(bad, folder)}")
    for part, found in parts.items():
        if not len(found.labels):
            raise TaskError(f"{part} of {folder} has no readable image")
    return Folder(parts, names, tuple(notes))


def pixels(image: Image.Image, *, grey: bool, shape: tuple[int, int] | None = None) -> Array:
    """Return a picture as (C, H, W) uint8, turned upright and resized to ``shape``."""
    image = ImageOps.exif_transpose(image)
    if image.mode.startswith("I"):  # 16 bits a pixel
        wide = np.asarray(image).astype(np.int64)
        image = Image.fromarray((wide >> 8 if wide.max() > 255 else wide).clip(0, 255).astype("u1"))
    image = image.convert("L" if grey else "RGB")
    if shape is not None and image.size != (shape[1], shape[0]):
        image = image.resize((shape[1], shape[0]), Image.Resampling.BILINEAR)
    array = np.asarray(image)
    return array[np.newaxis] if grey else np.ascontiguousarray(array.transpose(2, 0, 1))


def upright(image: Image.Image) -> tuple[int, int]:
    """Return the height and width that a picture has when it is turned as its camera says."""
    # Pillow decodes a PNG without an early "exif" chunk to look for a late one.
    known = image.format != "PNG" or "exif" in image.info
    turned = known and image.getexif().get(_ORIENTATION) in _TURNED
    width, height = image.size
    return (width, height) if turned else (height, width)


def is_grey(image: Image.Image) -> bool:
    """Tell whether a picture has no colour, by its type."""
    return image.mode in _GREY


def _roots(folder: Path) -> dict[str, Path]:
    """Find the folder of each split; a folder without ``train`` is all training examples."""
    train = folder / "train"
    if not (train.is_dir() and any(_folders(train))):
        return {"train": folder}
    found = {}
    for part, names in _NAMES.items():
        for name in names:
            if part not in found and (folder / name).is_dir():
                found[part] = folder / name
    return found


def _folders(folder: Path) -> Iterator[Path]:
    return (p for p in sorted(folder.iterdir()) if p.is_dir() and not p.name.startswith("."))


def _list_classes(root: Path) -> dict[str, list[Path]]:
    found: dict[str, list[Path]] = {}
    for folder in _folders(root):
        found[folder.name] = sorted(
            path
            for path in folder.rglob("*")
            if path.suffix.lower() in SUFFIXES and not path.name.startswith(".")
        )
        if not found[folder.name]:
            raise TaskError(
                f"{folder} has no images; expected {', '.join(SUFFIXES)} files of the class "
                f"{folder.name!r}: add some or remove the folder"
            )
    if not found:
        raise TaskError(
            f"{root} has no classes; expected one folder of images per class, such as "
            f"{root.name}/cat/1.png and {root.name}/dog/1.png"
        )
    return found


def _mapped(function: Callable[[In], Out], values: Sequence[In]) -> list[Out]:
    """Apply a function in threads, as decoding lets other threads run; the order is kept."""
    with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
        return list(pool.map(function, values))


def _head(path: Path) -> tuple[tuple[int, int], bool] | None:
    """Return (height, width) and whether a picture is grey, from its first bytes."""
    try:
        with Image.open(path) as image:
            return upright(image), is_grey(image)
    except _UNREADABLE:
        return None


def _decode(path: Path, shape: tuple[int, int], grey: bool) -> Array | None:
    try:
        with Image.open(path) as image:
            return pixels(image, grey=grey, shape=shape)
    except _UNREADABLE:
        return None


def _check_readable(bad: set[Path], folder: Path, skip: bool) -> None:
    if bad and not skip:
        raise TaskError(
            f"{len(bad)} of the images in {folder} cannot be read: {_some(bad, folder)}; remove "
            "them, or leave them out with skip_unreadable=True"
        )


def _some(paths: set[Path], folder: Path) -> str:
    names = sorted(path.relative_to(folder).as_posix() for path in paths)
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
