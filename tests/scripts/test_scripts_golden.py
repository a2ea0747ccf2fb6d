"""``scripts/reproduce/golden_studies.py``: recordings repeat, and differences are found."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "scripts" / "reproduce" / "golden_studies.py"
EVENTS = [
    {"kind": "manifest", "data": {"within": ["a<1"], "strategy": {"name": "Old", "rest": 1}}},
    {"kind": "asked", "data": {"n": 0, "error": "the Old, and Older"}},
]


def _run(*words: str | Path) -> tuple[int, list[str]]:
    done = subprocess.run(
        [sys.executable, SCRIPT, *words], capture_output=True, text=True, check=False
    )
    assert not done.stderr, done.stderr
    return done.returncode, done.stdout.splitlines()


def _write(folder: Path, events: list[dict[str, object]]) -> None:
    folder.mkdir(exist_ok=True)
    (folder / "study.jsonl").write_text("".join(json.dumps(one) + "\n" for one in events))


def test_a_study_is_recorded_the_same_twice(tmp_path: Path) -> None:
    for name in ("one", "two"):
        assert _run("record", tmp_path / name, "--only", "random-simulated-1")[0] == 0
    assert _run("compare", tmp_path / "one", tmp_path / "two") == (
        0,
        [f"{'random-simulated-1.jsonl':32} same", "0 of 1 studies differ"],
    )
    lines = (tmp_path / "one" / "random-simulated-1.jsonl").read_text().splitlines()
    kinds = [json.loads(line)["kind"] for line in lines]
    assert kinds[0] == "manifest" and kinds[-1] == "answer"
    assert {"rejected", "failed"} < set(kinds)
    assert "machine" not in json.loads(lines[0])["data"]


def test_names_are_renamed_in_keys_and_texts_and_what_differs_is_shown(tmp_path: Path) -> None:
    _write(tmp_path / "old", EVENTS)
    text = json.dumps(EVENTS).replace("within", "constraints").replace("Old,", "New,")
    new = json.loads(text.replace('"Old"', '"New"'))
    del new[0]["data"]["strategy"]["rest"]
    _write(tmp_path / "new", new)
    names = tmp_path / "names.json"
    names.write_text('{"within": "constraints", "Old": "New", "rest": null}')
    folders = (tmp_path / "old", tmp_path / "new")
    assert _run("compare", *folders, "--renamed", names)[0] == 0
    code, lines = _run("compare", *folders)
    assert code == 1
    assert lines == [
        f"{'study.jsonl':32} 5 differences",
        '    event 1 (manifest).data.constraints: only new: ["a<1"]',
        '    event 1 (manifest).data.strategy.name: "Old" became "New"',
        "    event 1 (manifest).data.strategy.rest: only old: 1",
        "1 of 1 studies differ",
    ]


@pytest.mark.parametrize("fewer", [[], EVENTS[:1]])
def test_missing_studies_and_events_are_differences(
    tmp_path: Path, fewer: list[dict[str, object]]
) -> None:
    _write(tmp_path / "old", EVENTS)
    (tmp_path / "new").mkdir()
    if fewer:
        _write(tmp_path / "new", fewer)
    code, lines = _run("compare", tmp_path / "old", tmp_path / "new")
    assert code == 1
    assert lines[0].endswith(" 1 differences")
