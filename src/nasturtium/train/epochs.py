"""How many epochs a share of a training means."""

from __future__ import annotations

__all__ = ["whole_epochs"]


def whole_epochs(epochs: int, share: float) -> int:
    """The epochs that a share of a training means: rounded, and at least one.

    Example:
        >>> [whole_epochs(10, share) for share in (1 / 27, 1 / 9, 1 / 3, 1.0)]
        [1, 1, 3, 10]
    """
    return max(1, round(epochs * share))
