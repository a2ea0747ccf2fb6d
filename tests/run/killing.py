"""Starts drivers, kills them, and looks at what is left."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from random import Random

from nasturtium.study.stores.sql import SqlStore

DRIVEN = Path(__file__).with_name("driven.py")


LIVES: list[Life] = []  # for a test that fails half-way


def end_all() -> None:
    """Kill what is still there."""
    while LIVES:
        life = LIVES.pop()
        if life.process.poll() is None:
            life.kill()


class Life:
    """A driver process in a session of its own."""

    def __init__(self, program: Path, *words: object) -> None:
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        self.process = subprocess.Popen(
            [sys.executable, str(program), *map(str, words)],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        LIVES.append(self)

    def until(self, word: str) -> bool:
        """Wait until the driver prints a line with this word; false if it ends before."""
        assert self.process.stdout is not None
        return any(word in line for line in self.process.stdout)

    def children(self) -> list[int]:
        return children(self.process.pid)

    def kill(self, how: int = signal.SIGKILL) -> list[int]:
        """Kill the driver alone; returns the workers that it had."""
        workers = self.children()
        self.process.send_signal(how)
        self.end()
        return workers

    def interrupt(self) -> list[int]:
        """What Ctrl-C does: the signal goes to the whole group."""
        workers = self.children()
        os.killpg(self.process.pid, signal.SIGINT)
        self.end()
        return workers

    def end(self, timeout: float = 60) -> tuple[int, str, str]:
        """Wait for the end: exit code, output, errors."""
        out, err = self.process.communicate(timeout=timeout)
        return self.process.returncode, out, err


def children(pid: int) -> list[int]:
    """Processes whose parent is ``pid``."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[1]) == pid:
            found.append(int(path.parent.name))
    return found


def state(pid: int) -> str | None:
    """The state letter of a process; ``None`` where there is none."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return None


def gone(pids: list[int], within: float = 1.0) -> bool:
    """Whether processes end within some seconds; what only waits to be reaped has ended."""
    end = time.monotonic() + within
    while any(state(pid) not in (None, "Z") for pid in pids):
        if time.monotonic() > end:
            return False
        time.sleep(0.01)
    return True


def text(store: Path, name: str = "s") -> list[tuple[int, str, str]]:
    """The log, byte for byte, without what was measured."""
    log = SqlStore(store)
    try:
        return log.text(name)
    finally:
        log.close()


def settled(store: Path, side: Path, name: str = "s") -> set[int]:
    """Trials that count as finished: told in the log, or their result is left."""
    log = SqlStore(store)
    try:
        told = {e.data.number for e in log.read(name) if e.kind in ("told", "failed")}
    finally:
        log.close()
    lines = side.read_text().splitlines() if side.exists() else []
    return told | {int(line.split()[1]) for line in lines if line.startswith("left ")}


def starts(side: Path) -> Counter[int]:
    """How often each trial was begun."""
    lines = side.read_text().splitlines() if side.exists() else []
    return Counter(int(line.split()[1]) for line in lines if line.startswith("start "))


def kill_until_done(
    case: str, folder: Path, seed: int, *, kills: int, longest: float, workers_too: bool = False
) -> tuple[Path, int]:
    """Kill a driver at random moments of its life, at most ``kills`` times, then let it end.

    Asserts after every life that nothing that counted as finished was begun again, and that no
    worker outlived its driver.

    Returns:
        the store, and how often something was killed.
    """
    store, side = folder / "study.db", folder / "side.txt"
    rng = Random(seed)
    done = 0
    while True:
        finished, before = settled(store, side), starts(side)
        life = Life(DRIVEN, case, store, side)
        workers: list[int] = []
        if done < kills and life.until("ready"):
            time.sleep(rng.uniform(0.0, longest))
            victims = life.children()
            if workers_too and victims and rng.random() < 0.3:
                os.kill(rng.choice(victims), signal.SIGKILL)
                time.sleep(rng.uniform(0.0, longest / 2))
            workers = life.kill()
            done += 1
        code, _, errors = life.end()
        assert code in (0, -signal.SIGKILL), errors
        assert gone(workers), f"workers {workers} outlive their driver"
        again = {n for n, times in starts(side).items() if times > before[n]} & finished
        assert not again, f"trials {again} were finished and are run again"
        if code == 0:
            return store, done
        if starts(side) == before:
            longest *= 1.5  # a slow machine: it died before it came to anything
