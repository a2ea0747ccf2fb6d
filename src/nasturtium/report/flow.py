"""Trace the data flow through a network: which operation reads the output of which other one.

The network runs once on the meta device, so a trace needs neither data nor memory. Every tensor is
mapped to the operations that produced it. A layer (a module without modules inside) is one
operation; outside of layers, each call of a function of torch is one, such as the sum of two
tensors or ``scaled_dot_product_attention``. Slices, changes of shape and element-wise arithmetic
with constants belong to the operation whose output they read.

Each parameter belongs to exactly one operation, the first that reads it, so parameters and
multiply-accumulates of the operations add up to those of the network.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple, final

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_leaves, tree_map_only

from nasturtium.cost.meta_trace import Tally, Trace, copy_to_meta, reads_values, run_on_meta
from nasturtium.report.operations import Call, Flow, Operation, fuse_sums, with_unused
from nasturtium.space.joins import Chosen

__all__ = ["trace_flow"]

# Methods of tensors that Python calls for operators: ``__radd__``, ``__iadd__``.
ARITHMETIC = frozenset({"add", "sub", "mul", "truediv", "matmul"})
SLICES = frozenset(
    {"getitem", "chunk", "split", "split_with_sizes", "tensor_split", "narrow", "select", "unbind"}
    | {"expand", "expand_as", "broadcast_to", "get"}
)


def trace_flow(network: nn.Module, inputs: Sequence[int]) -> Flow:
    """Run an outline of a network on one meta example, and record which output is read where.

    A network that reads values of tensors, to choose what to compute next, is traced up to that
    place; the modules that did not run are operations of the kind ``unused``.

    Args:
        network: any network; it is neither moved nor run nor altered.
        inputs: shape of one example, (C, H, W) for an image.

    Raises:
        EstimateError: the network does not accept the input.
    """
    copy = copy_to_meta(network)
    floating = (p.dtype for p in copy.parameters() if p.dtype.is_floating_point)
    dtype = next(floating, torch.float32)
    trace = Trace()
    recorder = _Recorder(copy, trace)
    for path, module in copy.named_modules():
        module.register_forward_pre_hook(recorder.entering(path), with_kwargs=True)
        module.register_forward_hook(recorder.leaving)
    missing = ""
    with torch.inference_mode(False), torch.no_grad(), trace:
        try:
            example = torch.empty((1, *inputs), dtype=dtype, device="meta")
            recorder.record("input", "input", "input", _Origin(), [example])
            with recorder:
                output = copy(example)
        except Exception as error:
            if not reads_values(error):
                run_on_meta(
                    copy_to_meta(network), inputs, batch=1, dtype=dtype
                )  # says where and why it fails
                raise
            missing = recorder.where()
        else:
            tensors = _tensors(output)
            # Work that no recorded function did, of compiled extensions, is counted here.
            recorder.record(
                "output", "output", "output", recorder.origin(tensors), tensors, trace.tally
            )
    calls = tuple(recorder.calls)
    modules = copy.named_modules(remove_duplicate=False)
    types = {path: type(module).__name__ for path, module in modules}
    operations = with_unused(recorder.operations, calls, recorder.unread(), types)
    return Flow(calls, fuse_sums(operations), types, missing)


class _Origin(NamedTuple):
    """The origin of a tensor: numbers of operations, and parameters that none has read."""

    operations: tuple[int, ...] = ()
    parameters: tuple[str, ...] = ()


class _Entered(NamedTuple):
    """A call that has not returned: the origin of its arguments, and the tally of its caller."""

    call: Call
    given: _Origin
    tally: Tally


@final
class _Recorder(TorchFunctionMode):
    """Records every call of a layer or function, and the origin of every tensor."""

    def __init__(self, network: nn.Module, trace: Trace) -> None:
        super().__init__()
        self.calls: list[Call] = []
        self.operations: list[Operation] = []
        self._owner: dict[str, int] = {}  # parameter -> the first operation that reads it
        self._trace = trace
        self._entered: list[_Entered] = []
        self._origins: dict[int, _Origin] = {}
        self._alive: list[Tensor] = []  # an id stands for a tensor only while the tensor lives
        self._sizes: dict[str, int] = {}
        for name, parameter in network.named_parameters():
            self._origins[id(parameter)] = _Origin((), (name,))
            self._sizes[name] = parameter.numel()

    def unread(self) -> dict[str, int]:
        """Return the parameters that no operation has read, with their numbers of elements."""
        return {name: size for name, size in self._sizes.items() if name not in self._owner}

    def where(self) -> str:
        """Return a sentence about the innermost module that has not returned."""
        call = self._entered[-1].call
        place = f"layer {call.path!r} ({call.type})" if call.path else f"the network ({call.type})"
        return (
            f"{place} reads values of tensors to choose what it computes, which a drawing without "
            "data cannot know; what follows it is not drawn"
        )

    def origin(self, values: Any) -> _Origin:
        """Return where the tensors among some values come from."""
        ids = map(id, _tensors(values))
        found = [self._origins[number] for number in ids if number in self._origins]
        operations = dict.fromkeys(number for one in found for number in one.operations)
        parameters = dict.fromkeys(name for one in found for name in one.parameters)
        return _Origin(tuple(operations), tuple(parameters))

    def record(
        self,
        kind: str,
        name: str,
        type: str,
        read: _Origin,
        outputs: Sequence[Tensor],
        tally: Tally | None = None,
    ) -> None:
        """Add an operation, and set it as the origin of its outputs."""
        number = len(self.operations)
        new = [parameter for parameter in read.parameters if parameter not in self._owner]
        owners = [self._owner.get(parameter) for parameter in read.parameters]
        self._owner.update(dict.fromkeys(new, number))
        operation = Operation(
            number,
            kind,
            name,
            type,
            tuple(entered.call.number for entered in self._entered),
            read.operations,
            tuple(outputs[0].shape[1:]) if outputs else (),
            sum(self._sizes[parameter] for parameter in new),
            tally.macs if tally is not None else 0,
            tuple(dict.fromkeys(owner for owner in owners if owner is not None)),
        )
        self.operations.append(operation)
        self._set(outputs, _Origin((number,)))

    def _set(self, tensors: Sequence[Tensor], origin: _Origin) -> None:
        for tensor in tensors:
            self._origins[id(tensor)] = origin
        self._alive += tensors

    def __torch_function__(
        self,
        func: Any,
        types: Any,
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        if not self._entered or self._entered[-1].call.leaf:
            return func(*args, **(kwargs or {}))
        read = self.origin((args, kwargs))  # a function in place replaces it
        outer, self._trace.tally = self._trace.tally, Tally()
        try:
            output = func(*args, **(kwargs or {}))
        finally:
            tally, self._trace.tally = self._trace.tally, outer
        name = _function_name(func)
        written = args[0] if name == "setitem" else output
        tensors = _tensors(written)
        if not tensors:
            outer.macs += tally.macs
        elif name.startswith("new_") or name.endswith("_like"):
            pass  # reads the shape of a tensor, and not its values
        elif tally.macs or _is_operation(name, read, args, tensors[0]):
            self.record("function", self._name(name, read), name, read, tensors, tally)
        elif read.operations or read.parameters:
            self._set(tensors, read)
        return output

    def _name(self, function: str, read: _Origin) -> str:
        """Return the path of the parameters read, or of the module and the function."""
        path = self._entered[-1].call.path
        if not read.parameters:
            return f"{path}.{function}" if path else function
        modules = {name.rpartition(".")[0] for name in read.parameters}
        same = len(modules) == 1 and len(read.parameters) > 1 and modules != {path}
        return min(modules) if same and modules != {""} else read.parameters[0]

    def entering(self, path: str) -> Callable[[nn.Module, Any, Any], None]:
        """Return the hook that records a call of the module at ``path``."""

        def hook(module: nn.Module, args: Any, kwargs: Any) -> None:
            call = Call(
                len(self.calls),
                path,
                type(module).__name__,
                self._entered[-1].call.number if self._entered else -1,
                not any(True for _ in module.children()),
                type(module) is nn.Sequential,
                module.label if isinstance(module, Chosen) else None,
            )
            self.calls.append(call)
            tally = self._trace.tally
            self._entered.append(_Entered(call, self.origin((args, kwargs)), tally))
            if call.leaf:
                self._trace.tally = Tally()

        return hook

    def leaving(self, module: nn.Module, args: Any, output: Any) -> Any:
        """End a call; the output of a layer is recorded as an operation."""
        entered = self._entered[-1]
        tensors = _tensors(output)
        shape = tuple(tensors[0].shape[1:]) if tensors else ()
        self.calls[entered.call.number] = replace(entered.call, shape=shape)
        if not entered.call.leaf:
            self._entered.pop()
            return output
        # A layer may return its input; others still read that tensor as the output of another.
        output = tree_map_only(Tensor, lambda tensor: tensor.view_as(tensor), output)
        own = self.origin(list(module.parameters(recurse=False))).parameters
        given = _Origin(entered.given.operations, (*entered.given.parameters, *own))
        tensors = _tensors(output)
        tally, self._trace.tally = self._trace.tally, entered.tally
        self.record("layer", entered.call.path, entered.call.type, given, tensors, tally)
        self._entered.pop()
        return output


def _tensors(values: Any) -> list[Tensor]:
    """Return the tensors among some values, those in attributes of other objects included."""
    found: list[Tensor] = []
    for leaf in tree_leaves(values):
        if isinstance(leaf, Tensor):
            found.append(leaf)
        elif hasattr(leaf, "__dict__") and not isinstance(leaf, nn.Module | type):
            found += [inner for inner in tree_leaves(vars(leaf)) if isinstance(inner, Tensor)]
    return found


def _function_name(func: Any) -> str:
    """Return the plain name of a function: ``add`` for ``Tensor.__iadd__``."""
    name = str(getattr(func, "__name__", func)).split(".")[0].strip("_")
    reflected = name[:1] in "ir" and name[1:] in ARITHMETIC
    return name[1:] if reflected else name


def _is_operation(name: str, read: _Origin, args: Sequence[Any], output: Tensor) -> bool:
    """Return whether a function without products is a separate operation.

    It is one if it joins tensors, reads parameters, reduces a tensor, or does what a function
    of ``torch.nn.functional`` does.
    """
    if not read.operations:
        return False
    if len(read.operations) > 1 or read.parameters:
        return True
    if "dropout" in name or name in SLICES:
        return False
    whole = args[0].numel() if args and isinstance(args[0], Tensor) else output.numel()
    return hasattr(nn.functional, name) or output.numel() != whole
