"""Augmentation policies: operations on images, each with a probability and a magnitude.

Cubuk et al. (2019), "AutoAugment: Learning Augmentation Strategies from Data", table 6, and Cubuk
et al. (2020), "RandAugment: Practical Automated Data Augmentation with a Reduced Search Space",
section 3. A policy is a set of sub-policies; one is drawn for each image, and its steps are applied
in order, each with its probability.

Implemented: 14 of their operations (:data:`OPS`), on whole batches on the device that trains.
Deviations: histogram equalisation and pairing of samples are left out (for cutout and mixup see
:mod:`nasturtium.task.augment`); magnitudes are shares of an operation's range, 0 to 1, and their
sign is drawn where they have one, for the blends too; geometry is bilinear and fills with 0, the
mean colour; sharpening repeats the border.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from difflib import get_close_matches
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from nasturtium.errors import TaskError

__all__ = ["OPS", "Policy", "apply_policy", "check_policy"]

Step = tuple[str, float, float]  # operation, probability, magnitude
Policy = tuple[tuple[Step, ...], ...]
Operation = Callable[[Tensor, Tensor], Tensor]

SHEAR = 0.3
TURN = 30.0  # degrees
SHIFT = 0.45  # of the side: 150 of 331 pixels
BLEND = 0.9  # factors from 0.1 to 1.9
BITS = 4  # that posterising takes away


def check_policy(policy: Any) -> Policy:
    """Return a policy as nested tuples.

    Raises:
        TaskError: it has another form, an unknown operation, or a number outside 0 to 1.
    """
    checked = []
    for sub in policy if isinstance(policy, (list, tuple)) else [policy]:
        steps = []
        for step in sub if isinstance(sub, (list, tuple)) else [sub]:
            if not isinstance(step, (list, tuple)) or len(step) != 3:
                raise TaskError(
                    f"a policy got the step {step!r}; it is a tuple of sub-policies, each a tuple "
                    'of steps (operation, probability, magnitude), e.g. ((("rotate", 0.8, 0.5),),)'
                )
            op, probability, magnitude = step
            if op not in OPS:
                near = get_close_matches(str(op), OPS, n=1)
                hint = f"; did you mean {near[0]!r}?" if near else ""
                raise TaskError(f"a policy has no {op!r}{hint} (there are: {', '.join(OPS)})")
            if not (0 <= probability <= 1 and 0 <= magnitude <= 1):
                raise TaskError(
                    f"a policy got the step {step!r}; probability and magnitude are shares, 0 to 1"
                )
            steps.append((op, float(probability), float(magnitude)))
        checked.append(tuple(steps))
    return tuple(checked)


def apply_policy(
    x: Tensor, policy: Policy, draws: int, ends: tuple[Tensor, Tensor], generator: torch.Generator
) -> Tensor:
    """Apply to each image the sub-policies that it draws.

    Args:
        x: (N, C, H, W) normalised images.
        policy: the sub-policies; each image draws among them evenly, with replacement.
        draws: how many of them an image draws; they are applied one after the other.
        ends: black and white in the scale of ``x``, each broadcast over it.
        generator: source of every random number, on the device of ``x``.

    Returns:
        Images of the same shape.
    """
    black, span = ends[0], (ends[1] - ends[0]).clamp(min=1e-6)
    x = (x - black) / span
    grey = -black / span  # 0, the mean of the data, in the new scale
    for _ in range(draws):
        drawn = torch.randint(len(policy), (len(x),), device=x.device, generator=generator)
        for number, sub in enumerate(policy):
            for op, probability, magnitude in sub:
                chance, sign = torch.rand(2, len(x), device=x.device, generator=generator)
                rows = torch.nonzero((drawn == number) & (chance < probability)).squeeze(1)
                if len(rows):
                    strength = torch.where(sign[rows] < 0.5, -magnitude, magnitude)
                    base = grey if op in GEOMETRY else 0.0
                    x = x.index_copy(0, rows, OPS[op](x[rows] - base, strength) + base)
    return x * span + black


# -- operations: (N, C, H, W) from black 0 to white 1, and a signed magnitude for each -------------


def _affine(x: Tensor, rows: tuple[tuple[Any, Any, Any], tuple[Any, Any, Any]]) -> Tensor:
    """Sample each image at the places given by its 2 x 3 matrix, in units of half a side."""
    zero = x.new_zeros(len(x))
    theta = torch.stack([torch.stack([zero + part for part in row], 1) for row in rows], 1)
    grid = functional.affine_grid(theta, list(x.shape), align_corners=False)
    return functional.grid_sample(x, grid, align_corners=False)


def _shear_x(x: Tensor, strength: Tensor) -> Tensor:
    return _affine(x, ((1, SHEAR * strength * x.shape[2] / x.shape[3], 0), (0, 1, 0)))


def _shear_y(x: Tensor, strength: Tensor) -> Tensor:
    return _affine(x, ((1, 0, 0), (SHEAR * strength * x.shape[3] / x.shape[2], 1, 0)))


def _translate_x(x: Tensor, strength: Tensor) -> Tensor:
    return _affine(x, ((1, 0, 2 * SHIFT * strength), (0, 1, 0)))


def _translate_y(x: Tensor, strength: Tensor) -> Tensor:
    return _affine(x, ((1, 0, 0), (0, 1, 2 * SHIFT * strength)))


def _rotate(x: Tensor, strength: Tensor) -> Tensor:
    angle = math.radians(TURN) * strength
    sine, cosine, ratio = angle.sin(), angle.cos(), x.shape[2] / x.shape[3]
    return _affine(x, ((cosine, -sine * ratio, 0), (sine / ratio, cosine, 0)))


def _identity(x: Tensor, strength: Tensor) -> Tensor:
    return x


def _invert(x: Tensor, strength: Tensor) -> Tensor:
    return 1 - x


def _solarize(x: Tensor, strength: Tensor) -> Tensor:
    return torch.where(x >= _wide(1 - strength.abs()), 1 - x, x)


def _posterize(x: Tensor, strength: Tensor) -> Tensor:
    step = 2 ** _wide((BITS * strength.abs()).round())
    return ((x.clamp(0, 1) * 255).round() / step).floor() * step / 255


def _autocontrast(x: Tensor, strength: Tensor) -> Tensor:
    low, high = x.amin((2, 3), keepdim=True), x.amax((2, 3), keepdim=True)
    return torch.where(high > low, (x - low) / (high - low).clamp(min=1e-6), x)


def _brightness(x: Tensor, strength: Tensor) -> Tensor:
    return _blended(torch.zeros_like(x), x, strength)


def _contrast(x: Tensor, strength: Tensor) -> Tensor:
    return _blended(x.mean((1, 2, 3), keepdim=True), x, strength)


def _color(x: Tensor, strength: Tensor) -> Tensor:
    return _blended(x.mean(1, keepdim=True), x, strength)


def _sharpness(x: Tensor, strength: Tensor) -> Tensor:
    kernel = x.new_ones(x.shape[1], 1, 3, 3)
    kernel[:, :, 1, 1] = 5
    padded = functional.pad(x, (1, 1, 1, 1), mode="replicate")
    return _blended(functional.conv2d(padded, kernel / 13, groups=x.shape[1]), x, strength)


def _blended(less: Tensor, x: Tensor, strength: Tensor) -> Tensor:
    return torch.lerp(less.expand_as(x), x, _wide(1 + BLEND * strength)).clamp(0, 1)


def _wide(strength: Tensor) -> Tensor:
    return strength[:, None, None, None]


OPS: Mapping[str, Operation] = MappingProxyType(
    {
        "identity": _identity,
        "shear_x": _shear_x,
        "shear_y": _shear_y,
        "translate_x": _translate_x,
        "translate_y": _translate_y,
        "rotate": _rotate,
        "autocontrast": _autocontrast,
        "invert": _invert,
        "solarize": _solarize,
        "posterize": _posterize,
        "contrast": _contrast,
        "color": _color,
        "brightness": _brightness,
        "sharpness": _sharpness,
    }
)
GEOMETRY = frozenset({"shear_x", "shear_y", "translate_x", "translate_y", "rotate"})
