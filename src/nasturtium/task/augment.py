"""Augmentation of whole batches on the device that trains: flip, crop, policy, cutout, mixup.

Sources: shifted crops and flips as in the CIFAR-10 experiments of He et al., "Deep Residual
Learning" (2016), section 4.2; DeVries and Taylor, "Improved Regularization of Convolutional Neural
Networks with Cutout" (2017); Zhang et al., "mixup: Beyond Empirical Risk Minimization" (2018), with
one mixing weight per batch as in their code; for policies see
:mod:`nasturtium.task.augmentation_policy`. Here crops and cutout fill with 0 after normalisation,
which is the mean colour, where some implementations pad with black before it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from nasturtium.errors import TaskError
from nasturtium.task.augmentation_policy import Policy, apply_policy, check_policy

__all__ = ["Augment"]


@dataclass(frozen=True)
class Augment:
    """The augmentation of training batches; the default does nothing.

    Attributes:
        flip: mirror every image left to right with probability one half.
        crop: shift every image by up to this many pixels each way, filled with 0.
        cutout: side of the square, in pixels, set to 0 around a random centre; 0 is off.
        mixup: alpha of the Beta(alpha, alpha) law of the mixing weight; 0 is off.
        policy: sub-policies, of which each image draws one: tuples of steps ``(operation,
            probability, magnitude)``, with an operation of
            :data:`nasturtium.task.augmentation_policy.OPS` and shares from 0 to 1. Between crop
            and cutout; empty is off.
        draws: how many sub-policies an image draws; they are applied one after the other.

    Example:
        >>> generator = torch.Generator().manual_seed(0)
        >>> images, labels = torch.randn(8, 3, 32, 32), torch.arange(8) % 2
        >>> x, y = Augment(flip=True, crop=4, mixup=0.2).apply(images, labels, generator, classes=2)
        >>> x.shape, y.shape
        (torch.Size([8, 3, 32, 32]), torch.Size([8, 2]))
    """

    flip: bool = False
    crop: int = 0
    cutout: int = 0
    mixup: float = 0.0
    policy: Policy = ()
    draws: int = 1

    def __post_init__(self) -> None:
        object.__setattr__(self, "policy", check_policy(self.policy))
        if not isinstance(self.draws, int) or self.draws < 1:
            raise TaskError(f"Augment(draws={self.draws!r}); expected a whole number, 1 or more")
        for name in ("crop", "cutout", "mixup"):
            if not 0 <= getattr(self, name) < float("inf"):
                raise TaskError(
                    f"Augment({name}={getattr(self, name)}); expected 0 (off) or a positive number"
                )

    def to_json(self) -> dict[str, Any]:
        """Return plain values that ``from_json`` reads back; a policy only where there is one."""
        plain = dataclasses.asdict(self)
        return {k: v for k, v in plain.items() if self.policy or k not in ("policy", "draws")}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Augment:
        """Read what ``to_json`` wrote."""
        return cls(**data)

    def apply(
        self,
        x: Tensor,
        y: Tensor,
        generator: torch.Generator,
        *,
        classes: int | None = None,
        ends: tuple[Tensor, Tensor] | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Return augmented inputs and their targets.

        Args:
            x: (N, C, H, W) normalised images, or (N, F) vectors, to which only mixup applies.
            y: (N,) int64 labels, or (N, classes) soft targets.
            generator: source of every random number, on the device of ``x``.
            classes: number of classes, needed where mixup makes soft targets of labels.
            ends: black and white in the scale of ``x``, for a policy; the smallest and the largest
                number of the batch if not given.

        Returns:
            Inputs of the same shape; the given targets, or (N, classes) soft targets if mixup is
            on.
        """
        if x.ndim == 4:
            if self.flip:
                x = _flip(x, generator)
            if self.crop:
                x = _crop(x, self.crop, generator)
            if self.policy:
                ends = (x.amin(), x.amax()) if ends is None else ends
                x = apply_policy(x, self.policy, self.draws, ends, generator)
            if self.cutout:
                x = _cutout(x, self.cutout, generator)
        elif self.flip or self.crop or self.cutout or self.policy:
            raise TaskError(
                f"{self} is for images, but the inputs have the shape {tuple(x.shape[1:])}; only "
                "mixup applies to vectors"
            )
        if self.mixup:
            return _mixup(x, _soft(y, classes), self.mixup, generator)
        return x, y


def _flip(x: Tensor, generator: torch.Generator) -> Tensor:
    mirrored = torch.rand(len(x), 1, 1, 1, device=x.device, generator=generator) < 0.5
    return torch.where(mirrored, x.flip(-1), x)


def _crop(x: Tensor, most: int, generator: torch.Generator) -> Tensor:
    count, _, height, width = x.shape
    padded = functional.pad(x, (most, most, most, most))
    windows = padded.unfold(2, height, 1).unfold(3, width, 1)  # a view: (N, C, 2p+1, 2p+1, H, W)
    shift = torch.randint(2 * most + 1, (2, count), device=x.device, generator=generator)
    return windows[torch.arange(count, device=x.device), :, shift[0], shift[1]]


def _cutout(x: Tensor, side: int, generator: torch.Generator) -> Tensor:
    count, _, height, width = x.shape

    def inside(length: int) -> Tensor:
        centre = torch.randint(length, (count, 1), device=x.device, generator=generator)
        offset = torch.arange(length, device=x.device) - centre + side // 2
        return (offset >= 0) & (offset < side)

    hole = inside(height)[:, None, :, None] & inside(width)[:, None, None, :]
    return x.masked_fill(hole, 0.0)


def _soft(y: Tensor, classes: int | None) -> Tensor:
    if y.ndim == 2:
        return y
    if classes is None:
        raise TaskError("mixup of (N,) labels makes (N, classes) targets; pass classes=")
    return functional.one_hot(y, classes).to(torch.float32)


def _mixup(x: Tensor, y: Tensor, alpha: float, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    # Beta(a, a) is g / (g + h) of two Gamma(a) variates; torch.distributions takes no generator.
    gamma = torch.full((2,), alpha, dtype=torch.float64, device=x.device)
    first, second = torch._standard_gamma(gamma, generator=generator)
    weight = (first / (first + second)).to(x.dtype)
    partner = torch.randperm(len(x), device=x.device, generator=generator)
    return torch.lerp(x[partner], x, weight), torch.lerp(y[partner], y, weight.to(y.dtype))
