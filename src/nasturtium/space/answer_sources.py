"""Sources of answers for a builder: replay of a record, one changed answer, one replaced answer.

A source is called with each decision and returns the answer.
"""

from __future__ import annotations

from collections.abc import Callable, Container
from random import Random
from typing import Any, cast, final

from nasturtium.architecture import Architecture, Value
from nasturtium.decision.base import Decision
from nasturtium.decision.one_of import OneOf
from nasturtium.decision.range import Range
from nasturtium.decision.subset import Subset
from nasturtium.errors import SpaceError

__all__ = [
    "MISSING",
    "ChangeAndRedraw",
    "ChangeAnswer",
    "CheckedAnswers",
    "ReplaceAnswer",
    "Replay",
    "check_all_asked",
    "first_answer",
]

MISSING: Any = object()  # the answer of a record to a decision that it does not have


@final
class CheckedAnswers:
    """Answers of a caller's function; refuses an answer that the decision does not allow."""

    __slots__ = ("answer",)

    def __init__(self, answer: Callable[[Decision], Value]) -> None:
        self.answer = answer

    def __call__(self, decision: Decision) -> Value:
        value = self.answer(decision)
        if not decision.allows(value):
            raise SpaceError(
                f"decision {decision.name!r} was answered {value!r}; it allows "
                f"{decision.options_text()}"
            )
        return value


@final
class Replay:
    """Answers from a record; refuses a record that does not fit."""

    __slots__ = ("architecture", "space")

    def __init__(self, space: str, architecture: Architecture) -> None:
        self.space = space
        self.architecture = architecture

    def __call__(self, decision: Decision) -> Value:
        value = self.architecture.get(decision.name, MISSING)
        if value is MISSING:
            raise SpaceError(
                f"{self.architecture!r} has no answer for decision {decision.name!r} of space "
                f"{self.space!r} ({decision.options_text()}); space.repair(architecture) "
                "completes a record"
            )
        if not decision.allows(value):
            raise SpaceError(
                f"decision {decision.name!r} of space {self.space!r} allows "
                f"{decision.options_text()}, but the record says {value!r}; "
                "space.repair(architecture) moves it to the nearest option"
            )
        return cast(Value, value)


@final
class ChangeAnswer:
    """Answers of a parent, with one decision mutated."""

    __slots__ = ("answers", "done", "name", "rng")

    def __init__(self, parent: Architecture, name: str, rng: Random) -> None:
        self.answers = parent.decisions
        self.name = name
        self.rng = rng
        self.done = False

    def __call__(self, decision: Decision) -> Value:
        name = decision.name
        value = self.answers.get(name, MISSING)
        if name == self.name and not self.done and value is not MISSING and decision.count > 1:
            self.done = True
            if decision.allows(value):
                return decision.mutate(cast(Value, value), self.rng)
        elif value is not MISSING and decision.allows(value):
            return cast(Value, value)
        return decision.draw(self.rng)


@final
class ChangeAndRedraw:
    """A mutation of one decision that draws each other one again with some probability."""

    __slots__ = ("chance", "change")

    def __init__(self, change: ChangeAnswer, chance: float) -> None:
        self.change = change
        self.chance = chance

    def __call__(self, decision: Decision) -> Value:
        value, rng = self.change(decision), self.change.rng
        if decision.name == self.change.name or rng.random() >= self.chance:
            return value
        return decision.draw(rng)


@final
class ReplaceAnswer:
    """Answers of a record, with one replaced; newly active decisions get their first option.

    The answer is not replaced where an earlier answer makes the new one impossible.
    """

    __slots__ = ("architecture", "name", "value")

    def __init__(self, architecture: Architecture, name: str, value: Value) -> None:
        self.architecture = architecture
        self.name = name
        self.value = value

    def __call__(self, decision: Decision) -> Value:
        if decision.name == self.name and decision.allows(self.value):
            return self.value
        value = self.architecture.get(decision.name, MISSING)
        if value is not MISSING and decision.allows(value):
            return cast(Value, value)
        return first_answer(decision)


def check_all_asked(space: str, architecture: Architecture, asked: Container[str]) -> None:
    """Check that a space asks all decisions of a record.

    Raises:
        SpaceError: it does not.
    """
    if extra := [name for name in architecture if name not in asked]:
        raise SpaceError(
            f"{architecture!r} answers {extra!r}, which space {space!r} does not ask; "
            "space.repair(architecture) maps a record of another space onto this one"
        )


def first_answer(decision: Decision) -> Value:
    """Return the first option, the lowest number or the first smallest subset."""
    if isinstance(decision, OneOf):
        return decision.options[0]
    if isinstance(decision, Range):
        return decision.low
    assert isinstance(decision, Subset)
    return tuple(decision.options[: decision.least])
