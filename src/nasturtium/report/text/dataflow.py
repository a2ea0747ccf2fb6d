"""Draw the branching parts of a network as text: one line for each block, lanes for the data flow.

Read from above: ``●`` is a block, ``○`` an input of the part, ``+`` a sum, ``∥`` a concatenation,
``×`` a product and ``·`` parameters that are not read. A lane leads from a block to its last
reader. A line that meets a lane with a corner or a tee reads from it; a lane that goes straight
through a line is not read there.
"""

from __future__ import annotations

from collections.abc import Sequence

from nasturtium.report.boxes import Box
from nasturtium.report.draw import SIGNS, shape
from nasturtium.report.graph import ENDS, Frame, Graph
from nasturtium.status.study_summary import format_metric

__all__ = ["draw_branches", "draw_lanes"]

MOST = 60  # blocks of a part; lanes of more cannot be followed by eye

Edges = Sequence[tuple[int, int]]


def draw_branches(drawn: Graph, most: int = 4) -> list[str]:
    """Return each different part that branches, drawn once, the first of each first.

    Args:
        drawn: the network's graph.
        most: how many parts.

    Returns:
        lines; none where nothing branches.
    """
    boxes = {box.number: box for box in drawn.boxes}
    outer: list[tuple[str, int, tuple[int, ...]]] = []
    covered: set[int] = set()
    for frame in drawn.frames:
        if covered.isdisjoint(frame.members) and _branches(frame, boxes):
            covered.update(frame.members)
            outer.append((frame.name, drawn.copies(frame), frame.members))
    if not outer and len(drawn.edges) >= len(drawn.boxes):
        outer.append(("", 1, tuple(boxes)))
    alike: dict[object, list[tuple[str, int, tuple[int, ...]]]] = {}
    for part in outer:
        alike.setdefault(drawn.form(part[2]), []).append(part)
    lines = []
    for group in list(alike.values())[:most]:
        name, copies, members = group[0]
        times = sum(number for _, number, _ in group)
        title = f"{name}, and {times - 1} more like it" if times > 1 else name
        if len(members) > MOST:
            title = title or "the network"
            lines.append(f"{title}: {len(members)} blocks, too many to be drawn as lanes")
            continue
        lines += [f"{title}:"] if name else []
        lines += draw_lanes([boxes[number] for number in members], drawn.edges, boxes, name, copies)
    if (more := len(alike) - most) > 0:
        lines.append(
            f"and {more} more kind{'s' * (more > 1)} of part that branch{'es' * (more == 1)}"
        )
    return lines


def draw_lanes(
    inside: Sequence[Box],
    edges: Edges,
    boxes: dict[int, Box] | None = None,
    name: str = "",
    copies: int = 1,
) -> list[str]:
    """Return blocks as lines.

    Args:
        inside: the blocks, in the order of execution.
        edges: (source, reader) pairs, also of other blocks.
        boxes: boxes by number, at least those outside that are read.
        name: path of the part; names of its blocks are shown without it.
        copies: how often the part stands in the network.

    Example:
        >>> first, second = Box(0, "input", "", "input", (8,)), Box(1, "block", "a", "Linear", (8,))
        >>> for line in draw_lanes([first, second, Box(2, "sum", "", "sum", (8,))],
        ...                        [(0, 1), (0, 2), (1, 2)]):
        ...     print(line)
        ○   input          8
        ├─● a      Linear  8
        +─╯ sum            8
    """
    members = {box.number for box in inside}
    read = [(a, b) for a, b in edges if b in members]
    outside = sorted({a for a, _ in read} - members)
    sources = [(boxes or {})[number] for number in outside]
    left = dict.fromkeys((*outside, *members), 0)
    for source, _ in read:
        left[source] += 1
    columns: list[int | None] = []
    drawn = []
    for box in (*sources, *inside):
        before = [a for a, b in read if b == box.number] if box.number in members else []
        for source in before:
            left[source] -= 1
        drawn.append(_line(columns, box, before, left, box.number in outside))
    table = [_row(box, box.number in outside, name, copies) for box in (*sources, *inside)]
    wide = max((len(line) for line in drawn), default=0)
    widths = [max((len(row[place]) for row in table), default=0) for place in range(5)]
    return [
        "  ".join(
            [f"{line:<{wide}} {row[0]:<{widths[0]}}", f"{row[1]:<{widths[1]}}"]
            + [f"{text:>{width}}" for text, width in zip(row[2:], widths[2:], strict=True)]
        ).rstrip()
        for line, row in zip(drawn, table, strict=True)
    ]


def _line(
    columns: list[int | None], box: Box, before: list[int], left: dict[int, int], outside: bool
) -> str:
    """Return the lanes at a block; it takes the lane of a source that ends here, or a free one."""
    places = {source: columns.index(source) for source in before}
    ended = sorted(place for source, place in places.items() if not left[source])
    free = [place for place, holder in enumerate(columns) if holder is None]
    here = (ended or free or [len(columns)])[0]
    if here == len(columns):
        columns.append(None)
    touched = {*places.values(), here}
    low, high = min(touched), max(touched)
    text = ""
    for place, holder in enumerate(columns):
        if place == here:
            text += "○" if outside or box.kind == "input" else SIGNS.get(box.kind, "●")
        elif place in touched:
            continues = bool(left[holder]) if holder is not None else False
            text += _joint(place > low, place < high, continues)
        elif holder is not None:
            text += "│"
        else:
            text += "─" if low < place < high else " "
        text += "─" if low <= place < high else " "
    for place in ended:
        columns[place] = None
    columns[here] = box.number if left[box.number] else None
    while columns and columns[-1] is None:
        columns.pop()
    return text.rstrip()


def _joint(from_left: bool, to_right: bool, continues: bool) -> str:
    """Return the sign where a reading line meets the lane that it reads."""
    if from_left and to_right:
        return "┼" if continues else "┴"
    if from_left:
        return "┤" if continues else "╯"
    return "├" if continues else "╰"


def _row(box: Box, outside: bool, name: str, copies: int) -> tuple[str, str, str, str, str]:
    """Return name, type, shape, parameters and multiply-accumulates."""
    label = box.name.removeprefix(f"{name}.") if name else box.name
    if outside:
        place = f"{box.kind} in {box.module}" if box.module else box.kind
        return (f"from {box.name or place}", "", shape(box.shape), "", "")
    kind = box.type if box.kind in ("block", "unused") else ""
    return (
        label or (box.type if box.kind == "block" else box.kind),
        kind + (f" ×{box.copies // copies}" if box.copies > copies else ""),
        shape(box.shape),
        f"{format_metric('params', box.params)} params" if box.params else "",
        f"{format_metric('macs', box.macs)} MACs" if box.macs else "",
    )


def _branches(frame: Frame, boxes: dict[int, Box]) -> bool:
    """Return whether a part joins several of its outputs, or is repeated with parts that do."""
    joins = [boxes[n] for n in frame.members if boxes[n].kind not in ENDS]
    return any(frame.copies > 1 or box.module == frame.name for box in joins)
