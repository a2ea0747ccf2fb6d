"""Checks that constructors of strategies share."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from nasturtium.errors import StrategyError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

__all__ = ["require_at_least"]


def require_at_least(name: str, least: int = 1, **given: int) -> None:
    """Refuse counts below a least.

    Raises:
        StrategyError: one is.
    """
    wrong = {key: value for key, value in given.items() if value < least}
    if wrong:
        text = ", ".join(f"{key}={value}" for key, value in wrong.items())
        raise StrategyError(f"{name} got {text}; expected at least {least}")
