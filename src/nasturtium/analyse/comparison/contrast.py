"""The gain of a search over random search at equal cost, as a weighted sum of networks.

A line is fitted to the control's networks: accuracy against the normal score of the network's rank
within the control. Its value is taken at the mean score of the k best of as many draws as the
search's cost would have paid for. The gain is the mean of the search's k best minus that value. The
value of a least-squares line is a weighted sum of its points, and so is the gain.

The unit of the standard error is the architecture (further seeds of one architecture only make its
mean more precise). It uses the spread among the search's networks and about the control's line; a
network that both sides selected counts once, with the difference of its weights. The degrees of
freedom are the number of networks minus the three fitted numbers: a mean, and two of the line.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm
from scipy.stats import t as student

from nasturtium.analyse.comparison.selection import Pools
from nasturtium.analyse.normal_scores import normal_scores

__all__ = ["Contrast"]

Vector = NDArray[np.float64]


@final
@dataclass(frozen=True)
class Contrast:
    """The gain of the search's networks over the extrapolated control, with its standard error.

    Attributes:
        gain: mean of the search's k best minus the value of the control's line.
        slope: slope of the line per unit of normal score, at least zero.
        allowance: difference between the line's value and the control's own k best.
        error: standard error of the gain.
        freedom: degrees of freedom.
        variance: variance between networks, about the mean or the line of their side.
        top: number of networks of the search.
        scores: normal scores of the control's networks.
    """

    gain: float
    slope: float
    allowance: float
    error: float
    freedom: int
    variance: float
    top: int
    scores: Vector

    @classmethod
    def of(
        cls,
        pools: Pools,
        top: list[str],
        line: list[str],
        places: Mapping[str, int],
        values: Mapping[str, float],
    ) -> Contrast:
        """Compare the networks ``top`` with those of the ``line``, all given by key.

        Args:
            pools: the study's pools.
            top: the k best of the search.
            line: three or more networks of the control.
            places: rank of each network of the control, from 0.
            values: mean metric of each network; larger is better.
        """
        size = len(pools.control)
        scores = normal_scores(size, size)[[places[key] for key in line]]
        target = _target(pools, len(top))
        controls = np.array([values[key] for key in line])
        ours = np.array([values[key] for key in top])
        centred = scores - scores.mean()
        # If the line falls, the estimate does not rank this control; a flat line replaces it.
        slope = max(0.0, float(centred @ controls / (centred @ centred)))
        weights = _weights(scores, target, slope)
        rest = controls - controls.mean() - slope * centred
        spread = ours - ours.mean()
        freedom = len(top) - 1 + len(line) - 2
        variance = float(rest @ rest + spread @ spread) / freedom
        shares = dict.fromkeys(top, 1.0 / len(top))
        for key, weight in zip(line, weights, strict=True):
            shares[key] = shares.get(key, 0.0) - float(weight)
        return cls(
            gain=sum(share * values[key] for key, share in shares.items()),
            slope=slope,
            allowance=slope * (target - float(normal_scores(size, len(top)).mean())),
            error=math.sqrt(variance * sum(share**2 for share in shares.values())),
            freedom=freedom,
            variance=variance,
            top=len(top),
            scores=scores,
        )

    def more(self, pools: Pools, margin: float, level: float, power: float) -> int | None:
        """Return how many further networks would decide if gain and spread stay the same.

        ``None`` if even all networks of the control would not.
        """
        size = len(pools.control)
        ranked = normal_scores(size, size)
        for top in range(self.top + 1, min(size, len(pools.search)) + 1):
            among = (
                self.scores >= ranked[top - 1]
            )  # the best of the control that are retrained already
            scores = np.concatenate([ranked[:top], self.scores[~among]])
            weights = _weights(scores, _target(pools, top), self.slope)
            error = math.sqrt(self.variance * (1 / top + float(weights @ weights)))
            freedom = top - 1 + len(scores) - 2
            needed = float(student.isf(level, freedom) + norm.ppf(power)) * error
            if max(self.gain, margin - self.gain) >= needed:
                return 2 * top - self.top - int(among.sum())
        return None


def _target(pools: Pools, top: int) -> float:
    """Return the mean normal score of the best ``top`` of as many draws as the search cost."""
    return float(normal_scores(max(pools.equal, len(pools.control)), top).mean())


def _weights(scores: Vector, target: float, slope: float) -> Vector:
    """Return the weight of each network of the control in the value of the line at the target."""
    flat = np.full(len(scores), 1.0 / len(scores))
    if slope == 0.0:
        return flat
    centred = scores - scores.mean()
    return np.asarray(
        flat + (target - scores.mean()) * centred / (centred @ centred), dtype=np.float64
    )
