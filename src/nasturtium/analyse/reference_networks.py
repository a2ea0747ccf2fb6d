"""Standard networks that a search is compared with, scaled to the size of its answer.

``resnet``
    He et al. (2016), "Deep Residual Learning", section 4.2: stages of basic blocks, each of twice
    the channels and half the resolution. Three stages up to 64 pixels a side, the stem at full
    resolution, as for CIFAR; above that a stem of stride 2 and four stages. Two blocks a stage, one
    where the smallest network of two is too large. Deviation: where the shape changes, the
    shortcut is a 1x1 convolution (the paper's option B).
``mobilenetv2``
    Sandler et al. (2018), "MobileNetV2", table 2, as the space ``mobilenet`` builds it: strides
    that would leave maps of less than 4 pixels are dropped; its last stages are left out where the
    whole is too large.

Widths are scaled until the number of parameters is within 15 % of the given one, if channel numbers
are fine enough; the resulting number is reported.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator
from difflib import get_close_matches

import torch
from torch import nn

from nasturtium.architecture import Architecture
from nasturtium.errors import SpaceError
from nasturtium.space.operations import Classifier, ConvBN, ConvBNReLU, Residual
from nasturtium.space.zoo.image_skeleton import fitting
from nasturtium.space.zoo.mobilenet import MOBILENETV2, mobilenet

__all__ = ["LEAST", "REFERENCES", "build_reference"]

REFERENCES = ("resnet", "mobilenetv2")
LEAST = 8  # pixels a side
CLOSE = 0.15  # relative difference of parameters up to which a deeper network is taken
FINEST, WIDEST = 1, 4096  # channels of a resnet's last stage

Make = Callable[[], nn.Module]


def build_reference(
    name: str, inputs: tuple[int, ...], classes: int, params: int, *, seed: int | None = None
) -> nn.Module:
    """Build an untrained reference network of about ``params`` parameters.

    Args:
        name: one of :data:`REFERENCES`.
        inputs: (C, H, W) of one image, at least 8 pixels a side.
        classes: number of classes.
        params: the number of parameters to approximate.
        seed: seed of the initial weights; torch's generators are then left as they are.

    Raises:
        SpaceError: there is no reference network of that name, or none for such inputs.

    Example:
        >>> net = build_reference("resnet", (1, 8, 8), 10, 20_000, seed=0)
        >>> abs(sum(p.numel() for p in net.parameters()) / 20_000 - 1) < 0.15
        True
    """
    if name not in REFERENCES:
        near = get_close_matches(name, REFERENCES, n=1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise SpaceError(
            f"there is no reference network {name!r}{hint} (there are: {', '.join(REFERENCES)})"
        )
    if len(inputs) != 3 or min(inputs[1:]) < LEAST:
        raise SpaceError(
            f"reference networks take images of {LEAST}x{LEAST} pixels or more, and got "
            f"inputs={tuple(inputs)}"
        )
    shape = (inputs[0], inputs[1], inputs[2])
    candidates = _resnets if name == "resnet" else _mobilenets
    make = _nearest(candidates(shape, classes, params), params)
    with torch.random.fork_rng(devices=[], enabled=seed is not None):
        if seed is not None:
            torch.default_generator.manual_seed(seed)
        return make()


def _nearest(candidates: Iterator[Make], params: int) -> Make:
    """Return the first candidate, deepest first, that is close enough, or else the nearest."""
    best: tuple[float, Make] | None = None
    for make in candidates:
        distance = abs(_size(make) / params - 1)
        if best is None or distance < best[0]:
            best = distance, make
        if distance < CLOSE:
            break
    assert best is not None
    return best[1]


def _size(make: Make) -> int:
    with torch.device("meta"):
        return sum(parameter.numel() for parameter in make().parameters())


def _fit_scale(build: Callable[[int], nn.Module], params: int, low: int, high: int) -> Make:
    """Find, by bisection, the scale at which ``build`` is nearest to ``params``."""

    def at(scale: int) -> Make:
        return lambda: build(scale)

    while high - low > 1:
        middle = (low + high) // 2
        if _size(at(middle)) <= params:
            low = middle
        else:
            high = middle
    return min((at(low), at(high)), key=lambda make: abs(_size(make) - params))


def _resnets(shape: tuple[int, int, int], classes: int, params: int) -> Iterator[Make]:
    for depth in (2, 1):

        def build(widest: int, depth: int = depth) -> nn.Module:
            return _resnet(shape, classes, depth, widest)

        yield _fit_scale(build, params, FINEST, WIDEST)


def _resnet(shape: tuple[int, int, int], classes: int, depth: int, widest: int) -> nn.Module:
    """Build stages of ``depth`` basic blocks; each stage doubles the channels."""
    side = min(shape[1:])
    usual = (1, 1, 2, 2) if side <= 64 else (2, 2, 2, 2, 2)
    strides = fitting(usual, side)
    stages = len(strides) - 1
    widths = [max(1, round(widest / 2**i)) for i in reversed(range(stages))]
    parts: OrderedDict[str, nn.Module] = OrderedDict()
    parts["stem"] = ConvBNReLU(shape[0], widths[0], 3, strides[0])
    before = widths[0]
    for stage, (width, stride) in enumerate(zip(widths, strides[1:], strict=True)):
        for place in range(depth):
            step = stride if place == 0 else 1
            parts[f"stage{stage}_block{place}"] = _basic(before, width, step)
            parts[f"stage{stage}_act{place}"] = nn.ReLU(inplace=True)
            before = width
    parts["classifier"] = Classifier(before, classes)
    return nn.Sequential(parts)


def _basic(inputs: int, outputs: int, stride: int) -> nn.Module:
    body = nn.Sequential(ConvBNReLU(inputs, outputs, 3, stride), ConvBN(outputs, outputs, 3))
    same = stride == 1 and inputs == outputs
    return Residual(body, None if same else ConvBN(inputs, outputs, 1, stride))


def _mobilenets(shape: tuple[int, int, int], classes: int, params: int) -> Iterator[Make]:
    for blocks in (7, 5, 4, 3, 2, 1):
        kept = tuple(f"block{index}." for index in range(blocks))
        record = {key: value for key, value in MOBILENETV2.items() if key.startswith(kept)}
        architecture = Architecture(mobilenet.name, record)

        def build(
            scale: int, blocks: int = blocks, architecture: Architecture = architecture
        ) -> nn.Module:
            bound = mobilenet.bind(
                inputs=shape,
                classes=classes,
                blocks=blocks,
                multiplier=scale / 128,
                shortcut="identity",
            )
            return bound.build(architecture)

        yield _fit_scale(build, params, 1, 1024)
