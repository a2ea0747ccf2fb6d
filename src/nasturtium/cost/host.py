"""One latency measurement at a time on a host, with no training beside it.

Every process of a user on a host shares two lock files. A training holds ``work`` shared while it
computes. A measurement takes ``gate`` exclusively, so that no training may begin or go on, and
then waits for ``work`` until the trainings that run have let go of it. A training looks at the
gate every half second, between two steps; where a measurement waits, it pauses until that is over.
So a measurement waits for a step and not for a training, and trainings pause only while one runs.

The kernel releases the locks of a process that dies. A process that is stopped holds nobody up for
longer than a minute. Where there are no such locks (no ``fcntl``, no writable folder for temporary
files, another user's processes), measurements go on, and the load of the host that is reported
with each of them tells what ran beside it.
"""

from __future__ import annotations

import os
import stat
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import final

__all__ = ["Quiet", "Turn", "alone", "training"]

EVERY = 0.5  # seconds between two looks of a training at the gate
PATIENCE = 60.0  # seconds that anybody waits, so that a process that hangs stops nobody else
POLL = 0.05  # seconds between two tries at a lock; a busy wait would disturb what is measured


@final
class Quiet:
    """How quiet a host was while something was measured on it.

    Attributes:
        exclusive: whether the locks were held, so that no training of this user ran.
        load: cores that other programs kept busy meanwhile, on average; ``None`` where the system
            does not tell.
    """

    def __init__(self, exclusive: bool) -> None:
        self.exclusive = exclusive
        self.load: float | None = None


@contextmanager
def alone() -> Iterator[Quiet]:
    """Measure with no training and no other measurement of this user on the host.

    Example:
        >>> with alone() as quiet:
        ...     seconds = sum(range(1000)) * 1e-9
        >>> quiet.load is None or quiet.load >= 0
        True
    """
    locks = _Locks.opened()
    try:
        end = time.monotonic() + PATIENCE
        exclusive = locks is not None and locks.gate.take("exclusive", end)
        exclusive = locks is not None and locks.work.take("exclusive", end) and exclusive
        quiet = Quiet(exclusive)
        before = _used()
        yield quiet
        quiet.load = _load(before, _used())
    finally:
        if locks is not None:
            locks.close()


@final
class Turn:
    """A training's share of the host, which it gives up while something is measured.

    Attributes:
        paused: seconds that it has waited for measurements.
    """

    def __init__(self, locks: _Locks | None) -> None:
        self.paused = 0.0
        self._locks = locks
        self._looked = 0.0
        self._enter()

    def give_way(self) -> None:
        """Pause if a measurement waits; cheap enough for every step."""
        if self._locks is None or time.monotonic() - self._looked < EVERY:
            return
        if self._locks.gate.take("shared", 0.0):
            self._locks.gate.release()
            self._looked = time.monotonic()
        else:
            self._locks.work.release()
            self._enter()

    def _enter(self) -> None:
        """Begin to work, after the measurements that wait."""
        begin = time.monotonic()
        if self._locks is not None:
            end = begin + PATIENCE
            passed = self._locks.gate.take("shared", end)
            self._locks.work.take("shared", end)
            if passed:
                self._locks.gate.release()
        self._looked = time.monotonic()
        self.paused += self._looked - begin


@contextmanager
def training() -> Iterator[Turn]:
    """Compute for long, but beside no measurement; call ``give_way()`` between two steps.

    Example:
        >>> with training() as turn:
        ...     for step in range(3):
        ...         turn.give_way()
        >>> turn.paused < 60
        True
    """
    locks = _Locks.opened()
    try:
        yield Turn(locks)
    finally:
        if locks is not None:
            locks.close()


@final
class _Lock:
    """A file that is locked, by :func:`fcntl.flock`."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)

    def take(self, how: str, end: float) -> bool:
        """Try until the clock passes ``end``; whether it was taken."""
        import fcntl

        kind = fcntl.LOCK_EX if how == "exclusive" else fcntl.LOCK_SH
        while True:
            try:
                fcntl.flock(self._file, kind | fcntl.LOCK_NB)
                return True
            except BlockingIOError:
                if time.monotonic() >= end:
                    return False
            except OSError:  # a file system without locks
                return False
            time.sleep(POLL)

    def release(self) -> None:
        import fcntl

        with suppress(OSError):
            fcntl.flock(self._file, fcntl.LOCK_UN)

    def close(self) -> None:
        os.close(self._file)


@final
class _Locks:
    """The two files: ``gate``, which a measurement closes, and ``work``, which trainings hold."""

    def __init__(self, folder: Path) -> None:
        self.gate = _Lock(folder / "gate.lock")
        try:
            self.work = _Lock(folder / "work.lock")
        except OSError:
            self.gate.close()
            raise

    @classmethod
    def opened(cls) -> _Locks | None:
        """The locks of this user on this host; ``None`` where it has none."""
        try:
            import fcntl  # noqa: F401 - absent on some systems

            folder = Path(tempfile.gettempdir()) / f"nasturtium-{os.getuid()}"
            folder.mkdir(mode=0o700, exist_ok=True)
            found = folder.lstat()
            if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid():
                return None  # somebody else made it
            return cls(folder)
        except (ImportError, AttributeError, OSError):
            return None

    def close(self) -> None:
        self.gate.close()
        self.work.close()


def _used() -> tuple[float, float, float] | None:
    """Clock, seconds that all cores were busy, and seconds of this process."""
    try:
        ticks = os.sysconf("SC_CLK_TCK")
        with open("/proc/stat", encoding="ascii") as file:
            user, nice, system, _, _, irq, soft, steal, *_ = map(int, file.readline().split()[1:])
    except (OSError, ValueError, AttributeError):
        return None
    busy = (user + nice + system + irq + soft + steal) / ticks
    return time.monotonic(), busy, time.process_time()


def _load(
    before: tuple[float, float, float] | None, after: tuple[float, float, float] | None
) -> float | None:
    """Cores that others kept busy between two readings."""
    if before is None or after is None or after[0] <= before[0]:
        return None
    spent, busy, own = (now - then for now, then in zip(after, before, strict=True))
    return max(0.0, (busy - own) / spent)
