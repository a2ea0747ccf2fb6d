"""Choose the blocks of a network that are drawn, and the edges between them.

A module is opened, so that its insides are drawn, where it branches (it adds or concatenates
outputs of its parts), where it only lists other modules, or where it holds many layers; any other
module is one box, and so is a chosen option that is not large. Functions outside of closed modules
are separate boxes. Equal blocks that follow one another are drawn once, with their number.

Each operation of the network lies in exactly one box, so parameters and multiply-accumulates of
the boxes add up to those of the network.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

from torch import nn

from nasturtium.report.boxes import Box, Frame, Graph, Sketch
from nasturtium.report.flow import trace_flow
from nasturtium.report.merge_repeats import merge_repeats
from nasturtium.report.operations import ROOT, Call, Flow, Operation

__all__ = ["ENDS", "Box", "Frame", "Graph", "graph", "graph_of"]

MOST = 80  # boxes; modules are closed until so many remain
HEAVY = 6  # operations with products in a module, above which it is opened
SIMPLE = 2  # the same for a module that branches and reads parameters itself, as a layer does
JOINS = {"add": "sum", "sub": "difference", "mul": "product", "cat": "concat"}
BRANCHING = frozenset({"add", "cat", "stack"})
SILENT = ("Identity", "Dropout")  # not named among the parts of a block: they change no number
ENDS = ("block", "unused", "input", "output")  # kinds of boxes that join nothing


def graph(network: nn.Module, inputs: Sequence[int], most: int = MOST) -> Graph:
    """Return the blocks of a network with shapes and costs, and how data flow between them.

    Args:
        network: any network; it is neither moved nor run nor altered.
        inputs: shape of one example, (C, H, W) for an image.
        most: how many boxes there may be.

    Raises:
        EstimateError: the network does not accept the input.
    """
    return graph_of(trace_flow(network, inputs), most)


def graph_of(flow: Flow, most: int = MOST) -> Graph:
    """Return the graph of a flow that was traced, as :func:`graph` does.

    Where there are too many boxes, modules that are built like an earlier one are closed first,
    from the outermost to the innermost, then the deepest modules, the last ones first.
    """
    opened = _opened(flow)
    drawn, framed, inside = _graph(flow, opened, {})
    if len(drawn.boxes) <= most:
        return drawn
    like = _like_earlier(drawn, framed)
    for outer in sorted({_depth(flow.calls[call]) for call in like}):
        opened -= {call for call in like if _depth(flow.calls[call]) == outer}
        drawn, _, inside = _graph(flow, opened, like)
        if len(drawn.boxes) <= most:
            return drawn
    while (excess := len(drawn.boxes) - most) > 0 and len(opened) > 1:
        depth = {call: _depth(flow.calls[call]) for call in opened - {ROOT}}
        deepest = max(depth.values())
        for call in sorted(depth, reverse=True):
            if excess > 0 and depth[call] == deepest:
                opened.remove(call)
                excess -= max(inside.get(call, 0) - 1, 0)
        drawn, _, inside = _graph(flow, opened, like)
    return drawn


def _depth(call: Call) -> int:
    return call.path.count(".")


def _like_earlier(drawn: Graph, framed: Sequence[int]) -> dict[int, int]:
    """Return which framed calls have boxes and edges like an earlier one, and like which."""
    first: dict[object, int] = {}
    like: dict[int, int] = {}
    closed: set[int] = set()
    for call, frame in zip(framed, drawn.frames, strict=True):
        if closed.isdisjoint(frame.members):
            earlier = first.setdefault(drawn.form(frame.members), call)
            if earlier != call:
                like[call] = earlier
                closed.update(frame.members)
    return like


def _opened(flow: Flow) -> set[int]:
    """Return the numbers of the calls whose insides are drawn."""
    branching: set[int] = set()
    weighted: set[int] = set()  # calls whose own functions read parameters
    products = [0] * len(flow.calls)
    for one in flow.operations:
        if one.joins and one.type in BRANCHING:
            branching.update(one.calls)
        if one.kind == "function" and (one.params or one.shares):
            weighted.add(one.calls[-1])
        if one.macs:
            for number in one.calls:
                products[number] += 1
    lists = {call.parent for call in flow.calls if not call.leaf}
    deciding: set[int] = set()  # calls with chosen options inside
    for call in flow.calls:
        outer = call.parent if call.label is not None else -1
        while outer >= 0:
            deciding.add(outer)
            outer = flow.calls[outer].parent
    opened = {ROOT}
    for call in flow.calls[1:]:
        if call.leaf or call.parent not in opened:
            continue
        number, parent = call.number, flow.calls[call.parent]
        chosen = call.label is not None or parent.label is not None
        small = products[number] <= (HEAVY if chosen else SIMPLE if number in weighted else -1)
        listing = call.sequential and number in lists
        if (
            listing
            or number in deciding
            or (number in branching and not small)
            or products[number] > HEAVY
        ):
            opened.add(number)
    return opened


def _graph(
    flow: Flow, opened: Collection[int], like: Mapping[int, int]
) -> tuple[Graph, tuple[int, ...], dict[int, int]]:
    """Return the graph for a choice of opened calls, each frame's call, and boxes in each call.

    Args:
        flow: the operations and calls.
        opened: calls whose insides are drawn.
        like: closed calls that are built like another, which their boxes name if it is opened.
    """
    sketch = _sketch(flow, opened, like)
    _absorb_activations(sketch, flow.calls)
    copies = merge_repeats(sketch, flow.calls, opened)
    boxes: dict[int, Box] = {}
    inside: dict[int, list[int]] = {}
    for number, box in sorted(sketch.boxes.items()):
        times = 1
        for call in sketch.calls[number]:
            times *= copies.get(call, 1)
            inside.setdefault(call, []).append(number)
        boxes[number] = replace(box, copies=times)
    joined = {sketch.calls[n][-1] for n, box in boxes.items() if box.kind not in ENDS}
    framed = tuple(
        call
        for call in sorted(set(opened) - {ROOT})
        if len(inside.get(call, ())) > 1
        and (call in copies or call in joined or not flow.calls[call].sequential)
    )
    frames = tuple(
        Frame(flow.calls[call].path, copies.get(call, 1), tuple(inside[call])) for call in framed
    )
    edges = tuple((a, b) for b in boxes for a in sketch.sources[b])
    number_inside = {call: len(members) for call, members in inside.items()}
    return Graph(tuple(boxes.values()), edges, frames, flow.missing), framed, number_inside


def _sketch(flow: Flow, opened: Collection[int], like: Mapping[int, int]) -> Sketch:
    """Return the boxes of a flow: one for each closed call and each operation outside of them."""
    sketch = Sketch()
    children: dict[int, list[Call]] = {}
    for call in flow.calls:
        children.setdefault(call.parent, []).append(call)
    box_of: dict[int, int] = {}  # operation -> box
    closed_box: dict[int, int] = {}  # closed call -> box
    for one in flow.operations:
        depth = next((i for i, call in enumerate(one.calls) if call not in opened), None)
        outer = one.calls if depth is None else one.calls[:depth]
        module = flow.calls[outer[-1]].path if outer else ""
        number = one.number
        if depth is None:
            sketch.add(_operation_box(one, module), one.calls)
        else:
            call = flow.calls[one.calls[depth]]
            number = closed_box.setdefault(call.number, number)
            if number == one.number:
                kind = _type(call, flow.calls[call.parent], children.get(call.number, ()))
                if like.get(call.number) in opened:
                    kind += f", like {flow.calls[like[call.number]].path}"
                box = Box(number, "block", call.path, kind, (), module=module)
                sketch.add(box, one.calls[: depth + 1])
            box = sketch.boxes[number]
            sketch.boxes[number] = replace(
                box,
                shape=call.shape or one.shape,
                params=box.params + one.params,
                macs=box.macs + one.macs,
                shared=box.shared or any(box_of[owner] != number for owner in one.shares),
            )
        box_of[one.number] = number
        for source in one.sources:
            sketch.connect(box_of[source], number)
    return sketch


def _operation_box(one: Operation, module: str) -> Box:
    """Return the box of an operation that lies in no closed call."""
    kind = {"function": "block", "layer": "block"}.get(one.kind, one.kind)
    name = one.name if kind in ("block", "unused") else ""
    if one.joins:
        kind, name = JOINS.get(one.type, one.type), ""
    return Box(
        one.number,
        kind,
        name,
        kind if one.joins else one.type,
        one.shape,
        one.params,
        one.macs,
        shared=bool(one.shares),
        module=module,
    )


def _type(call: Call, parent: Call, children: Sequence[Call]) -> str:
    """Return the class of a module, after the option that it was chosen as, if any."""
    option = call.label if call.label is not None else parent.label
    alone = call.label is not None and len(children) == 1
    kind = children[0].type if alone else call.type
    return kind if option is None else f"{option} ({kind})"


def _absorb_activations(sketch: Sketch, calls: Sequence[Call]) -> None:
    """Merge normalisations and activations into the block that they follow."""
    for number in sorted(sketch.boxes):
        box, sources = sketch.boxes[number], list(sketch.sources[number])
        if box.kind != "block" or box.macs or box.shared or len(sources) != 1 or "(" in box.type:
            continue
        before = sketch.boxes[sources[0]]
        if len(sketch.readers[before.number]) > 1 or before.shape != box.shape:
            continue
        call = calls[sketch.calls[number][-1]]
        layer = call.leaf and call.path == box.name
        if not layer and (box.params or call.leaf or box.module != before.module):
            continue
        if before.kind == "block":
            kind = before.type if box.type.startswith(SILENT) else f"{before.type}, {box.type}"
            params = before.params + box.params
            sketch.boxes[before.number] = replace(before, type=kind, params=params)
        elif before.kind in ENDS or box.params:
            continue
        sketch.absorb(number, before.number)
