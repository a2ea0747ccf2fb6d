"""Place the boxes of a graph and the frames around them.

Each frame is laid out on its own, and then is one node of the graph around it. So frames cannot
overlap unless one lies in the other, and every box lies in its own frames only. An edge that
enters a frame or leaves it passes the frame's border at a port.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from typing import NamedTuple, final

from nasturtium.report.layered_layout import LANE, Link, Point, arrange

__all__ = ["Plan", "Rectangle", "plan"]

SIDE = 9.0  # free width inside a frame, left and right
BORDERS = (20.0, 9.0)  # free height inside a frame, at its top (with the name) and its bottom

Edge = tuple[int, int]
Route = tuple[Point, ...]


class Rectangle(NamedTuple):
    """Left and top edges of a frame, and its size."""

    x: float
    y: float
    width: float
    height: float


@final
@dataclass(frozen=True)
class Plan:
    """The positions of boxes, edges and frames.

    Attributes:
        places: middles of boxes.
        routes: points that each edge passes, from the bottom of its source to the top of its
            reader.
        frames: rectangles, in the order in which the frames were given.
        width: width of the whole.
        height: height of the whole.
    """

    places: Mapping[int, Point]
    routes: Mapping[Edge, Route]
    frames: tuple[Rectangle, ...]
    width: float
    height: float


def plan(
    sizes: Mapping[int, tuple[float, float]],
    edges: Sequence[Edge],
    frames: Sequence[Sequence[int]] = (),
    *,
    between: float = 30.0,
) -> Plan:
    """Return places for boxes of given sizes, read from above.

    Args:
        sizes: (width, height) of each box; keys, from 0, in an order in which every edge points
            forward.
        edges: (source, reader) pairs.
        frames: boxes of each frame, which follow one another in ``sizes``; outer frames come
            before those that lie in them.
        between: free height between two layers.
    """
    whole = _Layout(sizes, frames, between).part(None, list(sizes), edges)
    rectangles = tuple(whole.frames[place] for place in range(len(frames)))
    return Plan(whole.places, whole.routes, rectangles, whole.width, whole.height)


@final
@dataclass(frozen=True)
class _Part:
    """A frame with its insides, measured from its left top corner.

    The route of an edge that enters or leaves is the piece inside. ``entries`` and ``exits`` are
    where the outputs of a source pass the top and the bottom.
    """

    width: float
    height: float
    places: dict[int, Point]
    frames: dict[int, Rectangle]
    routes: dict[Edge, Route]
    entries: dict[int, float]
    exits: dict[int, float]


@final
@dataclass(frozen=True)
class _Level:
    """The direct contents of a frame: boxes, frames that are laid out already, and ports.

    Attributes:
        boxes: boxes that lie in no inner frame.
        parts: inner frames, by their place among the frames.
        around: the inner frame that a box lies in.
        nodes: keys of the inner frames as nodes of the graph.
        entries: keys of the ports in the top border, by the source outside.
        exits: keys of the ports in the bottom border, by the source inside.
        local: each edge as it runs inside: from a port or box to a port or box.
    """

    boxes: tuple[int, ...]
    parts: dict[int, _Part]
    around: dict[int, int]
    nodes: dict[int, int]
    entries: dict[int, int]
    exits: dict[int, int]
    local: dict[Edge, Edge]

    def node(self, end: int) -> int:
        """Return the node that an end of a local edge lies in, or is."""
        return self.nodes[self.around[end]] if end in self.around else end

    def link(self, edge: Edge) -> Link | None:
        """Return a local edge as a link between nodes; None where one frame holds all of it."""
        source, reader = edge
        if self.node(source) == self.node(reader):
            return None
        tail = head = 0.0
        if source in self.around:
            part = self.parts[self.around[source]]
            tail = part.exits[source] - part.width / 2
        if reader in self.around:
            part = self.parts[self.around[reader]]
            head = part.entries[source] - part.width / 2
        return Link(self.node(source), self.node(reader), tail, head)

    def route(self, edge: Edge, corners: Mapping[int, Point], between: Route) -> Route:
        """Return all of a local edge: inside its source's frame, between nodes, in its reader's."""
        pieces: list[Point] = []
        source, reader = (self.around.get(end) for end in edge)
        if source is not None:
            pieces += _moved(self.parts[source].routes[edge], corners[source])
        pieces += between
        if reader is not None and reader != source:
            pieces += _moved(self.parts[reader].routes[edge], corners[reader])
        return tuple(pieces)


@final
class _Layout:
    """The layout of each frame, innermost first."""

    def __init__(
        self,
        sizes: Mapping[int, tuple[float, float]],
        frames: Sequence[Sequence[int]],
        between: float,
    ) -> None:
        self._sizes = sizes
        self._between = between
        self._members = [frozenset(members) for members in frames]
        self._keys = count(-1, -1)  # of frames and ports, as nodes among boxes

    def part(self, frame: int | None, members: Sequence[int], edges: Sequence[Edge]) -> _Part:
        """Lay out a frame, or the whole for None.

        Args:
            frame: place of the frame among the frames.
            members: its boxes, in order.
            edges: edges with an end in it; the other end may be any number.
        """
        level = self._level(frame, members, edges)
        port = (LANE, 0.0)
        sizes = dict.fromkeys(level.entries.values(), port)
        for box in members:
            if box in level.around:
                part = level.parts[level.around[box]]
                sizes[level.node(box)] = (part.width, part.height)
            else:
                sizes[box] = self._sizes[box]
        sizes |= dict.fromkeys(level.exits.values(), port)
        links = {edge: level.link(edge) for edge in level.local.values()}
        laid = arrange(
            sizes,
            dict.fromkeys(link for link in links.values() if link is not None),
            between=self._between,
            first=level.entries.values(),
            last=level.exits.values(),
            borders=None if frame is None else BORDERS,
        )
        side = 0.0 if frame is None else SIDE
        corners = {
            child: (laid.places[node][0] + side - part.width / 2, laid.places[node][1] - half)
            for child, node in level.nodes.items()
            for part, half in [(level.parts[child], level.parts[child].height / 2)]
        }
        routes: dict[Edge, Route] = {}
        for given, edge in level.local.items():
            link = links[edge]
            between = () if link is None else _moved(laid.routes[link], (side, 0.0))
            routes[given] = level.route(edge, corners, between)
        places = {box: _shifted(laid.places[box], (side, 0.0)) for box in level.boxes}
        frames: dict[int, Rectangle] = {}
        for child, part in level.parts.items():
            corner = corners[child]
            places |= {box: _shifted(place, corner) for box, place in part.places.items()}
            frames[child] = Rectangle(*corner, part.width, part.height)
            for deeper, (x, y, width, height) in part.frames.items():
                frames[deeper] = Rectangle(*_shifted((x, y), corner), width, height)
        ports = [
            {source: laid.places[key][0] + side for source, key in keys.items()}
            for keys in (level.entries, level.exits)
        ]
        return _Part(laid.width + 2 * side, laid.height, places, frames, routes, *ports)

    def _level(self, frame: int | None, members: Sequence[int], edges: Sequence[Edge]) -> _Level:
        """Give a frame its ports, and lay out the frames in it."""
        within = set(members)
        entering = dict.fromkeys(source for source, _ in edges if source not in within)
        entries = {source: next(self._keys) for source in entering}
        leaving = [source for source, reader in edges if source in within and reader not in within]
        exits = {source: next(self._keys) for source in dict.fromkeys(leaving)}
        local = {
            (source, reader): (
                entries.get(source, source),
                reader if reader in within else exits[source],
            )
            for source, reader in edges
        }
        around = {box: child for child in self._children(frame) for box in self._members[child]}
        parts = {}
        for child in dict.fromkeys(around.values()):
            inside = [box for box in members if around.get(box) == child]
            touching = [
                edge
                for edge in dict.fromkeys(local.values())
                if child in (around.get(edge[0]), around.get(edge[1]))
            ]
            parts[child] = self.part(child, inside, touching)
        nodes = {child: next(self._keys) for child in parts}
        boxes = tuple(box for box in members if box not in around)
        return _Level(boxes, parts, around, nodes, entries, exits, local)

    def _children(self, frame: int | None) -> list[int]:
        """Return the places of the frames that lie directly in a frame, or in none."""
        after = -1 if frame is None else frame
        found: list[int] = []
        for place in range(after + 1, len(self._members)):
            inside = frame is None or self._members[place] <= self._members[frame]
            if inside and not any(self._members[place] <= self._members[one] for one in found):
                found.append(place)
        return found


def _shifted(point: Point, by: Point) -> Point:
    return point[0] + by[0], point[1] + by[1]


def _moved(route: Route, by: Point) -> Route:
    return tuple(_shifted(point, by) for point in route)
