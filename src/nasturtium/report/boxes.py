"""The parts of a drawing: boxes, the edges between them, and frames around boxes."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import final

__all__ = ["Box", "Frame", "Graph", "Sketch"]


@final
@dataclass(frozen=True)
class Box:
    """One thing that is drawn.

    Attributes:
        number: place in the order of execution.
        kind: ``block``, ``input``, ``output``, ``unused`` for parameters that no operation reads,
            or what joins several outputs: ``sum``, ``concat``, ``product``...
        name: dotted path in the network; empty for a join.
        type: class of the module, name of the function, or the option that was chosen.
        shape: shape of the output, without the batch.
        params: elements of the parameters of one copy, without those of an earlier box.
        macs: multiply-accumulates of one copy, for one example.
        copies: how many equal ones follow one another, those of its frames included.
        shared: whether it also uses parameters of an earlier box.
        module: dotted path of the opened module that it lies in; empty for the network itself.
    """

    number: int
    kind: str
    name: str
    type: str
    shape: tuple[int, ...]
    params: int = 0
    macs: int = 0
    copies: int = 1
    shared: bool = False
    module: str = ""


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
    """Everything that is drawn of a network.

    Attributes:
        boxes: boxes in the order of execution.
        edges: (source, reader) pairs of box numbers.
        frames: frames, outermost first; two frames are nested or share no box.
        missing: why a part of the network is not drawn; empty where all is.
    """

    boxes: tuple[Box, ...]
    edges: tuple[tuple[int, int], ...]
    frames: tuple[Frame, ...]
    missing: str = ""

    def copies(self, frame: Frame) -> int:
        """Return how often a frame stands in the network, with the copies of frames around it."""
        members = set(frame.members)
        return min(box.copies for box in self.boxes if box.number in members)

    def form(self, members: Sequence[int]) -> Hashable:
        """Return what parts that are built alike have in common: types of boxes, and edges."""
        place = {number: index for index, number in enumerate(members)}
        types = tuple((box.kind, box.type) for box in self.boxes if box.number in place)
        inner = frozenset((place.get(a, -1), place[b]) for a, b in self.edges if b in place)
        return types, inner


@final
@dataclass
class Sketch:
    """Boxes and edges while they are merged.

    Attributes:
        boxes: boxes by number.
        calls: numbers of the calls that a box lies in, or is.
        sources: boxes that a box reads.
        readers: boxes that read a box.
    """

    boxes: dict[int, Box] = field(default_factory=dict)
    calls: dict[int, tuple[int, ...]] = field(default_factory=dict)
    sources: dict[int, dict[int, None]] = field(default_factory=dict)
    readers: dict[int, dict[int, None]] = field(default_factory=dict)

    def add(self, box: Box, calls: tuple[int, ...]) -> None:
        """Add a box that no edge leads to yet."""
        self.boxes[box.number] = box
        self.calls[box.number] = calls
        self.sources[box.number] = {}
        self.readers[box.number] = {}

    def connect(self, source: int, reader: int) -> None:
        """Add an edge; one that exists, or leads from a box to itself, adds nothing."""
        if source != reader:
            self.sources[reader][source] = None
            self.readers[source][reader] = None

    def absorb(self, number: int, into: int) -> None:
        """Remove a box; its readers read another one instead."""
        readers = list(self.readers[number])
        self.remove((number,))
        for reader in readers:
            self.connect(into, reader)

    def remove(self, numbers: Iterable[int]) -> None:
        """Remove boxes and their edges."""
        for number in numbers:
            for source in self.sources.pop(number):
                self.readers[source].pop(number, None)
            for reader in self.readers.pop(number):
                self.sources[reader].pop(number, None)
            del self.boxes[number]
