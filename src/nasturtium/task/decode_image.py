"""Decoding images of one data set alike: 8 bits a channel, or grey at their own depth."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

__all__ = [
    "SUFFIXES",
    "ImageInfo",
    "allowed_formats",
    "decode_image",
    "describe_resizing",
    "inspect_image",
]

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
_ROTATED = (5, 6, 7, 8)  # EXIF orientations that exchange height and width
_ORIENTATION = 0x0112
_SQUASHED = 1.5  # a change of proportions that a note reports

Array = NDArray[Any]


class ImageInfo(NamedTuple):
    """Properties of an image that are needed of all images before the first is stored.

    Attributes:
        shape: height and width, after the rotation that the camera recorded.
        grey: whether it has no colour.
        deep: whether it is grey with more than 8 bits a pixel (16, 32, or floating point).
        frames: whether it has several frames, of which the first is used.
        reduced: whether it has 16 bits a colour, of which Pillow reads the upper 8.
    """

    shape: tuple[int, int]
    grey: bool
    deep: bool
    frames: bool = False
    reduced: bool = False


def allowed_formats() -> tuple[str, ...]:
    """Return the formats that may be opened and that this Pillow supports."""
    Image.init()
    return tuple(name for name in _FORMATS if name in Image.OPEN)


def inspect_image(image: Image.Image) -> ImageInfo:
    """Return the properties of an image, without decoding it."""
    # Pillow decodes a PNG without an early "exif" chunk to look for a late one.
    known = image.format != "PNG" or "exif" in image.info
    rotated = known and image.getexif().get(_ORIENTATION) in _ROTATED
    width, height = image.size
    deep = image.mode.startswith(("I", "F"))
    tile = getattr(image, "tile", None)
    return ImageInfo(
        (width, height) if rotated else (height, width),
        deep or image.mode in _GREY,
        deep,
        image.format != "MPO" and bool(getattr(image, "is_animated", False)),
        not deep and ";16" in repr(tile[:1] if tile else ""),
    )


def decode_image(
    image: Image.Image, *, grey: bool, deep: bool = False, shape: tuple[int, int] | None = None
) -> Array:
    """Return an image as (C, H, W), rotated upright and resized to ``shape``.

    Args:
        image: the image.
        grey: one channel instead of three.
        deep: unscaled values as float32 instead of uint8.
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


def describe_resizing(
    shapes: Mapping[tuple[int, int], int], shape: tuple[int, int], what: str
) -> list[str]:
    """Return a note on how many images are resized, and how many lose their proportions.

    Args:
        shapes: number of images by height and width.
        shape: the height and width of all images after resizing.
        what: name of the images in the note.
    """
    others = Counter({size: count for size, count in shapes.items() if size != shape})
    if not others:
        return []
    note = f"{others.total()} of {sum(shapes.values())} {what} resized to {shape[0]} x {shape[1]}"
    changes = {size: size[0] * shape[1] / (size[1] * shape[0]) for size in others}
    squashed = [size for size in others if not 1 / _SQUASHED < changes[size] < _SQUASHED]
    if squashed:
        height, width = max(squashed, key=lambda size: max(changes[size], 1 / changes[size]))
        note += (
            f"; {sum(others[size] for size in squashed)} of them squashed or stretched, such as "
            f"one of {height} x {width}: pad or crop them first if proportions matter"
        )
    return [note]
