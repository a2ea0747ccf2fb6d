"""Stores: appended is kept, all or none, whatever is killed, full, read-only or no store at all."""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import contextmanager
from pathlib import Path
from random import Random

import pytest
from stored import failing, notes

from nasturtium.study.event import Event
from nasturtium.study.stores.memory import MemoryStore
from nasturtium.study.stores.open_store import open_store
from nasturtium.study.stores.sql import SqlStore


def note(**content):
    return Event("note", content)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "study.db"


# -- append and read ------------------------------------------------------------------------------


def test_what_is_appended_is_read(path):
    store = SqlStore(path)
    assert store.append("a", notes(1, "zwei ✓")) == 2
    assert store.append("a", notes(3.5)) == 3
    assert list(store.read("a")) == notes(1, "zwei ✓", 3.5)
    assert list(store.read("a", after=2)) == notes(3.5)
    assert list(store.read("a", after=3)) == list(store.read("b")) == []
    assert [row[0] for row in store.text("a")] == [1, 2, 3]
    assert store.append("a", []) == 3 and store.append("new", []) == 0


def test_two_studies_share_a_file(path):
    store, other = SqlStore(path), SqlStore(path)
    store.append("zeta", notes(1))
    other.append("alpha", notes(2))
    store.append("zeta", notes(3))
    assert list(other.read("zeta")) == notes(1, 3)
    assert list(store.read("alpha")) == notes(2)
    assert store.studies() == ("alpha", "zeta")


def test_reopening_goes_on(path):
    store = SqlStore(str(path))
    store.append("a", notes(1))
    store.close()
    again = SqlStore(f"sqlite:///{path}")
    assert again.append("a", notes(2)) == 2
    assert list(again.read("a")) == notes(1, 2)
    assert again.folder == Path(f"{path}.files")
    assert SqlStore(path, folder="elsewhere").folder == Path("elsewhere")


def test_all_or_none(path):
    store = SqlStore(path)
    store.append("a", notes(1))
    with failing("cannot be written", "JSON serializable", "plain numbers, texts and lists"):
        store.append("a", [*notes(2), note(value=object()), *notes(3)])
    assert list(store.read("a")) == notes(1)
    assert store.append("a", notes(4)) == 2


def test_the_general_path_writes_the_same(path, tmp_path):
    """PostgreSQL is written through SQLAlchemy; SQLite can be as well."""
    general, direct = SqlStore(path), SqlStore(tmp_path / "direct.db")
    general.database.raw = None
    for store in (general, direct):
        assert store.append("a", notes(1, "ü")) == 2
        assert store.append("a", []) == 2
    assert general.text("a") == direct.text("a")


def test_a_log_that_another_driver_wrote_to_is_not_mixed_up(path):
    first, second = SqlStore(path), SqlStore(path)
    first.append("a", notes(1))
    second.append("a", notes(2))
    with failing("UNIQUE", "another driver wrote to this study meanwhile; open it again"):
        first.append("a", notes(3))
    assert list(SqlStore(path).read("a")) == notes(1, 2)


def test_threads_that_open_a_new_file_at_once(path):
    barrier, errors = threading.Barrier(6), []

    def work(index):
        barrier.wait()
        try:
            store = SqlStore(path)
            store.append(f"study{index}", notes(index))
            store.close()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=(index,)) for index in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert len(SqlStore(path).studies()) == 6


def test_opening_what_is_given(path):
    memory = MemoryStore()
    assert open_store(memory) is memory
    assert isinstance(open_store(None), MemoryStore)
    assert isinstance(open_store(path), SqlStore)


# -- what is no store, or cannot be written -------------------------------------------------------


def test_not_a_database(tmp_path):
    path = tmp_path / "notes.txt"
    path.write_text("these are my notes\n" * 100)
    with failing(str(path), "not a database", "give another name, nothing was written"):
        SqlStore(path)
    assert path.read_text() == "these are my notes\n" * 100


def test_a_database_of_another_program(path):
    other = sqlite3.connect(path)
    other.execute("CREATE TABLE event (id INTEGER, title TEXT)")
    other.commit()
    other.close()
    with failing(str(path), "has a table 'event' of another program", "nothing was written"):
        SqlStore(path)


ENDLESS = "WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c) SELECT "
COUNTED = "'s' AS study, n AS number, 'note' AS kind, '{}' AS body, '' AS measured, '' AS digest"


@pytest.mark.parametrize(
    ("statement", "message"),
    [
        (f"DROP TABLE event; CREATE VIEW event AS {ENDLESS}{COUNTED} FROM c", "view 'event'"),
        (f"DROP TABLE lease; CREATE VIEW lease AS {ENDLESS}n AS study FROM c", "view 'lease'"),
        ("CREATE TRIGGER t AFTER INSERT ON event BEGIN DELETE FROM event; END", "trigger 't'"),
    ],
)
def test_a_database_that_computes_what_is_read_is_refused(path, statement, message):
    store = SqlStore(path)
    store.append("s", [Event("note", {"a": 1})])
    store.close()
    other = sqlite3.connect(path)
    other.executescript(statement)
    other.close()
    for read_only in (False, True):
        with failing(str(path), f"has a {message}, which nasturtium does not make", "nothing was"):
            SqlStore(path, read_only=read_only)


def test_a_folder_is_no_store(tmp_path):
    with failing(f"the store {tmp_path} is a folder; give a file, e.g. study.db"):
        SqlStore(tmp_path)


def test_the_folder_has_to_exist(tmp_path):
    with failing(f"the folder {tmp_path / 'missing'} does not exist; make it first"):
        SqlStore(tmp_path / "missing" / "study.db")


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///:memory:", ":memory:"])
def test_a_store_in_memory_is_none(url):
    with failing("would be in memory; use store=None, or give a file"):
        SqlStore(url)


def test_an_address_that_nothing_answers():
    with failing("the store nonsense://host/name cannot be opened"):
        SqlStore("nonsense://host/name")


def test_a_driver_that_is_not_installed():
    with failing("No module named", "install the database's driver", "nobody:***@localhost"):
        SqlStore("postgresql+pg8000://nobody:s3cret@localhost/none")


@contextmanager
def unprivileged(folder):
    """Without the rights of root, which nothing is read-only for."""
    root = os.geteuid() == 0
    if root:
        for item in (folder, *folder.rglob("*")):
            os.chown(item, 65534, 65534)
        os.seteuid(65534)
    try:
        yield
    finally:
        if root:
            os.seteuid(0)


@pytest.fixture
def guarded():
    """A folder that others than root can reach."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    yield folder
    folder.chmod(0o755)
    shutil.rmtree(folder)


def test_a_read_only_folder(guarded):
    with unprivileged(guarded):
        guarded.chmod(0o555)
        with failing(str(guarded), "cannot be opened", "folder exists and can be written"):
            SqlStore(guarded / "study.db")
        guarded.chmod(0o755)


def test_a_read_only_file(guarded):
    path = guarded / "study.db"
    store = SqlStore(path)
    store.append("a", notes(1))
    store.close()
    with unprivileged(guarded):
        path.chmod(0o444)
        store = SqlStore(path)
        assert list(store.read("a")) == notes(1)
        with failing("cannot be written", "readonly", "read-only; give one that can be written"):
            store.append("a", notes(2))
        with failing("cannot be written", "readonly"):
            store.lease("a")
        store.close()


def test_a_full_disk_keeps_everything_before(path):
    store = SqlStore(path)
    store.append("a", notes(1))
    pages = store.database.raw.execute("PRAGMA page_count").fetchone()[0]
    store.database.raw.execute(f"PRAGMA max_page_count={pages + 3}")
    with failing("disk is full", "free some space, then resume: everything up to now is kept"):
        store.append("a", notes(2, "x" * 50_000, 3))
    assert list(SqlStore(path).read("a")) == notes(1)
    store.database.raw.execute("PRAGMA max_page_count=1000000")
    assert store.append("a", notes(4)) == 2
    assert list(SqlStore(path).read("a")) == notes(1, 4)


# -- killed ---------------------------------------------------------------------------------------

APPENDING = """
import sys
from nasturtium.study.event import Event
from nasturtium.study.stores.sql import SqlStore
store, value = SqlStore(sys.argv[1]), int(sys.argv[2])
while True:
    batch = [Event("note", {"value": value + i, "of": value}) for i in range(3)]
    value += 3
    store.append("a", batch)
    print(value, flush=True)
"""


def test_a_process_killed_while_it_appends_leaves_a_prefix(path):
    rng, length = Random(0), 0
    for _ in range(3):
        command = [sys.executable, "-c", APPENDING, str(path), str(length)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            first = int(process.stdout.readline())
            time.sleep(rng.uniform(0.0, 0.1))
            os.kill(process.pid, signal.SIGKILL)
            reported = [first, *(int(line) for line in process.stdout if line.endswith("\n"))]
        store = SqlStore(path)
        values = [event.data["value"] for event in store.read("a")]
        # Nothing that was acknowledged is lost, nothing is cut in two, and there are no gaps.
        assert values == list(range(len(values)))
        assert [row[0] for row in store.text("a")] == list(range(1, len(values) + 1))
        assert len(values) in (reported[-1], reported[-1] + 3)
        length = len(values)
        store.close()
    assert SqlStore(path).append("a", notes("on")) == length + 1
