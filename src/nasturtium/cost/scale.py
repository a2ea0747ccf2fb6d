"""Compound scaling: one number makes a network deeper, wider and its images larger.

Tan & Le (2019), "EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks", section
3.3. Depth, width and resolution grow as alpha^phi, beta^phi and gamma^phi; a convolutional
network's cost then grows about as (alpha * beta^2 * gamma^2)^phi. The bases are searched once on a
grid at phi = 1 under a budget of twice the cost, the best of them by training; phi does the rest.

Implemented: the record of the bases, the factors that it gives at phi, how numbers of layers
(upwards) and channels (to multiples of 8, never more than a tenth less) follow from them, and the
grid. What a candidate costs is by default the formula above, and what its network really costs
where :func:`measured` is given: numbers are rounded, and upwards where they are small, so that
1.2, 1.1, 1.15, which should make EfficientNet-B0 1.92 times as costly, make it 2.6 times.

Deviations: which of the affordable bases is best is left to the caller, who can train.

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

__all__ = ["CompoundScaling", "Scale", "grid", "measured", "rounded"]


def rounded(channels: float, multiple: int) -> int:
    """The nearest multiple, at least one, and never below nine tenths of ``channels``.

    The rule by which MobileNets keep their channel numbers divisible.
    """
    near = max(multiple, int(channels + multiple / 2) // multiple * multiple)
    return near + multiple if near < 0.9 * channels else near


@dataclass(frozen=True)
class Scale:
    """How many times as deep, wide and large as its base a network is.

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
        """Layers of a stage that has ``number`` in the base, rounded upwards."""
        return math.ceil(self.depth * number)

    def channels(self, number: float, multiple: int = 8) -> int:
        """Channels where the base has ``number``, by the rule of :func:`rounded`."""
        return rounded(self.width * number, multiple)

    def side(self, pixels: int, multiple: int = 1) -> int:
        """The images' side where the base has ``pixels``, which are kept if nothing is scaled."""
        if self.resolution == 1:
            return pixels
        return max(1, round(self.resolution * pixels / multiple)) * multiple


@dataclass(frozen=True)
class CompoundScaling:
    """The bases of compound scaling: what one unit of phi multiplies each dimension by.

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
        """Alpha * beta^2 * gamma^2: how many times the cost of the base a unit of phi should be."""
        return self.depth * self.width**2 * self.resolution**2

    def at(self, phi: float, digits: int | None = None) -> Scale:
        """The scale at ``phi``, 0 being the base; depth and width are rounded to ``digits``."""
        depth, width = self.depth**phi, self.width**phi
        if digits is not None:
            depth, width = round(depth, digits), round(width, digits)
        return Scale(depth, width, self.resolution**phi)


def measured(cost_of: Callable[[Scale], Cost]) -> Callable[[CompoundScaling], float]:
    """How many times the multiply-accumulates of the base a network has at phi = 1, counted.

    Args:
        cost_of: counts the network at a scale.

    Example:
        >>> import nasturtium as nas
        >>> from nasturtium.cost.plan import Counter
        >>> from nasturtium.space.zoo.efficientnet import B0
        >>> counter = Counter()
        >>> def cost_of(scale):
        ...     inputs = (3, scale.side(224), scale.side(224))
        ...     space = nas.zoo.efficientnet.bind(
        ...         width=scale.width, depth=scale.depth, inputs=inputs, classes=1000
        ...     )
        ...     return counter.count(space.plan(B0), inputs)
        >>> round(measured(cost_of)(CompoundScaling(1.2, 1.1, 1.15)), 1)
        2.6
    """
    base = cost_of(Scale()).macs
    return lambda scaling: cost_of(scaling.at(1)).macs / base


def grid(
    growth: Callable[[CompoundScaling], float] = lambda scaling: scaling.growth,
    *,
    budget: float = 2.0,
    tolerance: float = 0.1,
    step: float = 0.05,
) -> tuple[CompoundScaling, ...]:
    """The bases on a grid that spend a budget: what remains is to train and compare them.

    Args:
        growth: how many times the cost of the base a network has at phi = 1: the formula, or
            :func:`measured`.
        budget: the growth that is wanted.
        tolerance: the share of the budget by which a candidate may miss it.
        step: between neighbouring bases, from 1 on up to where one alone spends the budget.

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
    found = []
    for bases in product(single, squared, squared):
        scaling = CompoundScaling(*bases)
        miss = abs(growth(scaling) / budget - 1)
        if miss <= tolerance:
            found.append((miss, bases, scaling))
    return tuple(scaling for _, _, scaling in sorted(found, key=lambda one: one[:2]))


def _check_positive(what: str, *factors: float) -> None:
    if not all(0 < factor < math.inf for factor in factors):
        raise EstimateError(
            f"a {what} got depth, width, resolution = {factors!r}; expected positive numbers, "
            "e.g. 1.2, 1.1, 1.15"
        )
