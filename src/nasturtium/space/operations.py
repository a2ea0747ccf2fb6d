"""Primitive operations of the search spaces.

All take and give tensors of shape (N, C, H, W). Channels-first, batch-normalised, bias-free
convolutions with "same" padding, as the spaces' papers use them.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import gcd
from types import MappingProxyType
from typing import final

import torch
from torch import Tensor, nn

from nasturtium.cost.block_costs import Figures, conv, expect, norm, total
from nasturtium.errors import SpaceError

__all__ = [
    "ACTIVATIONS",
    "Classifier",
    "ConvBN",
    "ConvBNReLU",
    "FactorizedReduction",
    "MBConv",
    "ReLUConvBN",
    "ReLUSepConvBN",
    "Residual",
    "Resize",
    "SepConv",
    "SqueezeExcite",
    "Zero",
]

ACTIVATIONS: Mapping[str, type[nn.Module]] = MappingProxyType(
    {
        "relu": nn.ReLU,
        "relu6": nn.ReLU6,
        "swish": nn.SiLU,
        "hswish": nn.Hardswish,
        "sigmoid": nn.Sigmoid,
        "hsigmoid": nn.Hardsigmoid,
    }
)


@final
class Zero(nn.Module):
    """Nothing: zeros of the shape that the stride leaves, with a gradient of zero."""

    @staticmethod
    def cost(shape: tuple[int, ...], stride: int = 1) -> Figures:
        """Return the cost in closed form; see :mod:`nasturtium.cost.block_costs`."""
        channels, height, width = shape
        return Figures(0, 0, 0, (channels, -(-height // stride), -(-width // stride)))

    def __init__(self, stride: int = 1) -> None:
        super().__init__()
        self.stride = stride

    def forward(self, x: Tensor) -> Tensor:
        return (x if self.stride == 1 else x[..., :: self.stride, :: self.stride]).mul(0.0)


def check_groups(inputs: int, outputs: int, groups: int) -> None:
    """Check that a convolution's channels can be divided into groups.

    Raises:
        SpaceError: the number of groups does not divide inputs and outputs, or is below 1.
    """
    if groups < 1 or inputs % groups or outputs % groups:
        fitting = [n for n in range(1, gcd(inputs, outputs) + 1) if not gcd(inputs, outputs) % n]
        raise SpaceError(
            f"a convolution of {inputs} to {outputs} channels cannot have {groups} groups: they "
            f"have to divide both; {', '.join(map(str, fitting))} do"
        )


@final
class ConvBN(nn.Sequential):
    """Convolution, then batch normalisation.

    Raises:
        SpaceError: groups that do not divide the channels.
    """

    @staticmethod
    def cost(
        shape: tuple[int, ...],
        inputs: int,
        outputs: int,
        kernel: int = 3,
        stride: int = 1,
        groups: int = 1,
    ) -> Figures:
        """Return the cost in closed form; see :mod:`nasturtium.cost.block_costs`."""
        expect(shape, inputs)
        check_groups(inputs, outputs, groups)
        return norm(conv(shape, outputs, kernel, stride, groups))

    def __init__(
        self, inputs: int, outputs: int, kernel: int = 3, stride: int = 1, groups: int = 1
    ) -> None:
        check_groups(inputs, outputs, groups)
        super().__init__()
        self.conv = nn.Conv2d(
            inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False
        )
        self.norm = nn.BatchNorm2d(outputs)


@final
class ConvBNReLU(nn.Sequential):
    """Convolution, batch normalisation, ReLU (capped at six where ``six`` is set).

    Raises:
        SpaceError: groups that do not divide the channels.
    """

    @staticmethod
    def cost(
        shape: tuple[int, ...],
        inputs: int,
        outputs: int,
        kernel: int = 3,
        stride: int = 1,
        groups: int = 1,
        six: bool = False,
    ) -> Figures:
        """Return the cost in closed form; see :mod:`nasturtium.cost.block_costs`."""
        return ConvBN.cost(shape, inputs, outputs, kernel, stride, groups)

    def __init__(
        self,
        inputs: int,
        outputs: int,
        kernel: int = 3,
        stride: int = 1,
        groups: int = 1,
        six: bool = False,
    ) -> None:
        check_groups(inputs, outputs, groups)
        super().__init__()
        self.conv = nn.Conv2d(
            inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False
        )
        self.norm = nn.BatchNorm2d(outputs)
        self.act = nn.ReLU6(inplace=True) if six else nn.ReLU(inplace=True)


@final
class ReLUConvBN(nn.Sequential):
    """ReLU, convolution, batch normalisation: the order of cell spaces."""

    def __init__(
        self, kernel: int, inputs: int, outputs: int, stride: int = 1, affine: bool = True
    ) -> None:
        super().__init__()
        self.act = nn.ReLU(inplace=False)
        self.conv = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False)
        self.norm = nn.BatchNorm2d(outputs, affine=affine)


@final
class Classifier(nn.Sequential):
    """Global average pooling, then a linear layer: (N, C, H, W) to (N, classes).

    Example:
        >>> import nasturtium as nas
        >>> import torch
        >>> nas.Classifier(16, classes=10)(torch.zeros(2, 16, 8, 8)).shape
        torch.Size([2, 10])
    """

    @staticmethod
    def cost(shape: tuple[int, ...], inputs: int, classes: int, dropout: float = 0.0) -> Figures:
        """Return the cost in closed form; see :mod:`nasturtium.cost.block_costs`."""
        expect(shape, inputs)
        return Figures((inputs + 1) * classes, inputs * classes, 0, (classes,))

    def __init__(self, inputs: int, classes: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.flat = nn.Flatten()
        if dropout:
            self.drop = nn.Dropout(dropout)
        self.linear = nn.Linear(inputs, classes)


@final
class SqueezeExcite(nn.Module):
    """Scales each channel by a gate computed from all channels' means (Hu et al., 2018)."""

    @staticmethod
    def cost(
        shape: tuple[int, ...], channels: int, hidden: int, act: str = "relu", gate: str = "sigmoid"
    ) -> Figures:
        """Return the cost in closed form; see :mod:`nasturtium.cost.block_costs`."""
        expect(shape, channels)
        reduce = conv((channels, 1, 1), hidden, 1, bias=True)
        return total(reduce, conv(reduce.shape, channels, 1, bias=True), shape=shape)

    def __init__(
        self, channels: int, hidden: int, act: str = "relu", gate: str = "sigmoid"
    ) -> None:
        super().__init__()
        self.reduce = nn.Conv2d(channels, hidden, 1)
        self.act = ACTIVATIONS[act](inplace=True)
        self.expand = nn.Conv2d(hidden, channels, 1)
        self.gate = ACTIVATIONS[gate]()

    def forward(self, x: Tensor) -> Tensor:
        means = x.mean((2, 3), keepdim=True)
        out: Tensor = x * self.gate(self.expand(self.act(self.reduce(means))))
        return out


@final
class SepConv(nn.Sequential):
    """Depthwise convolution, then a linear 1x1 convolution: MobileNetV2's block, unexpanded."""

    @staticmethod
    def cost(
        shape: tuple[int, ...],
        inputs: int,
        outputs: int,
        kernel: int = 3,
        stride: int = 1,
        act: str = "relu6",
    ) -> Figures:
        """Return the cost in closed form; see :mod:`nasturtium.cost.block_costs`."""
        expect(shape, inputs)
        depthwise = norm(conv(shape, inputs, kernel, stride, inputs))
        return total(depthwise, norm(conv(depthwise.shape, outputs, 1)))

    def __init__(
        self, inputs: int, outputs: int, kernel: int = 3, stride: int = 1, act: str = "relu6"
    ) -> None:
        super().__init__()
        self.depthwise = ConvBN(inputs, inputs, kernel, stride, groups=inputs)
        self.act = ACTIVATIONS[act](inplace=True)
        self.project = ConvBN(inputs, outputs, 1)


@final
class MBConv(nn.Sequential):
    """The inverted bottleneck, without its shortcut (Sandler et al., 2018, table 1).

    A 1x1 convolution to ``hidden`` channels, a depthwise convolution, squeeze-and-excitation where
    ``squeeze`` gives it a width, and a linear 1x1 convolution.
    """

    @staticmethod
    def cost(
        shape: tuple[int, ...],
        inputs: int,
        outputs: int,
        hidden: int,
        kernel: int = 3,
        stride: int = 1,
        act: str = "relu6",
        squeeze: int = 0,
        gate: str = "sigmoid",
        squeeze_act: str = "relu",
    ) -> Figures:
        """Return the cost in closed form; see :mod:`nasturtium.cost.block_costs`."""
        expect(shape, inputs)
        expand = norm(conv(shape, hidden, 1))
        depthwise = norm(conv(expand.shape, hidden, kernel, stride, hidden))
        project = norm(conv(depthwise.shape, outputs, 1))
        if not squeeze:
            return total(expand, depthwise, project)
        middle = SqueezeExcite.cost(depthwise.shape, hidden, squeeze)
        return total(expand, depthwise, middle, project)

    def __init__(
        self,
        inputs: int,
        outputs: int,
        hidden: int,
        kernel: int = 3,
        stride: int = 1,
        act: str = "relu6",
        squeeze: int = 0,
        gate: str = "sigmoid",
        squeeze_act: str = "relu",
    ) -> None:
        super().__init__()
        self.expand = ConvBN(inputs, hidden, 1)
        self.expand_act = ACTIVATIONS[act](inplace=True)
        self.depthwise = ConvBN(hidden, hidden, kernel, stride, groups=hidden)
        self.depthwise_act = ACTIVATIONS[act](inplace=True)
        if squeeze:
            self.squeeze = SqueezeExcite(hidden, squeeze, squeeze_act, gate)
        self.project = ConvBN(hidden, outputs, 1)


@final
class Residual(nn.Module):
    """A body's output plus its input, which a ``shortcut`` brings to the body's shape if given."""

    def __init__(self, body: nn.Module, shortcut: nn.Module | None = None) -> None:
        super().__init__()
        self.body = body
        self.shortcut = shortcut

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.body(x) + (x if self.shortcut is None else self.shortcut(x))
        return out


@final
class Resize(nn.Module):
    """Scales images to a square: (N, C, H, W) to (N, C, side, side)."""

    def __init__(self, side: int) -> None:
        super().__init__()
        self.side = side

    def forward(self, x: Tensor) -> Tensor:
        if x.shape[-2:] == (self.side, self.side):
            return x
        return nn.functional.interpolate(
            x, (self.side, self.side), mode="bilinear", align_corners=False
        )


@final
class ReLUSepConvBN(nn.Sequential):
    """ReLU, depthwise (dilated) convolution, 1x1 convolution, batch normalisation."""

    def __init__(
        self,
        kernel: int,
        inputs: int,
        outputs: int,
        stride: int = 1,
        dilation: int = 1,
        affine: bool = True,
    ) -> None:
        super().__init__()
        padding = dilation * (kernel - 1) // 2
        self.act = nn.ReLU(inplace=False)
        self.depthwise = nn.Conv2d(
            inputs, inputs, kernel, stride, padding, dilation, groups=inputs, bias=False
        )
        self.project = nn.Conv2d(inputs, outputs, 1, bias=False)
        self.norm = nn.BatchNorm2d(outputs, affine=affine)


@final
class FactorizedReduction(nn.Module):
    """Halves a map without losing any pixel: two strided 1x1 convolutions, one of them shifted.

    (N, C, H, W) to (N, C', ceil(H/2), ceil(W/2)).
    """

    def __init__(self, inputs: int, outputs: int, affine: bool = True) -> None:
        super().__init__()
        self.act = nn.ReLU(inplace=False)
        self.even = nn.Conv2d(inputs, outputs // 2, 1, 2, bias=False)
        self.odd = nn.Conv2d(inputs, outputs - outputs // 2, 1, 2, bias=False)
        self.norm = nn.BatchNorm2d(outputs, affine=affine)

    def forward(self, x: Tensor) -> Tensor:
        x = self.act(x)
        # One row and column of zeros keep odd sizes in step; even ones never read them.
        shifted = nn.functional.pad(x, (0, 1, 0, 1))[..., 1:, 1:]
        out: Tensor = self.norm(torch.cat([self.even(x), self.odd(shifted)], 1))
        return out
