"""The laws of spaces: every operation is a reading of one builder, and stays in the space."""

from __future__ import annotations

import pickle
from collections import Counter
from collections.abc import Callable
from random import Random
from typing import Any

import cloudpickle
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from small_spaces import ALL, FINITE, SMALL, UNCONDITIONAL, ZOO, conditional, flat
from torch import nn

import nasturtium as nas
from nasturtium.errors import Rejected, SpaceError
from nasturtium.space.restrictions import Limits

SPACES = st.sampled_from(sorted(ALL))
SEEDS = st.integers(0, 2**32)
some = settings(max_examples=60, deadline=None)


def kept(space: nas.ChoiceSpace, architecture: nas.Architecture) -> bool:
    """Whether an architecture is in a space: it answers what is asked, and nothing else."""
    again = space.decide(lambda decision: architecture[decision.name])
    return again == architecture and list(again) == list(architecture)


@some
@given(SPACES, SEEDS)
def test_samples_are_in_the_space_and_follow_their_seed(name: str, seed: int) -> None:
    space = ALL[name]
    architecture = space.sample(Random(seed))
    assert kept(space, architecture)
    assert space.sample(Random(seed)) == architecture
    assert space.repair(architecture) == architecture
    assert nas.Architecture.from_json(architecture.to_json()) == architecture
    assert {d.name for d in space.decisions(architecture)} <= set(architecture)


@some
@given(SPACES, SEEDS)
def test_a_mutation_changes_one_decision_and_what_follows_from_it(name: str, seed: int) -> None:
    space, rng = ALL[name], Random(seed)
    parent = space.sample(rng)
    child = space.mutate(parent, rng)
    assert kept(space, child)
    changed = [
        decision.name
        for decision in space.decisions(child)
        if decision.name in parent
        and parent[decision.name] != child[decision.name]
        and decision.allows(parent[decision.name])  # else it could not be kept
    ]
    assert len(changed) == 1
    before = list(parent)
    for name_ in list(child)[: list(child).index(changed[0])]:
        assert name_ in before
        assert child[name_] == parent[name_]


@some
@given(SPACES, SEEDS)
def test_a_child_answers_as_a_parent_where_one_has_the_answer(name: str, seed: int) -> None:
    space, rng = ALL[name], Random(seed)
    mother, father = space.sample(rng), space.sample(rng)
    child = space.cross(mother, father, rng)
    assert kept(space, child)
    for decision in space.decisions(child):
        have = [p[decision.name] for p in (mother, father) if decision.name in p]
        have = [value for value in have if decision.allows(value)]
        assert not have or child[decision.name] in have
    assert space.cross(mother, mother, rng) == mother


@pytest.mark.parametrize("name", SMALL)
def test_mutations_reach_every_decision_evenly(name: str) -> None:
    space, rng = SMALL[name], Random(0)
    parent = space.sample(rng)
    free = [d.name for d in space.decisions(parent) if d.count > 1]
    counts: Counter[str] = Counter()
    for _ in range(400):
        child = space.mutate(parent, rng)
        counts[next(n for n in free if n in child and child[n] != parent[n])] += 1
    assert set(counts) == set(free)
    if name not in ("rejecting", "flat where"):
        assert min(counts.values()) > 0.6 * 400 / len(free)


@some
@given(st.sampled_from(sorted(set(ALL) - {"continuous"})), SEEDS)
def test_neighbours_differ_in_one_move_and_are_in_the_space(name: str, seed: int) -> None:
    space = ALL[name]
    architecture = space.sample(Random(seed))
    near = []
    for _, other in zip(range(40), space.neighbours(architecture), strict=False):
        near.append(other)
        assert kept(space, other)
        assert other != architecture
    assert len(set(near)) == len(near)
    if name in UNCONDITIONAL:
        for other in near:
            assert architecture in set(space.neighbours(other))


@pytest.mark.parametrize("name", SMALL)
def test_a_walk_meets_everything_once(name: str) -> None:
    space = SMALL[name]
    every = list(space.every())
    assert len(every) == len(set(every)) == FINITE[space]
    assert {a.key for a in every} == {a.key for a in set(every)}
    assert all(kept(space, architecture) for architecture in every)
    rng = Random(0)
    assert {space.sample(rng) for _ in range(20 * len(every))} == set(every)


def network_of(space: nas.ChoiceSpace) -> nas.ChoiceSpace:
    return space.bind_known(inputs=(3, 32, 32), classes=3)


@pytest.mark.parametrize("name", [n for n in ALL if not n.startswith(("anynet", "regnet"))])
def test_building_follows_the_seed_and_leaves_torch_alone(name: str) -> None:
    space = network_of(ALL[name])
    architecture = space.sample(Random(1))
    torch.manual_seed(3)
    before = torch.random.get_rng_state()
    first, second = (space.build(architecture, seed=5).state_dict() for _ in range(2))
    assert torch.equal(torch.random.get_rng_state(), before)
    assert list(first) == list(second)
    assert all(torch.equal(first[key], second[key]) for key in first)
    shapes = {key: tensor.shape for key, tensor in first.items()}
    skeleton = space.skeleton(architecture).state_dict()
    assert {key: tensor.shape for key, tensor in skeleton.items()} == shapes
    assert all(tensor.is_meta for tensor in skeleton.values())
    plan = space.plan(architecture)
    if plan is not None:
        planned = plan().state_dict()
        assert {key: tensor.shape for key, tensor in planned.items()} == shapes


def test_seeds_and_generators_matter() -> None:
    architecture = nas.Architecture("flat", {"a": 2, "b": "x", "c": True})
    a, b = (flat.build(architecture, seed=seed).weight for seed in (1, 2))
    assert not torch.equal(a, b)
    torch.manual_seed(1)
    assert torch.equal(flat.build(architecture).weight, a)


@pytest.mark.parametrize("name", [n for n in ALL if n != "flat where"])
def test_pickled_spaces_are_the_same(name: str) -> None:
    space = ALL[name]
    twin = pickle.loads(pickle.dumps(space))
    assert isinstance(twin, nas.ChoiceSpace)
    assert [twin.sample(Random(s)) for s in range(5)] == [space.sample(Random(s)) for s in range(5)]
    assert twin.describe() == space.describe()


def test_spaces_that_are_not_importable_travel_by_value() -> None:
    offset = 3

    @nas.space
    def local(choose: Any, *, scale: int = 1) -> Any:
        return nas.block(nn.Linear, offset, scale * choose("width", (1, 2)))

    space = local.bind(scale=5).where(lambda architecture: architecture["width"] == 2)
    twin = cloudpickle.loads(cloudpickle.dumps(space))
    (only,) = twin.every()
    assert twin.build(only).weight.shape == (10, 3)
    by_reference = len(pickle.dumps(nas.zoo.nasbench201.bind(cells=1)))
    assert by_reference < 300


def test_using_binds_arguments_and_keeps_records() -> None:
    small = nas.zoo.nasbench201.bind(cells=1, channels=4, classes=3, inputs=(1, 28, 28))
    architecture = nas.zoo.nasbench201.sample(Random(0))
    with torch.no_grad():
        assert small.build(architecture).eval()(torch.zeros(2, 1, 28, 28)).shape == (2, 3)
    assert small.bind_known(classes=7, layers=3).arguments["classes"] == 3
    with pytest.raises(SpaceError, match=r"takes no argument 'cell'; did you mean 'cells'\?"):
        nas.zoo.nasbench201.bind(cell=1)


def test_the_same_question_has_the_same_answer() -> None:
    @nas.space
    def twice(choose: Any) -> Any:
        widths = [choose("width", (1, 2, 3)) for _ in range(3)]
        assert len(set(widths)) == 1
        return nas.block(nn.Linear, widths[0], 1)

    assert twice.size().value == 3
    assert len(twice.sample(Random(0))) == 1


def test_scopes_nest_and_end() -> None:
    @nas.space
    def scoped(choose: Any) -> Any:
        with choose.scope("a"):
            with choose.scope("b"):
                choose("x", (1,))
            choose("x", (1,))
        choose("x", (1,))
        return nas.block(nn.Identity)

    assert list(scoped.sample(Random(0))) == ["a.b.x", "a.x", "x"]


def test_repair_keeps_what_fits_and_moves_the_rest() -> None:
    old = {"depth": 9, "block0.op": "skip", "block1.op": "gone", "gone": 1}
    assert dict(conditional.repair(old)) == {
        "depth": 3,
        "block0.op": "skip",
        "block1.op": "linear",
        "block1.bias": False,
        "block2.op": "linear",
        "block2.bias": False,
    }
    drawn = {conditional.repair(old, Random(seed))["block2.op"] for seed in range(20)}
    assert drawn == {"linear", "skip"}


ONE = nas.block(nn.Identity)
BUILDERS: list[tuple[Callable[[Any], Any], str]] = [
    (lambda c: c("a", (1, b"x")), "of type bytes cannot be an option"),
    (lambda c: c("a", "xyz"), "got the text 'xyz' as options"),
    (lambda c: (c("a", (1, 2)), c("a", (1, 3))), "'a' was asked twice with different options"),
    (lambda c: (c("a", (1, 2)), c.range("a", 1, 2)), "'a' was asked twice"),
    (lambda c: (c.subset("a", (1, 2)), c.subset("a", (1, 3))), "'a' was asked twice"),
    (lambda c: c.module("m", [ONE]), r"'m'.*expected a mapping from labels"),
    (lambda c: c.module("m", {"a.b": ONE}), "labels are texts without dots"),
    (lambda c: c.module("m", {"a": nn.Identity()}), r"option 'a': got Identity\(\).*nas\.block"),
    (lambda c: c.join("j", {}), "with at least one input"),
    (lambda c: c.join("j", {"a": nn.ReLU()}), r"option 'a': got ReLU\(\)"),
    (lambda c: c.join("j", {"a": ONE}, least=2), "asks for 2 to 1 of 1 options"),
    (lambda c: c.reject("never"), r"1000 draws in a row were rejected \(the last one: never\)"),
]


@pytest.mark.parametrize(("asks", "message"), BUILDERS)
def test_questions_that_cannot_be_asked(asks: Callable[[Any], Any], message: str) -> None:
    @nas.space
    def bad(choose: Any) -> Any:
        asks(choose)
        return nas.block(nn.Identity)

    for seed in range(2):  # the second time, what was asked before is known
        with pytest.raises(SpaceError, match=message):
            bad.sample(Random(seed))


def test_builders_that_return_something_else() -> None:
    @nas.space
    def module(choose: Any) -> Any:
        return nn.Identity()

    @nas.space
    def number(choose: Any) -> Any:
        return lambda: 3

    with pytest.raises(SpaceError, match=r"'module' returned Identity; it has to return a func"):
        module.build(module.sample(Random(0)))
    with pytest.raises(SpaceError, match=r"'number' returned built a int; expected an nn\.Module"):
        number.build(number.sample(Random(0)))
    with pytest.raises(SpaceError, match=r"needs 'tokens'; give it with space\.bind\(tokens="):
        nas.space(needing).sample(Random(0))
    with pytest.raises(SpaceError, match=r"@nas\.space got 3; it decorates a function"):
        nas.space(3)  # type: ignore[call-overload]
    with pytest.raises(SpaceError, match=r"takes no arguments; the first one of a builder is"):
        nas.space(lambda: ONE)


def needing(choose: Any, *, tokens: int) -> Any:
    """Needs a fact that no task of images has."""
    return nas.block(nn.Linear, tokens, 1)


def test_lazy_layers_are_refused() -> None:
    @nas.space
    def lazy(choose: Any) -> Any:
        width = choose("w", (2, 3))
        return lambda: nn.Sequential(nn.LazyLinear(width), nn.Linear(width, 2))

    with pytest.raises(
        SpaceError, match=r"layer '0' \(LazyLinear\).*use nn\.Linear with its sizes"
    ):
        lazy.build(lazy.sample(Random(0)))
    with pytest.raises(SpaceError, match="no shape before it sees data"):
        lazy.check(inputs=(4,), classes=2)


def test_a_question_asked_twice_under_limits_is_still_one() -> None:
    @nas.space
    def twice(choose: Any) -> Any:
        choose.range("a", 1, 4)
        choose("b", (1, 2))
        choose.range("a", 1, 5)
        return nas.block(nn.Identity)

    with pytest.raises(SpaceError, match="'a' was asked twice, for int from 1 to 4"):
        twice.sample(Random(0))
    limited = nas.ChoiceSpace(twice.builder, "twice", limits=Limits({"b": ((1,),)}))
    with pytest.raises(SpaceError, match="'a' was asked twice, for int from 1 to 4"):
        limited.sample(Random(0))


def test_mutations_and_repairs_get_past_rejections() -> None:
    equal = SMALL["rejecting"].where(lambda a: a["a"] == a["b"])
    for parent in equal.every():
        child = equal.mutate(parent, Random(0))
        assert child != parent
        assert kept(equal, child)
    assert kept(equal, equal.repair({"a": 1, "b": 4}))


def test_records_that_do_not_fit() -> None:
    good = {"a": 1, "b": "x", "c": True}
    for record, message in (
        ({"a": 1, "b": "x"}, r"no answer for decision 'c' of space 'flat'.*space\.repair"),
        ({**good, "a": 9}, r"'a' of space 'flat' allows one of \(1, 2, 3\), but the record says 9"),
        ({**good, "a": True}, "but the record says True"),
        ({**good, "d": 1, "e": 2}, r"answers \['d', 'e'\], which space 'flat' does not ask"),
    ):
        with pytest.raises(SpaceError, match=message):
            flat.build(nas.Architecture("flat", record))
    with pytest.raises(SpaceError, match=r"'a' was answered 9; it allows one of \(1, 2, 3\)"):
        flat.decide(lambda decision: 9)
    lone = flat.restrict(a=1, b="x", c=True)
    with pytest.raises(SpaceError, match=r"nothing to mutate in .*one option only"):
        lone.mutate(lone.sample(Random(0)), Random(0))


def test_a_rejected_answer_raises_where_it_was_given() -> None:
    space = SMALL["rejecting"]
    with pytest.raises(Rejected, match="an odd sum"):
        space.decide(lambda decision: 1 if decision.name == "a" else 2)
    with pytest.raises(Rejected, match=r"where\(<lambda>\) does not hold"):
        SMALL["flat where"].decide(lambda decision: decision.options[0])


def test_the_zoo_is_whole() -> None:
    for space in ZOO.values():
        assert space.name in ZOO  # spaces that limit another one keep its records
        assert space.__doc__
