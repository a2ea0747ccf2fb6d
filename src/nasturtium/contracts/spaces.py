"""The laws of a search space."""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable
from functools import partial
from random import Random
from typing import Any

from nasturtium.architecture import Architecture
from nasturtium.contracts.law import law, leaves_randomness_alone
from nasturtium.errors import NasturtiumError, SpaceError
from nasturtium.space.base import Space
from nasturtium.space.choice import ChoiceSpace

__all__ = ["check_space"]


def check_space(space: Space, *, samples: int = 20, builds: int = 2, seed: int = 0) -> None:
    """Check that a space keeps the laws that strategies, stores and estimators rely on.

    * ``sample``, ``mutate`` and ``cross`` depend on the given generator alone, and give
      architectures of the space; a mutation differs from its parent, and leaves it alone; a child
      of two equal parents is their equal.
    * Architectures survive JSON and pickling with the same key; the space survives pickling.
    * ``canonical`` is hashable, and equal for equal architectures.
    * ``describe`` is plain JSON and does not change.
    * ``build`` gives a fresh module each time, with the same weights for the same seed, and leaves
      torch's global generator alone.

    Args:
        space: the space, bound to whatever its builder needs.
        samples: how many architectures are drawn.
        builds: how many of them are built, small ones; 0 for a space that holds records only.
        seed: draws them.

    Raises:
        AssertionError: a law is broken; says which, and by what.

    Example:
        >>> import nasturtium as nas
        >>> from nasturtium.contracts import check_space
        >>> check_space(nas.zoo.nasbench201)
    """
    law(
        isinstance(getattr(space, "name", None), str) and bool(space.name),
        f"a space needs a name, which is part of every record; {space!r} has "
        f"{getattr(space, 'name', None)!r}",
    )
    with leaves_randomness_alone(f"space {space.name!r}"):
        drawn = _drawn(space, samples, seed)
        _check_description(space)
        _check_moves(space, drawn, seed, builds)
        for architecture in drawn:
            _check_record(space, architecture)
        _check_pickling(space, drawn, samples, seed)
        if builds:
            _check_building(space, drawn, builds)


def _drawn(space: Space, samples: int, seed: int) -> list[Architecture]:
    rng = Random(seed)
    drawn = [space.sample(rng) for _ in range(samples)]
    rng = Random(seed)
    again = [space.sample(rng) for _ in range(samples)]
    law(
        drawn == again,
        f"space {space.name!r}: sample() gave other architectures for the same seed; it may use "
        "nothing but the generator that it is given",
    )
    return drawn


def _check_description(space: Space) -> None:
    try:
        text = json.dumps(space.describe(), sort_keys=True)
    except TypeError as error:
        raise AssertionError(
            f"space {space.name!r}: describe() is not plain JSON ({error}); it becomes part of a "
            "study's manifest"
        ) from None
    law(
        text == json.dumps(space.describe(), sort_keys=True),
        f"space {space.name!r}: describe() differs from call to call; resuming compares it",
    )


def _check_record(space: Space, architecture: Architecture) -> None:
    where = f"space {space.name!r}, {architecture!r}"
    again = Architecture.from_json(json.loads(json.dumps(architecture.to_json())))
    law(
        again == architecture and again.key == architecture.key,
        f"{where}: it comes back from JSON as {again!r}",
    )
    again = pickle.loads(pickle.dumps(architecture))
    law(again == architecture, f"{where}: it comes back from pickling as {again!r}")
    try:
        same = space.canonical(architecture) == space.canonical(again)
        hash(space.canonical(architecture))
    except TypeError as error:
        raise AssertionError(f"{where}: canonical() is not hashable ({error})") from None
    law(same, f"{where}: canonical() differs between equal architectures")


def _check_moves(space: Space, drawn: list[Architecture], seed: int, builds: int) -> None:
    for index, parent in enumerate(drawn):
        record = dict(parent)
        other = drawn[index - 1]
        mutate = _twice(space, "mutate", seed + index, partial(space.mutate, parent))
        cross = _twice(space, "cross", seed + index, partial(space.cross, parent, other))
        law(
            mutate != parent,
            f"space {space.name!r}: mutate() gave its parent back, {parent!r}; a mutation changes "
            "a decision",
        )
        turned = Architecture(parent.space, dict(reversed(list(parent.items()))))
        law(
            space.mutate(turned, Random(seed + index)) == mutate,
            f"space {space.name!r}: mutate() depends on the order of the decisions in {parent!r}, "
            "which a log does not keep",
        )
        twin = space.cross(parent, parent, Random(seed))
        law(
            twin == parent,
            f"space {space.name!r}: crossing {parent!r} with itself gave {twin!r}",
        )
        law(dict(parent) == record, f"space {space.name!r}: an operation changed its parent")
        # Without a builder that asks, only building says whether a record is of the space.
        if builds and (index < builds or isinstance(space, ChoiceSpace)):
            for how, made in (("sample", parent), ("mutate", mutate), ("cross", cross)):
                check_member(space, made, how)


def _twice(
    space: Space, name: str, seed: int, make: Callable[[Random], Architecture]
) -> Architecture:
    made = make(Random(seed))
    law(
        make(Random(seed)) == made,
        f"space {space.name!r}: {name}() gave another architecture for the same seed",
    )
    return made


def check_member(space: Space, architecture: Architecture, how: str) -> None:
    """Check that an architecture, which came from ``how``, is one of the space."""
    law(
        isinstance(architecture, Architecture) and architecture.space == space.name,
        f"space {space.name!r}: {how} gave {architecture!r}, which is no record of it",
    )
    try:
        if isinstance(space, ChoiceSpace):
            replayed = space.decide(space.replay(architecture))
            law(
                replayed == architecture,
                f"space {space.name!r}: {how} gave {architecture!r}, of which only {replayed!r} "
                "is asked",
            )
        else:
            import torch

            with torch.device("meta"):
                space.build(architecture)
    except NasturtiumError as error:
        raise AssertionError(
            f"space {space.name!r}: {how} gave {architecture!r}, which is outside it: {error}"
        ) from error


def _check_pickling(space: Space, drawn: list[Architecture], samples: int, seed: int) -> None:
    try:
        copied = pickle.loads(pickle.dumps(space))
    except Exception as error:
        raise AssertionError(
            f"space {space.name!r} cannot be sent to a worker process ({error}); define its "
            "builder at the top of a module"
        ) from error
    rng = Random(seed)
    law(
        [copied.sample(rng) for _ in range(samples)] == drawn
        and copied.describe() == space.describe(),
        f"space {space.name!r} is another one after pickling",
    )


def _check_building(space: Space, drawn: list[Architecture], builds: int) -> None:
    import torch

    where = f"space {space.name!r}: build()"

    def size(architecture: Architecture) -> int:
        with torch.device("meta"):
            module = space.build(architecture)
        law(isinstance(module, torch.nn.Module), f"{where} gave {module!r}; expected an nn.Module")
        return sum(p.numel() for p in module.parameters())

    for architecture in sorted(drawn[: builds + 4], key=size)[:builds]:
        one = space.build(architecture, seed=1)
        two, three = (space.build(architecture, seed=number) for number in (1, 2))
        law(one is not two, f"{where} gave the same module twice; each is trained by itself")
        law(_weights_equal(one, two), f"{where} gave other weights for the same seed")
        shared = {id(p) for p in one.parameters()} & {id(p) for p in two.parameters()}
        law(not shared, f"{where} gave two modules that share parameters")
        if any(bool((p != p.flatten()[0]).any()) for p in one.parameters()):
            law(not _weights_equal(one, three), f"{where} gave the same weights for other seeds")
    foreign = Architecture("another space", {"no such decision": 1})
    try:
        space.build(foreign)
    except SpaceError:
        return
    raise AssertionError(
        f"{where} built {foreign!r}, which is no record of this space; expected a SpaceError"
    )


def _weights_equal(one: Any, two: Any) -> bool:
    import torch

    first, second = one.state_dict(), two.state_dict()
    return list(first) == list(second) and all(
        torch.equal(first[name], second[name]) for name in first
    )
