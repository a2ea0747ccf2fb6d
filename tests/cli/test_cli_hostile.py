"""What the command line makes of hostile words, damaged manifests, and texts to be pasted."""

from __future__ import annotations

import contextlib
import json
import shlex
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from markdown_it import MarkdownIt

import nasturtium as nas
from nasturtium.cli import main
from nasturtium.cli.description import describe_study
from nasturtium.display.printable import escape_unprintable
from nasturtium.errors import StoreError
from nasturtium.retraining.model_card import _code, _literal
from nasturtium.run.command_line import command_line
from nasturtium.run.validate_manifest import validate_manifest
from nasturtium.status.study_summary import address
from nasturtium.study.event import Event
from nasturtium.study.stores.database import Database
from nasturtium.study.stores.sql import SqlStore
from nasturtium.study.study import Study

Run = Callable[..., "tuple[int, str, str]"]

SEARCH = (
    "search", "iris", "--space", "mlp", "--estimator", "hardware", "--objective", "params",
    "--executor", "here", "-q", "--trials", "1", "--control", "0",
)  # fmt: skip


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    """Runs a command in an empty folder; whatever it is given, it ends with a line and a code."""
    monkeypatch.chdir(tmp_path)

    def call(*words: object) -> tuple[int, str, str]:
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main([str(word) for word in words])
        shown = capsys.readouterr()
        code = ended.value.code if isinstance(ended.value.code, int) else 0
        assert code in (0, 2), (words, shown.err)
        assert "Traceback" not in shown.err
        return code, shown.out, shown.err

    return call


@pytest.fixture(scope="module")
def events(tmp_path_factory: pytest.TempPathFactory) -> list[Event]:
    path = tmp_path_factory.mktemp("made") / "study.db"
    nas.search(
        "iris", space="mlp", estimator="hardware", objectives=("params",), constraints=("macs<1M",),
        executor="here", trials=2, control=0.5, store=path, name="s",
    )  # fmt: skip
    log = SqlStore(path)
    found = list(log.read("s"))
    log.close()
    return found


LONG = "é" * 300
WORDS = {
    "--space": ["", "(", "mlp(", "mlp(widths=(-1,))", "mlp(widths=a)", LONG, "a\0.py:b", ":", "x:"],
    "--recipe": ["epochs", "epochs=a", "lr=(1", "augment=3", "augment={flip:5}", "flip=5", "x='"],
    "--strategy": ["evolution(5)", "evolution(population=x)", "optuna(options={a:1})", "os:system"],
    "--estimator": [
        "train(keep=5)",
        "train(x=1)",
        "hardware(metrics=5)",
        "hardware(metrics=(x,))",
        "sys:path",
    ],
    "--objective": ["", "min:", ":x", "\x1b[2J", LONG],
    "--constraint": ["params", "params<nan", "params<1e999999", "<5", "params<5kk"],
    "--numerics": ["threads=(1", "threads=a", "threads=0", "device=cuda:99999999999999999999", "x"],
    "--executor": ["processes(2)", "processes(workers=a)", "here(1)", "subprocess:Popen"],
    "--store": ["", ".", "/", LONG, "sqlite://", "x://y", "no/such/folder.db"],
    "--name": ["\0", "a\nb"],
    "--hours": ["nan", "-1", "0"],
    "--control": ["nan", "1", "-1"],
    "--time-limit": ["nan", "0"],
}


@pytest.mark.parametrize("option", WORDS)
def test_no_word_of_search_gives_a_traceback(run: Run, option: str) -> None:
    for word in WORDS[option]:
        code, out, err = run(*SEARCH, option, word)
        assert (code, out) == (2, ""), word
        assert sum(line.startswith("error: ") for line in err.splitlines()) == 1, (word, err)


@pytest.mark.parametrize(
    "words",
    [
        ("search", LONG),
        ("search", "a\0b"),
        ("search", "~nobody_of_that_name/x"),
        ("status", LONG),
        ("describe", f"{LONG}.db:x"),
        ("report", "s.db", "--out", f"{LONG}.html"),
        ("race", "random", "evolution", "--plot", "no/such/folder.html"),
        ("describe", "mlp", "--inputs", "3xx"),
        ("describe", "s.db", "--inputs", "3"),
        ("describe", "mlp(widths=(a,))"),
        ("finish", "s.db", "--trial", "99"),
        ("finish", "s.db", "--data", LONG),
        ("resume", "s.db", "--hours", "nan"),
        ("evidence", "s.db", "--data", "\0"),
    ],
)
def test_no_word_of_others_gives_a_traceback(
    run: Run, events: list[Event], words: tuple[str, ...]
) -> None:
    log = SqlStore("s.db")
    log.append("s", events)
    log.close()
    code, _, err = run(*words)
    assert code == 2
    assert err.count("error: ") == 1


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("finish", "s.db", "--export", "net.txt"), "net.txt ends in .txt; expected .onnx"),
        (("finish", "s.db", "--export", "no/net.onnx"), "there is no folder 'no'"),
        (("finish", "s.db", "--export", "net.pt2", "--int8"), "a path that ends in .onnx as well"),
        (("finish", "s.db", "--export", "is.onnx"), "it is a folder"),
        (("export", "s.db", "net"), "net ends in nothing"),
    ],
)
def test_a_file_that_cannot_be_is_refused_before_the_training(
    run: Run, words: tuple[str, ...], message: str
) -> None:
    Path("is.onnx").mkdir()  # there is not even a store, which would be read next
    code, out, err = run(*words)
    assert (code, out) == (2, "")
    assert message in err


# -- damaged manifests ----------------------------------------------------------------------------

ODD: list[Any] = [None, "x", 5, -1, 0.5, [], {}, ["x"], {"x": 1}, True, 10**400, "\x1b[2J", [[]]]


def places(data: dict[str, Any]) -> list[tuple[str, ...]]:
    """The entries of a manifest, and those within them."""
    found: list[tuple[str, ...]] = []
    for key, value in data.items():
        found.append((key,))
        if isinstance(value, dict) and key not in ("versions", "machine", "decisions"):
            found += [(key, inner) for inner in value]
    return found


def test_no_damaged_manifest_gives_a_traceback(events: list[Event]) -> None:
    """Each entry in turn is missing or something else."""
    first = events[0].data
    assert isinstance(first, dict)
    refused = []
    for place in places(first):
        for odd in (*ODD, ODD):
            manifest = json.loads(json.dumps(first))
            inner = manifest
            for key in place[:-1]:
                inner = inner[key]
            if odd is ODD:
                del inner[place[-1]]
            else:
                inner[place[-1]] = odd
            try:
                read = validate_manifest(manifest, "s")
                describe_study(read)
                command_line(read)
                assert {type(read["workers"]), type(read["seed"])} == {int}
            except nas.NasturtiumError as error:
                refused.append(str(error))
    assert len(refused) > 300
    assert max(map(len, refused)) < 600


def test_a_note_of_another_shape_is_refused_or_named(run: Run, events: list[Event]) -> None:
    bad: list[Any] = [
        5, {}, {"trial": 0}, {"trial": "x", "recipe": {"epochs": 1}}, {"trial": 0, "recipe": []},
    ]  # fmt: skip
    for number, identity in enumerate(bad):
        log = SqlStore(f"{number}.db")
        log.append("s", events)
        try:
            log.append("s", [Event("note", {"finished": identity, "metrics": {}})])
        except StoreError:
            expected, said = 0, ""
        else:
            expected, said = 2, "has a damaged note of a finished network"
        log.close()
        code, _, err = run("status", f"{number}.db")
        assert code == expected and said in err


# -- what is printed ------------------------------------------------------------------------------


def test_what_is_printed_to_be_pasted_is_quoted(
    run: Run, tmp_path: Path, events: list[Event]
) -> None:
    odd = "x;touch PWNED;#"
    manifest = json.loads(json.dumps(events[0].data))
    manifest["data"]["name"] = odd
    manifest["name"] = odd
    manifest["call"]["data"] = f"--store={odd}"
    log = SqlStore(f"{odd}.db")
    log.append(odd, [Event("manifest", manifest), *events[1:]])
    log.close()
    code, out, _ = run("status", f"{odd}.db", "--json")
    assert shlex.split(json.loads(out)[0]["resume"]) == [
        "nasturtium", "resume", f"{odd}.db:{odd}",
    ]  # fmt: skip
    code, out, _ = run("describe", f"{odd}.db", "--command")
    words = shlex.split(out)
    assert words[words.index("--store") + 1] == f"{odd}.db"
    assert words[-2:] == ["--", f"--store={odd}"]
    assert run("report", f"{odd}.db")[0] == 0
    page = (tmp_path / "report.html").read_text()
    assert "nasturtium evidence &#39;x;touch PWNED;#.db:x;touch PWNED;#&#39;" in page
    manifest["call"]["data"] = "a\x1b[2Jb"
    log = SqlStore("other.db")
    log.append(odd, [Event("manifest", manifest), *events[1:]])
    log.close()
    code, _, err = run("describe", "other.db", "--command")
    assert code == 2
    assert "cannot be pasted" in err


def test_no_sign_steers_the_terminal() -> None:
    assert escape_unprintable("a\x1b[2Jb\udcff\r\tc") == "a\\x1b[2Jb\\xff\\r\\tc"
    assert escape_unprintable("café 日本") == "café 日本"


@pytest.mark.parametrize(
    "text",
    ["a\n# heading", "<img src=x onerror=alert(1)>", "`code`", "a|b", "[a](javascript:x)", "# a",
     "*a*", "_a_", "1. a", "- a", "https://x.y", "a\\", "~~a~~"],
)  # fmt: skip
def test_a_foreign_text_stands_for_itself_in_markdown(text: str) -> None:
    markdown = MarkdownIt().enable(["table", "strikethrough"])
    for before in ("", "* ", "# "):
        tokens = markdown.parse(f"{before}{_literal(text)}\n")
        inline = [child for token in tokens for child in token.children or ()]
        assert {child.type for child in inline} <= {"text", "text_special"}, inline
        shown = "".join(child.content for child in inline).replace("\u200b", "")
        assert shown == " ".join(text.split())
    table = markdown.parse(f"| a | b |\n|---|---|\n| {_literal(text)} | x |\n")
    assert sum(token.type == "td_open" for token in table) == 2
    (token,) = MarkdownIt().parse(_code({"a": text}))[1].children or ()
    assert (token.type, token.content) == ("code_inline", json.dumps({"a": text}))


@pytest.mark.parametrize(
    "url",
    ["postgresql+psycopg://nas:SECRET@127.0.0.1:1/d", "postgresql://127.0.0.1:1/d?password=SECRET"],
)
def test_a_password_is_never_printed(
    run: Run, url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for words in (
        ("status", url), ("best", f"{url}:s"), ("resume", url), ("finish", url), ("report", url),
        ("evidence", url), ("describe", url, "--command"), ("describe", url, "--svg", "a.svg"),
        (*SEARCH, "--store", url),
    ):  # fmt: skip
        code, out, err = run(*words)
        assert (code, out) == (2, "")
        assert "SECRET" not in err
    store = object.__new__(SqlStore)  # one that is connected, of which only the address is asked
    store.database = Database(url, None, 0.0, read_only=True)
    study = Study(nas.zoo.mlp, nas.RandomSearch(), name="s", objectives=("accuracy",))
    monkeypatch.setattr(study, "store", store)
    assert "SECRET" not in address(study)
    assert "***" in address(study)


def test_a_store_of_an_older_format_is_refused_and_left_as_it_is(run: Run, tmp_path: Path) -> None:
    store = tmp_path / "old.db"
    with contextlib.closing(sqlite3.connect(store)) as made:
        made.execute(
            "CREATE TABLE event (study VARCHAR(200), number INTEGER, kind VARCHAR(20), body TEXT, "
            "measured TEXT, PRIMARY KEY (study, number))"
        )
        manifest = json.dumps({"name": "s", "format": 1, "versions": {"nasturtium": "0.0.9"}})
        made.execute("INSERT INTO event VALUES ('s', 1, 'manifest', ?, '')", (manifest,))
        made.commit()
    content = store.read_bytes()
    search = ("search", "iris", "--space", "mlp", "--trials", "1", "--store", str(store))
    names = ("status", "best", "describe", "report", "resume", "finish", "check", "repair")
    for words in (*((name, str(store)) for name in names), search):
        code, out, err = run(*words)
        assert (code, out) == (2, ""), words
        assert "was written by nasturtium 0.0.9 before format 2" in err, words
    assert store.read_bytes() == content
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith("old")] == ["old.db"]
