"""The public face: complete, sorted, quick to import."""

from __future__ import annotations

import ast
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

import nasturtium
from nasturtium.space.base import Space
from nasturtium.space.zoo import SPACES


def test_all_is_sorted_and_complete() -> None:
    assert nasturtium.__all__ == sorted(set(nasturtium.__all__))
    assert dir(nasturtium) == nasturtium.__all__


@pytest.mark.parametrize("name", nasturtium.__all__)
def test_every_name_resolves(name: str) -> None:
    assert getattr(nasturtium, name) is not None
    namespace: dict[str, object] = {}
    exec(f"from nasturtium import {name}", namespace)
    assert namespace[name] is getattr(nasturtium, name)


@pytest.mark.parametrize("name", SPACES)
def test_a_space_of_the_zoo_is_not_hidden_by_its_module(name: str) -> None:
    for _ in range(2):
        assert isinstance(getattr(nasturtium.zoo, name), Space)
    __import__(f"nasturtium.space.zoo.{SPACES[name]}")
    assert isinstance(getattr(nasturtium.zoo, name), Space)


def test_unknown_names_are_refused() -> None:
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        nasturtium.nonsense  # noqa: B018
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        nasturtium.zoo.nonsense  # noqa: B018


def test_importing_does_not_import_torch() -> None:
    code = (
        "import sys, nasturtium; nasturtium.space, nasturtium.OneOf, nasturtium.SpaceError; "
        "print('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_the_package_that_the_decorator_hides_is_imported_in_both_forms() -> None:
    code = (
        "import nasturtium.space.zoo as zoo, nasturtium.space.decorator as choice; "
        "from nasturtium.space import zoo as same; import nasturtium; "
        "print(zoo is same is nasturtium.zoo, choice.space is nasturtium.space)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["True", "True"]


def test_type_checkers_see_the_same_names_as_programs() -> None:
    tree = ast.parse(Path(str(nasturtium.__file__)).with_suffix(".pyi").read_text())
    seen = [
        (name.name, name.asname, str(node.module))
        for node in tree.body
        if isinstance(node, ast.ImportFrom)
        for name in node.names
    ]
    assert sorted(name for name, _, _ in seen) == nasturtium.__all__
    for name, shown, home in seen:
        assert shown == name
        value = getattr(nasturtium, name)
        assert value is getattr(import_module(home), name) or value is import_module(
            f"{home}.{name}"
        )
