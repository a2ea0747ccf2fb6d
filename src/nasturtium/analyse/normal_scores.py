"""Normal scores: the expected values of ranked draws, in standard deviations.

These are the expected order statistics of n draws from a normal distribution, by Blom's
approximation (Blom, "Statistical Estimates and Transformed Beta-Variables", 1958): the i-th best of
n lies near the quantile 1 - (i - 0.375) / (n + 0.25). They place the best of ten draws and the best
of a hundred draws on one scale.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

__all__ = ["normal_scores"]


def normal_scores(draws: float, first: int) -> NDArray[np.float64]:
    """Return the normal scores of the ``first`` best of ``draws`` draws, best first.

    Example:
        >>> normal_scores(10, 2).round(2)
        array([1.55, 1.  ])
    """
    ranks = np.arange(1, min(first, int(draws)) + 1)
    return np.asarray(norm.isf((ranks - 0.375) / (draws + 0.25)), dtype=np.float64)
