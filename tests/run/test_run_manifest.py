from __future__ import annotations

import inspect
from functools import partial
from pathlib import Path
from typing import Any

import pytest

import nasturtium as nas
from nasturtium.run.call import SearchCall, call_to_json
from nasturtium.run.describe_part import describe_part
from nasturtium.run.manifest import check_unchanged, new_manifest
from nasturtium.run.plan import SearchPlan
from nasturtium.task.make_task import make_task


def call(**given: Any) -> SearchCall:
    defaults = {
        name: parameter.default
        for name, parameter in inspect.signature(nas.search).parameters.items()
    }
    return SearchCall(**{**defaults, "data": "digits", **given})


def manifest(own: Any = None, part: Any = None) -> dict[str, Any]:
    task = make_task([[0.0, 1.0], [1.0, 0.0]] * 10, [0, 1] * 10, name="pairs")
    plan = SearchPlan(
        name="s",
        task=task,
        space=own or nas.zoo.nasbench201,
        strategy=nas.RegularizedEvolution(population=7),
        estimator=part or nas.Train(nas.Recipe(epochs=3)),
        objectives=(nas.Objective("accuracy"),),
        constraints=(nas.Objective("params", "min", 5e4),),
        recipe=nas.Recipe(epochs=3),
        seed=4,
    )
    return new_manifest(plan, {})


def test_the_same_study_has_not_changed() -> None:
    first = manifest()
    assert first["strategy"] == {"name": "RegularizedEvolution", "population": 7, "sample": 5}
    assert first["estimator"]["recipe"]["epochs"] == 3
    assert first["data"]["examples"] == {"train": 12, "valid": 4, "test": 4}
    check_unchanged(first, manifest(), "s")
    check_unchanged(first, {**manifest(), "machine": "another", "call": {}, "commit": "x"}, "s")


@pytest.mark.parametrize("entry", ["seed", "data", "space", "strategy", "estimator", "recipe"])
def test_another_study_is_refused_by_name(entry: str) -> None:
    now = {**manifest(), entry: "another"}
    with pytest.raises(nas.StoreError, match=rf"study 's' exists with another {entry} \({entry}: "):
        check_unchanged(manifest(), now, "s")


def test_only_the_settings_that_differ_are_shown() -> None:
    now = {**manifest(part=nas.Train(nas.Recipe(epochs=3, lr=0.7))), "seed": 5}
    now["recipe"] = {**now["recipe"], "lr": 0.7, "balance": True}
    now["objectives"] = [*now["objectives"], {"metric": "params", "goal": "min", "bound": None}]
    with pytest.raises(nas.StoreError) as caught:
        check_unchanged(manifest(), now, "s")
    assert str(caught.value).startswith(
        "study 's' exists with another seed and another recipe and another objectives (seed: 4, "
        "now 5; recipe.lr: 0.1, now 0.7; recipe.balance: not set, now True; objectives: ["
    )
    assert str(caught.value).endswith("); give another name, or the old settings to resume it")
    long = {**manifest(), "space": {"name": "x" * 9999, **{str(n): n for n in range(50)}}}
    with pytest.raises(nas.StoreError, match=r"; and \d\d more\); give another") as caught:
        check_unchanged(manifest(), long, "s")
    assert len(str(caught.value)) < 1500


def net(widths: tuple[int, ...], *more: str) -> nas.ChoiceSpace:
    @nas.space
    def net(choose: Any) -> Any:
        choose("width", widths)
        for name in more:
            choose(name, (1, 2))
        return nas.block(dict)

    return net


@pytest.mark.parametrize(
    ("now", "message"),
    [
        (net((4, 8, 16)), r"\(decision 'width': one of \(4, 8\), now one of \(4, 8, 16\)\)"),
        (net((4, 8), "depth"), r"\(decision 'depth' is new\)"),
        (nas.zoo.mlp, r"space.name: 'net', now 'mlp'"),
    ],
)
def test_what_changed_in_a_space_is_named(now: nas.Space, message: str) -> None:
    with pytest.raises(nas.StoreError, match=message):
        check_unchanged(manifest(net((4, 8))), manifest(now), "s")
    old = {key: value for key, value in manifest(net((4, 8))).items() if key != "decisions"}
    with pytest.raises(nas.StoreError, match="another space"):
        check_unchanged(old, manifest(now), "s")


def test_parts_are_told_by_their_class_and_arguments(tmp_path: Path) -> None:
    def look(architecture: Any) -> Any:
        return {}

    assert describe_part(nas.Tabular({"a": {}, "b": {}}))["lookup"] == "a mapping of 2"
    assert describe_part(nas.Tabular(look))["lookup"].endswith("look")
    assert describe_part(tmp_path) == str(tmp_path)
    assert describe_part([1, "a", None]) == [1, "a", None]


def test_what_is_another_in_every_run_is_no_part_of_it() -> None:
    class Plain:
        def __init__(self, deep: int) -> None:
            self.deep = deep

    def of(value: object) -> dict[str, Any]:
        return manifest(own=nas.zoo.nasbench201.bind(inputs=value))

    old, new = of(object()), of(object())
    assert old["space"]["arguments"]["inputs"] == "<object object>"
    check_unchanged(old, new, "s")  # else such a study could never be gone on with
    tabular = [nas.Tabular(partial(dict, [("score", 1.0)])) for _ in range(2)]
    check_unchanged(manifest(part=tabular[0]), manifest(part=tabular[1]), "s")
    with pytest.raises(nas.StoreError, match="another estimator"):
        check_unchanged(manifest(part=Plain(1)), manifest(part=Plain(2)), "s")


def test_the_call_is_kept_as_text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "own.py").write_text("")
    (tmp_path / "images").mkdir()
    monkeypatch.chdir(tmp_path)
    given = call(
        data="images",
        space="own.py:net(layers=2)",
        strategy=nas.RandomSearch(),
        objectives=("accuracy", nas.Objective("params", "min")),
        constraints=("params<5k", nas.Objective("latency", "min", 5.0)),
        watch=print,
        executor="here",
    )
    texts = call_to_json(given, "layout='NHWC'")
    assert texts["load"] == "layout='NHWC'"
    assert texts["data"] == str(tmp_path / "images")
    assert texts["space"] == f"{tmp_path / 'own.py'}:net(layers=2)"  # from any folder
    assert texts["strategy"] == "?"
    assert texts["objectives"] == ["accuracy", "min:params"]
    assert texts["constraints"] == ["params<5k", "latency<5"]
    assert not {"watch", "executor"} & set(texts)
