"""Rounding of a share of a training to whole epochs."""

from __future__ import annotations

__all__ = ["scale_epochs"]


def scale_epochs(epochs: int, share: float) -> int:
    """Return a share of a number of epochs, rounded, at least one epoch.

    Example:
        >>> [scale_epochs(10, share) for share in (1 / 27, 1 / 9, 1 / 3, 1.0)]
        [1, 1, 3, 10]
    """
    return max(1, round(epochs * share))
