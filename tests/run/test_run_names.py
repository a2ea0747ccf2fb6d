from __future__ import annotations

from pathlib import Path

import pytest

import nasturtium as nas
from nasturtium.execute.processes import Processes
from nasturtium.run.names import NAMES, build_part, find_recipe_space, look_up, parse_part
from nasturtium.space.recipe_space import RecipeSpace

SOURCE = """
import nasturtium as nas

@nas.space
def net(choose, *, layers=2):
    choose("width", tuple(range(layers)))
    return lambda: None

class Other(nas.Strategy):
    def propose(self, state, history, rng):
        return None
"""


def test_every_name_of_the_table_is_there() -> None:
    kinds = {"space": nas.Space, "strategy": nas.Strategy, "estimator": nas.Estimator}
    for kind, table in NAMES.items():
        for name in table:
            found = look_up(kind, name)
            if kind in ("space", "recipe"):
                assert isinstance(found, nas.Space if kind == "space" else RecipeSpace), name
            elif kind == "benchmark":
                assert callable(found), name
            else:
                assert issubclass(found, kinds.get(kind, nas.Executor)), name


def test_a_text_is_a_name_and_arguments() -> None:
    assert parse_part("strategy", " evolution ") == ("evolution", {})
    text = "evolution(population=50, sample=(1, 'a'))"
    assert parse_part("strategy", text) == ("evolution", {"population": 50, "sample": (1, "a")})
    assert parse_part("strategy", "random()") == ("random", {})
    evolution = build_part("strategy", "evolution(population=7)")
    assert isinstance(evolution, nas.RegularizedEvolution)
    assert evolution.population == 7
    executor = build_part("executor", "processes(workers=3)")
    assert isinstance(executor, Processes)
    assert executor.workers == 3


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("evolution(50)", r"arguments have names; write evolution\(population=50\)"),
        ("evolution(population=", "is not understood; write a name, or a name with arguments"),
        ("evolution(a=1)b", "is not understood; write a name, or a name with arguments"),
        ("(a=1)", "is not understood; write a name, or a name with arguments"),
        ("evolution(population=x)", "'evolution': population='x'; expected a whole number"),
        ("evolution(population=5,5)", "not understood at '5': every argument has a name"),
        ("asha(strategy=evolution(population=x))", "'evolution': population='x'; expected"),
        ("asha(least=a)", "strategy 'asha': least='a'; expected a number"),
    ],
)
def test_a_text_of_another_form_is_refused(text: str, message: str) -> None:
    with pytest.raises(nas.StrategyError, match=message):
        build_part("strategy", text)


@pytest.mark.parametrize(
    ("kind", "text", "message"),
    [
        ("strategy", "subprocess:Popen(args='touch ran',shell=True)", "is Popen; expected a class"),
        ("strategy", "builtins:eval", "is builtin_function_or_method; expected a class under"),
        ("strategy", "hardware", "there is no strategy 'hardware'"),
        ("strategy", "nasturtium:Hardware", "is Hardware; expected a class under nas.Strategy"),
        ("estimator", "os:system(command='touch ran')", "expected a class under nas.Estimator"),
        ("executor", "subprocess:Popen(args='touch ran',shell=True)", "nas.Executor"),
        ("benchmark", "subprocess:Popen(args='touch ran',shell=True)", "a nas.Benchmark, or a"),
        ("space", "os:system(command='touch ran')", "expected a space: decorate the builder"),
        ("recipe", "os:system(command='touch ran')", "expected settings such as epochs=5"),
    ],
)
def test_nothing_of_another_kind_is_called(
    kind: str, text: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(nas.NasturtiumError, match=message):
        build_part(kind, text)
    assert not list(tmp_path.iterdir())


def test_a_folder_may_hold_brackets() -> None:
    name, arguments = parse_part("space", "runs (1)/net.py:net(layers=2)")
    assert (name, arguments) == ("runs (1)/net.py:net", {"layers": 2})


@pytest.mark.parametrize(
    ("kind", "text", "error", "message"),
    [
        ("space", "mobilnet", nas.SpaceError, "no space 'mobilnet'; did you mean 'mobilenet'"),
        ("strategy", "evolutoin", nas.StrategyError, "did you mean 'evolution'"),
        ("estimator", "trian", nas.EstimateError, r"did you mean 'train'\? \(there are: "),
        ("strategy", "evolution(size=3)", nas.StrategyError, "unexpected keyword argument 'size'"),
        ("space", "no.py:net", nas.SpaceError, r"there is no file 'no.py' \(looked in"),
        ("space", "no.such.module:net", nas.SpaceError, "cannot be imported"),
        ("space", "nasturtium.zoo_:net", nas.SpaceError, "cannot be imported"),
    ],
)
def test_an_unknown_name_gets_a_hint(
    kind: str, text: str, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        build_part(kind, text)


def test_parts_of_a_file(tmp_path: Path) -> None:
    file = tmp_path / "own.py"
    file.write_text(SOURCE)
    space = build_part("space", f"{file}:net(layers=3)")
    assert space.size().value == 3
    assert build_part("space", f"{file}:net") is build_part("space", f"{file}:net")  # loaded once
    assert isinstance(build_part("strategy", f"{file}:Other"), nas.Strategy)
    with pytest.raises(nas.StrategyError, match="has no 'Othre'; did you mean 'Other'"):
        build_part("strategy", f"{file}:Othre")
    broken = tmp_path / "broken.py"
    broken.write_text("import nasturtium\n1 / 0\n")
    for _ in range(2):  # a file that failed is read again, and fails again
        with pytest.raises(nas.SpaceError, match=r"cannot be loaded: ZeroDivisionError"):
            build_part("space", f"{broken}:net")


def test_a_recipe_is_settings_or_the_name_of_a_space_of_them(tmp_path: Path) -> None:
    assert find_recipe_space("epochs=5,lr=0.05") is None
    assert find_recipe_space(" lr = 0.1") is None
    assert find_recipe_space("") is None
    asked = find_recipe_space("training(epochs=3)")
    assert asked is not None and asked.arguments == {"epochs": 3}
    with pytest.raises(nas.EstimateError, match="no recipe 'trainin'; did you mean 'training'"):
        find_recipe_space("trainin")
    with pytest.raises(nas.SpaceError, match="'training' takes no argument 'epoch'; did you mean"):
        find_recipe_space("training(epoch=3)")
    file = tmp_path / "mine.py"
    file.write_text(SOURCE)
    with pytest.raises(nas.EstimateError, match=r"is ABCMeta; expected settings such as"):
        find_recipe_space(f"{file}:Other")
