"""``scripts/draw_architecture.py``: parts on their layers, arrows that count, and what is wrong."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from xml.etree import ElementTree

import draw_architecture
import pytest
from draw_architecture import caption_of, graph_of, reduced, svg_of
from layered_layout import HEIGHT, WIDTH, increasing, layout_of, width_of

PROJECT = """
[[tool.importlinter.contracts]]
type = "layers"
layers = ["top", "(absent) | left | right", "low : lower", "base"]
"""
FILES = {
    "__init__.py": "",
    "top.py": '"""What stands above: all of it."""\nimport p.left, p.right.inner, p.low, p.base',
    "left.py": '"""A caption & more."""\nfrom p import low',
    "right/__init__.py": "",
    "right/inner.py": "def late():\n    import p.lower",
    "low.py": "import p.lower, p.base",
    "lower.py": "from p.base import x",
    "base.py": "",
}


@pytest.fixture
def package(tmp_path: Path) -> Path:
    for name, text in FILES.items():
        (tmp_path / "p" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "p" / name).write_text(text)
    (tmp_path / "pyproject.toml").write_text(PROJECT)
    return tmp_path / "p"


def test_arrows_that_follow_from_others_are_left_out(package: Path) -> None:
    graph = graph_of(package, package.parent / "pyproject.toml")
    assert graph.layers == [["top"], ["left", "right"], ["low", "lower"], ["base"]]
    assert graph.captions["left"] == "A caption & more"
    assert graph.arrows == [
        ("left", "low"), ("low", "lower"), ("right", "lower"), ("top", "left"), ("top", "right"),
    ]  # fmt: skip
    assert graph.wrong == []


def test_arrows_up_and_circles_are_wrong(package: Path) -> None:
    (package / "lower.py").write_text("import p.low\nfrom typing import TYPE_CHECKING\n")
    (package / "right" / "inner.py").write_text("if TYPE_CHECKING:\n    import p.top\n")
    graph = graph_of(package, package.parent / "pyproject.toml")
    assert graph.wrong == [("low", "lower"), ("lower", "low"), ("right", "top")]
    picture = svg_of(graph, layout_of(graph.layers, graph.arrows))
    assert picture.count('class="wrong"') == 3


def test_a_part_that_no_layer_names_is_an_error(package: Path) -> None:
    (package / "new.py").touch()
    with pytest.raises(SystemExit, match=r"error: new: in no layer of .*pyproject.toml"):
        graph_of(package, package.parent / "pyproject.toml")


def test_boxes_do_not_overlap_and_rows_go_down(package: Path) -> None:
    graph = graph_of(package, package.parent / "pyproject.toml")
    layout = layout_of(graph.layers, graph.arrows)
    assert [sorted(name for name in row if "@" not in name) for row in layout.rows] == [
        ["top"], ["left", "right"], ["low"], ["lower"], ["base"],
    ]  # fmt: skip
    for row in layout.rows:
        for one, other in pairwise(row):
            room = (width_of(one) + width_of(other)) / 2
            assert layout.x[other] - layout.x[one] > room
    assert all(lower - upper > HEIGHT for upper, lower in pairwise(layout.y))
    assert all(layout.x[name] >= width_of(name) / 2 for name in layout.x)
    assert layout.x["top"] >= WIDTH / 2


def test_the_picture_is_the_same_in_every_run_and_is_compared(
    package: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    picture = package.parent / "picture.svg"
    words = ["--package", str(package), "--project", str(package.parent / "pyproject.toml")]
    words += ["--picture", str(picture)]
    assert draw_architecture.main([*words, "--check"]) == 1
    assert "out of date; run scripts/draw_architecture.py" in capsys.readouterr().err
    assert draw_architecture.main(words) == 0
    text = picture.read_text()
    assert draw_architecture.main([*words, "--check"]) == 0
    assert picture.read_text() == text
    root = ElementTree.fromstring(text)
    names = [node.text for node in root.iter() if node.get("class") == "name"]
    assert sorted(names) == ["base", "left", "low", "lower", "right", "top"]
    (package / "left.py").write_text("")
    assert draw_architecture.main([*words, "--check"]) == 1


def test_captions_are_first_sentences_and_long_ones_end_at_their_colon() -> None:
    assert caption_of("The command ``p``: search, and\nmore. Else.\n\nRest.") == (
        "The command p: search, and more"
    )
    assert caption_of("Blocks: " + "factories of modules " * 4) == "Blocks"
    assert caption_of("") == ""


def test_reduction_and_least_squares() -> None:
    assert reduced({("a", "b"), ("b", "c"), ("a", "c"), ("a", "d"), ("c", "d")}) == [
        ("a", "b"), ("b", "c"), ("c", "d"),
    ]  # fmt: skip
    assert increasing([1.0, 3.0, 1.0, 5.0], [1.0, 1.0, 1.0, 1.0]) == [1.0, 2.0, 2.0, 5.0]
    assert increasing([2.0, 1.0], [3.0, 1.0]) == [1.75, 1.75]
