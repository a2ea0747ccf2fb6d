"""Compound scaling: one number makes a network deeper, wider and its images larger.

Tan & Le (2019), "EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks", section
3.3. Depth, width and resolution grow as alpha^phi, beta^phi and gamma^phi; a convolutional
network's cost then grows about as (alpha * beta^2 * gamma^2)^phi. The bases are searched once on a
grid at phi = 1 under a budget of twice the cost, the best of them by training; phi does the rest.

Implemented: the record of the bases, the factors that it gives at phi, how numbers of layers
(upwards) and channels (to multiples of 8, never more than a tenth less) follow from them, and the
grid. The cost of a candidate is by default the formula above, and the counted cost of its network
where :func:`measure_growth` is given: numbers are rounded, small ones upwards, so that 1.2, 1.1,
1.15, which should make EfficientNet-B0 1.92 times as costly, make it 2.6 times as costly.

Deviations: the caller trains the affordable bases to choose the best.

The tests reproduce EfficientNet-B0 to B3 from B0 with these bases at phi = 0, 0.5, 1 and 2, with
factors rounded to tenths and sides to multiples of 20 pixels: coefficients as published, and
parameters exactly. B4 to B7 are published with factors that no phi of this rule gives.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING

from nasturtium.errors import EstimateError

if TYPE_CHECKING:
    from nasturtium.cost.count import Cost

__all__ = ["CompoundScaling", "Scale", "find_scalings", "measure_growth", "round_channels"]


def round_channels(channels: float, multiple: int) -> int:
    """Return the nearest multiple, at least one, and never below nine tenths of ``channels``.

    MobileNets use this rule to keep their numbers of channels divisible.
    """
    near = max(multiple, int(channels + multiple / 2) // multiple * multiple)
    return near + multiple if near < 0.9 * channels else near


@dataclass(frozen=True)
class Scale:
    """Factors of depth, width and resolution relative to a base network.

    Attributes:
        depth: factor of the number of layers of each stage.
        width: factor of the channels.
        resolution: factor of height and width of the images.
    """

    depth: float = 1.0
    width: float = 1.0
    resolution: float = 1.0

    def __post_init__(self) -> None:
        _check_positive("scale", self.depth, self.width, self.resolution)

    def layers(self, number: int) -> int:
        """Return the layers of a stage with ``number`` layers in the base, rounded upwards."""
        return math.ceil(self.depth * number)

    def channels(self, number: float, multiple: int = 8) -> int:
        """Return the channels for ``number`` in the base, by the rule of :func:`round_channels`."""
        return round_channels(self.width * number, multiple)

    def side(self, pixels: int, multiple: int = 1) -> int:
        """Return the images' side for ``pixels`` in the base, unrounded if nothing is scaled."""
        if self.resolution == 1:
            return pixels
        return max(1, round(self.resolution * pixels / multiple)) * multiple


@dataclass(frozen=True)
class CompoundScaling:
    """The bases of compound scaling: the factor of each dimension for one unit of phi.

    Attributes:
        depth: alpha.
        width: beta.
        resolution: gamma.

    Example:
        >>> scale = CompoundScaling(1.2, 1.1, 1.15).at(2, digits=1)
        >>> scale.depth, scale.width, scale.side(224, multiple=20)
        (1.4, 1.2, 300)
    """

    depth: float
    width: float
    resolution: float

    def __post_init__(self) -> None:
        _check_positive("compound scaling", self.depth, self.width, self.resolution)

    @property
    def growth(self) -> float:
        """Alpha * beta^2 * gamma^2: the factor of the cost for one unit of phi."""
        return self.depth * self.width**2 * self.resolution**2

    def at(self, phi: float, digits: int | None = None) -> Scale:
        """Return the scale at ``phi``, where 0 is the base; round depth and width to ``digits``."""
        depth, width = self.depth**phi, self.width**phi
        if digits is not None:
            depth, width = round(depth, digits), round(width, digits)
        return Scale(depth, width, self.resolution**phi)


def measure_growth(cost_of: Callable[[Scale], Cost]) -> Callable[[CompoundScaling], float]:
    """Return a function that counts the growth of multiply-accumulates from phi = 0 to 1.

    Args:
        cost_of: counts the network at a scale.

    Example:
        >>> import nasturtium as nas
        >>> from nasturtium.cost.block_costs import BlockCounter
        >>> from nasturtium.space.zoo.efficientnet import B0
        >>> counter = BlockCounter()
        >>> def cost_of(scale):
        ...     inputs = (3, scale.side(224), scale.side(224))
        ...     space = nas.zoo.efficientnet.bind(
        ...         width=scale.width, depth=scale.depth, inputs=inputs, classes=1000
        ...     )
        ...     return counter.count(space.plan(B0), inputs)
        >>> round(measure_growth(cost_of)(CompoundScaling(1.2, 1.1, 1.15)), 1)
        2.6
    """
    base = cost_of(Scale()).macs
    return lambda scaling: cost_of(scaling.at(1)).macs / base


def find_scalings(
    growth: Callable[[CompoundScaling], float] = lambda scaling: scaling.growth,
    *,
    budget: float = 2.0,
    tolerance: float = 0.1,
    step: float = 0.05,
) -> tuple[CompoundScaling, ...]:
    """Return the bases on a grid whose growth meets a budget, to be trained and compared.

    Args:
        growth: the factor of the cost at phi = 1: the formula, or :func:`measure_growth`.
        budget: the wanted growth.
        tolerance: the largest relative deviation from the budget.
        step: distance between neighbouring bases, from 1 to the base that alone meets the budget.

    Returns:
        The candidates, the nearest to the budget first.

    Raises:
        EstimateError: a budget that does not grow, or a step or tolerance that is not positive.
    """
    if not (budget > 1 and step > 0 and tolerance > 0):
        raise EstimateError(
            f"a grid of scalings got budget={budget!r}, step={step!r}, tolerance={tolerance!r}; "
            "expected a growth above 1, e.g. 2.0, and positive numbers"
        )
    single, squared = (
        [round(1 + step * place, 10) for place in range(1 + math.floor((most - 1) / step + 1e-9))]
        for most in (budget * (1 + tolerance), math.sqrt(budget * (1 + tolerance)))
    )
    candidates = []
    for bases in product(single, squared, squared):
        scaling = CompoundScaling(*bases)
        miss = abs(growth(scaling) / budget - 1)
        if miss <= tolerance:
            candidates.append((miss, bases, scaling))
    return tuple(scaling for _, _, scaling in sorted(candidates, key=lambda one: one[:2]))


def _check_positive(what: str, *factors: float) -> None:
    if not all(0 < factor < math.inf for factor in factors):
        raise EstimateError(
            f"a {what} got depth, width, resolution = {factors!r}; expected positive numbers, "
            "e.g. 1.2, 1.1, 1.15"
        )
