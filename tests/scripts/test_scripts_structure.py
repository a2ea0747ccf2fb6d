"""``scripts/check_structure.py``: each rule finds what breaks it, with its place, and no more."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import check_structure
import pytest
from check_structure import FILE_LINES, FUNCTION_LINES
from import_graph import circles, imports_of, modules_of

FACE = '''"""A face."""

from importlib import import_module

__all__ = ["documented", "silent"]


def __getattr__(name):
    return getattr(import_module("{name}.public"), name)
'''
PUBLIC = '''def documented():
    """Return one.

    Example:
        >>> 1
        1
    """


def silent():
    """Return two."""
'''


@pytest.fixture
def package(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    """Create a package with a unique name, because examples are found by importing it."""
    name = re.sub(r"\W", "_", f"package_{request.node.name}")
    files = {
        "__init__.py": FACE.format(name=name),
        "public.py": PUBLIC,
        "late.py": f"def call():\n    from {name}.types import Other\n    return Other\n",
        "types.py": "from typing import TYPE_CHECKING\n\n"
        f"if TYPE_CHECKING:\n    from {name}.late import call\n",
        "down.py": f"import {name}.late\nfrom . import public\n",
        "upper/__init__.py": "",
        "upper/one.py": f"from {name}.lower.two import two\n",
        "lower/__init__.py": "",
        "lower/two.py": f"import {name}.down\n",
        "lower/three.py": f'import importlib\nimportlib.import_module("{name}.upper.other")\n',
        "upper/other.py": f"import {name}\n",
        "long.py": "def short():\n"
        + '    """Say it.\n' + "\n" * 100 + '    """\n'
        + "    pass\n" * (FUNCTION_LINES - 1)
        + "\n\ndef long():\n" + "    pass\n" * FUNCTION_LINES,
        "file.py": "x = 1\n" * (FILE_LINES + 1),
    }  # fmt: skip
    for path, text in files.items():
        file = tmp_path / name / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return tmp_path / name


def test_each_rule_finds_what_breaks_it(
    package: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.chdir(package.parent)
    assert check_structure.main(["--package", str(package)]) == 1
    name, lines = package.name, capsys.readouterr().out.splitlines()
    starts = [
        f"{name}/file.py:1: file: {FILE_LINES + 1} lines, at most {FILE_LINES}; ",
        f"{name}/late.py:2: circle: {name}.late, {name}.types import each other (late.py:2 ",
        f"{name}/long.py:106: function: ",
        f"{name}/lower/three.py:2: circle: {name}.lower, {name}.upper import each other (",
        f"{name}/public.py:10: example: {name}.silent ",
        f"{name}/upper/other.py:1: face: {name}.upper.other imports {name}, ",
        "violations: file 1, circle 2, function 1, example 1, face 1",
    ]
    long = (package / "long.py").read_text().splitlines().index("def long():") + 1
    starts[2] = f"{name}/long.py:{long}: function: long has {FUNCTION_LINES + 1} lines, "
    assert [line[: len(start)] for line, start in zip(lines, starts, strict=True)] == starts


def test_paths_choose_what_is_printed(
    package: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "path", list(sys.path))
    words = ["--package", str(package)]
    assert check_structure.main([*words, str(package / "lower" / "two.py")]) == 0
    assert capsys.readouterr().out == ""
    assert check_structure.main([*words, str(package / "upper"), str(package / "file.py")]) == 1
    assert capsys.readouterr().out.splitlines()[-1] == "violations: file 1, face 1"


def test_imports_are_found_however_they_are_written(tmp_path: Path) -> None:
    files = {
        "__init__.py": "",
        "a.py": "from . import b\nfrom .sub import c\nfrom .sub.c import name\nimport os\n",
        "b.py": "import p.sub.c as c, p.a\nfrom p import a, sub\n",
        "sub/__init__.py": "from .. import a\nfrom . import c\n",
        "sub/c.py": "from ..a import name\n",
    }
    for path, text in files.items():
        (tmp_path / "p" / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "p" / path).write_text(text)
    found = imports_of(modules_of(tmp_path / "p"))
    assert [(one.importer, one.imported, one.line) for one in found] == [
        ("p.a", "p.b", 1),
        ("p.a", "p.sub.c", 2),
        ("p.a", "p.sub.c", 3),
        ("p.b", "p.sub.c", 1),
        ("p.b", "p.a", 1),
        ("p.b", "p.a", 2),
        ("p.b", "p.sub", 2),
        ("p.sub", "p.a", 1),
        ("p.sub", "p.sub.c", 2),
        ("p.sub.c", "p.a", 1),
    ]


def test_circles_are_the_strongly_connected_components() -> None:
    assert circles({"a": ["b"], "b": ["c"], "c": []}) == []
    assert circles({"a": ["b", "d"], "b": ["c"], "c": ["a"], "d": ["e"], "e": ["d", "d"]}) == [
        ["a", "b", "c"],
        ["d", "e"],
    ]
    chain = {str(node): [str(node + 1)] for node in range(5_000)} | {"5000": ["0"]}
    assert [len(circle) for circle in circles(chain)] == [5_001]
