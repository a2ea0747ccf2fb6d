"""Nothing is exported unless it was read back and found to compute the same."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from nasturtium.errors import ExportError

__all__ = ["largest_difference", "one_line", "write_checked"]


def write_checked(
    target: Path, save: Callable[[Path], None], compare: Callable[[Path], float]
) -> float:
    """Saves under another name, compares, and only then renames.

    Args:
        target: Where the file shall be; its folder has to exist.
        save: Writes the file to a path.
        compare: Reads it back and returns its difference, or raises.

    Returns:
        The difference.

    Raises:
        ExportError: The file cannot be written, or ``compare`` refused it; nothing is left then.
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


def largest_difference(
    outputs: Callable[[Tensor], np.ndarray[Any, Any]],
    example: Tensor,
    expected: np.ndarray[Any, Any],
    tolerance: float,
) -> float:
    """Compares an export with its network on the first input alone and on all of them.

    Args:
        outputs: The export: inputs (n, C, H, W) to outputs (n, ...).
        example: Real inputs (N, C, H, W).
        expected: What the network gives for them, (N, ...), finite.
        tolerance: The largest difference accepted.

    Returns:
        The largest absolute difference over the largest absolute expected output.

    Raises:
        ExportError: The export fails, or differs by more; says how far and where.
    """
    scale = float(np.abs(expected).max()) or 1.0
    worst = 0.0
    for size in sorted({1, len(example)}):
        try:
            got = outputs(example[:size])
        except Exception as error:
            raise ExportError(
                f"the export fails on a batch of {size}: {one_line(error)}"
            ) from error
        wanted = expected[:size]
        if got.shape != wanted.shape:
            raise ExportError(
                f"on a batch of {size} the export returns shape {got.shape} "
                f"where the network returns {wanted.shape}"
            )
        differences = np.abs(got - wanted) / scale
        # Not a number where the network has a number is the worst difference of all.
        place = np.unravel_index(int(np.argmax(differences)), differences.shape)
        difference = float(differences[place])
        if not difference <= tolerance:
            raise ExportError(
                f"on a batch of {size} the export differs from the network by {difference:.2g} "
                f"of the largest output (tolerance {tolerance:.2g}); the worst is input "
                f"{int(place[0])}, output {tuple(map(int, place[1:]))}: {got[place]:.6g} "
                f"where the network gives {wanted[place]:.6g}"
            )
        worst = max(worst, difference)
    return worst


def one_line(error: object) -> str:
    """The text of an error in one line, its type where it has none."""
    return " ".join(str(error).split())[:300] or type(error).__name__
