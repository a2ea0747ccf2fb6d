"""Nothing that a store names runs unless this user has run the same before, or says so."""

from __future__ import annotations

import json
import os
import shlex
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import nasturtium as nas
from nasturtium.cli import main
from nasturtium.run.user_code import UserCode, state_folder
from nasturtium.study.event import Event
from nasturtium.study.stores.sql import SqlStore

Run = Callable[..., "tuple[int, str, str]"]

FILE = """
import nasturtium as nas
from torch import nn
{first}

@nas.space
def net(choose, *, inputs, classes):
    width = choose("width", {widths})
    return lambda: nn.Sequential(
        nn.Linear(inputs[0], width), nn.ReLU(), nn.Linear(width, classes))

class Other(nas.Strategy):
    def propose(self, state, history, rng):
        return nas.Proposal(history.space.sample(rng))
"""
MARK = "import os; os.close(os.open('RAN', os.O_CREAT))"
CALLS = "subprocess:Popen(args='touch RAN',shell=True)"


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    """Runs a command in an empty folder, as a user without records."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NASTURTIUM_STATE", str(tmp_path / "state"))
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])  # as python -m does it

    def call(*words: object) -> tuple[int, str, str]:
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main([str(word) for word in words])
        shown = capsys.readouterr()
        return ended.value.code if isinstance(ended.value.code, int) else 0, shown.out, shown.err

    return call


@pytest.fixture(scope="module")
def events(tmp_path_factory: pytest.TempPathFactory) -> list[Event]:
    """The log of a small study that was finished as well."""
    path = tmp_path_factory.mktemp("made") / "study.db"
    study = nas.search(
        "iris", space="mlp", recipe="epochs=1", trials=2, control=0, executor="here", store=path,
        strategy="random", name="s",
    )  # fmt: skip
    nas.retrain(study, recipe="epochs=1")
    log = SqlStore(path)
    found = list(log.read("s"))
    log.close()
    return found


def written(path: Path, events: list[Event], **changes: Any) -> None:
    """A store with the same log under another manifest; ``call__space`` changes an inner entry."""
    manifest = json.loads(json.dumps(events[0].data))
    for key, value in changes.items():
        place, *rest = key.split("__")
        if rest:
            manifest[place][rest[0]] = value
        else:
            manifest[place] = value
    log = SqlStore(path)
    log.append("s", [Event("manifest", manifest), *events[1:]])
    log.close()


HOSTILE: list[dict[str, Any]] = [
    {"call__space": "evil.py:net"},
    {"call__space": "evil.py:net(width=3)"},
    {"call__space": "evil:net"},
    {"call__space": "nested.evil:net"},
    {"call__space": CALLS},
    {"call__space": "antigravity:net"},
    {"call__strategy": "evil.py:Other"},
    {"call__strategy": CALLS},
    {"call__strategy": "os:system(command='touch RAN')"},
    {"call__strategy": "builtins:eval"},
    {"call__strategy": "nasturtium.run.names:build_part(kind=strategy,text='evil.py:Other')"},
    {"call__strategy": "asha(strategy='evil.py:Other')"},
    {"call__strategy": f"median(strategy={CALLS!r})"},
    {"call__strategy": "asha(strategy=median(strategy=evil.py:Other()))"},
    {"call__estimator": CALLS},
    {"call__estimator": "evil.py:Other"},
    {"call__recipe": "evil.py:net"},
    {"call__recipe": "evil:net()"},
    {"call__recipe": CALLS, "space__recipe": "x"},
    {"call__executor": CALLS},
    {"call__watch": CALLS},
]
READING = [
    ("status", "study.db"),
    ("best", "study.db", "--json"),
    ("describe", "study.db"),
    ("describe", "study.db", "--command"),
    ("evidence", "study.db", "--saved"),
    ("report", "study.db"),
]
WORKING = [
    ("resume", "study.db", "--trials", "3", "-q"),
    ("finish", "study.db", "--recipe", "epochs=1", "-q"),
    ("export", "study.db", "net.pt2"),
    ("evidence", "study.db", "--budget-seconds", "0", "-q"),
]


@pytest.mark.parametrize(
    "changes", HOSTILE, ids=lambda changes: "-".join(map(str, changes.items()))
)
def test_no_command_runs_what_a_store_names(
    run: Run, events: list[Event], changes: dict[str, Any], tmp_path: Path
) -> None:
    (tmp_path / "nested").mkdir()
    for path in ("evil.py", "nested/evil.py", "nested/__init__.py"):
        (tmp_path / path).write_text(FILE.format(first=MARK, widths=(4, 8)))
    written(tmp_path / "study.db", events, **changes)
    refused = set()
    shown = READING if "space" in str(changes) or "recipe" in str(changes) else READING[:4]
    for words in (*shown, *WORKING):
        code, out, err = run(*words)
        assert not (tmp_path / "RAN").exists(), words
        assert code in (0, 2), (words, err)
        if code == 2:
            refused.add(words[0])
            assert len([line for line in err.splitlines() if line.startswith("error: ")]) == 1, err
            assert "Traceback" not in err
        if "--command" in words and code == 0:
            assert "executor here" in out or "processes" in out
            assert "evil" not in out and "Popen" not in out
    assert "resume" in refused
    assert not any("evil" in name for name in sys.modules)
    assert "antigravity" not in sys.modules


def test_a_report_goes_without_the_drawing_and_says_why(
    run: Run, events: list[Event], tmp_path: Path
) -> None:
    (tmp_path / "evil.py").write_text(FILE.format(first=MARK, widths=(4, 8)))
    written(tmp_path / "study.db", events, call__space="evil.py:net")
    assert run("report", "study.db")[0] == 0
    page = (tmp_path / "report.html").read_text()
    assert "user&#39;s own space (evil.py:net) is code" in page
    written(tmp_path / "own.db", events)
    assert run("report", "own.db", "--out", "own.html")[0] == 0
    assert 'class="scroll drawing"' in (tmp_path / "own.html").read_text()


@pytest.fixture
def mine(run: Run, tmp_path: Path) -> Iterator[Path]:
    """A study that the user made with a file of his own, which imports another."""
    (tmp_path / "helping_it.py").write_text("widths = (4, 8)\n")
    file = tmp_path / "mine.py"
    file.write_text(FILE.format(first="from helping_it import widths", widths="widths"))
    words = ("--estimator", "hardware", "--objective", "params", "--executor", "here", "-q")
    code, _, err = run("search", "iris", "--space", "mine.py:net", "--trials", 2, *words)
    assert code == 0, err
    yield file
    sys.modules.pop("helping_it", None)


def test_what_the_user_searched_with_runs_again(run: Run, mine: Path, tmp_path: Path) -> None:
    assert run("resume", "study.db", "--trials", 3, "-q")[0] == 0
    records = list((tmp_path / "state" / "trusted").iterdir())
    assert len(records) == 1
    assert set(json.loads(records[0].read_text())["files"]) == {
        str(mine), str(mine.with_name("helping_it.py")),
    }  # fmt: skip
    assert not list(tmp_path.glob("study.db.files/trusted"))
    code, out, _ = run("describe", "study.db", "--command")
    assert code == 0
    assert f"{mine}:net" in shlex.split(out)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ("mine.py", "mine.py was changed since you searched with it"),
        ("helping_it.py", "helping_it.py, which"),
    ],
)
def test_a_changed_file_is_refused_until_the_user_says_so(
    run: Run, mine: Path, changed: str, message: str
) -> None:
    path = mine.with_name(changed)
    path.write_text(path.read_text() + f"\n{MARK}\n")
    for words in WORKING:
        code, out, err = run(*words)
        assert (code, out) == (2, "")
        assert err.count("\n") == 1
        assert message in err
        assert str(path) in err
        assert "--trust (trust=True in Python), or search with it again" in err
    with pytest.raises(nas.StoreError, match="--trust"):
        nas.resume(mine.with_name("study.db"))
    assert not mine.with_name("RAN").exists()
    sys.modules.pop("helping_it")  # as in a new process
    assert run("resume", "study.db", "--trials", 3, "-q", "--trust")[0] == 0
    assert mine.with_name("RAN").exists()  # so the mark would have been seen above
    assert run("resume", "study.db", "--trials", 4, "-q")[0] == 0  # it was remembered
    assert nas.resume(mine.with_name("study.db"), trials=4, trust=True).name


def test_a_record_holds_for_one_place(
    run: Run, mine: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = tmp_path / "other"
    other.mkdir()
    for name in ("mine.py", "helping_it.py"):
        (other / name).write_text((tmp_path / name).read_text())
    assert UserCode.of_file(mine).refusal() is None
    assert "you have not searched with" in str(UserCode.of_file(other / "mine.py").refusal())
    assert "does not exist or cannot be read" in str(UserCode.of_file(tmp_path / "no.py").refusal())
    monkeypatch.setenv("NASTURTIUM_STATE", str(tmp_path / "another"))
    assert "you have not searched with" in str(UserCode.of_file(mine).refusal())
    damaged = tmp_path / "state" / "trusted"
    for record in damaged.iterdir():
        record.write_bytes(b"\xff[[")
    monkeypatch.setenv("NASTURTIUM_STATE", str(tmp_path / "state"))
    mine.write_text("x = 1\n")
    assert "mine.py was changed" in str(UserCode.of_file(mine).refusal())


def test_a_module_is_found_without_running_it(run: Run, tmp_path: Path) -> None:
    (tmp_path / "holding" / "deep").mkdir(parents=True)
    for path, text in (
        ("__init__.py", MARK),
        ("deep/__init__.py", MARK),
        ("deep/net.py", f"from ..wide import a\nimport holding.deep.more\n{MARK}"),
        ("wide.py", "a = 1"),
        ("deep/more.py", "b = 1"),
        ("unseen.py", "c = 1"),
    ):
        (tmp_path / "holding" / path).write_text(text)
    source = UserCode.of_module("holding.deep.net")
    assert not (tmp_path / "RAN").exists()
    assert {os.path.relpath(path, tmp_path) for path in source.files} == {
        "holding/__init__.py", "holding/deep/__init__.py", "holding/deep/net.py",
        "holding/wide.py", "holding/deep/more.py",
    }  # fmt: skip
    source.remember()
    assert UserCode.of_module("holding.deep.net").refusal() is None
    (tmp_path / "holding" / "wide.py").write_text("a = 2")
    assert "wide.py, which" in str(UserCode.of_module("holding.deep.net").refusal())
    for name in ("sys", "no.such", "", "..", "holding.none", "email.\0"):
        assert "no file to inspect" in str(UserCode.of_module(name).refusal()), name
    assert len(UserCode.of_module("json.decoder").files) < 10  # not all that is installed beside it


def test_the_state_folder_follows_the_standard(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("NASTURTIUM_STATE", raising=False)
    monkeypatch.setenv("XDG_STATE_HOME", "relative")
    assert state_folder() == tmp_path / ".local" / "state" / "nasturtium"
    monkeypatch.setenv("XDG_STATE_HOME", "/var/state")
    assert state_folder() == Path("/var/state/nasturtium")
    monkeypatch.setenv("NASTURTIUM_STATE", str(tmp_path / "file"))
    (tmp_path / "file").write_text("in the way")
    UserCode.of_file(tmp_path / "file").remember()  # cannot be written, and nothing is raised
