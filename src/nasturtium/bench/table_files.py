"""Files of benchmark tables: find them in the data folder, read them, check their arrays."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nasturtium.errors import EstimateError

__all__ = ["check_option", "find_table", "list_arrays", "load_table", "read_metadata"]


def check_option(what: str, given: str, options: Sequence[str]) -> str:
    """Return ``given`` if it is one of the options.

    Raises:
        EstimateError: it is not; the message names the nearest option.
    """
    if given in options:
        return given
    near = get_close_matches(given, options, n=1)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    raise EstimateError(f"{what}: there is no {given!r}{hint} (there are: {', '.join(options)})")


def read_metadata(arrays: Mapping[str, NDArray[Any]]) -> Mapping[str, Any]:
    """Return the metadata that a table holds as JSON."""
    metadata: Mapping[str, Any] = json.loads(arrays["meta_json"].tobytes())
    return metadata


def load_table(
    name: str, data: str | Path | None, shapes: Mapping[str, tuple[int, ...]]
) -> dict[str, NDArray[Any]]:
    """Return named arrays of an ``.npz`` file in the data folder, after checking their shapes.

    Args:
        name: path within the folder, e.g. ``nb201/nasbench201_tss.npz``.
        data: the folder; the value of the variable NASTURTIUM_DATA if not given.
        shapes: shape of each wanted array; a size of -1 is any size.

    Raises:
        EstimateError: no folder, no such file, a truncated file, or another version of it.
    """
    path = find_table(name, data)
    arrays: dict[str, NDArray[Any]] = {}
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            for key in shapes.keys() & set(archive.files):
                array = archive[key]
                # Tables hold 32-bit numbers of a few digits; rounding restores these digits.
                arrays[key] = array.astype(float).round(6) if array.dtype == np.float32 else array
    except Exception as error:  # zipfile, zlib and numpy each raise their own
        raise _unreadable(path, error) from error
    for key, shape in shapes.items():
        actual = arrays[key].shape if key in arrays else None
        fits = actual is not None and len(actual) == len(shape)
        if not fits or any(
            want not in (-1, size) for want, size in zip(shape, actual or (), strict=True)
        ):
            raise EstimateError(
                f"the table {path} is of another version: expected {key!r} of shape {shape}, "
                f"found {'none' if actual is None else actual}"
            )
    return arrays


def list_arrays(name: str, data: str | Path | None) -> tuple[str, ...]:
    """Return the names of the arrays in an ``.npz`` file of the data folder.

    Raises:
        EstimateError: no folder, no such file, or a truncated file.
    """
    path = find_table(name, data)
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            return tuple(archive.files)
    except Exception as error:
        raise _unreadable(path, error) from error


def find_table(file: str, data: str | Path | None) -> Path:
    """Return the path of a file in the data folder; raise an error if it is absent."""
    folder = data or os.environ.get("NASTURTIUM_DATA")
    if not folder:
        raise EstimateError(
            f"the table {file} is searched in the folder that the variable NASTURTIUM_DATA names, "
            "which is not set; set it, or pass data=folder"
        )
    path = Path(folder) / file
    if not path.is_file():
        raise EstimateError(
            f"there is no table {path}; pass the folder that holds {file} as data=..., or in the "
            "variable NASTURTIUM_DATA"
        )
    return path


def _unreadable(path: Path, error: Exception) -> EstimateError:
    return EstimateError(
        f"the table {path} cannot be read ({type(error).__name__}: {error}); it is truncated or "
        "not an .npz file: copy it again"
    )
