"""Parts of the skeletons of image spaces: the input's size, strides, channels, rows of cells."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from nasturtium.cost.block_costs import Figures, Measure, Shape, total
from nasturtium.errors import SpaceError
from nasturtium.module_factory import Block

__all__ = ["Step", "fitting", "image", "walked"]


def image(space: str, inputs: tuple[int, ...], least: int = 1) -> int:
    """Return the shorter side of an image of shape (C, H, W), in pixels.

    Raises:
        SpaceError: ``inputs`` is not an image's shape, or a side is shorter than ``least``.
    """
    if len(inputs) != 3 or not all(isinstance(side, int) and side > 0 for side in inputs):
        raise SpaceError(
            f"space {space!r} got inputs={inputs!r}; expected the shape of one image, (channels, "
            "height, width), e.g. inputs=(3, 32, 32)"
        )
    side = min(inputs[1], inputs[2])
    if side < least:
        raise SpaceError(
            f"space {space!r} needs images of at least {least}x{least} pixels, and got "
            f"{inputs[1]}x{inputs[2]}; enlarge them (a transform of the task), or use the space "
            "'mobilenet', which fits its strides to small images"
        )
    return side


def fitting(strides: Iterable[int], side: int, least: int = 4) -> tuple[int, ...]:
    """Return the strides, with 1 for each that would leave a map below ``least`` pixels a side.

    Args:
        strides: as in the paper's network, in order.
        side: shorter side of the map that the first of them meets.
        least: shorter side that the last map may have; a map that is smaller is not reduced.
    """
    kept = []
    for stride in strides:
        after = -(-side // stride)
        fits = after >= least
        kept.append(stride if fits else 1)
        side = after if fits else side
    return tuple(kept)


class Step(NamedTuple):
    """A cell that reads the outputs of two cells before it.

    Attributes:
        cell: takes the older and the newer output.
        bypassed: whether the next cell's older input is this one's, and not this one's newer.
    """

    cell: Block
    bypassed: bool = False


def walked(of: Measure, steps: Iterable[Step], older: Shape, newer: Shape) -> Figures:
    """Return the cost of a row of cells, equal ones counted once."""
    known: dict[tuple[Block, Shape, Shape], Figures] = {}
    made = []
    for cell, bypassed in steps:
        key = (cell, older, newer)
        figures = known.get(key)
        if figures is None:
            figures = known[key] = of(cell, (older, newer))
        made.append(figures)
        older, newer = older if bypassed else newer, figures.shape
    return total(*made)
