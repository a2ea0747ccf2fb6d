"""Running a network on the meta device: shapes without numbers, in a few milliseconds.

The network itself is never moved, run or altered. Its *meta copy* is run: a tree of shallow copies
of its modules in eval mode, whose parameters and buffers have a shape and no storage.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from types import MethodType
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map_only
from torch.utils.flop_counter import flop_registry

from nasturtium.cost.operator_macs import count_macs
from nasturtium.errors import EstimateError

__all__ = ["Tally", "Trace", "check_registered", "copy_to_meta", "reads_values", "run_on_meta"]

_META = torch.device("meta")
_aten = torch.ops.aten

# The meta kernels of these operators are Python decompositions of 0.3 to 1 ms each, which would
# be nine tenths of the time of a trace; their output has the shape of their first argument.
_SHAPE_KEEPING = frozenset(
    {
        _aten.elu.default,
        _aten.elu_.default,
        _aten.gelu.default,
        _aten.hardsigmoid.default,
        _aten.hardsigmoid_.default,
        _aten.hardswish.default,
        _aten.hardswish_.default,
        _aten.hardtanh.default,
        _aten.hardtanh_.default,
        _aten.leaky_relu.default,
        _aten.leaky_relu_.default,
        _aten.mish.default,
        _aten.mish_.default,
        _aten.relu.default,
        _aten.relu_.default,
    }
)


@dataclass(slots=True)
class Tally:
    """The cost of a part of a network so far, over the whole batch."""

    macs: int = 0
    activations: int = 0


class Trace(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """A mode that adds the cost of every operator of a forward pass to ``tally``.

    Attributes:
        tally: the cost so far.
        counts: whether costs are added; without it, only shapes are computed.
        parameters: the parameters that operators received directly, by identity.

    Multiply-accumulates of matrix products and attention come from the formulas of
    ``torch.utils.flop_counter`` (which counts two for each); those of convolutions, by far the
    most frequent, are computed directly, with the same numbers.
    Operators that multiply and have no formula are refused, see
    :mod:`nasturtium.cost.operator_macs`.
    Tensors that a network holds or makes outside its parameters and buffers are read as meta
    tensors as soon as they meet one, and are never written to.
    """

    def __init__(self, *, counts: bool = True) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.tally = Tally()
        self.counts = counts
        self.parameters: dict[int, nn.Parameter] = {}

    def __torch_dispatch__(
        self,
        func: Any,
        types: Any,
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        keywords = dict(kwargs) if kwargs else {}
        if self._mixes_devices(func, args, keywords):
            args, keywords = tree_map_only(Tensor, _to_meta, (tuple(args), keywords))
        if func is _aten._to_copy.default and args[0].is_meta:
            keywords["device"] = _META
        output = _known_shape(func, args)
        if output is None:
            output = func(*args, **keywords)
        if self.counts:
            self._add(func, args, keywords, output)
        return output

    def _add(self, func: Any, args: Sequence[Any], kwargs: dict[str, Any], output: Any) -> None:
        if func is _aten.convolution.default:
            # A weight has one filter of this size for each output channel, or for each input
            # channel where the convolution is transposed (argument 6).
            weight, filtered = args[1], args[0] if args[6] else output
            self.tally.macs += filtered.numel() * (weight.numel() // weight.shape[0])
            self.tally.activations += output.numel()
        elif (formula := flop_registry.get(packet := func._overloadpacket)) is not None:
            self.tally.macs += int(formula(*args, **kwargs, out_val=output)) // 2
        else:
            self.tally.macs += count_macs(packet, func, args, kwargs, output)

    def _mixes_devices(self, func: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> bool:
        """Return whether meta and real tensors are mixed, or a real tensor would be written."""
        real = meta = False
        for value in (*args, *kwargs.values()):
            for leaf in value if isinstance(value, list | tuple) else (value,):
                if isinstance(leaf, Tensor):
                    real, meta = real or not leaf.is_meta, meta or leaf.is_meta
                    if type(leaf) is nn.Parameter:
                        self.parameters[id(leaf)] = leaf
        return real and (meta or func._schema.is_mutable)


def copy_to_meta(network: nn.Module) -> nn.Module:
    """Copy the tree of modules, in eval mode, with meta parameters and buffers.

    Sharing is kept: a module or a tensor that occurs twice in the network does so in the copy.

    Raises:
        EstimateError: A parameter has no shape yet (a lazy layer that has not seen any input).
    """
    modules: dict[int, nn.Module] = {}
    tensors: dict[int, Tensor] = {}

    def tensor(original: Tensor | None, path: str) -> Tensor | None:
        if original is None or original.is_meta:
            return original
        if nn.parameter.is_lazy(original):
            raise EstimateError(
                f"parameter {path!r} has no shape yet; run the network once on real inputs, "
                "or replace its lazy layer by an ordinary one"
            )
        if id(original) not in tensors:
            tensors[id(original)] = _to_meta(original)
        return tensors[id(original)]

    def copied(module: nn.Module, path: str) -> nn.Module:
        if id(module) in modules:
            return modules[id(module)]
        copy = module.__new__(type(module))
        modules[id(module)] = copy
        state = copy.__dict__
        for name, value in module.__dict__.items():
            if isinstance(value, dict | list | set):
                value = value.copy()
            elif isinstance(value, MethodType) and value.__self__ is module:
                value = MethodType(value.__func__, copy)
            state[name] = value
        state["training"] = False
        for kind in ("_parameters", "_buffers"):
            for name, value in state[kind].items():
                state[kind][name] = tensor(value, path + name)
        for name, child in state["_modules"].items():
            if child is not None:
                state["_modules"][name] = copied(child, f"{path}{name}.")
        return copy

    return copied(network, "")


def check_registered(module: nn.Module, trace: Trace) -> None:
    """Check that a network used registered parameters only, since others are not trained.

    Raises:
        EstimateError: it used others; the message names them.
    """
    own = {id(parameter) for parameter in module.parameters()}
    strays = {name: p for name, p in trace.parameters.items() if name not in own}
    if not strays:
        return
    for path, part in module.named_modules():
        for name, value in vars(part).items():
            held = list(value.values()) if isinstance(value, dict) else value
            if name.startswith("_") or not isinstance(held, list | tuple):
                continue
            inside = [p for one in held if isinstance(one, nn.Module) for p in one.parameters()]
            inside += [one for one in held if isinstance(one, nn.Parameter)]
            if any(id(parameter) in strays for parameter in inside):
                where = f"{path}.{name}" if path else name
                right = "nn.ModuleDict" if isinstance(value, dict) else "nn.ModuleList"
                raise EstimateError(
                    f"the layers in {where!r} ({type(part).__name__}) are kept in a plain "
                    f"{type(value).__name__}, so they are neither trained nor saved; use {right} "
                    "(nn.ParameterList for parameters)"
                )
    shapes = ", ".join(str(tuple(p.shape)) for p in strays.values())
    raise EstimateError(
        f"the network ({type(module).__name__}) computes with {len(strays)} parameters that are "
        f"not among its own, of shapes {shapes[:120]}, so they are neither trained nor saved; set "
        "them as attributes of their module, in nn.ModuleList where there are several"
    )


def run_on_meta(
    network: nn.Module,
    inputs: Sequence[int],
    *,
    batch: int,
    dtype: torch.dtype | None,
    trace: Trace | None = None,
) -> Any:
    """Run a meta copy on ``batch`` meta examples of shape ``inputs``; return its output.

    ``dtype`` defaults to that of the first floating-point parameter, else ``torch.float32``.

    Raises:
        EstimateError: Names the innermost module that failed, the shape it got, and why.
    """
    if batch < 1 or not all(isinstance(size, int) and size > 0 for size in inputs):
        raise EstimateError(
            f"inputs is the shape of one example, such as (3, 32, 32), and batch at least 1; "
            f"got inputs={tuple(inputs)} and batch={batch}"
        )
    if dtype is None:
        floating = (p.dtype for p in network.parameters() if p.dtype.is_floating_point)
        dtype = next(floating, torch.float32)
    # Inference mode would hide the matrix products inside composite operators.
    with torch.inference_mode(False), torch.no_grad(), trace or Trace(counts=False):
        examples = torch.empty((batch, *inputs), dtype=dtype, device=_META)
        try:
            return network(examples)
        except Exception as error:
            reason = error
        # Hooks cost as much as the rest, so the place of the failure is looked up afterwards.
        place = _failing_place(network, examples)
    raise EstimateError(f"{place}: {_explain(reason)}") from reason


def _failing_place(network: nn.Module, examples: Tensor) -> str:
    """Run a failing meta copy again; return the module that fails and its input shape."""
    entered: list[tuple[str, nn.Module, str]] = []
    with _hooked(network, entered):
        try:
            network(examples)
        except Exception:
            path, module, shapes = entered[-1] if entered else ("", network, "")
        else:
            return f"the network ({type(network).__name__}) fails intermittently"
    where = f"layer {path!r}" if path else "the network"
    settings = module.extra_repr()[:80]
    kind = type(module).__name__ + (f": {settings}" if settings else "")
    return f"{where} ({kind}) fails on an input of shape {shapes or tuple(examples.shape)}"


@contextmanager
def _hooked(network: nn.Module, entered: list[tuple[str, nn.Module, str]]) -> Iterator[None]:
    """Keep ``entered`` equal to the modules that a forward pass is inside."""

    def enter(path: str) -> Any:
        def hook(module: nn.Module, args: Any, kwargs: Any) -> None:
            entered.append((path, module, _shapes((args, kwargs))))

        return hook

    def leave(module: nn.Module, args: Any, output: Any) -> None:
        entered.pop()

    handles = []
    for path, module in network.named_modules():
        handles.append(module.register_forward_pre_hook(enter(path), with_kwargs=True))
        handles.append(module.register_forward_hook(leave))
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _shapes(values: Any) -> str:
    tensors = [leaf for leaf in tree_leaves(values) if isinstance(leaf, Tensor)]
    return " and ".join(str(tuple(tensor.shape)) for tensor in tensors)


def reads_values(error: Exception) -> bool:
    """Return whether a run on the meta device failed because it read values of tensors."""
    return isinstance(error, NotImplementedError) or bool(re.search(r"\bmeta\b", str(error)))


def _explain(error: Exception) -> str:
    text = " ".join(str(error).split()) or type(error).__name__
    if reads_values(error):
        return (
            f"it reads values of tensors, which a count without data cannot know ({text[:200]}); "
            "make the shapes independent of the data"
        )
    return text[:400]


def _to_meta(tensor: Tensor) -> Tensor:
    return tensor if tensor.is_meta else torch.empty_like(tensor, device=_META)


def _known_shape(func: Any, args: Sequence[Any]) -> Any:
    """Return the output if it follows from the first argument alone, else ``None``."""
    if func in _SHAPE_KEEPING:
        mutates = func._schema.is_mutable
        return args[0] if mutates else _like(args[0])
    if func is _aten.native_batch_norm.default:  # its caller has checked the sizes
        return _like_normalised(args[0])
    if func is _aten.native_layer_norm.default:
        shape = tuple(args[1])
        return _like_normalised(args[0]) if tuple(args[0].shape[-len(shape) :]) == shape else None
    if func is _aten.native_group_norm.default:  # its caller has checked the sizes
        return _like_normalised(args[0])
    return None


def _like_normalised(x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    statistics = torch.empty(0, device=_META)  # used in training only
    return _like(x), statistics, statistics


def _like(x: Tensor) -> Tensor:
    # empty_like of a meta tensor is a decomposition too, ten times slower than this.
    return torch.empty(x.shape, dtype=x.dtype, device=_META)
