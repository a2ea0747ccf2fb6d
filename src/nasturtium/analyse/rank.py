"""How well the search's cheap estimate ranks what trainings in full find: Kendall's tau."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

__all__ = ["LEAST", "Rank", "kendall", "rank_correlation"]

LEAST = 4  # networks below which a rank correlation says nothing
RESAMPLES = 1000


@final
@dataclass(frozen=True)
class Rank:
    """A rank correlation with its interval, or why there is none.

    Attributes:
        tau: Kendall's tau-b between estimate and finished metric; ``None`` where unknown.
        low: lower end of the 90 % interval, by resampling networks.
        high: upper end.
        networks: how many it rests on.
        reason: why there is none; else empty.
    """

    tau: float | None
    low: float | None
    high: float | None
    networks: int
    reason: str = ""

    def to_json(self) -> dict[str, Any]:
        """As plain JSON."""
        return dict(vars(self))

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Rank:
        """The record that ``to_json`` wrote."""
        return cls(**data)

    def __str__(self) -> str:
        if self.tau is None:
            return self.reason
        return f"tau {self.tau:.2f} ({self.low:.2f} to {self.high:.2f}, {self.networks} networks)"


def kendall(first: NDArray[np.float64], second: NDArray[np.float64]) -> float:
    """Kendall's tau-b of two sequences; NaN where one is constant.

    Example:
        >>> kendall(np.array([1.0, 2.0, 3.0]), np.array([1.0, 3.0, 2.0])).__round__(3)
        0.333
    """
    x = np.sign(first[:, None] - first)
    y = np.sign(second[:, None] - second)
    pairs = math.sqrt(float((x * x).sum()) * float((y * y).sum()))
    return float((x * y).sum()) / pairs if pairs else math.nan


def rank_correlation(
    estimates: Sequence[float], finished: Sequence[float], *, seed: int = 0
) -> Rank:
    """Kendall's tau-b with a percentile bootstrap interval (90 %) over networks.

    Args:
        estimates: the search's estimate of each network.
        finished: its metric after training in full, the mean over seeds.
        seed: of the resampling.
    """
    count = len(estimates)
    if count < LEAST:
        return Rank(
            None, None, None, count, f"{count} networks have both numbers, and {LEAST} are needed"
        )
    x, y = np.array(estimates, dtype=np.float64), np.array(finished, dtype=np.float64)
    tau = kendall(x, y)
    if math.isnan(tau):
        return Rank(None, None, None, count, f"all {count} networks have the same value")
    rng = np.random.default_rng(seed)
    taus = [kendall(x[drawn], y[drawn]) for drawn in rng.integers(0, count, (RESAMPLES, count))]
    low, high = np.nanquantile(taus, (0.05, 0.95))
    return Rank(tau, float(low), float(high), count)
