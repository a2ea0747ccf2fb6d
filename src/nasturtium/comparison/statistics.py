"""Statistics of paired runs: intervals of means, and pairwise tests with Holm's correction."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

__all__ = ["correct_by_holm", "mean_interval", "pairwise_p_values"]


def mean_interval(
    curves: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the 95 % interval of the mean of every column, by Student's t over rows.

    Example:
        >>> low, high = mean_interval(np.array([[1.0], [2.0], [3.0]]))
        >>> low.round(2), high.round(2)
        (array([-0.48]), array([4.48]))
    """
    from scipy.stats import t

    count = len(curves)
    half = t.ppf(0.975, count - 1) * curves.std(0, ddof=1) / np.sqrt(count)
    return curves.mean(0) - half, curves.mean(0) + half


def pairwise_p_values(
    results: Mapping[str, NDArray[np.float64]],
) -> dict[tuple[str, str], float]:
    """Return the p-value that two of the results differ, for every pair, corrected by Holm.

    The test is Wilcoxon's signed-rank test of results that are paired by place; differences of
    zero count half for either side, and pairs with NaN are left out.

    Args:
        results: one value for each repeat, by name.
    """
    from scipy.stats import wilcoxon

    names = list(results)
    p_values: dict[tuple[str, str], float] = {}
    for place, first in enumerate(names):
        for second in names[place + 1 :]:
            difference = results[first] - results[second]
            difference = difference[~np.isnan(difference)]
            same = not difference.any()
            p = 1.0 if same else float(wilcoxon(difference, zero_method="zsplit").pvalue)
            p_values[first, second] = p
    return correct_by_holm(p_values)


def correct_by_holm(p_values: Mapping[tuple[str, str], float]) -> dict[tuple[str, str], float]:
    """Correct p-values for their number by Holm's step-down method (Holm 1979).

    Example:
        >>> correct_by_holm({("a", "b"): 0.01, ("a", "c"): 0.04})
        {('a', 'b'): 0.02, ('a', 'c'): 0.04}
    """
    corrected: dict[tuple[str, str], float] = {}
    highest = 0.0
    for place, pair in enumerate(sorted(p_values, key=lambda pair: p_values[pair])):
        highest = max(highest, min(1.0, p_values[pair] * (len(p_values) - place)))
        corrected[pair] = highest
    return {pair: corrected[pair] for pair in p_values}
