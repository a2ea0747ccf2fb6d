"""Which architectures show all the weights of a space: a few hundred, not all of them."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random

from nasturtium.architecture import Architecture, Value
from nasturtium.decision import Decision, OneOf, Range, Subset
from nasturtium.errors import Rejected
from nasturtium.space.choice import ChoiceSpace

__all__ = ["survey"]


def survey(space: ChoiceSpace, seed: int, samples: int) -> Iterator[Architecture]:
    """The largest architecture, every discovered option beside it and elsewhere, and samples.

    Of numbers only the two ends are tried, since shapes between them are views. What the survey
    cannot meet is a shape that needs a rare conjunction of answers.

    Args:
        space: the space.
        seed: draws the samples.
        samples: how many random architectures to add.
    """
    encoder = space.encoder()
    largest = _answered(space, None)
    if largest is not None:
        yield largest
    for decision in encoder.discovered:
        for base in (largest, encoder.context(decision.name)):
            if base is None or decision.name not in base:
                continue
            for value in _ends(decision):
                toggled = _answered(space, base, decision.name, value)
                if toggled is not None:
                    yield toggled
    rng = Random(seed)
    for _ in range(samples):
        yield space.sample(rng)


def _answered(
    space: ChoiceSpace, base: Architecture | None, name: str = "", value: Value | None = None
) -> Architecture | None:
    """``base`` with one answer replaced; what is newly asked is answered with the largest."""

    def answer(decision: Decision) -> Value:
        known = None if base is None else base.get(decision.name)
        wanted = value if decision.name == name else known
        if wanted is not None and decision.allows(wanted):
            return wanted
        return _largest(decision)

    try:
        return space.decide(answer)
    except Rejected:
        return None


def _largest(decision: Decision) -> Value:
    if isinstance(decision, Range):
        return decision.high
    if isinstance(decision, Subset):
        return tuple(decision.options[: decision.most])
    assert isinstance(decision, OneOf)
    return _ordered(decision)[-1]


def _ordered(decision: OneOf) -> tuple[Value, ...]:
    if all(isinstance(option, (int, float)) for option in decision.options):
        return tuple(sorted(decision.options))
    return decision.options


def _ends(decision: Decision) -> tuple[Value, ...]:
    """The answers to try: two of a number, each of anything else."""
    if isinstance(decision, Range):
        return decision.low, decision.high
    if isinstance(decision, Subset):
        size = max(1, decision.least)
        starts = (min(i, len(decision.options) - size) for i in range(len(decision.options)))
        windows = [decision.options[start : start + size] for start in starts]
        return (*dict.fromkeys(windows), decision.options[: decision.most])
    assert isinstance(decision, OneOf)
    options = _ordered(decision)
    numbers = all(isinstance(option, (int, float)) for option in options)
    return (options[0], options[-1]) if numbers else options
