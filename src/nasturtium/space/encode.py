"""Encodings: architectures as vectors, over decisions that are discovered rather than declared."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from random import Random
from typing import TYPE_CHECKING, cast, final

import numpy as np

from nasturtium.architecture import Architecture, Value
from nasturtium.decision import Decision, OneOf, Range, Subset
from nasturtium.errors import Rejected, SpaceError
from nasturtium.space.answers import Toggle, first

if TYPE_CHECKING:
    from nasturtium.space.choice import ChoiceSpace

__all__ = ["Encoder"]

PROBES = 100
TOGGLES = 12  # options tried of one decision; conditions on a particular width are rarer than that


@final
class Encoder:
    """One-hot columns over the decisions of a space.

    A choice has one column per option, a subset one per member, a range one for "asked" and one
    for its place between its ends. A decision that is not active has zeros.

    Attributes:
        discovered: the decisions found, in the order in which a builder asks them.
        names: the names of all answers that records hold, tied ones included.
    """

    def __init__(self, space: ChoiceSpace) -> None:
        self._space = space
        self._places: dict[str, dict[Value, int] | tuple[int, Range]] = {}
        self._found: dict[str, Decision] = {}
        self._order: list[str] = []
        self._contexts: dict[str, Architecture] = {}
        self._columns: list[str] = []
        self._tied: frozenset[str] = frozenset(space.limits.leaders if space.limits else ())

    @classmethod
    def of(cls, space: ChoiceSpace) -> Encoder:
        """Discover a space: toggle every answer once from where it was found, then probe.

        The probes are seeded, so that two encoders of one space have the same columns.
        """
        encoder = cls(space)
        rng = Random(0)
        try:
            encoder._meet(space.run(first)[0])
        except Rejected:
            encoder._meet(space.sample(rng))
        done: set[str] = set()
        while left := [name for name in encoder._order if name not in done]:
            name = left[0]
            done.add(name)
            context = encoder._contexts[name]
            for value in _some(encoder._found[name]):
                try:
                    encoder._meet(space.run(Toggle(context, name, value))[0])
                except Rejected:
                    continue
        for _ in range(PROBES):
            encoder._meet(space.sample(rng))
        return encoder

    def copy(self) -> Encoder:
        """An encoder with the same columns that grows apart from this one."""
        twin = Encoder(self._space)
        twin._places = {
            name: dict(place) if isinstance(place, dict) else place
            for name, place in self._places.items()
        }
        twin._found, twin._order = dict(self._found), list(self._order)
        twin._contexts, twin._columns = dict(self._contexts), list(self._columns)
        return twin

    @property
    def discovered(self) -> tuple[Decision, ...]:
        return tuple(self._found[name] for name in self._order)

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self._order)

    @property
    def columns(self) -> tuple[str, ...]:
        """What each feature means, e.g. ``block1.kernel=5``."""
        return tuple(self._columns)

    def context(self, name: str) -> Architecture:
        """An architecture in which the decision of that name is active."""
        return self._contexts[name]

    def encode(self, architecture: Mapping[str, Value], *, grow: bool = True) -> np.ndarray:
        """The features of one architecture, float32 of shape (columns,).

        Args:
            architecture: a record of the space.
            grow: append columns for a decision or an option never met before.

        Raises:
            SpaceError: something new was met and ``grow`` is off.
        """
        hot: list[int] = []
        scaled: list[tuple[int, tuple[float, ...]]] = []
        for name, value in architecture.items():
            place = self._places.get(name)
            if place is None or (not isinstance(place, dict) and not place[1].allows(value)):
                if name in self._tied:
                    continue
                return self._again(architecture, name, grow)
            if not isinstance(place, dict):
                scaled.append((place[0], place[1].encode(value)))
                continue
            try:
                if isinstance(self._found[name], Subset):
                    hot += [place[member] for member in cast(tuple[Value, ...], value)]
                else:
                    hot.append(place[value])
            except KeyError:
                return self._again(architecture, name, grow)
        vector = np.zeros(len(self._columns), dtype=np.float32)
        vector[hot] = 1.0
        for at, features in scaled:
            vector[at : at + len(features)] = features
        return vector

    def encode_all(self, architectures: Sequence[Mapping[str, Value]]) -> np.ndarray:
        """Features of several architectures, float32 of shape (architectures, columns)."""
        rows = [self.encode(architecture) for architecture in architectures]
        matrix = np.zeros((len(rows), len(self._columns)), dtype=np.float32)
        for index, row in enumerate(rows):
            matrix[index, : len(row)] = row
        return matrix

    def _again(self, architecture: Mapping[str, Value], name: str, grow: bool) -> np.ndarray:
        if not grow:
            raise SpaceError(
                f"{architecture!r} holds {name!r}={architecture[name]!r}, which discovery did not "
                "find; encode with an encoder of your own (space.encoder()), which grows"
            )
        if not isinstance(architecture, Architecture):
            architecture = Architecture(self._space.name, architecture)
        before = len(self._columns)
        self._meet(architecture)
        if len(self._columns) == before:
            raise SpaceError(f"{architecture!r} is not a record of space {self._space.name!r}")
        return self.encode(architecture)

    def _meet(self, architecture: Architecture) -> None:
        previous: str | None = None
        for decision in self._space.decisions(architecture):
            name = decision.name
            if name not in self._found:
                at = 0 if previous is None else self._order.index(previous) + 1
                self._order.insert(at, name)
                self._found[name] = decision
                self._contexts[name] = architecture
            self._add(decision)
            previous = name

    def _add(self, decision: Decision) -> None:
        name = decision.name
        known = self._places.get(name)
        if isinstance(decision, Range):
            same = known is None or (not isinstance(known, dict) and known[1] == decision)
            if known is None or not same:
                self._places[name] = (len(self._columns), decision)
                self._columns += [f"{name} asked", f"{name} place"]
            return
        assert isinstance(decision, (OneOf, Subset))
        if known is None:
            known = self._places[name] = {}
        assert isinstance(known, dict)
        new = [option for option in decision.options if option not in known]
        if new and known and isinstance(decision, OneOf):
            before = self._found[name]
            assert isinstance(before, OneOf)
            self._found[name] = OneOf(name, (*before.options, *new))
        for option in new:
            known[option] = len(self._columns)
            self._columns.append(f"{name}={option}")


def _some(decision: Decision) -> Iterable[Value]:
    """Options to toggle: all where there are few, else spread over the whole."""
    if isinstance(decision, Range):
        return (decision.low, decision.high)
    assert isinstance(decision, (OneOf, Subset))
    if isinstance(decision, Subset):
        least = tuple(decision.options[: decision.least])
        return (least, tuple(decision.options[: decision.most]), *decision.neighbours(least))
    options = decision.options
    if len(options) <= TOGGLES:
        return options
    last = len(options) - 1
    return [options[round(i * last / (TOGGLES - 1))] for i in range(TOGGLES)]
