"""The contract of a search space."""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable
from functools import partial
from random import Random
from typing import Any

from nasturtium.architecture import Architecture
from nasturtium.contracts.assertions import leaves_randomness_alone, require
from nasturtium.errors import NasturtiumError, SpaceError
from nasturtium.space.base import Space
from nasturtium.space.choice_space import ChoiceSpace

__all__ = ["check_space"]


def check_space(space: Space, *, samples: int = 20, builds: int = 2, seed: int = 0) -> None:
    """Check the properties of a space on which strategies, stores and estimators rely.

    * ``sample``, ``mutate`` and ``cross`` depend on the given generator only, and return
      architectures of the space; a mutation differs from its parent, and does not change it; a
      child of two equal parents equals them.
    * Architectures are restored from JSON and from a pickle with the same key, and the space is
      restored from a pickle.
    * ``canonical`` is hashable, and equal for equal architectures.
    * ``describe`` is plain JSON and does not change.
    * ``build`` returns a new module each time, with the same weights for the same seed, and does
      not change torch's global generator.

    Args:
        space: the space, with the arguments of its builder bound.
        samples: how many architectures are drawn.
        builds: how many of them are built, the smallest; 0 for a space without a builder.
        seed: of the generator that draws them.

    Raises:
        AssertionError: a property is violated; says which, and by what.

    Example:
        >>> import nasturtium as nas
        >>> from nasturtium.contracts import check_space
        >>> check_space(nas.zoo.nasbench201)
    """
    require(
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
    require(
        drawn == again,
        f"space {space.name!r}: sample() gave other architectures for the same seed; draw from the "
        "given generator only",
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
    require(
        text == json.dumps(space.describe(), sort_keys=True),
        f"space {space.name!r}: describe() differs from call to call; resuming compares it",
    )


def _check_record(space: Space, architecture: Architecture) -> None:
    where = f"space {space.name!r}, {architecture!r}"
    again = Architecture.from_json(json.loads(json.dumps(architecture.to_json())))
    require(
        again == architecture and again.key == architecture.key,
        f"{where}: its JSON is read as {again!r}",
    )
    again = pickle.loads(pickle.dumps(architecture))
    require(again == architecture, f"{where}: its pickle is read as {again!r}")
    try:
        same = space.canonical(architecture) == space.canonical(again)
        hash(space.canonical(architecture))
    except TypeError as error:
        raise AssertionError(f"{where}: canonical() is not hashable ({error})") from None
    require(same, f"{where}: canonical() differs between equal architectures")


def _check_moves(space: Space, drawn: list[Architecture], seed: int, builds: int) -> None:
    for index, parent in enumerate(drawn):
        record = dict(parent)
        other = drawn[index - 1]
        mutate = _twice(space, "mutate", seed + index, partial(space.mutate, parent))
        cross = _twice(space, "cross", seed + index, partial(space.cross, parent, other))
        require(
            mutate != parent,
            f"space {space.name!r}: mutate() gave its parent back, {parent!r}; a mutation changes "
            "a decision",
        )
        turned = Architecture(parent.space, dict(reversed(list(parent.items()))))
        require(
            space.mutate(turned, Random(seed + index)) == mutate,
            f"space {space.name!r}: mutate() depends on the order of the decisions in {parent!r}, "
            "which a log does not keep",
        )
        twin = space.cross(parent, parent, Random(seed))
        require(
            twin == parent,
            f"space {space.name!r}: crossing {parent!r} with itself gave {twin!r}",
        )
        require(dict(parent) == record, f"space {space.name!r}: an operation changed its parent")
        # Without a builder that asks for decisions, only building checks an architecture.
        if builds and (index < builds or isinstance(space, ChoiceSpace)):
            for how, architecture in (("sample", parent), ("mutate", mutate), ("cross", cross)):
                check_member(space, architecture, how)


def _twice(
    space: Space, name: str, seed: int, make: Callable[[Random], Architecture]
) -> Architecture:
    architecture = make(Random(seed))
    require(
        make(Random(seed)) == architecture,
        f"space {space.name!r}: {name}() gave another architecture for the same seed",
    )
    return architecture


def check_member(space: Space, architecture: Architecture, how: str) -> None:
    """Check that an architecture is one of the space.

    Args:
        space: the space.
        architecture: the architecture.
        how: the operation that returned it, for the message.
    """
    require(
        isinstance(architecture, Architecture) and architecture.space == space.name,
        f"space {space.name!r}: {how} gave {architecture!r}, which is not one of its architectures",
    )
    try:
        if isinstance(space, ChoiceSpace):
            replayed = space.decide(space.replay(architecture))
            require(
                replayed == architecture,
                f"space {space.name!r}: {how} gave {architecture!r}, of which only {replayed!r} "
                "is used",
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
    require(
        [copied.sample(rng) for _ in range(samples)] == drawn
        and copied.describe() == space.describe(),
        f"space {space.name!r} is not equal to its pickled copy",
    )


def _check_building(space: Space, drawn: list[Architecture], builds: int) -> None:
    import torch

    where = f"space {space.name!r}: build()"

    def size(architecture: Architecture) -> int:
        with torch.device("meta"):
            module = space.build(architecture)
        require(
            isinstance(module, torch.nn.Module), f"{where} gave {module!r}; expected an nn.Module"
        )
        return sum(p.numel() for p in module.parameters())

    for architecture in sorted(drawn[: builds + 4], key=size)[:builds]:
        one = space.build(architecture, seed=1)
        two, three = (space.build(architecture, seed=number) for number in (1, 2))
        require(one is not two, f"{where} gave the same module twice; each is trained separately")
        require(_weights_equal(one, two), f"{where} gave other weights for the same seed")
        shared = {id(p) for p in one.parameters()} & {id(p) for p in two.parameters()}
        require(not shared, f"{where} gave two modules that share parameters")
        if any(bool((p != p.flatten()[0]).any()) for p in one.parameters()):
            require(
                not _weights_equal(one, three), f"{where} gave the same weights for other seeds"
            )
    foreign = Architecture("another space", {"no such decision": 1})
    try:
        space.build(foreign)
    except SpaceError:
        return
    raise AssertionError(
        f"{where} built {foreign!r}, which is not one of its architectures; expected a SpaceError"
    )


def _weights_equal(one: Any, two: Any) -> bool:
    import torch

    first, second = one.state_dict(), two.state_dict()
    return list(first) == list(second) and all(
        torch.equal(first[name], second[name]) for name in first
    )
