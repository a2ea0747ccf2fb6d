"""Rank correlation (Kendall's tau) between the search's estimates and retrained networks."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, final

import numpy as np
from numpy.typing import NDArray
from scipy.stats import kendalltau

__all__ = ["LEAST", "Rank", "rank_correlation"]

LEAST = 4  # networks that a rank correlation needs
RESAMPLES = 1000


@final
@dataclass(frozen=True)
class Rank:
    """A rank correlation with its interval, or the reason why it is unknown.

    Attributes:
        tau: Kendall's tau-b between estimate and metric after retraining; ``None`` if unknown.
        low: lower end of the 90 % interval, from resampled networks.
        high: upper end.
        networks: number of networks.
        reason: why it is unknown; else empty.
    """

    tau: float | None
    low: float | None
    high: float | None
    networks: int
    reason: str = ""

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON."""
        return dict(vars(self))

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Rank:
        """Return the record that ``to_json`` wrote."""
        return cls(**data)

    def __str__(self) -> str:
        if self.tau is None:
            return self.reason
        return f"tau {self.tau:.2f} ({self.low:.2f} to {self.high:.2f}, {self.networks} networks)"


def rank_correlation(
    estimates: Sequence[float], retrained: Sequence[float], *, seed: int = 0
) -> Rank:
    """Return Kendall's tau-b with a percentile bootstrap interval (90 %) over networks.

    Args:
        estimates: the search's estimate of each network.
        retrained: the network's metric after retraining, the mean over seeds.
        seed: seed of the resampling.

    Example:
        >>> rank_correlation([0.1, 0.2, 0.3, 0.4], [0.5, 0.7, 0.6, 0.8]).tau.__round__(3)
        0.667
    """
    count = len(estimates)
    if count < LEAST:
        return Rank(
            None, None, None, count, f"{count} networks have both values, and {LEAST} are needed"
        )
    x, y = np.array(estimates, dtype=np.float64), np.array(retrained, dtype=np.float64)
    tau = _kendall(x, y)
    if math.isnan(tau):
        return Rank(None, None, None, count, f"all {count} networks have the same value")
    rng = np.random.default_rng(seed)
    taus = [_kendall(x[drawn], y[drawn]) for drawn in rng.integers(0, count, (RESAMPLES, count))]
    low, high = np.nanquantile(taus, (0.05, 0.95))
    return Rank(tau, float(low), float(high), count)


def _kendall(first: NDArray[np.float64], second: NDArray[np.float64]) -> float:
    """Return Kendall's tau-b of two sequences; NaN if one is constant."""
    return float(kendalltau(first, second, method="asymptotic").statistic)
