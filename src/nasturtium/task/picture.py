"""Pictures of one set in one form: 8 bits a channel, or grey at their own depth."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

__all__ = ["SUFFIXES", "Look", "formats", "look", "pixels", "resizing"]

# The formats that Pillow decodes by itself; others call programs (EPS) or hold documents.
_FORMATS = (
    "PNG",
    "JPEG",
    "WEBP",
    "BMP",
    "DIB",
    "TIFF",
    "GIF",
    "PPM",
    "JPEG2000",
    "AVIF",
    "TGA",
)
SUFFIXES = (
    *(".png", ".apng", ".jpg", ".jpeg", ".jpe", ".jfif", ".webp", ".bmp", ".dib", ".tif", ".tiff"),
    *(".gif", ".pbm", ".pgm", ".ppm", ".pnm", ".jp2", ".j2k", ".jpx", ".avif", ".tga"),
)
_GREY = ("1", "L", "LA")
_TURNED = (5, 6, 7, 8)  # EXIF orientations that exchange height and width
_ORIENTATION = 0x0112
_SQUASHED = 1.5  # a change of proportions that is worth a word

Array = NDArray[Any]


class Look(NamedTuple):
    """What has to be known of all pictures before the first can be stored.

    Attributes:
        shape: height and width, once the picture is turned as its camera says.
        grey: whether it has no colour.
        deep: whether it is grey with more than 8 bits a pixel (16, 32, or floating point).
        frames: whether it has several frames, of which the first is taken.
        reduced: whether it has 16 bits a colour, of which Pillow reads the upper 8.
    """

    shape: tuple[int, int]
    grey: bool
    deep: bool
    frames: bool = False
    reduced: bool = False


def formats() -> tuple[str, ...]:
    """Return the formats that may be opened, of those that this Pillow has."""
    Image.init()
    return tuple(name for name in _FORMATS if name in Image.OPEN)


def look(image: Image.Image) -> Look:
    """Return what a picture is, without decoding it."""
    # Pillow decodes a PNG without an early "exif" chunk to look for a late one.
    known = image.format != "PNG" or "exif" in image.info
    turned = known and image.getexif().get(_ORIENTATION) in _TURNED
    width, height = image.size
    deep = image.mode.startswith(("I", "F"))
    tile = getattr(image, "tile", None)
    return Look(
        (width, height) if turned else (height, width),
        deep or image.mode in _GREY,
        deep,
        image.format != "MPO" and bool(getattr(image, "is_animated", False)),
        not deep and ";16" in repr(tile[:1] if tile else ""),
    )


def pixels(
    image: Image.Image, *, grey: bool, deep: bool = False, shape: tuple[int, int] | None = None
) -> Array:
    """Return a picture as (C, H, W), turned upright and resized to ``shape``.

    Args:
        image: the picture.
        grey: one channel instead of three.
        deep: its values as they are, as float32; else uint8.
        shape: height and width.
    """
    image = ImageOps.exif_transpose(image)
    if deep:
        image = Image.fromarray(np.asarray(image).astype(np.float32))
    else:
        image = image.convert("L" if grey else "RGB")
    if shape is not None and image.size != (shape[1], shape[0]):
        image = image.resize((shape[1], shape[0]), Image.Resampling.BILINEAR)
    array = np.asarray(image)
    return array[np.newaxis] if grey else np.ascontiguousarray(array.transpose(2, 0, 1))


def resizing(shapes: Mapping[tuple[int, int], int], shape: tuple[int, int], what: str) -> list[str]:
    """Say how many pictures are resized, and how many of them lose their proportions.

    Args:
        shapes: how many pictures have which height and width.
        shape: the height and width that all get.
        what: what to call them.
    """
    found = Counter({one: count for one, count in shapes.items() if one != shape})
    if not found:
        return []
    note = f"{found.total()} of {sum(shapes.values())} {what} resized to {shape[0]} x {shape[1]}"
    changes = {one: one[0] * shape[1] / (one[1] * shape[0]) for one in found}
    squashed = [one for one in found if not 1 / _SQUASHED < changes[one] < _SQUASHED]
    if squashed:
        height, width = max(squashed, key=lambda one: max(changes[one], 1 / changes[one]))
        note += (
            f"; {sum(found[one] for one in squashed)} of them squashed or stretched, such as "
            f"one of {height} x {width}: pad or crop them first if proportions matter"
        )
    return [note]
