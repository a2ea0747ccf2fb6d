"""Whatever a store holds, a command says one line, and what holds is kept by ``repair``."""

from __future__ import annotations

import contextlib
import io
import json
import os
import shutil
import sqlite3
import subprocess
import sys
from hashlib import sha256
from random import Random

import pytest

import nasturtium as nas
from nasturtium.cli import main
from nasturtium.errors import StoreError
from nasturtium.run.open_study import open_study, read_manifest
from nasturtium.status.study_overview import overview_of, read_overview
from nasturtium.status.study_summary import rows as rows_of
from nasturtium.status.study_summary import summary
from nasturtium.study import log_summary
from nasturtium.study.event import chain_digest
from nasturtium.study.stores import log_writer, snapshots
from nasturtium.study.stores.sql import SqlStore

HOSTILE = [
    None,
    True,
    -1,
    2.5,
    10**400,
    1e400,
    float("nan"),
    "x",
    "\ud800",
    "../" * 9 + "etc/hostname",
    [],
    {},
    [[]],
    {"a": {"b": []}},
]


def said(*words):
    """What a command prints and its exit code; an exception that is no exit is raised."""
    out, err = io.StringIO(), io.StringIO()
    code = 0
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            main([*map(str, words)])
        except SystemExit as end:
            code = end.code or 0
    return code, out.getvalue(), err.getvalue()


@pytest.fixture(scope="module")
def sound(tmp_path_factory):
    """A small real study: finished, failed and rejected trials, notes and a kept file."""
    path = tmp_path_factory.mktemp("sound") / "study.db"
    study = nas.search(
        "digits",
        space="nasbench201(cells=1,channels=4)",
        strategy="random",
        estimator="hardware",
        objectives=("params", "min:macs"),
        constraints=("params<9k",),
        trials=8,
        control=0,
        executor="here",
        store=path,
        name="s",
    )
    study.fail(study.ask(), "it broke")
    assert study.files is not None
    weights = study.files.put_bytes(b"weights")
    identity = {"trial": 0, "recipe": {"epochs": 1}, "seed": 0, "whole": True, "space": {}}
    study.log("note", {"finished": identity, "metrics": {"accuracy": 0.5}, "weights": weights})
    study.ask()
    study.store.close()
    return path


@pytest.fixture
def path(sound, tmp_path):
    shutil.copy(sound, tmp_path / "study.db")
    shutil.copytree(f"{sound}.files", tmp_path / "study.db.files")
    return tmp_path / "study.db"


def raw(path):
    return sqlite3.connect(path, isolation_level=None)


def log(path):
    query = "SELECT number, kind, body, measured FROM event ORDER BY number"
    with contextlib.closing(raw(path)) as connection:
        return connection.execute(query).fetchall()


def rewrite(path, rows):
    """Put these rows in place of the log, with digests that fit."""
    with contextlib.closing(raw(path)) as connection:
        connection.execute("BEGIN")
        connection.execute("DELETE FROM event")
        digest = ""
        for number, kind, body, measured in rows:
            digest = chain_digest(digest, number, kind, body, measured)
            row = ("s", number, kind, body, measured, digest)
            connection.execute("INSERT INTO event VALUES (?, ?, ?, ?, ?, ?)", row)
        connection.execute("COMMIT")


def places(value, before=()):
    """Every entry of nested JSON, as the way to it."""
    if isinstance(value, dict):
        for name, one in value.items():
            yield (*before, name)
            yield from places(one, (*before, name))
    elif isinstance(value, list) and value:
        yield (*before, 0)
        yield from places(value[0], (*before, 0))


def altered(body, place, value):
    """The body with another value at a place; ``places`` without a value drop the entry."""
    data = json.loads(body)
    inner = data
    for step in place[:-1]:
        inner = inner[step]
    if value is places:
        del inner[place[-1]]
    else:
        inner[place[-1]] = value
    return json.dumps(data)


def every(rows):
    """Every change of every entry of the first event of each kind."""
    first = {}
    for row in rows:
        first.setdefault(row[1], row)
    for row in first.values():
        for place in places(json.loads(row[2])):
            for value in (*HOSTILE, places):
                yield row[0], altered(row[2], place, value), row[3]
        for text in ("", "{", "[]", "7", '"x"', "[" * 100_000, "{}", '{"n":0}', '{"n":{}}'):
            yield row[0], text, row[3]
        for measured in ("[1]", "[1e400,0]", '["a","b"]', "{", "7", "[[],[]]"):
            yield row[0], row[2], measured
        for kind in ("", "asked", "told", "failed", "rejected", "manifest", "note", "unknown"):
            yield row[0], row[2], row[3], kind


def test_whatever_an_event_holds_a_command_says_one_line(path):
    rows = log(path)
    cases = list(every(rows))
    chosen = range(len(cases)) if "SOAK" in os.environ else Random(0).sample(range(len(cases)), 90)
    for index in chosen:
        number, body, measured, *kind = cases[index]
        row = (number, *(kind or [rows[number - 1][1]]), body, measured)
        rewrite(path, [row if one[0] == number else one for one in rows])
        for command in ("status", "best", "describe", "check", "best --top 9"):
            words = command.split()
            code, out, err = said(words[0], f"{path}:s", *words[1:])
            assert code in (0, 2), (row, words)
            assert (code == 0) == (not err), (row, words, err)
            assert (err.count("\n") <= 1 and err.isprintable()) or err[:-1].isprintable(), err
            out.encode()


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        ("UPDATE event SET body = replace(body, '1', '2') WHERE number = 5", "event 5"),
        ("UPDATE event SET measured = '[9.0,9.0]' WHERE number = 5", "event 5"),
        ("UPDATE event SET digest = digest || 'a' WHERE number = 5", "event 5"),
        ("UPDATE event SET kind = 'note' WHERE number = 5", "event 5"),
        ("UPDATE event SET body = CAST(x'ff' || body AS TEXT) WHERE number = 5", "event 5"),
        ("UPDATE event SET body = x'00ff' WHERE number = 5", "event 5"),
        ("DELETE FROM event WHERE number = 5", "event 5"),
        (
            "UPDATE event SET number = CASE number WHEN 5 THEN 99 WHEN 6 THEN 5 END "
            "WHERE number IN (5, 6)",
            "event 5",
        ),
    ],
)
def test_a_damaged_row_is_named_and_repair_keeps_what_was_before_it(path, damage, words):
    before = log(path)
    with contextlib.closing(raw(path)) as connection:
        connection.execute(damage)
    damaged = path.read_bytes()
    for command in ("status", "best", "check"):
        code, _, err = said(command, f"{path}:s")
        assert code == 2 and err.count("\n") == 1
        assert command == "check" or f"{words} of study 's'" in err
        assert "nasturtium repair" in err
    assert said("check", path)[1].count(words) == 1
    assert path.read_bytes() == damaged
    code, out, _ = said("repair", path)
    assert code == 0 and "kept its first 4 events" in out
    assert log(path) == before[:4]
    assert any(one.name.startswith("study.db.damaged-") for one in path.parent.iterdir())
    assert said("check", path)[0] == 0
    assert said("status", path)[0] == 0
    assert said("repair", path)[1] == "nothing is damaged, and nothing was changed\n"


def test_damaged_files_leases_and_snapshots_are_set_aside(path):
    digest = sha256(b"weights").hexdigest()
    kept = path.parent / "study.db.files" / digest[:2] / digest
    kept.write_bytes(b"weighty")
    with contextlib.closing(raw(path)) as connection:
        connection.execute("INSERT INTO lease VALUES ('s', '{not json', 0)")
        connection.execute("INSERT INTO snapshot VALUES ('s', 3, 'x', '{}')")
    code, out, err = said("check", path)
    assert code == 2 and "nasturtium repair" in err
    assert "is damaged: its content has another digest" in out
    assert "nobody can tell who drives study 's'" in out and "1 snapshots do not match" in out
    before = log(path)
    code, out, _ = said("repair", path)
    assert code == 0 and "moved the damaged file" in out and "nobody drives it any more" in out
    assert log(path) == before
    assert (path.parent / "study.db.files" / "damaged" / digest).read_bytes() == b"weighty"
    code, out, _ = said("check", path)
    assert code == 2 and "is missing" in out and "nobody can tell" not in out


def test_a_database_of_which_sqlite_reads_a_part_is_salvaged(path):
    with contextlib.closing(raw(path)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        size = connection.execute("PRAGMA page_size").fetchone()[0]
        for number in range(200):  # so that the log has pages that can be damaged
            connection.execute(
                "INSERT INTO event VALUES ('z', ?, '', ?, '', '')", (number, "z" * 999)
            )
    content = bytearray(path.read_bytes())
    content[-5 * size : -3 * size] = bytes(2 * size)
    path.write_bytes(content)
    path.with_name("study.db-wal").unlink(missing_ok=True)
    before = log_or_none(path)
    code, out, err = said("repair", path)
    assert code == 0, err
    assert "of its rows could be read" in out
    assert said("status", f"{path}:s")[0] == 0
    assert before is None or log(path)[: len(before)] is not None


def log_or_none(path):
    try:
        return log(path)
    except sqlite3.DatabaseError:
        return None


# -- reading does not write -----------------------------------------------------------------------


def foreign(path):
    with contextlib.closing(raw(path)) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("CREATE TABLE person (name)")


def nothing(path):
    path.write_bytes(b"")


def text(path):
    path.write_bytes(b"a text that is no database, but is long enough for a header " * 99)


@pytest.mark.parametrize("make", [foreign, nothing, text])
def test_reading_leaves_what_is_no_store_as_it_is(tmp_path, make):
    path = tmp_path / "other.db"
    make(path)
    before = path.read_bytes(), path.stat().st_mtime_ns, ["other.db"]
    for command in ("status", "best", "describe", "report", "check", "resume", "finish", "repair"):
        code, _, err = said(command, path)
        assert code == 2 or command == "repair", command
        assert err.count("\n") == 1 or command == "repair"
        beside = sorted(os.listdir(tmp_path))
        if command in ("resume", "finish", "repair"):  # which may write, and find nothing to
            beside = ["other.db"]
        assert (path.read_bytes(), path.stat().st_mtime_ns, beside) == before, command


def test_a_study_on_a_medium_that_cannot_be_written_is_read(path):
    before = path.read_bytes(), path.stat().st_mtime_ns, sorted(os.listdir(path.parent))
    for command in ("status", "best", "describe", "check"):
        assert said(command, path)[0] == 0
    log = SqlStore(path, read_only=True)
    assert log.append("s", []) > 0
    with pytest.raises(StoreError, match="readonly"):
        log.append("s", [nas.study.event.Event("note", {})])
    log.close()
    now = path.read_bytes(), path.stat().st_mtime_ns, sorted(os.listdir(path.parent))
    assert now == before


def test_a_reader_sees_what_a_driver_writes_meanwhile(path):
    reader = SqlStore(path, read_only=True)
    count = len(list(reader.read("s")))
    writer = SqlStore(path)
    writer.append("s", [nas.study.event.Event("note", {"a": 1})])
    assert len(list(reader.read("s"))) == count + 1
    writer.close()
    assert len(list(reader.read("s"))) == count + 1


def test_status_and_best_import_no_torch(path):
    script = (
        "import sys\nfrom nasturtium.cli import main\n"
        f"try: main([sys.argv[1], {str(path)!r}])\n"
        "except SystemExit: pass\nassert 'torch' not in sys.modules"
    )
    for command in ("status", "best"):
        subprocess.run([sys.executable, "-c", script, command], check=True, capture_output=True)


# -- snapshots -------------------------------------------------------------------------------------


def test_snapshots_summarise_as_the_whole_log_does_wherever_it_ends(sound, tmp_path, monkeypatch):
    events = list(SqlStore(sound, read_only=True).read("s"))
    for size in (3, 7):
        for module in (log_summary, log_writer, snapshots):
            monkeypatch.setattr(module, "SEGMENT", size)
        for end in range(2, len(events) + 1, 2):
            log = SqlStore(tmp_path / f"{size}-{end}.db")
            for place in range(0, end, 2):  # written by several drivers, one after another
                if place % 4 == 0:
                    log.close()
                    log = SqlStore(log.path)
                log.append("s", events[place : min(end, place + 2)])
            assert len(log.summaries("s")) == end // size
            whole = open_study(log, "s")
            told = read_overview(log, "s", read_manifest(log, "s"))
            assert summary(told) == summary(whole) and rows_of(told) == rows_of(whole)
            assert told.candidates.best(5) == overview_of(whole).candidates.best(5)
            if end // size:
                log.database.raw.execute("UPDATE snapshot SET body = replace(body, '1', '2')")
                again = read_overview(log, "s", read_manifest(log, "s"))
                assert len(log.summaries("s")) == 0 and summary(again) == summary(whole)
            log.close()
