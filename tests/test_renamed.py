"""Old names are refused, and the messages give the new ones."""

from __future__ import annotations

import inspect
import pickle
import re
from collections.abc import Callable
from copy import copy
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

import pytest

import nasturtium as nas
from nasturtium import renamed
from nasturtium.renamed import RENAMED, Renamed
from nasturtium.report.page import report as write_report
from nasturtium.run.names import build_part
from nasturtium.space.base import Space
from nasturtium.study.context import StudyContext
from nasturtium.study.preparation import Preparation

ENTRIES = {kind: [one for one in RENAMED if one.kind == kind] for kind in {e.kind for e in RENAMED}}


def named(entries: list[Renamed]) -> list[str]:
    return [f"{entry.owner}.{entry.old}" for entry in entries]


def test_every_entry_is_there_once() -> None:
    assert len({(kind, owner, old) for kind, owner, old, _ in RENAMED}) == len(RENAMED)


@pytest.mark.parametrize("entry", ENTRIES["option"], ids=named(ENTRIES["option"]))
def test_old_options_have_a_message_with_the_new_one(entry: Renamed) -> None:
    assert renamed.option(entry.old) == f"`{entry.old}` is now `{entry.new}`"
    assert renamed.option(f"{entry.old}=params<9k") == f"`{entry.old}` is now `{entry.new}`"


@pytest.mark.parametrize("ask", [renamed.option, renamed.public])
def test_other_names_have_no_message(ask: object) -> None:
    assert callable(ask) and ask("--nonsense") is None


def test_a_decorated_function_keeps_its_signature() -> None:
    @renamed.with_new_arguments("search")
    def search(data: object, *, constraints: tuple[str, ...] = ()) -> tuple[str, ...]:
        return constraints

    assert list(inspect.signature(search).parameters) == ["data", "constraints"]
    assert search("digits", constraints=("params<50k",)) == ("params<50k",)
    with pytest.raises(TypeError, match="search: `within` is now `constraints`"):
        search("digits", within=("params<50k",))  # type: ignore[call-arg]


def test_a_subclass_that_defines_an_old_method_is_refused() -> None:
    with pytest.raises(TypeError, match=r"Own defines `fold`, which is now `update\(state, hist"):
        renamed.refuse_hooks("Strategy", {"fold": None}, "Own")
    renamed.refuse_hooks("Strategy", {"update": None}, "Own")


def test_manifests_of_format_2_are_read_under_the_new_names() -> None:
    old = {
        "format": 2,
        "within": [{"metric": "params"}],
        "strategy": {"name": "MedianStop", "strategy": {"name": "Portfolio", "hope": 0.1}},
        "estimator": {"name": "Together", "parts": [{"name": "Hardware"}, {"name": "Train"}]},
        "call": {
            "within": ["params<9k"],
            "strategy": "asha(strategy=portfolio(mutants=5, hope=0.1,doubt = 0))",
            "estimator": "own.py:portfolio(hope=1)",
        },
    }
    assert renamed.manifest(old) == {
        "format": 3,
        "constraints": [{"metric": "params"}],
        "strategy": {"name": "MedianStop", "strategy": {"name": "Portfolio", "stop_below": 0.1}},
        "estimator": {"name": "Combined", "parts": [{"name": "Hardware"}, {"name": "Train"}]},
        "call": {
            "constraints": ["params<9k"],
            "strategy": "asha(strategy=portfolio(mutants=5, stop_below=0.1,min_skill = 0))",
            "estimator": "own.py:portfolio(hope=1)",
        },
    }
    for other in ({}, {"format": 1, "within": []}, {"format": 3, "within": []}):
        assert renamed.manifest(other) is other


@pytest.mark.parametrize("damaged", [None, 3, [], "x", {"name": 5}, {"name": ["x"]}])
def test_damaged_manifests_are_passed_on(damaged: object) -> None:
    renamed.manifest({"format": 2, "strategy": damaged, "call": damaged, "within": damaged})


def test_old_public_names_are_refused() -> None:
    for entry in ENTRIES["public"]:
        with pytest.raises(AttributeError, match=f"nas.{entry.old} is now nas.{entry.new}"):
            getattr(nas, entry.old)
        assert hasattr(nas, entry.new)


CALLS: dict[str, Callable[..., Any]] = {
    "search": partial(nas.search, "digits"),
    "race": partial(nas.race, ["random"], None),
    "Study": partial(nas.Study, nas.zoo.mlp, nas.RandomSearch()),
    "NasturtiumClassifier": nas.NasturtiumClassifier,
    "Portfolio": nas.Portfolio,
    "report": partial(write_report, None),
}


@pytest.mark.parametrize("entry", ENTRIES["argument"], ids=named(ENTRIES["argument"]))
def test_old_arguments_are_refused(entry: Renamed) -> None:
    call = CALLS[entry.owner]
    with pytest.raises(TypeError, match=f"{entry.owner}: `{entry.old}` is now `{entry.new}`"):
        call(**{entry.old: ()})
    function = call.func if isinstance(call, partial) else call
    assert entry.new in inspect.signature(function).parameters


@pytest.mark.parametrize("text", ["portfolio(hope=0.1)", "asha(strategy=portfolio(hope=0.1))"])
def test_old_arguments_in_texts_are_refused(text: str) -> None:
    with pytest.raises(nas.StrategyError, match=r"^strategy .*: `hope` is now `stop_below`$"):
        build_part("strategy", text)


def owners() -> dict[str, object]:
    study = nas.Study(nas.zoo.mlp, nas.RandomSearch(), store=None)
    context = StudyContext("s", 0, nas.zoo.mlp)
    job = nas.Job(
        0, nas.Proposal(nas.zoo.mlp.bind(inputs=(4,), classes=2).sample(Random(0))), context
    )
    preparation = Preparation(context, "strategy", print)
    return {"Space": nas.zoo.mlp, "Study": study, "Job": job, "Preparation": preparation}


@pytest.mark.parametrize("entry", ENTRIES["attribute"], ids=named(ENTRIES["attribute"]))
def test_old_attributes_are_refused(entry: Renamed) -> None:
    owner = owners()[entry.owner]
    message = re.escape(f"{entry.owner}: `{entry.old}` is now `{entry.new}`")
    with pytest.raises(AttributeError, match=message):
        renamed.missing_attribute(owner, entry.old)
    assert type(owner).__getattr__ is renamed.missing_attribute  # type: ignore[attr-defined]
    with pytest.raises(AttributeError, match="object has no attribute 'nonsense'"):
        owner.nonsense  # type: ignore[attr-defined]  # noqa: B018


def test_what_has_old_attributes_is_copied_and_pickled() -> None:
    for owner in owners().values():
        assert type(copy(owner)) is type(owner) and vars(copy(owner)).keys() == vars(owner).keys()
    space = pickle.loads(pickle.dumps(nas.zoo.mlp))
    assert space.name == "mlp" and not hasattr(space, "using")


def test_plugins_with_old_methods_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "own.py"
    file.write_text(
        "import nasturtium as nas\n"
        "class Own(nas.Strategy):\n"
        "    def fold(self, state, trial):\n"
        "        return state\n"
        "    def propose(self, state, history, rng):\n"
        "        return None\n"
    )
    with pytest.raises(nas.StrategyError, match=r"Own defines `fold`, which is now `update\(state"):
        build_part("strategy", f"{file}:Own")
    with pytest.raises(TypeError, match="Own defines `using`, which is now `bind"):
        type("Own", (Space,), {"using": None})
