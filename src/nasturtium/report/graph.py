"""Which parts of a network are drawn: blocks, not layers; what repeats, once.

A module is opened where it branches (it adds or concatenates what its parts give), where it only
lists others, or where it holds many layers; else it is one block. Equal blocks that follow one
another are drawn once, with their number.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import final

from torch import nn

from nasturtium.cost.count import Layer, breakdown
from nasturtium.report.flow import ROOT, Call, Flow, Node, follow

__all__ = ["Box", "Frame", "Graph", "graph"]

MOST = 60  # boxes; deeper modules are closed until so many remain
HEAVY = 6  # layers with products in a module, above which it is opened


@final
@dataclass(frozen=True)
class Box:
    """One thing that is drawn.

    Attributes:
        number: place in the order of execution.
        kind: ``block``, ``input``, ``output``, or what joins: ``sum``, ``concat``, ``product``...
        name: dotted path in the network; empty where it is no module.
        type: class of the module, or the option that was chosen.
        shape: of the output, without the batch.
        params: trainable numbers of one copy; the output has what the network holds itself.
        macs: multiply-accumulates of one copy, for one example.
        copies: how many equal ones follow one another, those of its frames included.
    """

    number: int
    kind: str
    name: str
    type: str
    shape: tuple[int, ...]
    params: int = 0
    macs: int = 0
    copies: int = 1


@final
@dataclass(frozen=True)
class Frame:
    """An opened module that is repeated or branches: its name, how often, and its boxes."""

    name: str
    copies: int
    members: tuple[int, ...]


@final
@dataclass(frozen=True)
class Graph:
    """Boxes in the order of execution, who reads whose output, and frames, outermost first."""

    boxes: tuple[Box, ...]
    edges: tuple[tuple[int, int], ...]
    frames: tuple[Frame, ...]


def graph(network: nn.Module, inputs: Sequence[int], most: int = MOST) -> Graph:
    """The blocks of a network with their shapes and costs, and how data flow between them.

    Args:
        network: any network; it is neither moved nor run nor altered.
        inputs: shape of one example, (C, H, W) for an image.
        most: how many boxes there may be.

    Raises:
        EstimateError: the network does not accept the input.
    """
    layers = breakdown(network, tuple(inputs), depth=1000)
    flow = follow(network, inputs)
    opened = _opened(flow, layers)
    made = _Drawing(flow, opened, layers).graph()
    while len(made.boxes) > most and len(opened) > 1:
        deepest = max(flow.calls[call].path.count(".") for call in opened - {ROOT})
        opened -= {c for c in opened - {ROOT} if flow.calls[c].path.count(".") == deepest}
        made = _Drawing(flow, opened, layers).graph()
    return made


def _opened(flow: Flow, layers: Sequence[Layer]) -> set[int]:
    """The calls whose insides are drawn."""
    calls = flow.calls
    itself = {layer.path for layer in layers if layer.macs or layer.params}
    heavy = {layer.path for layer in layers if layer.macs}
    branching: set[int] = set()
    weight = [0] * len(calls)
    for node in flow.nodes:
        if node.kind in ("sum", "concat"):
            branching.update(node.owners)
    for call in calls:
        if call.leaf and call.path in heavy:
            up = call.number
            while up >= 0:
                weight[up] += 1
                up = calls[up].parent
    lists = {call.parent for call in calls if not call.leaf and call.parent >= 0}
    opened = {ROOT}
    for call in calls[1:]:
        if call.leaf or call.path in itself or call.parent not in opened:
            continue
        listing = call.plain and call.number in lists
        if listing or call.number in branching or weight[call.number] > HEAVY:
            opened.add(call.number)
    return opened


@final
class _Drawing:
    """The boxes and edges of a flow for one choice of what is opened."""

    def __init__(self, flow: Flow, opened: set[int], layers: Sequence[Layer]) -> None:
        self.calls = flow.calls
        self.opened = opened
        self.boxes: dict[int, Box] = {}
        self.owners: dict[int, tuple[int, ...]] = {}  # the calls that a box lies in, or is
        self.edges: dict[tuple[int, int], None] = {}
        at: dict[int, int] = {}  # node -> box
        of: dict[int, int] = {}  # closed call -> box
        for node in flow.nodes:
            closed = next((call for call in node.owners if call not in opened), None)
            box = node.number if closed is None else of.setdefault(closed, node.number)
            at[node.number] = box
            if box not in self.boxes:
                self.boxes[box] = self._box(node, closed, layers)
                last = len(node.owners) if closed is None else node.owners.index(closed) + 1
                self.owners[box] = node.owners[:last]
            else:
                self.boxes[box] = replace(self.boxes[box], shape=node.shape)
            for source in node.sources:
                if at[source] != box:
                    self.edges[at[source], box] = None
        self._absorb()

    def _box(self, node: Node, closed: int | None, layers: Sequence[Layer]) -> Box:
        if closed is None:
            own = [layer for layer in layers if not layer.path and node.kind == "output"]
            params, macs = sum(x.params for x in own), sum(x.macs for x in own)
            return Box(node.number, node.kind, "", node.kind, node.shape, params, macs)
        call = self.calls[closed]
        inside = [x for x in layers if x.path == call.path or x.path.startswith(call.path + ".")]
        return Box(
            node.number,
            "block",
            call.path,
            self._type(call),
            node.shape,
            sum(layer.params for layer in inside),
            sum(layer.macs for layer in inside),
        )

    def _type(self, call: Call) -> str:
        parent = self.calls[call.parent]
        option = call.label if call.label is not None else parent.label
        inside = [one for one in self.calls if one.parent == call.number]
        kind = inside[0].type if call.label is not None and len(inside) == 1 else call.type
        return kind if option is None else f"{option} ({kind})"

    def _absorb(self) -> None:
        """Let normalisations and activations be part of the block that they follow."""
        for number, box in list(self.boxes.items()):
            sources = [a for a, b in self.edges if b == number]
            if box.kind != "block" or box.macs or len(sources) != 1 or "(" in box.type:
                continue
            before = self.boxes[sources[0]]
            alone = sum(a == before.number for a, _ in self.edges) == 1
            call = self.owners[number][-1]
            if not alone or not self.calls[call].leaf or before.shape != box.shape:
                continue
            if before.kind != "block":
                if before.kind in ("input", "output") or box.params:
                    continue
                joined = before
            else:
                kind = before.type if box.type == "Identity" else f"{before.type}, {box.type}"
                joined = replace(before, type=kind, params=before.params + box.params)
            self.boxes[before.number] = joined
            del self.boxes[number]
            self.edges = {
                (before.number if a == number else a, b): None for a, b in self.edges if b != number
            }

    def graph(self) -> Graph:
        """The drawing with what repeats drawn once."""
        copies: dict[int, int] = {}
        self._repeats(ROOT, copies)
        boxes = {}
        for number, box in sorted(self.boxes.items()):
            times = 1
            for call in self.owners[number]:
                times *= copies.get(call, 1)
            boxes[number] = replace(box, copies=times)
        frames = []
        ends = ("block", "input", "output")
        joins = {self.owners[n][-1] for n, box in boxes.items() if box.kind not in ends}
        for call in sorted(self.opened - {ROOT}):
            members = tuple(n for n in boxes if call in self.owners[n])
            if len(members) > 1 and (copies.get(call, 1) > 1 or call in joins - {ROOT}):
                frames.append(Frame(self.calls[call].path, copies.get(call, 1), members))
        return Graph(tuple(boxes.values()), tuple(self.edges), tuple(frames))

    def _repeats(self, parent: int, copies: dict[int, int]) -> None:
        children = [call.number for call in self.calls if call.parent == parent]
        inside = {c: [n for n in sorted(self.boxes) if c in self.owners[n]] for c in children}
        children = [call for call in children if inside[call]]
        place = 0
        while place < len(children):
            run = [children[place]]
            for following in children[place + 1 :]:
                if not self._repeated(inside, run[-1], following):
                    break
                run.append(following)
            while len(run) > 1 and not self._hidden(inside, run):
                run.pop()
            if len(run) > 1:
                copies[run[0]] = len(run)
                self._collapse([inside[call] for call in run])
            if run[0] in self.opened:
                self._repeats(run[0], copies)
            place += len(run)

    def _repeated(self, inside: Mapping[int, list[int]], first: int, second: int) -> bool:
        """Whether the second call is equal to the first, comes right after it, and reads it."""
        one, two = inside[first], inside[second]
        order = sorted(self.boxes)
        if len(one) != len(two) or order.index(two[0]) != order.index(one[-1]) + 1:
            return False
        plain = [replace(self.boxes[n], number=0, name="") for n in one]
        if plain != [replace(self.boxes[n], number=0, name="") for n in two]:
            return False
        into = dict(zip(one, range(len(one)), strict=True))
        also = dict(zip(two, range(len(two)), strict=True))
        inner = {(into[a], into[b]) for a, b in self.edges if a in into and b in into}
        same = {(also[a], also[b]) for a, b in self.edges if a in also and b in also}
        return inner == same and any(a in into and b in also for a, b in self.edges)

    def _hidden(self, inside: Mapping[int, list[int]], run: list[int]) -> bool:
        """Whether only the run's last copy is read from outside the run."""
        members = {n for call in run for n in inside[call]}
        inner = members - set(inside[run[-1]])
        return not any(a in inner and b not in members for a, b in self.edges)

    def _collapse(self, runs: list[list[int]]) -> None:
        copy = {n: index for index, run in enumerate(runs) for n in run}
        first = {n: runs[0][place] for run in runs for place, n in enumerate(run)}
        edges: dict[tuple[int, int], None] = {}
        for a, b in self.edges:
            if a in copy and b in copy and copy[a] != copy[b]:
                continue
            edges[first.get(a, a), first.get(b, b)] = None
        self.edges = edges
        for run in runs[1:]:
            for number in run:
                del self.boxes[number]
