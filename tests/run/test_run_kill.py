"""Nothing is lost: drivers and workers that are really killed, with -9, at any moment."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Iterator
from contextlib import suppress
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

import driven
import pytest
from killing import (
    DRIVEN,
    Life,
    children,
    end_all,
    gone,
    kill_until_done,
    settled,
    starts,
    state,
    text,
)

import nasturtium as nas
from nasturtium.study.stores.sql import SqlStore

pytestmark = pytest.mark.skipif(
    not Path("/proc/self/stat").exists(), reason="processes are looked at through /proc"
)


@pytest.fixture(autouse=True)
def _ended() -> Iterator[None]:
    yield
    end_all()


SEARCHED = DRIVEN.with_name("searched.py")


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The log of a study that nobody disturbed, in one process, by its lag and trials."""

    @cache
    def log(lag: int, trials: int) -> list[tuple[int, str, str]]:
        folder = tmp_path_factory.mktemp("uninterrupted")
        store, side = str(folder / "study.db"), str(folder / "side.txt")
        driven.quick(store, side, "", nas.Here(), lag, pause=0.0, trials=trials)
        return text(Path(store))

    return log


def test_one_worker_killed_at_random_moments(tmp_path: Path, uninterrupted: Any) -> None:
    killed(tmp_path, "here", 12, 0.3, uninterrupted(1, driven.TRIALS))


def test_two_workers_killed_at_random_moments(tmp_path: Path, uninterrupted: Any) -> None:
    killed(tmp_path, "two", 9, 0.6, uninterrupted(4, driven.TRIALS))


def killed(folder: Path, case: str, wanted: int, longest: float, log: Any) -> None:
    """Kill drivers so many times, in as many studies as it takes, and compare their logs."""
    done = 0
    while done < wanted:
        place = folder / str(done)
        place.mkdir()
        left = wanted - done
        store, kills = kill_until_done(case, place, done, kills=left, longest=longest)
        assert kills
        assert text(store) == log
        done += kills


DRIVER_DIES = (
    "prepare:3",  # in the middle of a strategy's preparation
    "kept:1",  # what was prepared is kept, but not logged
    "append:7",  # before anything of an event is written
    "commit:8",  # an event is inserted, but not committed
    "appended:9",  # the event is in the log, but the driver does not know yet
    "clear:4",  # told, but its result still lies there
    "taken:6",  # handed out, nothing submitted
    "leave:3",  # a worker writes its result
    "left:4",  # a result is left, and nobody was told
    "put:3",  # a file is kept, and no event names it yet
    "memory:1",  # while a trial runs out of memory
)


@pytest.mark.parametrize("point", DRIVER_DIES)
def test_driver_killed_at(point: str, tmp_path: Path, uninterrupted: Any) -> None:
    store, side = tmp_path / "study.db", tmp_path / "side.txt"
    first = Life(DRIVEN, "short", store, side, point)
    assert first.end()[0] == -signal.SIGKILL
    finished, before = settled(store, side), starts(side)
    code, _, errors = Life(DRIVEN, "short", store, side, point).end()
    assert code == 0, errors
    assert text(store) == uninterrupted(4, driven.SHORT)
    again = {n for n, times in starts(side).items() if times > before[n]} & finished
    assert not again
    prepared = [line.split()[1] for line in lines(side, "prepare")]
    assert prepared == ["1", "2", "3", "4", "5"] or point.startswith("kept")
    folders = [tmp_path / "study.db.files" / kind / "s" for kind in ("results", "checkpoints")]
    assert not [path for folder in folders for path in folder.glob("*")]


@pytest.mark.parametrize("point", ["step-worker:9", "put-worker:3", "left-worker:4"])
def test_worker_killed_at(point: str, tmp_path: Path, uninterrupted: Any) -> None:
    store, side = tmp_path / "study.db", tmp_path / "side.txt"
    code, _, errors = Life(DRIVEN, "short", store, side, point).end()
    assert code == 0, errors
    assert (tmp_path / f"side.txt.{point}").exists()  # it did die
    assert text(store) == uninterrupted(4, driven.SHORT)
    expected = 0 if point.startswith("left") else 1  # what was left is not run again
    assert sum(starts(side).values()) - len(starts(side)) == expected


def test_ctrl_c_stops_workers_and_gives_the_lease_back(tmp_path: Path, uninterrupted: Any) -> None:
    store, side = tmp_path / "study.db", tmp_path / "side.txt"
    life = Life(DRIVEN, "still", store, side)
    assert life.until("ready")
    wait_for(lambda: len(starts(side)) == 2)
    workers = life.interrupt()
    assert len(workers) == 2
    assert gone(workers)
    assert life.process.returncode != 0
    log = SqlStore(store)
    log.lease("s").release()  # is free
    log.close()


def test_a_second_driver_is_refused_while_the_first_lives(tmp_path: Path) -> None:
    store, side = tmp_path / "study.db", tmp_path / "side.txt"
    first = Life(DRIVEN, "still", store, side)
    assert first.until("ready")
    wait_for(lambda: len(starts(side)) == 2)
    before = text(store)
    code, _, errors = Life(DRIVEN, "still", store, side).end()
    assert code != 0
    assert f"study 's' is being driven by process {first.process.pid}" in errors
    assert text(store) == before
    workers = first.kill()
    assert gone(workers)
    begin = time.monotonic()
    log = SqlStore(store)
    log.lease("s").release()  # a dead driver's lease is broken at once
    log.close()
    assert time.monotonic() - begin < 1.0


def test_no_zombies_while_workers_are_replaced(tmp_path: Path) -> None:
    executor = nas.Processes(2)
    store, side = str(tmp_path / "study.db"), str(tmp_path / "side.txt")
    before = set(children(os.getpid()))
    driven.quick(store, side, "step-worker:4", executor, 4, trials=6)
    assert Path(f"{side}.step-worker:4").exists()
    left = set(children(os.getpid())) - before
    assert not [pid for pid in left if state(pid) == "Z"]
    assert not left


def test_a_trial_that_kills_its_process_fails_the_third_time(tmp_path: Path) -> None:
    store, side = tmp_path / "study.db", tmp_path / "side.txt"
    for _ in range(2):
        assert Life(DRIVEN, "deadly", store, side).end()[0] == -signal.SIGKILL
    code, _, errors = Life(DRIVEN, "deadly", store, side).end()
    assert code == 0, errors
    log = SqlStore(store)
    failed = [event.data for event in log.read("s") if event.kind == "failed"]
    log.close()
    reasons = [outcome.error for outcome in failed if outcome.number == 4]
    assert reasons == ["its worker process died 2 times (SIGKILL); the system may be out of memory"]
    assert starts(side)[4] == 4
    assert not list((tmp_path / "study.db.files" / "results" / "s").glob("*"))


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_all_that_workers_started_ends_with_the_driver(how: int, tmp_path: Path) -> None:
    store, side = tmp_path / "study.db", tmp_path / "side.txt"
    life = Life(DRIVEN, "littering", store, side)
    wait_for(lambda: len(starts(side)) == 2)
    children = [int(line.split()[1]) for line in lines(side, "child")]
    workers = [int(line.split()[2]) for line in lines(side, "start")]
    wait_for(lambda: "T" in map(state, workers))  # one of them is stopped
    assert sorted(life.kill(how)) == sorted(workers)
    assert gone([*workers, *children], within=5.0)


def test_a_driver_that_is_stopped_for_a_while_loses_nothing(
    tmp_path: Path, uninterrupted: Any
) -> None:
    store, side = tmp_path / "study.db", tmp_path / "side.txt"
    life, rng = Life(DRIVEN, "short", store, side), Random(0)
    assert life.until("ready")
    for _ in range(6):
        time.sleep(rng.uniform(0.0, 0.3))
        process = rng.choice([life.process.pid, *life.children()])
        with suppress(ProcessLookupError):  # it may have come to its end
            os.kill(process, signal.SIGSTOP)
            time.sleep(rng.uniform(0.0, 0.2))
            os.kill(process, signal.SIGCONT)
    code, _, errors = life.end()
    assert code == 0, errors
    assert text(store) == uninterrupted(4, driven.SHORT)
    assert set(starts(side).values()) == {1}


def wait_for(condition: Any, seconds: float = 20.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


# -- the whole of search and finish ---------------------------------------------------------------


def body(store: Path) -> list[tuple[int, str, str]]:
    """The log; of the manifest all but the commit, which a developer changes meanwhile."""
    log = text(store)
    manifest = json.loads(log[0][2])
    del manifest["commit"]
    return [(1, log[0][1], json.dumps(manifest, sort_keys=True)), *log[1:]]


def lines(side: Path, word: str) -> list[str]:
    return [line for line in side.read_text().splitlines() if line.startswith(word + " ")]


CHAIN = (
    "epoch:3",  # in the middle of a trial's training
    "half:2",  # a checkpoint of the next one is half written
    "epoch:4",  # by now in the middle of finish
    "note:1",  # finished, but not logged
)


def test_a_chain_of_deaths_from_training_to_the_finished_network(tmp_path: Path) -> None:
    quiet, chain = tmp_path / "quiet.txt", tmp_path / "chain.txt"
    logs = []
    for side, deaths in ((quiet, ()), (chain, CHAIN)):
        store = side.with_suffix(".db")
        for point in (*deaths, ""):
            code, out, errors = Life(SEARCHED, "chain", store, side, point).end()
            assert code == (-signal.SIGKILL if point else 0), (point, out, errors)
        assert "finished False" in out
        logs.append(body(store))
    assert logs[0] == logs[1]
    once = lines(quiet, "epoch")
    epochs = lines(chain, "epoch")
    assert len(once) == len(set(once)) == 2 * 3 + 4
    assert set(epochs) == set(once)
    assert len(epochs) == len(once) + 1  # that of which the checkpoint was half written


def test_killed_while_tuning_and_while_two_workers_train(tmp_path: Path) -> None:
    store, side = tmp_path / "study.db", tmp_path / "side.txt"
    life = Life(SEARCHED, "tuned", store, side)
    assert life.until("tune")
    wait_for(lambda: len(life.children()) == (os.cpu_count() or 1))
    assert gone(life.kill())
    assert text(store) == []  # nothing is known, so that it is measured again
    life = Life(SEARCHED, "tuned", store, side)
    assert life.until("search")
    time.sleep(Random(4).uniform(0.0, 0.3))
    assert gone(life.kill())
    code, out, errors = Life(SEARCHED, "tuned", store, side).end()
    assert code == 0, errors
    assert "tune" not in out  # what was measured stays with the study
    log = text(store)
    manifest = json.loads(log[0][2])
    case = "/".join(
        (
            "given",
            ",".join(f"{name}={value}" for name, value in manifest["numerics"].items()),
            f"{manifest['executor']}(workers={manifest['workers']})",
        )
    )
    twin = tmp_path / "twin.db"
    code, _, errors = Life(SEARCHED, case, twin, side).end()
    assert code == 0, errors
    assert text(twin)[1:] == log[1:]
