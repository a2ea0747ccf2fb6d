"""``nasturtium describe`` of a space: short for people, whole as JSON, drawn into a file."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from nasturtium.cli import main

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    monkeypatch.chdir(tmp_path)

    def call(*words: str) -> tuple[int, str, str]:
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main(list(words))
        code = ended.value.code
        assert isinstance(code, int)
        return code, *capsys.readouterr()

    return call


def test_short_for_people_and_whole_as_json(run: Run) -> None:
    code, out, _ = run("describe", "anynet")
    assert code == 0
    assert "width: 8 to 1024 in steps of 8 (128 values)" in out
    assert out.count("1 to 16 (16 values)") == 1
    assert "├─● enter" in out
    code, out, _ = run("describe", "anynet", "--json")
    told = json.loads(out)
    assert len(told["decisions"]) == 16
    assert all(str(width) in told["decisions"][1] for width in range(8, 1025, 8))


def test_a_picture_is_a_file(run: Run, tmp_path: Path) -> None:
    code, out, _ = run("describe", "mlp", "--svg", "net.svg")
    assert code == 0
    assert "net.svg, " in out
    assert (tmp_path / "net.svg").read_text().startswith("<svg")


@pytest.mark.parametrize(
    ("words", "parts"),
    [
        (
            ("mlp", "--svg", "none/net.svg"),
            ("cannot be written to 'none/net.svg'", "no folder 'none'"),
        ),
        (("study.db", "--svg", "net.svg"), ("'study.db' is a study", "nasturtium report")),
        (("anynt", "--svg", "net.svg"), ("did you mean 'anynet'?",)),
    ],
)
def test_what_cannot_be_drawn(run: Run, words: tuple[str, ...], parts: tuple[str, ...]) -> None:
    code, out, err = run("describe", *words)
    assert (code, out) == (2, "")
    assert err.startswith("error: ")
    assert len(err.splitlines()) == 1
    for part in parts:
        assert part in err
