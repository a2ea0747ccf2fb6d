"""Acquisition: expected improvement, and the choice of the largest value."""

from __future__ import annotations

import math
from random import Random
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

__all__ = ["argmax", "expected_improvement"]


def expected_improvement(mean: Array, spread: Array, best: float) -> Array:
    """Return the mean excess of a normal variable over ``best`` (Mockus 1978)."""
    from scipy.special import ndtr

    gain = (mean - best) / spread
    density = np.exp(-0.5 * gain**2) / math.sqrt(2.0 * math.pi)
    expected: Array = spread * (gain * ndtr(gain) + density)
    return expected


def argmax(values: Array, rng: Random) -> int:
    """Return the place of the largest value; among equal ones it is drawn."""
    places = np.flatnonzero(values == values.max()).tolist()
    return int(places[int(rng.random() * len(places))])
