"""The lease: one driver that lives, on any host, whatever its clock says and however it stops."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from contextlib import contextmanager

import pytest
from stored import failing

from nasturtium.study.event import Event
from nasturtium.study.stores.lease import TableLease
from nasturtium.study.stores.lease_holder import PidNamespace, lease_problem, process_start
from nasturtium.study.stores.memory import MemoryStore
from nasturtium.study.stores.sql import SqlStore

ELSEWHERE = PidNamespace("elsewhere", "boot", "pid:[1]")


@pytest.fixture
def path(tmp_path):
    return tmp_path / "study.db"


@pytest.fixture
def store(path):
    store = SqlStore(path)
    store.append("a", [Event("note", {"value": 1})])
    yield store
    store.close()


def held_by(store, place=ELSEWHERE, *, pid=1, when="0", beat=None, text=None):
    """Write the lease of another holder."""
    holder = json.dumps({**place._asdict(), "pid": pid, "started": when}) if text is None else text
    raw = store.database.raw
    store.database.create_tables()
    raw.execute("DELETE FROM lease")
    beat = time.time() if beat is None else beat
    raw.execute("INSERT INTO lease VALUES ('a', ?, ?)", (holder, beat))


def beat_of(store):
    return store.database.raw.execute("SELECT beat FROM lease").fetchone()[0]


# -- at one place ---------------------------------------------------------------------------------

HOLDING = """
import sys
from nasturtium.errors import StoreError
from nasturtium.study.event import Event
from nasturtium.study.stores.lease import TableLease, PidNamespace
from nasturtium.study.stores.sql import SqlStore
store = SqlStore(sys.argv[1])
namespace = PidNamespace(*sys.argv[3:]) if sys.argv[3:] else None
lease = TableLease(store.database, "a", float(sys.argv[2]), namespace)
lease.acquire()
print("held", flush=True)
for line in sys.stdin:
    try:
        print(store.append("a", [Event("note", {"by": "first"})]), flush=True)
    except StoreError as error:
        print(error, flush=True)
"""


@contextmanager
def driver(path, stale, *place):
    """Another process that drives study ``a`` of a store, and appends when it receives a line."""
    command = [sys.executable, "-c", HOLDING, str(path), str(stale), *place]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True, "bufsize": 1}
    with subprocess.Popen(command, **pipes) as process:
        assert process.stdout.readline() == "held\n"
        try:
            yield process
        finally:
            process.kill()


def test_a_lease_is_held_by_a_living_process_and_not_by_a_dead_one(path):
    store = SqlStore(path)
    with driver(path, 60) as process:
        with failing(
            f"study 'a' is being driven by process {process.pid} on {PidNamespace.current().host} "
            "(last heartbeat ",
            "wait for it, stop it, or give another name",
        ):
            store.lease("a")
        store.lease("another study").release()
        os.kill(process.pid, signal.SIGKILL)
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)  # dead, and not yet reaped
        before = time.monotonic()
        store.lease("a").release()
        assert time.monotonic() - before < 5.0


def test_a_lease_is_held_once_in_a_process_and_given_back(path):
    for store in (MemoryStore(), SqlStore(path)):
        lease = store.lease("a")
        with failing("study 'a' is being driven"):
            store.lease("a")
        lease.beat()
        lease.release()
        store.lease("a").release()
        assert store.studies() == () and list(store.read("a")) == []
    assert "heartbeat" not in {thread.name for thread in threading.enumerate()}


def test_a_process_id_that_was_given_to_another_process_is_dead(store):
    here = PidNamespace.current()
    held_by(store, here, pid=os.getppid(), when="another time")
    store.lease("a").release()
    held_by(store, here, pid=os.getppid(), when=process_start(os.getppid()))
    with failing(f"driven by process {os.getppid()}"):
        store.lease("a")


def test_when_a_process_started():
    assert process_start(os.getpid()) == process_start(os.getpid()) is not None
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    assert process_start(process.pid) is None


# -- elsewhere ------------------------------------------------------------------------------------

OTHERS = {
    "another host": ELSEWHERE,
    "another boot of a host of this name": PidNamespace.current()._replace(boot="another"),
    "another container of this name": PidNamespace.current()._replace(namespace="pid:[1]"),
    "a host that tells its name only": PidNamespace(PidNamespace.current().host),
}


@pytest.mark.parametrize("place", OTHERS.values(), ids=OTHERS)
@pytest.mark.parametrize("ahead", [-1e6, 0.0, 1e6], ids=["behind", "equal", "ahead"])
def test_a_holder_elsewhere_is_taken_over_when_it_is_silent_whatever_the_clocks(
    store, place, ahead, caplog
):
    held_by(store, place, beat=time.time() + ahead)
    before = time.monotonic()
    taker = TableLease(store.database, "a", stale=0.2).acquire()
    assert 0.2 <= time.monotonic() - before < 5.0
    (record,) = caplog.records
    assert record.getMessage() == (
        f"study 'a' was last driven by process 1 on {place.host}; waiting up to 0 s for a sign of "
        "life before taking it over"
    )
    taker.release()


@pytest.mark.parametrize("ahead", [-1e6, 0.0, 1e6], ids=["behind", "equal", "ahead"])
def test_a_holder_elsewhere_that_lives_is_left_alone_whatever_the_clocks(path, store, ahead):
    """The driver does nothing but hold the lease, as in one long job."""
    with driver(path, 0.6, "elsewhere") as process:
        store.database.raw.execute("UPDATE lease SET beat = beat + ?", (ahead,))
        with failing(
            f"study 'a' is being driven by process {process.pid} on elsewhere, which sent a "
            "heartbeat just now"
        ):
            TableLease(store.database, "a", stale=20.0).acquire()


def test_a_driver_that_was_stopped_writes_nothing_once_another_took_over(path, store):
    with driver(path, 0.5, "elsewhere") as process:
        print("go", file=process.stdin)
        assert process.stdout.readline() == "2\n"
        os.kill(process.pid, signal.SIGSTOP)
        taker = TableLease(store.database, "a", stale=0.5).acquire()
        os.kill(process.pid, signal.SIGCONT)
        for _ in range(2):
            print("go", file=process.stdin)
            assert process.stdout.readline() == (
                "study 'a' was taken over by another driver while this one was silent; this one "
                "stops, nothing is lost\n"
            )
        assert len(list(store.read("a"))) == 2
        taker.beat()
        taker.release()


def test_a_driver_that_was_stopped_goes_on_where_nobody_took_over(path, store):
    with driver(path, 0.3, "elsewhere") as process:
        os.kill(process.pid, signal.SIGSTOP)
        time.sleep(0.5)
        os.kill(process.pid, signal.SIGCONT)
        print("go", file=process.stdin)
        assert process.stdout.readline() == "2\n"


# -- the heartbeat --------------------------------------------------------------------------------


def test_the_heart_beats_while_the_driver_does_something_else(store):
    lease = TableLease(store.database, "a", stale=0.3).acquire()
    store.database.raw.execute("UPDATE lease SET beat = 1e12")  # as if the clock was set back
    seen = set()
    for _ in range(20):
        seen.add(beat_of(store))
        time.sleep(0.03)
    assert len(seen) >= 4 and min(seen) >= 1e12
    lease.release()


def test_a_locked_file_does_not_end_the_heartbeat(path, store, monkeypatch):
    lease = TableLease(store.database, "a", stale=1.2).acquire()
    before = beat_of(store)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    failed = []
    monkeypatch.setattr(store.database, "engine", Broken(store.database.engine, failed))
    time.sleep(0.5)
    other.execute("COMMIT")
    other.close()
    assert failed and beat_of(store) == before
    monkeypatch.undo()
    time.sleep(0.5)
    assert beat_of(store) > before
    lease.beat()
    lease.release()


class Broken:
    """An engine of which every connection fails."""

    def __init__(self, engine, failed):
        self.engine, self.failed = engine, failed

    def connect(self):
        self.failed.append(1)
        raise sqlite3.OperationalError("database is locked")


def test_the_heart_stops_with_its_driver(path):
    """A lease that nobody gave back does not keep a process alive."""
    store = f"from nasturtium.study.stores.sql import SqlStore; SqlStore({str(path)!r}).lease('a')"
    subprocess.run([sys.executable, "-c", store], timeout=30, check=True)
    SqlStore(path).lease("a").release()


def test_a_beat_costs_nothing(store):
    lease = store.lease("a")
    start = time.process_time()
    for _ in range(100_000):
        lease.beat()
    assert time.process_time() - start < 1.0
    lease.release()


# -- damaged rows ---------------------------------------------------------------------------------

GOOD = '{"host": "h", "boot": "b", "namespace": "n", "pid": 1, "started": "0"}'
DAMAGED = {
    ("node1", 1.0): "its holder is 'node1', expected a JSON object",
    ("[1]", 1.0): "its holder is '[1]', expected a JSON object",
    (b"\xff\xfe", 1.0): "its holder is \"b'\\\\xff\\\\xfe'\", expected a JSON object",
    ("[" * 100_000, 1.0): "expected a JSON object",
    ("{}", 1.0): "its holder has pid 'None', expected a number",
    ('{"pid": true, "host": "h", "started": "0"}', 1.0): "pid 'True'",
    ('{"pid": 1, "started": "0"}', 1.0): "its holder has host 'None', expected a text",
    ('{"pid": 1, "host": "h"}', 1.0): "started",
    ('{"pid": 1, "host": "h", "started": 5}', 1.0): "started '5'",
    ('{"pid": 1, "host": "h", "boot": [1], "started": "0"}', 1.0): "boot '[1]'",
    (GOOD, "yesterday"): "its beat is 'yesterday', expected a number",
    (GOOD, float("inf")): "its beat is 'inf', expected a number",
    (GOOD, b"1"): "its beat is",
}


@pytest.mark.parametrize(("row", "part"), DAMAGED.items(), ids=range(len(DAMAGED)))
def test_a_damaged_lease_is_named_in_one_line_and_set_aside(store, row, part, caplog):
    assert part in lease_problem(row)
    held_by(store, text=row[0], beat=row[1])
    lease = TableLease(store.database, "a", stale=0.1).acquire()
    (record,) = caplog.records
    message = record.getMessage()
    assert message.startswith("the lease of study 'a' is damaged (its ") and "\n" not in message
    assert part in message and "or at once by nasturtium repair" in message
    lease.beat()
    lease.release()


def test_a_good_lease_has_no_problem(store):
    lease = store.lease("a")
    row = store.database.raw.execute("SELECT holder, beat FROM lease").fetchone()
    assert lease_problem(row) is None
    assert lease_problem((GOOD, 1)) is None
    assert lease_problem(('{"host": "h", "pid": 1, "started": null}', 1.0)) is None
    assert lease_problem((GOOD, float("nan"))) == "its beat is 'nan', expected a number"
    lease.release()
