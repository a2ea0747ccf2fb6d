"""RegNet: networks whose widths follow a quantised line; RegNetX and RegNetY.

Radosavovic et al. (2020), "Designing Network Design Spaces", sections 3.3 and 4. Five numbers, and
a bottleneck ratio, describe a network: block j of ``depth`` has the width u_j = w0 + wa * j,
rounded to w0 * wm^s with an integer s and then to a multiple of 8 (:func:`stages_of`); equal widths
form a stage of an AnyNet. Y adds squeeze-and-excitation: ``regnet.bind(squeeze=0.25)``.

The space is the paper's (depth below 64, wm from 1.5 to 3), quantised as in pycls, the authors'
code, or finer. It keeps networks of four stages in which no power of wm is skipped. The paper's
refined space is ``regnet.restrict(depth=(12, 28), wm=(2.0, 3.0), bottleneck=1)``.

Deviations: w0 and the group width reach 320 and 256 (256 and 128 in pycls' sampler), so that all
published models are points of the space. Small images as in :mod:`nasturtium.space.zoo.anynet`.

Single networks reach 7.5 billion parameters, so a supernet needs a range: ``depth=(12, 28),
w0=(24, 64), wa=(24.0, 40.0), wm=(2.0, 3.0), bottleneck=1, group=(8, 64)`` shares 89 million.

The tests reproduce the authors' parameters, flops and activations of all models in
:data:`REGNETS` to the last digit.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from math import log
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from nasturtium.architecture import Architecture
from nasturtium.errors import SpaceError
from nasturtium.space.decorator import space
from nasturtium.space.zoo.anynet import BOTTLENECKS, Stage, compatible, network
from nasturtium.space.zoo.image_skeleton import image

if TYPE_CHECKING:
    from nasturtium.space.choose import Choose

__all__ = ["REGNETS", "regnet", "stages_of"]

Line = tuple[int, int, float, float]  # depth, w0, wa, wm


def _model(depth: int, w0: int, wa: float, wm: float, group: int) -> Architecture:
    record = {"depth": depth, "w0": w0, "wa": wa, "wm": wm, "bottleneck": 1, "group": group}
    return Architecture("regnet", record)


REGNETS: Mapping[str, Architecture] = MappingProxyType(
    {
        "X-200MF": _model(13, 24, 36.44, 2.49, 8),
        "X-600MF": _model(16, 48, 36.97, 2.24, 24),
        "X-1.6GF": _model(18, 80, 34.01, 2.25, 24),
        "X-4.0GF": _model(23, 96, 38.65, 2.43, 40),
        "X-12GF": _model(19, 168, 73.36, 2.37, 112),
        "X-32GF": _model(23, 320, 69.86, 2.0, 168),
        "Y-400MF": _model(16, 48, 27.89, 2.09, 8),
        "Y-800MF": _model(14, 56, 38.84, 2.4, 16),
        "Y-3.2GF": _model(21, 80, 42.63, 2.66, 24),
        "Y-6.4GF": _model(25, 112, 33.22, 2.27, 72),
        "Y-12GF": _model(19, 168, 73.36, 2.37, 112),
        "Y-32GF": _model(20, 232, 115.89, 2.53, 232),
    }
)
"""Published models; those whose name begins with Y need ``squeeze=0.25``."""


def stages_of(depth: int, w0: int, wa: float, wm: float) -> tuple[list[tuple[int, int]], bool]:
    """Return the stages of a quantised line.

    Args:
        depth: number of blocks.
        w0: width of the first block.
        wa: slope of the widths.
        wm: ratio between the widths of successive stages.

    Returns:
        (width, depth) of each stage, and whether a power of wm between the first stage and the
        last was skipped.
    """
    blocks: dict[int, int] = {}
    power = 0
    for index in range(depth):
        power = _power(index, w0, wa, wm)
        width = round(w0 * wm**power / 8) * 8
        blocks[width] = blocks.get(width, 0) + 1
    return list(blocks.items()), len(blocks) != power + 1


def _power(index: int, w0: int, wa: float, wm: float) -> int:
    """Return the power of wm nearest to the width of one block, in the logarithm."""
    return round(log((w0 + wa * index) / w0) / log(wm))


def canonical(architecture: Architecture) -> Hashable:
    """Return the stages after adjustment: equal for records that build equal networks."""
    values: Any = architecture
    stages, _ = stages_of(values["depth"], values["w0"], values["wa"], values["wm"])
    return tuple(
        compatible(Stage(depth, width, values["bottleneck"], values["group"]))
        for width, depth in stages
    )


@space(canonical=canonical)
def regnet(
    choose: Choose,
    *,
    inputs: tuple[int, int, int],
    classes: int,
    stages: int = 4,
    squeeze: float = 0.0,
) -> Callable[[], Any]:
    """RegNet: a line of widths, a bottleneck ratio and a group width.

    Args:
        choose: the handle.
        inputs: (C, H, W) of one image, of any size.
        classes: number of classes.
        stages: number of stages that the line has to have; 4 in the paper.
        squeeze: 0 for RegNetX, 0.25 for RegNetY.

    Raises:
        SpaceError: an argument is out of its range.
    """
    image("regnet", inputs)
    if stages < 1 or squeeze < 0:
        raise SpaceError(
            f"space 'regnet' got stages={stages!r}, squeeze={squeeze!r}; expected at least one "
            "stage, and 0 (RegNetX) or a positive ratio such as 0.25 (RegNetY)"
        )
    depth = choose.range("depth", 1, 63)
    w0 = choose.range("w0", 8, 320, step=8, log=True)
    wa = choose.range("wa", 8.0, 256.0, step=0.01, log=True)
    wm = choose.range("wm", 1.5, 3.0, step=0.01)
    if _power(depth - 1, w0, wa, wm) + 1 != stages:  # at once, before the line is made
        choose.reject(f"the line does not end in stage {stages}")
    line, skips = stages_of(depth, w0, wa, wm)
    if skips:
        choose.reject(f"the line of {stages} stages skips one")
    ratio = choose("bottleneck", BOTTLENECKS)
    group = choose.range("group", 8, 256, step=8, log=True)
    made = tuple(Stage(number, width, ratio, group) for width, number in line)
    return lambda: network(inputs, classes, made, squeeze)
