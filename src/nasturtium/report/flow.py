"""How data flow through a network: which module's output another one reads, seen by running it.

The network runs once on the meta device, so this costs milliseconds and no data. Each tensor
knows the module that made it; an operator outside of any innermost module that reads tensors of
several makers (a sum, a concatenation) is a node of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, final

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map_only

from nasturtium.cost.trace import Trace, outline
from nasturtium.space.ops import Chosen

__all__ = ["Call", "Flow", "Node", "follow"]

KINDS = {"add": "sum", "add_": "sum", "cat": "concat", "mul": "product", "mul_": "product"}
ROOT = 0


@final
@dataclass(frozen=True)
class Call:
    """One call of a module.

    Attributes:
        number: place in the order of calls, from 0 for the network itself.
        path: dotted name of the module.
        type: name of its class.
        parent: number of the call that it happened in; -1 for the network itself.
        leaf: whether the module has no modules inside.
        plain: whether it is exactly a ``Sequential``, which says nothing but "in this order".
        label: the chosen option, where the module is the answer to a module question.
    """

    number: int
    path: str
    type: str
    parent: int
    leaf: bool
    plain: bool
    label: str | None


@final
@dataclass
class Node:
    """A maker of tensors: the input, the call of an innermost module, or an operator that joins.

    Attributes:
        number: place in the order of execution, from 0 for the input.
        kind: ``input``, ``module``, ``output``, or what joins: ``sum``, ``concat``, ``product``...
        owners: numbers of the calls that it lies in, the network's own first.
        sources: numbers of the nodes whose tensors it reads.
        shape: of its output, without the batch.
    """

    number: int
    kind: str
    owners: tuple[int, ...]
    sources: tuple[int, ...]
    shape: tuple[int, ...] = ()


@final
@dataclass
class Flow:
    """What was seen of one run: the calls and the nodes, each in order."""

    calls: list[Call] = field(default_factory=list)
    nodes: list[Node] = field(default_factory=list)


def follow(network: nn.Module, inputs: Sequence[int]) -> Flow:
    """Run an outline of a network on one meta example, and record who reads whose output.

    Args:
        network: any network; it is neither moved nor run nor altered.
        inputs: shape of one example, (C, H, W) for an image.

    Raises:
        Exception: the network's own, where it does not accept the input; ``cost.breakdown`` says
            the same in words.
    """
    copy = outline(network)
    floating = (p.dtype for p in copy.parameters() if p.dtype.is_floating_point)
    dtype = next(floating, torch.float32)
    watch = _Watch()
    for path, module in copy.named_modules():
        module.register_forward_pre_hook(watch.entering(path), with_kwargs=True)
        module.register_forward_hook(watch.leaving)
    with torch.inference_mode(False), torch.no_grad(), Trace(), watch:
        example = torch.empty((1, *inputs), dtype=dtype, device="meta")
        watch.make("input", (), [example])
        output = copy(example)
        tensors = [leaf for leaf in tree_leaves(output) if isinstance(leaf, Tensor)][:1]
        watch.make("output", watch.makers(tensors), tensors)
    _fuse(watch.flow)
    return watch.flow


@final
class _Watch(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Knows the maker of every tensor of a run."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.flow = Flow()
        self.stack: list[int] = []
        self._maker: dict[int, int] = {}
        self._alive: list[Tensor] = []  # an id is only a name while its tensor lives

    def makers(self, values: Any) -> tuple[int, ...]:
        """The nodes that made the tensors among some values, each once."""
        leaves = (leaf for leaf in tree_leaves(values) if isinstance(leaf, Tensor))
        found = (self._maker.get(id(leaf)) for leaf in leaves)
        return tuple(dict.fromkeys(maker for maker in found if maker is not None))

    def make(self, kind: str, sources: tuple[int, ...], outputs: Any) -> None:
        """Add a node, and name it as the maker of its outputs."""
        tensors = [leaf for leaf in tree_leaves(outputs) if isinstance(leaf, Tensor)]
        shape = tuple(tensors[0].shape[1:]) if tensors else ()
        number = len(self.flow.nodes)
        self.flow.nodes.append(Node(number, kind, tuple(self.stack), sources, shape))
        self._own(tensors, number)

    def _own(self, tensors: Sequence[Tensor], maker: int) -> None:
        for tensor in tensors:
            self._maker[id(tensor)] = maker
        self._alive += tensors

    def __torch_dispatch__(
        self,
        func: Any,
        types: Any,
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        output = func(*args, **(kwargs or {}))
        sources = self.makers((args, kwargs))
        inside = bool(self.stack) and self.flow.calls[self.stack[-1]].leaf
        if len(sources) > 1 and not inside:
            name = func._schema.name.rpartition("::")[2]
            self.make(KINDS.get(name, name), sources, output)
        elif sources:
            self._own(
                [leaf for leaf in tree_leaves(output) if isinstance(leaf, Tensor)], sources[0]
            )
        return output

    def entering(self, path: str) -> Callable[[nn.Module, Any, Any], None]:
        """The hook that notes a call of the module at ``path``."""

        def hook(module: nn.Module, args: Any, kwargs: Any) -> None:
            calls = self.flow.calls
            call = Call(
                len(calls),
                path,
                type(module).__name__,
                self.stack[-1] if self.stack else -1,
                not any(True for _ in module.children()),
                type(module) is nn.Sequential,
                module.label if isinstance(module, Chosen) else None,
            )
            calls.append(call)
            self.stack.append(call.number)
            self._reads = self.makers((args, kwargs))

        return hook

    def leaving(self, module: nn.Module, args: Any, output: Any) -> Any:
        """The hook that ends a call; what an innermost module gives is made by it."""
        leaf = self.flow.calls[self.stack[-1]].leaf
        if leaf:
            # A module may hand its input through; others still read that tensor as another's.
            output = tree_map_only(Tensor, lambda tensor: tensor.view_as(tensor), output)
            self.make("module", self._reads, output)
        self.stack.pop()
        return output


def _fuse(flow: Flow) -> None:
    """Make a + b + c one sum of three: a sum that only a sum of the same module reads joins it."""
    readers: dict[int, list[Node]] = {}
    for node in flow.nodes:
        for source in node.sources:
            readers.setdefault(source, []).append(node)
    gone: set[int] = set()
    for node in flow.nodes:
        sources: list[int] = []
        for source in node.sources:
            inner = flow.nodes[source]
            alike = inner.kind == node.kind == "sum" and inner.owners == node.owners
            if alike and len(readers[source]) == 1:
                gone.add(source)
                sources += inner.sources
            else:
                sources.append(source)
        node.sources = tuple(dict.fromkeys(sources))
    flow.nodes = [node for node in flow.nodes if node.number not in gone]
