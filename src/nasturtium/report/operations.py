"""The calls and operations of one run of a network, as plain records."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import final

__all__ = ["ROOT", "Call", "Flow", "Operation", "fuse_sums", "with_unused"]

ROOT = 0  # the call of the network itself
SEPARATE = 6  # unused parts of a call that become separate operations; more become one


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
        sequential: whether it is exactly a ``Sequential``, whose name tells only the order.
        label: the chosen option, where the module is the answer to a module question.
        shape: shape of its first output, without the batch; empty where it did not return.
    """

    number: int
    path: str
    type: str
    parent: int
    leaf: bool
    sequential: bool
    label: str | None
    shape: tuple[int, ...] = ()


@final
@dataclass(frozen=True)
class Operation:
    """One operation: it produces a tensor.

    Attributes:
        number: place in the order of execution, from 0 for the input.
        kind: ``input``, ``layer``, ``function``, ``output``, or ``unused`` for parameters that no
            operation read.
        name: dotted path of the layer; of a function, the path of its parameters where it reads
            any, else that of the module that called it and the function's name.
        type: class of the layer, or name of the function.
        calls: numbers of the calls that it lies in, the network's own first.
        sources: numbers of the operations whose outputs it reads.
        shape: shape of its first output, without the batch.
        params: elements of the parameters that no earlier operation reads.
        macs: multiply-accumulates for one example.
        shares: numbers of the earlier operations that its other parameters belong to.
    """

    number: int
    kind: str
    name: str
    type: str
    calls: tuple[int, ...]
    sources: tuple[int, ...] = ()
    shape: tuple[int, ...] = ()
    params: int = 0
    macs: int = 0
    shares: tuple[int, ...] = ()

    @property
    def joins(self) -> bool:
        """Whether it only combines the outputs of several operations, as a sum does."""
        free = not self.params and not self.macs and not self.shares
        return self.kind == "function" and len(self.sources) > 1 and free


@final
@dataclass(frozen=True)
class Flow:
    """One run of a network.

    Attributes:
        calls: calls of modules, in order.
        operations: operations in the order of execution.
        types: class of each module, by its path; of the network itself, by the empty one.
        missing: why the trace ends before the network's output; empty where it does not.
    """

    calls: tuple[Call, ...]
    operations: tuple[Operation, ...]
    types: Mapping[str, str]
    missing: str = ""


def with_unused(
    operations: Sequence[Operation],
    calls: Sequence[Call],
    unread: Mapping[str, int],
    types: Mapping[str, str],
) -> list[Operation]:
    """Add operations of the kind ``unused`` for the parameters that no operation read.

    A module that did not run is one operation with all its parameters; so is a parameter of a
    module that ran without reading it. Each is placed last in the call that it lies in.

    Args:
        operations: the operations, whose numbers are their places.
        calls: the calls of modules.
        unread: parameters that were not read, with their numbers of elements.
        types: class of each module by its path.
    """
    first: dict[str, Call] = {}
    for call in calls:
        first.setdefault(call.path, call)
    ran = {".".join(path.split(".")[:end]) for path in first for end in range(path.count(".") + 2)}
    groups: dict[str, int] = {}
    for name, params in unread.items():
        parts = name.split(".")
        paths = (".".join(parts[:end]) for end in range(1, len(parts)))
        path = next((path for path in paths if path not in ran), name)
        groups[path] = groups.get(path, 0) + params
    inside: dict[int, list[tuple[str, int]]] = {}
    for path, params in groups.items():
        outer = path.rpartition(".")[0]
        while outer not in first:
            outer = outer.rpartition(".")[0]
        inside.setdefault(first[outer].number, []).append((path, params))
    after: dict[int, list[Operation]] = {}
    for number, members in inside.items():
        chain = _chain(calls, number)
        place = _last(operations, chain)
        if len(members) > SEPARATE:
            total = sum(params for _, params in members)
            kind, name = f"{len(members)} parts, not used", calls[number].path or "unused"
            after.setdefault(place, []).append(
                Operation(0, "unused", name, kind, chain, (), (), total)
            )
            continue
        for path, params in members:
            kind = f"{types[path]}, not run" if path in types else "parameter, not read"
            after.setdefault(place, []).append(
                Operation(0, "unused", path, kind, chain, params=params)
            )
    return _inserted(operations, after)


def _chain(calls: Sequence[Call], number: int) -> tuple[int, ...]:
    """Return the calls that one lies in, the network's own first, and itself."""
    chain: list[int] = []
    while number >= 0:
        chain.append(number)
        number = calls[number].parent
    return tuple(reversed(chain))


def _last(operations: Sequence[Operation], chain: Sequence[int]) -> int:
    """Return the number of the last operation of the innermost call that has any."""
    for call in reversed(chain):
        inside = [one.number for one in operations if call in one.calls]
        if inside:
            return inside[-1]
    return 0


def _inserted(
    operations: Sequence[Operation], after: dict[int, list[Operation]]
) -> list[Operation]:
    """Insert operations after those of the given numbers, and number all again."""
    new: dict[int, int] = {}
    merged: list[Operation] = []
    for one in operations:
        new[one.number] = len(merged)
        merged += [one, *after.get(one.number, ())]
    return [
        replace(
            one,
            number=place,
            sources=tuple(new[source] for source in one.sources),
            shares=tuple(new[owner] for owner in one.shares),
        )
        for place, one in enumerate(merged)
    ]


def fuse_sums(operations: Sequence[Operation]) -> tuple[Operation, ...]:
    """Return a + b + c as one sum: a sum that only one sum of its call reads becomes part of it."""
    by_number = {one.number: one for one in operations}
    readers: dict[int, int] = {}
    for one in operations:
        for source in one.sources:
            readers[source] = readers.get(source, 0) + 1
    gone: set[int] = set()
    for one in operations:
        sources: list[int] = []
        for source in one.sources:
            inner = by_number[source]
            alike = inner.type == one.type == "add" and inner.calls == one.calls
            if alike and inner.joins and one.joins and readers[source] == 1:
                gone.add(source)
                sources += inner.sources
            else:
                sources.append(source)
        by_number[one.number] = replace(one, sources=tuple(dict.fromkeys(sources)))
    return tuple(one for number, one in by_number.items() if number not in gone)
