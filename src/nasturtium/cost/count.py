"""Exact cost of any network without running it: parameters, multiply-accumulates, activations.

The convention, which every number here follows:

* **params**: elements of distinct parameters; a shared one counts once, buffers do not count.
* **macs**: multiply-accumulates of convolutions, linear layers, matrix products and attention,
  per example. Biases, normalisations, activation functions, pooling, element-wise arithmetic and
  all other operators count zero, an outer product among them, since it is element-wise; a
  computation on weights alone (spectral normalisation) counts where a forward pass computes it. An
  operator that multiplies matrices in a way that has no formula here is refused by name; give it
  one with ``torch.utils.flop_counter.register_flop_formula``. This is the number that most papers
  print as *FLOPs*; ``flops`` here means 2 x macs, as in ``torch.utils.flop_counter``.
* **activations**: output elements of all convolutions, per example ("Designing Network Design
  Spaces", Radosavovic et al., 2020, section 4); those of linear layers are not counted.

pycls, from which the RegNet models were published, deviates in two ways: it adds one operation
for each output element of a biased layer, and the outputs of the classifier to the activations.
Its numbers for RegNetX on ImageNet are therefore larger by 1000 classes each.

The tests reproduce MobileNetV2 1.0 (3,504,872 parameters, 300,774,272 macs) and three models of
the RegNet zoo (the difference above added) to the last digit, and agree with
``torch.utils.flop_counter`` on other networks.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves

from nasturtium.cost.meta_trace import Tally, Trace, check_registered, copy_to_meta, run_on_meta
from nasturtium.errors import EstimateError

__all__ = ["Cost", "Layer", "breakdown", "count", "forward_meta"]


@dataclass(frozen=True)
class Cost:
    """The cost of a network for one example; the module defines the convention.

    Attributes:
        params: Elements of its distinct parameters.
        macs: Multiply-accumulates of one forward pass.
        activations: Output elements of its convolutions.
    """

    params: int
    macs: int
    activations: int

    @property
    def flops(self) -> int:
        """Floating-point operations: two for each multiply-accumulate."""
        return 2 * self.macs

    def to_json(self) -> dict[str, int]:
        """Return plain values that ``Cost(**values)`` reads back."""
        return asdict(self)


@dataclass(frozen=True)
class Layer:
    """The share of one part of a network in its cost, for one example.

    Attributes:
        path: Dotted name inside the network; empty for the network's own forward.
        type: Name of the module's class.
        output_shape: Shape of its first output tensor without the batch; None if it never ran.
        params: Elements of the parameters that no earlier part holds.
        macs: Multiply-accumulates.
        activations: Output elements of its convolutions.
    """

    path: str
    type: str
    output_shape: tuple[int, ...] | None
    params: int
    macs: int
    activations: int


def count(
    module: nn.Module,
    inputs: tuple[int, ...],
    *,
    batch: int = 1,
    dtype: torch.dtype | None = None,
) -> Cost:
    """Count the exact cost of a network in eval mode, in milliseconds and without data.

    The network may be on any device, meta included. It is neither moved nor run nor altered; a meta
    copy is run.

    Args:
        module: Any network, custom layers included, whose shapes do not depend on the data.
        inputs: Shape of one example, (C, H, W) for an image.
        batch: How many examples are traced together; the cost is per example.
        dtype: Type of the inputs, such as ``torch.long`` for tokens. Defaults to the type of
            the first floating-point parameter.

    Returns:
        The cost of one example.

    Raises:
        EstimateError: The network does not accept the input, uses an operator that multiplies
            and has no formula, or layers that are not registered; the message names the layer.

    Example:
        >>> from torch import nn
        >>> count(nn.Conv2d(3, 8, 3, padding=1, bias=False), (3, 32, 32))
        Cost(params=216, macs=221184, activations=8192)
    """
    trace = Trace()
    run_on_meta(copy_to_meta(module), inputs, batch=batch, dtype=dtype, trace=trace)
    check_registered(module, trace)
    params = sum(parameter.numel() for parameter in module.parameters())
    return Cost(params, trace.tally.macs // batch, trace.tally.activations // batch)


def forward_meta(
    module: nn.Module,
    inputs: tuple[int, ...],
    *,
    batch: int = 2,
    dtype: torch.dtype | None = None,
) -> tuple[int, ...]:
    """Check that a network accepts an input; return the shape of its output.

    Args:
        module: Any network; it is neither moved nor run nor altered.
        inputs: Shape of one example, (C, H, W) for an image.
        batch: How many examples go in.
        dtype: Type of the inputs, as for :func:`count`.

    Returns:
        Shape of the (first) output tensor, the batch included.

    Raises:
        EstimateError: The message names the submodule that fails, its type, the shape it
            received, and torch's reason.

    Example:
        >>> from torch import nn
        >>> forward_meta(nn.Conv2d(3, 8, 3), (3, 32, 32))
        (2, 8, 30, 30)
    """
    trace = Trace(counts=False)
    output = run_on_meta(copy_to_meta(module), inputs, batch=batch, dtype=dtype, trace=trace)
    check_registered(module, trace)
    shape = _first_shape(output)
    if shape is None:
        raise EstimateError(
            f"the network ({type(module).__name__}) returned {type(output).__name__}, "
            "which holds no tensor"
        )
    return shape


def breakdown(
    module: nn.Module,
    inputs: tuple[int, ...],
    depth: int = 2,
    *,
    dtype: torch.dtype | None = None,
) -> tuple[Layer, ...]:
    """Divide the cost of a network among its parts; the parts sum to :func:`count`.

    Args:
        module: Any network; it is neither moved nor run nor altered.
        inputs: Shape of one example, (C, H, W) for an image.
        depth: How many levels of submodules to separate: 1 makes one part of each child of the
            network. A module above that level is a separate part only if it holds parameters or
            computes products itself.
        dtype: Type of the inputs, as for :func:`count`.

    Returns:
        The parts in the order of their first execution, those that never ran last.

    Raises:
        EstimateError: ``depth`` is below 1, or the network does not accept the input.
    """
    if depth < 1:
        raise EstimateError(f"depth counts levels of submodules from 1; got {depth}")
    copy = copy_to_meta(module)
    parts = {
        path: _Part(path, part)
        for path, part in copy.named_modules()
        if not path or path.count(".") < depth
    }
    trace = Trace()
    order: dict[str, _Part] = {}
    inside: list[_Part] = []
    for part in parts.values():
        part.watch(trace, inside, order)
    run_on_meta(copy, inputs, batch=1, dtype=dtype, trace=trace)

    seen: set[int] = set()
    layers = []
    for part in {**order, **parts}.values():
        held = part.module.parameters(recurse=part.path.count(".") == depth - 1 and part.path != "")
        own = {id(parameter): parameter.numel() for parameter in held if id(parameter) not in seen}
        seen |= own.keys()
        costs = (sum(own.values()), part.tally.macs, part.tally.activations)
        if any(costs) or part.leaf(depth):
            layers.append(Layer(part.path, type(part.module).__name__, part.shape, *costs))
    return tuple(layers)


@dataclass
class _Part:
    """A row of a breakdown during counting."""

    path: str
    module: nn.Module
    tally: Tally = field(default_factory=Tally)
    shape: tuple[int, ...] | None = None

    def leaf(self, depth: int) -> bool:
        """Return whether no other part is inside this part."""
        return bool(self.path) and (
            self.path.count(".") == depth - 1 or not any(self.module.children())
        )

    def watch(self, trace: Trace, inside: list[_Part], order: dict[str, _Part]) -> None:
        """Add the cost of operators inside this module, and in no deeper part, to this part."""

        def enter(module: nn.Module, args: Any) -> None:
            order.setdefault(self.path, self)
            inside.append(self)
            trace.tally = self.tally

        def leave(module: nn.Module, args: Any, output: Any) -> None:
            inside.pop()
            trace.tally = inside[-1].tally if inside else Tally()
            if self.shape is None:
                shape = _first_shape(output)
                self.shape = None if shape is None else shape[1:]

        self.module.register_forward_pre_hook(enter)
        self.module.register_forward_hook(leave)


def _first_shape(output: Any) -> tuple[int, ...] | None:
    shapes = (tuple(leaf.shape) for leaf in tree_leaves(output) if isinstance(leaf, Tensor))
    return next(shapes, None)
