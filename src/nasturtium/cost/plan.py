"""The cost of a network from its blocks, without building it: equal blocks are counted once.

A chain of blocks costs the sum of its parts. A part whose class says its cost in closed form
(``cost(shape, ...)``) is asked, and one that costs what another block costs
(:func:`nasturtium.blocks.like`) is counted as that; any other is built on the meta device and
counted there. Each is remembered by its arguments and the shape that it is given.

A part that is no chain, such as a cell that reads two others, says of which parts its cost is
composed (``composed(of, shapes, ...)``, where ``of(block, shape)`` gives the figures of a part):
these are remembered, and what is composed of them, of which there are too many, is not.

The closed forms and compositions are checked against counting on random arguments by the tests;
they are shortcuts, never a second truth.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, final

import torch

from nasturtium.blocks import Block, parts_of
from nasturtium.cost.count import Cost, count, forward_meta
from nasturtium.errors import EstimateError

__all__ = ["Counter", "Figures", "Measure", "Shape", "conv", "expect", "norm", "total"]

Shape = tuple[int, ...]


class Figures(NamedTuple):
    """What a block costs on inputs of one shape.

    Attributes:
        params: its parameters.
        macs: its multiply-accumulates for one example.
        activations: output elements of its convolutions, for one example.
        shape: of its output, without the batch.
    """

    params: int
    macs: int
    activations: int
    shape: Shape


Measure = Callable[[Block, Any], Figures]  # a part, the shape or shapes that it is given


def conv(
    shape: Shape, outputs: int, kernel: int, stride: int = 1, groups: int = 1, bias: bool = False
) -> Figures:
    """A convolution with "same" padding (kernel // 2) on (C, H, W)."""
    inputs, height, width = shape
    padding = kernel // 2
    height = (height + 2 * padding - kernel) // stride + 1
    width = (width + 2 * padding - kernel) // stride + 1
    weights = inputs // groups * outputs * kernel * kernel
    elements = height * width
    return Figures(
        weights + (outputs if bias else 0),
        weights * elements,
        outputs * elements,
        (outputs, height, width),
    )


def expect(shape: Shape, inputs: int) -> None:
    """Refuse a shape of other channels than a part was made for.

    Raises:
        EstimateError: it has others.
    """
    if shape[0] != inputs:
        raise EstimateError(
            f"a part made for {inputs} channels is given (C, H, W) = {shape}; the part before it "
            "gives other channels"
        )


def norm(figures: Figures) -> Figures:
    """With a batch normalisation behind: two parameters a channel."""
    params, macs, activations, shape = figures
    return Figures(params + 2 * shape[0], macs, activations, shape)


def total(*parts: Figures, shape: Shape | None = None) -> Figures:
    """Several parts together; the output is the last one's, unless its ``shape`` is given."""
    params = macs = activations = 0
    for part in parts:
        params += part[0]
        macs += part[1]
        activations += part[2]
    return Figures(params, macs, activations, parts[-1].shape if shape is None else shape)


@final
class Counter:
    """Counts networks from their blocks and remembers every part that it met.

    Args:
        most: parts to remember; beyond that it forgets all and begins again.
    """

    def __init__(self, most: int = 100_000) -> None:
        self._known: dict[tuple[Block, Shape], Figures] = {}
        self._most = most

    def count(self, block: Block, inputs: Shape) -> Cost:
        """The cost of the network that ``block`` would build, for one example.

        Raises:
            EstimateError: a part does not accept what the one before gives.
        """
        params, macs, activations, _ = self._figures(block, tuple(inputs))
        return Cost(params, macs, activations)

    def _figures(self, block: Block, shape: Any) -> Figures:
        parts = parts_of(block)
        if parts is None:
            composed: Callable[..., Figures] | None = getattr(block.make, "composed", None)
            if composed is None:
                return self._part(block, shape)
            return composed(self._figures, shape, *block.args, **dict(block.kwargs))
        params = macs = activations = 0
        last: Block | None = None
        figures = Figures(0, 0, 0, shape)
        for _, part in parts:
            # Repeated blocks of a stage are one object: compared by identity, they cost nothing.
            if part is not last or figures.shape != shape:
                shape = figures.shape
                figures = self._figures(part, shape)
                last = part
            params += figures[0]
            macs += figures[1]
            activations += figures[2]
        return Figures(params, macs, activations, figures.shape)

    def _part(self, block: Block, shape: Shape) -> Figures:
        key = (block, shape)
        known = self._known.get(key)
        if known is None:
            if len(self._known) >= self._most:
                self._known.clear()
            known = self._known[key] = self._found(block, shape)
        return known

    def _found(self, block: Block, shape: Shape) -> Figures:
        closed: Callable[..., Figures | Block] | None = getattr(block.make, "cost", None)
        if closed is None:
            return _counted(block, shape)
        found = closed(shape, *block.args, **dict(block.kwargs))
        return found if isinstance(found, Figures) else self._figures(found, shape)


def _counted(block: Block, shape: Shape) -> Figures:
    with torch.device("meta"):
        module = block()
    try:
        after = forward_meta(module, shape)
        cost = count(module, shape)
    except EstimateError as error:
        raise EstimateError(f"{block!r} does not fit (C, H, W) = {shape}: {error}") from error
    return Figures(cost.params, cost.macs, cost.activations, tuple(after[1:]))
