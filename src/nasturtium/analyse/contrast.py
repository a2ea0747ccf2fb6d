"""The gain of a search over random search of equal cost, as one weighted sum of networks.

A line is laid over the control's networks, accuracy against the normal score of the network's rank
within the control, and read off at the mean score of the k best of as many draws as the search
paid for. The gain is the mean of the search's k best less that value. A least-squares line's value
is a weighted sum of its points, and so is the gain.

Its standard error takes an architecture as the unit (trainings of one architecture with other
seeds only make its mean firmer), from the spread within the search's networks and about the
control's line; a network that both sides chose enters once, with the difference of its weights.
Degrees of freedom are the networks less the three numbers fitted: a mean, and a line's two.
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

from nasturtium.analyse.normal_scores import normal_scores
from nasturtium.analyse.selection import Pools

__all__ = ["Contrast"]

Vector = NDArray[np.float64]


@final
@dataclass(frozen=True)
class Contrast:
    """The gain of the search's networks over the continued control, and how sure it is.

    Attributes:
        gain: mean of the search's k best less the value of the control's line.
        slope: of the line, per unit of normal score; not below zero.
        allowance: what the line adds beyond the control's own k best.
        error: standard error of the gain.
        freedom: degrees of freedom.
        variance: between networks, about their side's mean or line.
        top: how many networks of the search.
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
        parted: Pools,
        top: list[str],
        line: list[str],
        places: Mapping[str, int],
        values: Mapping[str, float],
    ) -> Contrast:
        """The contrast of the networks ``top`` with those of the ``line``, all given by key.

        Args:
            parted: the study's pools.
            top: of the search, its k best.
            line: of the control, three or more.
            places: rank of each network of the control, from 0.
            values: mean metric of each network, larger is better.
        """
        size = len(parted.control)
        scores = normal_scores(size, size)[[places[key] for key in line]]
        target = _target(parted, len(top))
        found = np.array([values[key] for key in line])
        ours = np.array([values[key] for key in top])
        away = scores - scores.mean()
        # A line that falls says that the estimate does not rank this control: it is taken as flat.
        slope = max(0.0, float(away @ found / (away @ away)))
        weights = _weights(scores, target, slope)
        rest = found - found.mean() - slope * away
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

    def more(self, parted: Pools, margin: float, level: float, power: float) -> int | None:
        """How many further networks would decide, if gain and spread stay what they are.

        ``None`` where even all that the control has would not.
        """
        size = len(parted.control)
        ranked = normal_scores(size, size)
        for top in range(self.top + 1, min(size, len(parted.search)) + 1):
            among = self.scores >= ranked[top - 1]  # the control's best that are trained already
            scores = np.concatenate([ranked[:top], self.scores[~among]])
            weights = _weights(scores, _target(parted, top), self.slope)
            error = math.sqrt(self.variance * (1 / top + float(weights @ weights)))
            freedom = top - 1 + len(scores) - 2
            needed = float(student.isf(level, freedom) + norm.ppf(power)) * error
            if max(self.gain, margin - self.gain) >= needed:
                return 2 * top - self.top - int(among.sum())
        return None


def _target(parted: Pools, top: int) -> float:
    """The mean normal score of the best ``top`` draws that the search's cost would have bought."""
    return float(normal_scores(max(parted.equal, len(parted.control)), top).mean())


def _weights(scores: Vector, target: float, slope: float) -> Vector:
    """What each network of the control weighs in the value of its line at the target."""
    flat = np.full(len(scores), 1.0 / len(scores))
    if slope == 0.0:
        return flat
    away = scores - scores.mean()
    return np.asarray(flat + (target - scores.mean()) * away / (away @ away), dtype=np.float64)
