"""The cost of a network from its blocks, without building it: equal blocks are counted once.

The cost of a chain of blocks is the sum of its parts. A part whose class has a closed form
(``cost(shape, ...)``) is computed by it, and a part that costs as much as another block
(:func:`nasturtium.module_factory.like`) is counted as that block; all other parts are built on the
meta device and counted there. Each result is cached by the part's arguments and input shape.

A part that is not a chain, such as a cell with two inputs, defines the composition of its cost
(``composed(of, shapes, ...)``, where ``of(block, shape)`` returns the figures of a part). The parts
are cached; the compositions are too many and are not.

Tests compare the closed forms and compositions with counting, on random arguments.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, final

import torch

from nasturtium.cost.count import Cost, count, forward_meta
from nasturtium.errors import EstimateError
from nasturtium.module_factory import Block, parts_of

__all__ = ["BlockCounter", "Figures", "Measure", "Shape", "conv", "expect", "norm", "total"]

Shape = tuple[int, ...]


class Figures(NamedTuple):
    """The cost of a block on inputs of one shape.

    Attributes:
        params: its parameters.
        macs: its multiply-accumulates for one example.
        activations: output elements of its convolutions, for one example.
        shape: shape of its output, without the batch.
    """

    params: int
    macs: int
    activations: int
    shape: Shape


Measure = Callable[[Block, Any], Figures]  # of a part and its input shape or shapes


def conv(
    shape: Shape, outputs: int, kernel: int, stride: int = 1, groups: int = 1, bias: bool = False
) -> Figures:
    """Return the cost of a convolution with "same" padding (kernel // 2) on (C, H, W)."""
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
    """Check that a shape has the number of channels that a part expects.

    Raises:
        EstimateError: it has another number.
    """
    if shape[0] != inputs:
        raise EstimateError(
            f"a part for {inputs} channels got (C, H, W) = {shape}; the part before it returns "
            "another number of channels"
        )


def norm(figures: Figures) -> Figures:
    """Return the cost with a batch normalisation added: two parameters for each channel."""
    params, macs, activations, shape = figures
    return Figures(params + 2 * shape[0], macs, activations, shape)


def total(*parts: Figures, shape: Shape | None = None) -> Figures:
    """Return the cost of several parts; the output is that of the last, or of ``shape``."""
    params = macs = activations = 0
    for part in parts:
        params += part[0]
        macs += part[1]
        activations += part[2]
    return Figures(params, macs, activations, parts[-1].shape if shape is None else shape)


@final
class BlockCounter:
    """A counter of costs from blocks, with a cache of parts.

    Args:
        most: size of the cache in parts; a full cache is cleared.
    """

    def __init__(self, most: int = 100_000) -> None:
        self._cache: dict[tuple[Block, Shape], Figures] = {}
        self._most = most

    def count(self, block: Block, inputs: Shape) -> Cost:
        """Return the cost for one example of the network that ``block`` builds.

        Raises:
            EstimateError: a part does not accept the output of the part before.
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
        figures = self._cache.get(key)
        if figures is None:
            if len(self._cache) >= self._most:
                self._cache.clear()
            figures = self._cache[key] = self._compute(block, shape)
        return figures

    def _compute(self, block: Block, shape: Shape) -> Figures:
        closed: Callable[..., Figures | Block] | None = getattr(block.make, "cost", None)
        if closed is None:
            return _count_built(block, shape)
        result = closed(shape, *block.args, **dict(block.kwargs))
        return result if isinstance(result, Figures) else self._figures(result, shape)


def _count_built(block: Block, shape: Shape) -> Figures:
    with torch.device("meta"):
        module = block()
    try:
        after = forward_meta(module, shape)
        cost = count(module, shape)
    except EstimateError as error:
        raise EstimateError(f"{block!r} does not fit (C, H, W) = {shape}: {error}") from error
    return Figures(cost.params, cost.macs, cost.activations, tuple(after[1:]))
