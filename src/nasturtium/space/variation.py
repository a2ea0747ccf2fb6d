"""Mutation, crossover, neighbours and repair of the architectures of a choice space."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from itertools import count
from random import Random

from nasturtium.architecture import Architecture, Value
from nasturtium.decision.base import Decision
from nasturtium.errors import Rejected, SpaceError
from nasturtium.space.answer_sources import (
    MISSING,
    ChangeAndRedraw,
    ChangeAnswer,
    ReplaceAnswer,
    first_answer,
)
from nasturtium.space.decision_space import DecisionSpace

__all__ = ["cross", "draw_accepted", "mutate", "neighbours", "repair"]

ATTEMPTS = 1000
PATIENCE = 100  # rejected changes of one decision, after which others are changed as well


def mutate(space: DecisionSpace, parent: Architecture, rng: Random) -> Architecture:
    """Change one active decision, chosen evenly; keep the others and draw newly active ones.

    Where a hundred such changes in a row are rejected, other decisions are drawn again as well.

    Raises:
        SpaceError: no decision of ``parent`` has another answer, or all changes are rejected.
    """
    for _ in range(PATIENCE):
        try:
            return _change_one(space, parent, rng)
        except Rejected:
            continue
    attempts = count(1)
    return draw_accepted(
        space.name, lambda: _change_one(space, parent, rng, next(attempts) / ATTEMPTS)
    )


def _change_one(
    space: DecisionSpace, parent: Architecture, rng: Random, redrawn: float = 0.0
) -> Architecture:
    """Change one decision, and draw each other one again with the probability ``redrawn``."""
    names = sorted(parent)  # a record read from a log has another order than a fresh one
    if names:
        name = names[int(rng.random() * len(names))]
        change = ChangeAnswer(parent, name, rng)
        child = space.run(ChangeAndRedraw(change, redrawn) if redrawn else change)[0]
        if change.done:
            return child
    free = [d for d in space.decisions(parent) if d.count > 1]
    if not free:
        raise SpaceError(
            f"nothing to mutate in {parent!r}: each of its decisions has one option only"
        )
    change = ChangeAnswer(parent, free[int(rng.random() * len(free))].name, rng)
    return space.run(ChangeAndRedraw(change, redrawn) if redrawn else change)[0]


def cross(
    space: DecisionSpace, mother: Architecture, father: Architecture, rng: Random
) -> Architecture:
    """Answer from either parent, evenly; draw only where neither has an allowed answer."""

    def answer(decision: Decision) -> Value:
        name = decision.name
        have = [p[name] for p in (mother, father) if name in p and decision.allows(p[name])]
        if not have:
            return decision.draw(rng)
        return have[0] if len(have) == 1 or rng.random() < 0.5 else have[1]

    return draw_accepted(space.name, lambda: space.run(answer)[0])


def neighbours(space: DecisionSpace, architecture: Architecture) -> Iterator[Architecture]:
    """Yield every architecture that one move of one active decision leads to.

    Newly active decisions get their first option.
    """
    for decision in space.decisions(architecture):
        for value in decision.neighbours(architecture[decision.name]):
            try:
                yield space.run(ReplaceAnswer(architecture, decision.name, value))[0]
            except Rejected:
                continue


def repair(
    space: DecisionSpace, architecture: Mapping[str, Value], rng: Random | None = None
) -> Architecture:
    """Return the architecture of a space nearest to a record of another space or version.

    Answers are kept where allowed, and else moved to the nearest option. Missing answers are
    drawn, or are the first option where no ``rng`` is given. Where the space rejects the result,
    more and more answers are drawn.
    """
    if not isinstance(architecture, Architecture):
        architecture = Architecture(space.name, architecture)
    record, attempts = architecture.decisions, count()
    redraws = Random(0) if rng is None else rng

    def repaired() -> Architecture:
        redrawn = next(attempts) / ATTEMPTS

        def answer(decision: Decision) -> Value:
            if redrawn and redraws.random() < redrawn:
                return decision.draw(redraws)
            value = record.get(decision.name, MISSING)
            if value is not MISSING:
                return decision.nearest(value)
            return first_answer(decision) if rng is None else decision.draw(rng)

        return space.run(answer)[0]

    return draw_accepted(space.name, repaired)


def draw_accepted(name: str, draw: Callable[[], Architecture]) -> Architecture:
    """Call ``draw`` until the space of that name does not reject the architecture.

    Raises:
        SpaceError: a thousand draws in a row were rejected.
    """
    for _ in range(ATTEMPTS):
        try:
            return draw()
        except Rejected as error:
            reason = error
    raise SpaceError(
        f"space {name!r}: {ATTEMPTS} draws in a row were rejected (the last one: {reason}); "
        "loosen restrict/where/reject, or build the limit into the options"
    )
