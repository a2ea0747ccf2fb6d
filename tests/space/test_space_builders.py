"""The laws of spaces, on random builders: see builders.py.

``BUILDERS`` is how many are tried, 2,000 unless the environment says otherwise; the costly laws are
tried on fewer. ``scripts/reproduce/builders.py`` tries 50,000.
"""

from __future__ import annotations

import os
from itertools import islice, pairwise
from math import inf
from random import Random
from typing import Any

import numpy as np
import pytest
import torch
from builders import WIDTH, spaces
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

import nasturtium as nas
from nasturtium.contracts.spaces import check_space
from nasturtium.cost.count import count
from nasturtium.decision.one_of import OneOf
from nasturtium.decision.range import Range
from nasturtium.decision.subset import Subset
from nasturtium.errors import Rejected, SpaceError
from nasturtium.space.answer_sources import first_answer
from nasturtium.space.restrictions import Limits
from nasturtium.supernet.relaxation import Softmax
from nasturtium.supernet.relaxed_network import relax
from nasturtium.supernet.supernet import Supernet

# Shrinking a program takes minutes, so only a failure that is looked into is shrunk: SHRINK=1.
PHASES = list(Phase) if os.environ.get("SHRINK") else [Phase.explicit, Phase.generate]
BUILDERS = int(os.environ.get("BUILDERS", "2000"))


def tried(share: float) -> Any:
    return settings(
        max_examples=max(1, int(BUILDERS * share)),
        deadline=None,
        derandomize=True,
        database=None,
        phases=PHASES,
        suppress_health_check=list(HealthCheck),
    )


def expect(error: SpaceError, *texts: str) -> None:
    """Raise an error unless it is one of those that a space may give."""
    if not any(text in str(error) for text in texts):
        raise error


def member(space: nas.ChoiceSpace, architecture: nas.Architecture) -> bool:
    return space.decide(space.replay(architecture)) == architecture


def mutable(space: nas.ChoiceSpace, architecture: nas.Architecture) -> bool:
    try:
        return space.mutate(architecture, Random(0)) != architecture
    except SpaceError as error:
        expect(error, "nothing to mutate", "draws in a row")
        return False


def keeps_limits(space: nas.ChoiceSpace, architecture: nas.Architecture) -> None:
    """Tied answers are equal, and ordered ones never fall."""
    limits = space.limits or Limits()
    for name in architecture:
        assert {architecture[n] for n in limits.group(name) if n in architecture} == {
            architecture[name]
        }
    for members, _ in limits.orders:
        values: Any = [architecture[name] for name in members if name in architecture]
        assert all(low <= high for low, high in pairwise(values))


@tried(1.0)
@given(spaces(), st.integers(0, 2**32))
def test_every_operation_stays_in_the_space(space: nas.ChoiceSpace, seed: int) -> None:
    rng = Random(seed)
    drawn = [space.sample(rng) for _ in range(4)]
    encoder = space.encoder()
    for architecture in drawn:
        keeps_limits(space, architecture)
    for parent, other in zip(drawn, drawn[1:] + drawn[:1], strict=True):
        assert member(space, parent)
        assert space.repair(parent) == parent
        assert member(space, space.repair({"a": 3, "b": None, "e.c": "b"}, rng))
        assert member(space, space.repair(other, rng))
        assert member(space, space.cross(parent, other, rng))
        assert space.cross(parent, parent, rng) == parent
        for near in islice(space.neighbours(parent), 6):
            assert near != parent
            assert member(space, near)
        twin = nas.Architecture.from_json(parent.to_json())
        assert (twin, twin.key) == (parent, parent.key)
        assert (parent == other) is (parent.key == other.key)
        for decision in space.decisions(parent):
            assert decision.allows(decision.draw(rng))
            assert decision.nearest(parent[decision.name]) == parent[decision.name]
    if mutable(space, drawn[0]):
        child = space.mutate(drawn[0], rng)
        assert child != drawn[0]
        assert member(space, child)
        keeps_limits(space, child)
        encoder.encode(child)
    # Discovery found what samples hold, so that columns are settled; but for rare conjunctions.
    rows = encoder.encode_all(drawn)
    keys = {architecture.key for architecture in drawn}
    assert len(np.unique(rows, axis=0)) <= len(keys)
    assert len(encoder.columns) == len(set(encoder.columns))
    again = encoder.encode_all(drawn)
    assert np.array_equal(rows, again)


@tried(0.1)
@given(spaces(), st.integers(0, 99))
def test_sizes_are_those_of_brute_force(space: nas.ChoiceSpace, seed: int) -> None:
    size = space.size(paths=60, seed=seed)
    assert str(size)
    if size.value == inf:
        assert any(isinstance(d, Range) and d.count == inf for d in space.discover())
        return
    every = list(islice(space.every(), 3001)) if size.value < 3000 else []
    if size.method == "walked" and size.value < 3000:
        assert len(every) == len(set(every)) == size.value
        assert len({a.key for a in every}) == size.value == space.classes()
        assert len({a.key for a in every} & {space.sample(Random(s)).key for s in range(4)}) > 0
        encoder = space.encoder()
        columns = encoder.columns
        rows = encoder.encode_all(every)
        assert len(np.unique(rows, axis=0)) == len(every)
        assert size.value > 30 or encoder.columns == columns  # of larger ones, some are rare


@tried(0.1)
@given(spaces())
def test_contracts(space: nas.ChoiceSpace) -> None:
    if len({space.sample(Random(seed)) for seed in range(8)}) == 1:
        return
    if all(mutable(space, space.sample(Random(seed))) for seed in range(8)):
        check_space(space, samples=4, builds=1)


@tried(0.1)
@given(spaces(), st.data())
def test_a_restricted_sample_is_one_of_the_parent(space: nas.ChoiceSpace, data: Any) -> None:
    decision = data.draw(st.sampled_from(space.discover()))
    if isinstance(decision, Range):
        ends = st.floats(-1, 20) | st.integers(-1, 20)
        left: Any = tuple(sorted((data.draw(ends), data.draw(ends))))
    else:
        assert isinstance(decision, (OneOf, Subset))
        left = data.draw(st.lists(st.sampled_from(decision.options), min_size=1, unique=True))
    try:
        part = space.restrict({decision.name: left})
        drawn = [part.sample(Random(seed)) for seed in range(6)]
    except SpaceError as error:
        expect(error, "leaves nothing", "draws in a row")
        return
    for architecture in drawn:
        assert member(part, architecture)
        assert member(space, architecture)
        if isinstance(value := architecture.get(decision.name), (int, float)) and not isinstance(
            decision, OneOf
        ):
            assert left[0] - 1e-6 <= value <= left[1] + 1e-6 or len(space.discover()) > 1


@tried(0.02)
@given(spaces())
def test_checks_and_counts(space: nas.ChoiceSpace) -> None:
    report = space.check(inputs=(WIDTH,), classes=WIDTH, samples=3)
    assert str(report)
    network = space.build(space.sample(Random(0)), seed=0)
    assert count(network, (WIDTH,)).macs >= WIDTH * WIDTH


@tried(0.05)
@given(spaces())
def test_supernets_compute_what_extracted_networks_do(space: nas.ChoiceSpace) -> None:
    supernet = Supernet(space, samples=6).eval()
    x = torch.randn(2, WIDTH)
    for seed in range(4):
        architecture = space.sample(Random(seed))
        try:
            out = supernet(x, architecture)
        except SpaceError as error:
            expect(error, "did not find them")
            supernet.grow(architecture)
            out = supernet(x, architecture)
        assert torch.equal(out, supernet.extract(architecture)(x))


@tried(0.075)
@given(spaces())
def test_relaxations_run_and_are_derived(space: nas.ChoiceSpace) -> None:
    base = space.sample(Random(0))
    alpha = Softmax()
    try:
        network = relax(space, alpha, base)
        network(torch.randn(2, WIDTH)).sum().backward()
        derived = alpha.derive(space, base)
    except Rejected:
        return
    except SpaceError as error:
        expect(error, "cannot be mixed")
        return
    assert member(space, derived)


@pytest.mark.parametrize(
    "kind", [OneOf("d", (1, None)), Subset("d", (1, 2), 1, 1), Range("d", 8, 30, 8)]
)
def test_the_first_answer_is_allowed(kind: Any) -> None:
    assert kind.allows(first_answer(kind))
