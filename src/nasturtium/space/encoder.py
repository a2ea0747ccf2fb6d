"""Encoder: architectures as one-hot vectors over the decisions that discovery finds."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from hashlib import sha256
from random import Random
from typing import final

import numpy as np

from nasturtium.architecture import Architecture, Value
from nasturtium.decision.base import Decision
from nasturtium.decision.one_of import OneOf
from nasturtium.decision.range import Range
from nasturtium.decision.subset import Subset
from nasturtium.decision.union import union
from nasturtium.errors import Rejected, SpaceError
from nasturtium.space.answer_sources import ReplaceAnswer, first_answer
from nasturtium.space.decision_space import DecisionSpace

__all__ = ["Encoder", "fingerprint"]

PROBES = 100
CONTEXTS = 16  # kept of one decision, each with other options or ends
TOGGLES = 12  # options tried of one decision; conditions on a particular width are rarer than that


@final
class _Place:
    """The columns of one name: of options by value, of numbers where the first of two lies."""

    __slots__ = ("number", "options", "scale", "subset")

    def __init__(self) -> None:
        self.options: dict[Value, int] = {}
        self.subset = False  # whether some answers are tuples of options
        self.number = -1
        self.scale: Range | None = None

    def copy(self) -> _Place:
        twin = _Place()
        twin.options, twin.subset = dict(self.options), self.subset
        twin.number, twin.scale = self.number, self.scale
        return twin


@final
class Encoder:
    """One-hot columns over the decisions of a space.

    A choice has one column for each option, a subset one for each member, a range one for "asked"
    and one for its place between its ends. A decision that is not active has zeros. If the options
    of a decision depend on other answers, there is a column for each option that was found; if its
    ends do, the place is relative to the lowest and the highest end that discovery found.

    Attributes:
        discovered: the decisions found, in the order in which a builder asks them; one that was
            found with several options or ends has them all.
        names: the names of all answers that records hold, tied ones included.
    """

    def __init__(self, space: DecisionSpace) -> None:
        self._space = space
        self._places: dict[str, _Place] = {}
        self._found: dict[str, list[Decision]] = {}
        self._order: list[str] = []
        self._contexts: dict[str, dict[Decision, Architecture]] = {}
        self._columns: list[str] = []
        self._settled = False
        self._tied = space.limits.group if space.limits else _alone

    @classmethod
    def of(cls, space: DecisionSpace) -> Encoder:
        """Discover a space: replace every answer once where it was found, then sample.

        The samples are seeded, so that two encoders of one space have the same columns.
        """
        encoder = cls(space)
        rng = Random(0)
        try:
            encoder._meet(space.run(first_answer)[0])
        except Rejected:
            encoder._meet(space.sample(rng))
        done: set[str] = set()
        while left := [name for name in encoder._order if name not in done]:
            done.add(left[0])
            encoder._toggle(left[0])
        for _ in range(PROBES):
            encoder._meet(space.sample(rng))
        encoder._settled = True
        return encoder

    def _toggle(self, name: str) -> None:
        """Try every answer of one decision, each in a context that allows it."""
        tried: set[tuple[type, Value]] = set()
        contexts = self._contexts[name]
        for asked in range(CONTEXTS):
            if asked >= len(contexts):
                return
            decision, context = list(contexts.items())[asked]
            for value in _some(decision if asked else self._first(name, decision)):
                if (type(value), value) in tried or not decision.allows(value):
                    continue
                tried.add((type(value), value))
                try:
                    self._meet(self._space.run(ReplaceAnswer(context, name, value))[0])
                except Rejected:
                    continue

    def _first(self, name: str, decision: Decision) -> Decision:
        """Return the union of a decision with what was found of it so far."""
        return next((one for one in self._found[name] if type(one) is type(decision)), decision)

    def copy(self) -> Encoder:
        """Return an encoder with the same columns, which grows independently."""
        twin = Encoder(self._space)
        twin._places = {name: place.copy() for name, place in self._places.items()}
        twin._found = {name: list(found) for name, found in self._found.items()}
        twin._order, twin._columns = list(self._order), list(self._columns)
        twin._contexts = {name: dict(found) for name, found in self._contexts.items()}
        twin._settled = self._settled
        return twin

    @property
    def discovered(self) -> tuple[Decision, ...]:
        return tuple(decision for name in self._order for decision in self._found[name])

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self._order)

    @property
    def columns(self) -> tuple[str, ...]:
        """The meaning of each feature, e.g. ``block1.kernel=5``."""
        return tuple(self._columns)

    def column(self, name: str, option: Value) -> int | None:
        """Return the column of an option of a choice, or of a member of a subset."""
        place = self._places.get(name)
        return None if place is None else place.options.get(option)

    def context(self, name: str) -> Architecture:
        """Return an architecture in which the decision of that name is active."""
        return next(iter(self._contexts[name].values()))

    def contexts(self, name: str) -> tuple[Architecture, ...]:
        """Return architectures in which the decision of that name is active, with its options."""
        return tuple(self._contexts[name].values())

    def encode(self, architecture: Mapping[str, Value], *, grow: bool = True) -> np.ndarray:
        """Return the features of one architecture, float32 of shape (columns,).

        Args:
            architecture: a record of the space.
            grow: append columns for a new decision or option.

        Raises:
            SpaceError: there is a new decision or option, and ``grow`` is off.
        """
        hot: list[int] = []
        scaled: list[tuple[int, tuple[float, ...]]] = []
        places = self._places
        for name, value in architecture.items():
            place = places.get(name)
            if place is not None:
                options = place.options
                if value in options:
                    hot.append(options[value])
                    continue
                if place.subset and type(value) is tuple and all(v in options for v in value):
                    hot += [options[member] for member in value]
                    continue
                if place.scale is not None and isinstance(value, (int, float)):
                    scaled.append((place.number, place.scale.encode(value)))
                    continue
            if len(self._tied(name)) == 1:
                return self._again(architecture, name, grow)
        vector = np.zeros(len(self._columns), dtype=np.float32)
        vector[hot] = 1.0
        for at, features in scaled:
            vector[at : at + len(features)] = features
        return vector

    def encode_all(self, architectures: Sequence[Mapping[str, Value]]) -> np.ndarray:
        """Return the features of architectures, float32 of shape (architectures, columns)."""
        rows = [self.encode(architecture) for architecture in architectures]
        matrix = np.zeros((len(rows), len(self._columns)), dtype=np.float32)
        for index, row in enumerate(rows):
            matrix[index, : len(row)] = row
        return matrix

    def _again(self, architecture: Mapping[str, Value], name: str, grow: bool) -> np.ndarray:
        if not grow:
            raise SpaceError(
                f"{architecture!r} holds {name!r}={architecture[name]!r}, which discovery did not "
                "find; encode with your own encoder (space.encoder()), which grows"
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
                self._found[name], self._contexts[name] = [], {}
                self._places[name] = _Place()
            contexts = self._contexts[name]
            if decision not in contexts:
                if len(contexts) < CONTEXTS:
                    contexts[decision] = architecture
                self._add(decision)
            previous = name

    def _add(self, decision: Decision) -> None:
        """Add columns for the new options of a decision."""
        found, place = self._found[decision.name], self._places[decision.name]
        for index, known in enumerate(found):
            both = union(known, decision)
            if both is not None:
                found[index] = decision = both
                break
        else:
            found.append(decision)
        name = decision.name
        if isinstance(decision, Range):
            if place.scale is None:
                place.number = len(self._columns)
                self._columns += [f"{name} asked", f"{name} place"]
            if place.scale is None or not self._settled:
                place.scale = decision  # a settled column keeps its meaning
            return
        assert isinstance(decision, (OneOf, Subset))
        place.subset = place.subset or isinstance(decision, Subset)
        for option in decision.options:
            if option not in place.options:
                place.options[option] = len(self._columns)
                text = f"{name}={option}"
                self._columns.append(f"{name}={option!r}" if text in self._columns else text)


def fingerprint(decisions: Iterable[Decision]) -> str:
    """Return a hash of decisions, whatever their order: 16 hexadecimal digits."""
    text = "\n".join(sorted(map(repr, decisions)))
    return sha256(text.encode()).hexdigest()[:16]


def _alone(name: str) -> tuple[str, ...]:
    return (name,)


def _some(decision: Decision) -> Iterable[Value]:
    """Return options to try: all if there are few, else options spread over all."""
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
