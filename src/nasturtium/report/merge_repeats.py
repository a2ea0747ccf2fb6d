"""Merge equal blocks that follow one another, so that they are drawn once."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import final

from nasturtium.report.boxes import Sketch
from nasturtium.report.operations import ROOT, Call

__all__ = ["merge_repeats"]


def merge_repeats(sketch: Sketch, calls: Sequence[Call], opened: Collection[int]) -> dict[int, int]:
    """Remove all but the first of equal calls that follow one another.

    A call repeats the one before where it comes right after it, reads it, and has equal boxes
    with equal edges; all but the last of a run may be read only inside the run.

    Args:
        sketch: the boxes, which are changed in place.
        calls: the calls of modules, in order.
        opened: numbers of the calls whose insides are drawn.

    Returns:
        how many calls each remaining first one stands for, where it is more than one.
    """
    merger = _Merger(sketch, calls, opened)
    merger.merge(ROOT)
    return merger.copies


@final
class _Merger:
    """One pass over the calls, from the outermost to the innermost."""

    def __init__(self, sketch: Sketch, calls: Sequence[Call], opened: Collection[int]) -> None:
        self.copies: dict[int, int] = {}
        self._sketch = sketch
        self._opened = opened
        self._children: dict[int, list[int]] = {}
        for call in calls:
            self._children.setdefault(call.parent, []).append(call.number)
        self._inside: dict[int, list[int]] = {}
        for number in sorted(sketch.boxes):
            for owner in sketch.calls[number]:
                self._inside.setdefault(owner, []).append(number)

    def merge(self, parent: int) -> None:
        """Merge the runs of equal calls inside a call, and inside what remains of them."""
        rank = {number: place for place, number in enumerate(sorted(self._sketch.boxes))}
        children = [call for call in self._children.get(parent, ()) if call in self._inside]
        place = 0
        while place < len(children):
            run = [children[place]]
            for following in children[place + 1 :]:
                if not self._repeats(run[-1], following, rank):
                    break
                run.append(following)
            while len(run) > 1 and not self._only_last_is_read(run):
                run.pop()
            if len(run) > 1:
                self.copies[run[0]] = len(run)
                self._keep_first(run)
            if run[0] in self._opened:
                self.merge(run[0])
            place += len(run)

    def _repeats(self, first: int, second: int, rank: dict[int, int]) -> bool:
        """Return whether the second call equals the first, comes right after it, and reads it."""
        one, two = self._inside[first], self._inside[second]
        if len(one) != len(two) or rank[two[0]] != rank[one[-1]] + 1:
            return False
        boxes = self._sketch.boxes
        plain = [replace(boxes[n], number=0, name="", module="") for n in one]
        if plain != [replace(boxes[n], number=0, name="", module="") for n in two]:
            return False
        if self._inner(one) != self._inner(two):
            return False
        members = set(one)
        return any(source in members for n in two for source in self._sketch.sources[n])

    def _inner(self, members: Sequence[int]) -> set[tuple[int, int]]:
        """Return the edges among some boxes, which are numbered by their places."""
        place = {number: index for index, number in enumerate(members)}
        sources = self._sketch.sources
        return {(place[a], place[b]) for b in members for a in sources[b] if a in place}

    def _only_last_is_read(self, run: Sequence[int]) -> bool:
        members = {number for call in run for number in self._inside[call]}
        earlier = members - set(self._inside[run[-1]])
        readers = self._sketch.readers
        return all(reader in members for number in earlier for reader in readers[number])

    def _keep_first(self, run: Sequence[int]) -> None:
        """Remove all calls of a run but the first, whose boxes are read in the last one's place."""
        first, last = self._inside[run[0]], self._inside[run[-1]]
        members = {number for call in run for number in self._inside[call]}
        for kept, number in zip(first, last, strict=True):
            for reader in list(self._sketch.readers[number]):
                if reader not in members:
                    self._sketch.connect(kept, reader)
        for call in run[1:]:
            removed = self._inside.pop(call)
            for kept, number in zip(first, removed, strict=True):
                for source in list(self._sketch.sources[number]):
                    if source not in members:
                        self._sketch.connect(source, kept)
            self._sketch.remove(removed)
