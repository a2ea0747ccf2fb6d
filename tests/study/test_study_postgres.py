"""A store on a PostgreSQL server: the laws of a store, and a server that goes away."""

from __future__ import annotations

import logging
import threading
import time

import pytest
from stored import failing, notes

from nasturtium.contracts.stores import check_store
from nasturtium.errors import StoreError
from nasturtium.study.stores.lease import TableLease
from nasturtium.study.stores.lease_holder import PidNamespace
from nasturtium.study.stores.open_store import files_folder
from nasturtium.study.stores.sql import SqlStore


@pytest.fixture
def url(postgres):
    return postgres.database()


@pytest.fixture
def store(url):
    store = SqlStore(url, patience=20.0)
    yield store
    store.close()


def later(seconds, action):
    """Do something in another thread after a while."""
    thread = threading.Timer(seconds, action)
    thread.start()
    return thread


# -- the log --------------------------------------------------------------------------------------


def test_the_laws_of_a_store(postgres, tmp_path):
    made = {}

    def make(folder):
        if folder not in made:
            made[folder] = postgres.database()
        return SqlStore(made[folder])

    check_store(make)


def test_the_log_is_the_same_as_in_a_file(store, tmp_path):
    with_file = SqlStore(tmp_path / "study.db")
    for one in (store, with_file):
        assert one.append("a", notes(1)) == 1
        assert one.append("a", notes(*range(300))) == 301
        assert one.append("a", notes("ü", "'; drop table event")) == 303
    assert store.text("a") == with_file.text("a")


# -- the server goes away -------------------------------------------------------------------------


def test_appends_and_reads_go_on_after_the_server_ended_the_connection(postgres, url, store):
    for value in range(5):
        assert store.append("a", notes(value)) == value + 1
        assert postgres.disconnect(url) == 1
    assert list(store.read("a")) == notes(*range(5))
    assert postgres.disconnect(url) == 1
    assert store.studies() == ("a",)


def test_connections_that_end_at_any_moment_lose_and_repeat_nothing(postgres, url, store):
    done = threading.Event()
    ended = []

    def end():
        while not done.wait(0.03):
            ended.append(postgres.disconnect(url))

    thread = threading.Thread(target=end)
    thread.start()
    try:
        number = 0
        while sum(ended) < 10:
            assert store.append("a", notes(number, number)) == 2 * number + 2
            number += 1
    finally:
        done.set()
        thread.join()
    assert list(store.read("a")) == notes(*(value for n in range(number) for value in (n, n)))


@pytest.mark.parametrize("committed", [True, False])
@pytest.mark.parametrize("count", [1, 3])
def test_an_append_whose_fate_is_unknown_is_looked_up(postgres, url, store, committed, count):
    """The connection breaks as the rows are committed: before the server did it, or after."""
    store.append("a", notes("before"))
    link = store.database.restored
    work = link.connection

    class Breaking:
        """Commits, or does not, and then loses the connection."""

        def __getattr__(self, name):
            return getattr(work, name)

        def execute(self, statement, *values):
            if committed:
                work.execute(statement, *values)
                work.commit()
            postgres.disconnect(url)
            return work.execute(statement, *values)

    link.connection = Breaking()
    assert store.append("a", notes(*range(count))) == count + 1
    assert link.connection is not work
    assert store.append("a", notes("after")) == count + 2
    assert list(store.read("a")) == notes("before", *range(count), "after")


def test_rows_of_another_driver_are_not_taken_for_one_s_own(postgres, url, store):
    store.append("a", notes(1))
    other = SqlStore(url)
    other.append("a", notes("another"))
    postgres.disconnect(url)
    with failing("another driver wrote to this study meanwhile; open it again"):
        store.append("a", notes(2))
    assert list(store.read("a")) == notes(1, "another")
    other.close()


def test_an_append_waits_for_a_server_that_crashed(postgres, store, caplog):
    store.append("a", notes(1))
    postgres.stop("immediate")
    thread = later(1.0, postgres.start)
    assert store.append("a", notes(2)) == 2
    thread.join()
    assert list(store.read("a")) == notes(1, 2)
    messages = [record.getMessage() for record in caplog.records]
    assert len(messages) == 2, messages
    assert "is unavailable; trying again for up to 20 s" in messages[0]
    assert "is available again after" in messages[1]
    assert "s3cr" not in caplog.text


def test_who_reads_does_not_wait_and_who_drives_does(postgres, url, store):
    """Patience ends in one line, too."""
    store.append("a", notes(1))
    reader, driver = SqlStore(url), SqlStore(url, patience=20.0)
    held = driver.lease("a")
    postgres.stop("fast")
    try:
        before = time.monotonic()
        with failing("was unavailable for 0 s", "give the same command when it is available again"):
            reader.studies()
        with failing("cannot be opened"):
            SqlStore(url)
        store.database.patience = 0.3
        with failing("was unavailable for", "everything that was committed is kept"):
            store.append("a", notes(2))
        assert time.monotonic() - before < 5.0
        thread = later(0.5, postgres.start)
        assert driver.studies() == ("a",)
        thread.join()
    finally:
        if not (postgres.folder / "data" / "postmaster.pid").exists():
            postgres.start()
    assert reader.studies() == ("a",)
    assert store.append("a", notes(3)) == 2
    held.release()
    for one in (reader, driver):
        one.close()


# -- what is answered at once ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "part"),
    [
        (lambda server: server.address(password="s3cr@t?"), "password authentication failed"),
        (lambda server: server.address("nothing"), '"nothing" does not exist'),
        (lambda server: "postgresql+psycopg://nas:s3cr@127.0.0.1:9/runs", "refused"),
        (lambda server: "postgresql+none://nas:s3cr:t@127.0.0.1/runs", "none"),
        (lambda server: "postgresql+psycopg://nas:s3cr:1/%?@127.0.0.1:9/runs", "refused"),
        (lambda server: "postgresql+psycopg://nas@127.0.0.1:x3cr/runs", "percent-encoded"),
        (lambda server: server.address() + "?password=s3cr&application_name=%25", ""),
    ],
)
def test_a_wrong_address_is_answered_at_once_and_without_its_password(postgres, change, part):
    before = time.monotonic()
    with failing(part):
        SqlStore(change(postgres)).append("a", [])
        raise StoreError("nothing was wrong")
    assert time.monotonic() - before < 5.0


# -- kept files -----------------------------------------------------------------------------------


def test_each_database_has_files_of_its_own(postgres, url, store):
    other = SqlStore(postgres.database())
    assert store.folder != other.folder
    assert store.folder.parent == other.folder.parent
    for again in (url, url.replace("127.0.0.1", "localhost")):
        assert files_folder(again) == store.folder
    assert SqlStore(url, folder="mine").folder.name == "mine"
    other.close()


def test_stores_that_open_a_new_database_at_once_agree(url):
    stores, barrier = [], threading.Barrier(4)

    def work():
        barrier.wait()
        stores.append(SqlStore(url))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({store.folder for store in stores}) == 1
    assert len(stores) == 4
    for store in stores:
        store.close()


# -- the lease ------------------------------------------------------------------------------------


def test_a_lease_outlives_a_server_that_was_away(postgres, url, store, caplog):
    caplog.set_level(logging.ERROR)
    lease = TableLease(store.database, "a", stale=1.5).acquire()
    postgres.stop("immediate")
    time.sleep(2.0)
    lease.beat()  # the database is unavailable, and the next append waits for it
    postgres.start()
    time.sleep(0.6)
    other = TableLease(SqlStore(url).database, "a", stale=1.5, namespace=PidNamespace("elsewhere"))
    with failing("is being driven by process", "which sent a heartbeat just now"):
        other.acquire()
    lease.release()
    other.acquire().release()
    other.database.close()


def test_of_drivers_that_take_a_study_at_once_one_gets_it(url):
    got, refused, barrier = [], [], threading.Barrier(4)

    def take(host):
        store = SqlStore(url)
        held = TableLease(store.database, "a", stale=3.0, namespace=PidNamespace(host))
        barrier.wait()
        try:
            got.append(held.acquire())
        except StoreError as error:
            refused.append(str(error))

    SqlStore(url).append("a", notes(1))
    threads = [threading.Thread(target=take, args=(f"host{n}",)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(got), len(refused)) == (1, 3)
    assert all("study 'a' is being driven by process" in line for line in refused)
    got[0].release()


def test_a_driver_that_was_stopped_writes_nothing_after_another_took_over(url, store):
    store.append("a", notes(1))
    first = TableLease(store.database, "a", stale=0.6).acquire()
    first._released.set()  # as if this process were stopped: nothing beats
    other = SqlStore(url)
    second = TableLease(
        other.database, "a", stale=0.6, namespace=PidNamespace("elsewhere")
    ).acquire()
    with failing("study 'a' was taken over by another driver"):
        store.append("a", notes(2))
    with failing("study 'a' was taken over by another driver"):
        first.beat()
    assert other.append("a", notes("second")) == 2
    first.release()
    second.release()
    other.close()
