"""Verification of exports: a file is kept only if it computes the same as its network."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from nasturtium.errors import ExportError

__all__ = ["compare_outputs", "one_line", "write_verified"]


def write_verified(
    target: Path, save: Callable[[Path], None], compare: Callable[[Path], float]
) -> float:
    """Save under another name, compare, and rename the file only then.

    Args:
        target: The file, in an existing folder.
        save: Writes the file to a path.
        compare: Reads it back and returns its difference, or raises.

    Returns:
        The difference.

    Raises:
        ExportError: The file cannot be written, or ``compare`` refused it; no file is left.
    """
    draft = target.with_name(f".{target.stem}.{os.getpid()}{target.suffix}")
    try:
        try:
            save(draft)
        except Exception as error:
            raise ExportError(f"{target} cannot be written: {one_line(error)}") from error
        difference = compare(draft)
        with open(draft, "rb+") as file:
            os.fsync(file.fileno())
        os.replace(draft, target)
    finally:
        draft.unlink(missing_ok=True)
    return difference


def compare_outputs(
    outputs: Callable[[Tensor], np.ndarray[Any, Any]],
    example: Tensor,
    expected: np.ndarray[Any, Any],
    tolerance: float,
) -> float:
    """Compare an export with its network on the first input alone and on all inputs.

    Args:
        outputs: The export: inputs (n, C, H, W) to outputs (n, ...).
        example: Real inputs (N, C, H, W).
        expected: Outputs of the network for them, (N, ...), finite.
        tolerance: The largest difference accepted.

    Returns:
        The largest absolute difference over the largest absolute expected output.

    Raises:
        ExportError: The export fails, or differs by more; the message says how much and where.
    """
    scale = float(np.abs(expected).max()) or 1.0
    largest = 0.0
    for size in sorted({1, len(example)}):
        try:
            actual = outputs(example[:size])
        except Exception as error:
            raise ExportError(
                f"the export fails on a batch of {size}: {one_line(error)}"
            ) from error
        wanted = expected[:size]
        if actual.shape != wanted.shape:
            raise ExportError(
                f"on a batch of {size} the export returns shape {actual.shape} "
                f"where the network returns {wanted.shape}"
            )
        differences = np.abs(actual - wanted) / scale
        # NaN where the network has a number counts as the largest difference.
        place = np.unravel_index(int(np.argmax(differences)), differences.shape)
        difference = float(differences[place])
        if not difference <= tolerance:
            raise ExportError(
                f"on a batch of {size} the export differs from the network by {difference:.2g} "
                f"of the largest output (tolerance {tolerance:.2g}); the worst is input "
                f"{int(place[0])}, output {tuple(map(int, place[1:]))}: {actual[place]:.6g} "
                f"where the network gives {wanted[place]:.6g}"
            )
        largest = max(largest, difference)
    return largest


def one_line(error: object) -> str:
    """Return the text of an error in one line, or its type if it has no text."""
    return " ".join(str(error).split())[:300] or type(error).__name__
