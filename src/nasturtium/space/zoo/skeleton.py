"""What the skeletons of image spaces share: the input's size, strides, channel numbers."""

from __future__ import annotations

from collections.abc import Iterable

from nasturtium.errors import SpaceError

__all__ = ["fitting", "image", "rounded"]


def image(space: str, inputs: tuple[int, ...], least: int = 1) -> int:
    """The shorter side of an image of shape (C, H, W), in pixels.

    Raises:
        SpaceError: ``inputs`` is no such shape, or a side is shorter than ``least``.
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
    """The strides, with 1 for each that would leave a map of less than ``least`` pixels a side.

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


def rounded(channels: float, multiple: int) -> int:
    """The nearest multiple, at least one, and never below nine tenths of ``channels``.

    The rule by which MobileNets keep their channel numbers divisible.
    """
    near = max(multiple, int(channels + multiple / 2) // multiple * multiple)
    return near + multiple if near < 0.9 * channels else near
