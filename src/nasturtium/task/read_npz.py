"""Reading arrays of an ``.npz`` file without trusting its headers.

NumPy's own reader allocates an array of the size that a header claims before it reads the bytes.
Here the claimed size is compared with the size of the archive's entry and with the memory that is
allowed, and large arrays are copied to mapped files in chunks.
"""

from __future__ import annotations

import math
import warnings
import zipfile
from pathlib import Path
from typing import IO, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from nasturtium.display.printable import escape_unprintable
from nasturtium.errors import TaskError
from nasturtium.task.array_storage import AlreadyCached, ArrayStorage
from nasturtium.task.wording import reason

__all__ = ["read_npz"]

Array = NDArray[Any]

_PARTS = ("train", "valid", "test")
_CHUNK = 1 << 20
_DEFLATE = 1032  # times that deflate can make bytes smaller, at most
_KINDS = "biufSU"


class _Header(NamedTuple):
    """The claims of an entry about its array."""

    shape: tuple[int, ...]
    fortran: bool
    dtype: np.dtype[Any]


def read_npz(path: Path, storage: ArrayStorage) -> dict[str, tuple[Array, Array]]:
    """Return inputs and labels of each split in an ``.npz`` file.

    Args:
        path: a file of ``x_train``, ``y_train`` and likewise for ``valid`` and ``test``, or of
            ``X`` and ``y``.
        storage: makes the arrays.

    Raises:
        TaskError: the file cannot be read, or holds other arrays.
    """
    where = escape_unprintable(str(path))
    if path.stat().st_size == 0:  # also a special file, whose reading may block
        raise TaskError(_unreadable(where, "it is empty"))
    try:
        with warnings.catch_warnings(), zipfile.ZipFile(path) as archive:
            warnings.simplefilter("ignore")  # raised by the parser of headers
            entries = {info.filename.removesuffix(".npy"): info for info in archive.infolist()}
            pairs = {part: (f"x_{part}", f"y_{part}") for part in _PARTS}
            pairs = {part: pair for part, pair in pairs.items() if set(pair) <= entries.keys()}
            if {"X", "y"} <= entries.keys():
                pairs.setdefault("train", ("X", "y"))
            if "train" not in pairs:
                shown = ", ".join(map(escape_unprintable, list(entries)[:10]))
                raise TaskError(
                    f"{where} holds {shown or 'nothing'}; expected x_train, y_train, x_test and "
                    "y_test, or X and y"
                )
            wanted = {name: entries[name] for pair in pairs.values() for name in pair}
            claimed = sum(_check_size(archive, info, path) for info in wanted.values())
            storage.reserve(claimed, f"the arrays of {where}")
            arrays = {name: _read_array(archive, info, storage) for name, info in wanted.items()}
    except (TaskError, AlreadyCached):
        raise
    except Exception as error:  # damaged bytes reach parsers that raise errors of many kinds
        raise TaskError(_unreadable(where, *_explain(path, reason(error)))) from error
    return {part: (arrays[x], arrays[y]) for part, (x, y) in pairs.items()}


def _unreadable(where: str, why: str, advice: str = "write it again with numpy.savez") -> str:
    return f"{where} cannot be read as an .npz file of plain arrays ({why}); {advice}"


def _explain(path: Path, why: str) -> tuple[str, ...]:
    """Return why a file is not an archive, and advice where its type is recognised."""
    try:
        with path.open("rb") as file:
            start = file.read(6)
    except OSError:
        return (why,)
    if start == b"\x93NUMPY":
        return "it is a single .npy array", "pass numpy.savez(file, X=..., y=...) both"
    return (why,)


def _read_header(file: IO[bytes]) -> _Header:
    version = np.lib.format.read_magic(file)
    read = {
        (1, 0): np.lib.format.read_array_header_1_0,
        (2, 0): np.lib.format.read_array_header_2_0,
    }.get(version)
    if read is None:
        raise ValueError(f"an array of format {version}")
    shape, fortran, dtype = read(file)
    if dtype.kind not in _KINDS:
        kind = "Python objects" if dtype.hasobject else str(dtype)
        raise ValueError(f"an array of {kind}, expected numbers or strings")
    if any(not isinstance(side, int) or side < 0 for side in shape):
        raise ValueError(f"an array of shape {shape}")
    return _Header(shape, fortran, dtype)


def _check_size(archive: zipfile.ZipFile, info: zipfile.ZipInfo, path: Path) -> int:
    """Return the bytes of an array; raise a ``ValueError`` if its entry cannot hold them."""
    most = {zipfile.ZIP_STORED: 1, zipfile.ZIP_DEFLATED: _DEFLATE}.get(info.compress_type)
    packed = min(info.compress_size, path.stat().st_size)
    if most is not None and info.file_size > most * packed + _CHUNK:
        raise ValueError(
            f"{escape_unprintable(info.filename)} claims more bytes than the file can hold"
        )
    with archive.open(info) as file:
        header = _read_header(file)
    size = math.prod(header.shape) * header.dtype.itemsize
    if size > info.file_size:
        raise ValueError(
            f"the array {escape_unprintable(info.filename)} claims {size:,} bytes, its entry has "
            f"{info.file_size:,}"
        )
    return size


def _read_array(archive: zipfile.ZipFile, info: zipfile.ZipInfo, storage: ArrayStorage) -> Array:
    with archive.open(info) as file:
        header = _read_header(file)
        shape = header.shape[::-1] if header.fortran else header.shape
        out = storage.empty(f"{info.filename.removesuffix('.npy')}_archived", shape, header.dtype)
        flat = out.reshape(-1).view(np.uint8) if out.size and header.dtype.itemsize else out[:0]
        filled = 0
        while filled < flat.nbytes:
            part = file.read(min(_CHUNK, flat.nbytes - filled))
            if not part:
                raise EOFError("the array ends too early")
            flat[filled : filled + len(part)] = np.frombuffer(part, np.uint8)
            filled += len(part)
        if file.read(1):
            raise ValueError(f"{info.filename} has more bytes than its array")
    array: Array = out.T if header.fortran else out
    return array
