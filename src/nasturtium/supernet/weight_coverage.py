"""Survey of a space: some hundreds of architectures that together use all of its weights."""

from __future__ import annotations

from collections.abc import Iterator

from nasturtium.architecture import Architecture, Value
from nasturtium.decision.base import Decision
from nasturtium.decision.one_of import OneOf
from nasturtium.decision.range import Range
from nasturtium.decision.subset import Subset
from nasturtium.errors import Rejected
from nasturtium.space.answer_sources import MISSING
from nasturtium.space.choice_space import ChoiceSpace

__all__ = ["survey"]


def survey(space: ChoiceSpace) -> Iterator[Architecture]:
    """Yield architectures with the largest tensors of every kind, and with every option.

    First come the largest: numbers at their upper end, and each other decision with its options in
    turn; then the same with one number at its lower end; then each option where discovery found its
    decision. Numbers between the ends are left out, since their shapes are views. Weights that need
    a combination of answers are left to random samples.
    """
    met: set[Architecture] = set()

    def new(architecture: Architecture | None) -> Iterator[Architecture]:
        if architecture is not None and architecture not in met:
            met.add(architecture)
            yield architecture

    encoder = space.encoder()
    found = encoder.discovered
    numbers = [decision for decision in found if _numeric(decision)]
    turns = max([len(d.options) for d in found if isinstance(d, (OneOf, Subset))], default=1)
    turns = turns if len(numbers) < len(found) else 1
    for turn in range(turns):
        yield from new(_answered(space, None, turn))
    for decision in numbers:
        for turn in range(turns):
            yield from new(_answered(space, None, turn, decision.name, _ends(decision)[0]))
    for decision in found:
        for value in _ends(decision):
            for base in encoder.contexts(decision.name):
                yield from new(_answered(space, base, 0, decision.name, value))


def _answered(
    space: ChoiceSpace,
    base: Architecture | None,
    turn: int,
    name: str = "",
    value: Value = MISSING,
) -> Architecture | None:
    """Return the largest architecture of a turn, with the answers of ``base`` and one value."""

    def answer(decision: Decision) -> Value:
        known = MISSING if base is None else base.get(decision.name, MISSING)
        wanted = value if decision.name == name else known
        if decision.allows(wanted):
            return wanted
        return _largest(decision, turn)

    try:
        return space.decide(answer)
    except Rejected:
        return None


def _numeric(decision: Decision) -> bool:
    if isinstance(decision, OneOf):
        return all(isinstance(option, (int, float)) for option in decision.options)
    return isinstance(decision, Range)


def _largest(decision: Decision, turn: int) -> Value:
    if _numeric(decision):
        return _ends(decision)[-1]
    assert isinstance(decision, (OneOf, Subset))
    number = len(decision.options)
    if isinstance(decision, OneOf):
        return decision.options[turn % number]
    places = sorted((turn + step) % number for step in range(decision.most))
    return tuple(decision.options[place] for place in places)


def _ends(decision: Decision) -> tuple[Value, ...]:
    """Return the answers to try: the two ends of a number, else all options, smallest first."""
    if isinstance(decision, Range):
        return decision.low, decision.high
    if isinstance(decision, Subset):
        size = max(1, decision.least)
        starts = (min(i, len(decision.options) - size) for i in range(len(decision.options)))
        windows = [decision.options[start : start + size] for start in starts]
        return (*dict.fromkeys(windows), decision.options[: decision.most])
    assert isinstance(decision, OneOf)
    numbers = [option for option in decision.options if isinstance(option, (int, float))]
    return (min(numbers), max(numbers)) if _numeric(decision) else decision.options
