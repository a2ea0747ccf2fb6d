"""Locks of a host: one latency measurement at a time, and no training during a measurement.

All processes of a user on a host share two lock files. A training holds ``work`` shared while it
computes. A measurement takes ``gate`` exclusively, so that no training may begin or continue, and
then waits for ``work`` until the running trainings have released it. A training checks the gate
every half second, between two steps, and pauses while a measurement waits or runs. So a measurement
waits for a step, not for a training, and trainings pause only during measurements.

The kernel releases the locks of a process that dies. A process that is stopped delays others for a
minute at most. Without such locks (no ``fcntl``, no writable folder for temporary files, another
user's processes) measurements continue, and the reported load of the host shows what disturbed
them.
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

__all__ = ["HostConditions", "TrainingTurn", "exclusive_measurement", "training_turn"]

EVERY = 0.5  # seconds between two checks of the gate by a training
PATIENCE = 60.0  # seconds that a process waits, so that a stopped process blocks no other
POLL = 0.05  # seconds between two tries at a lock; a busy wait would disturb the measurement


@final
class HostConditions:
    """Conditions on a host during a measurement.

    Attributes:
        exclusive: whether the locks were held, so that no training of this user ran.
        load: cores that other programs used meanwhile, on average; ``None`` if the system does not
            report it.
    """

    def __init__(self, exclusive: bool) -> None:
        self.exclusive = exclusive
        self.load: float | None = None


@contextmanager
def exclusive_measurement() -> Iterator[HostConditions]:
    """Enter a measurement without trainings or other measurements of this user on the host.

    Example:
        >>> with exclusive_measurement() as conditions:
        ...     seconds = sum(range(1000)) * 1e-9
        >>> conditions.load is None or conditions.load >= 0
        True
    """
    locks = _Locks.open()
    try:
        end = time.monotonic() + PATIENCE
        exclusive = locks is not None and locks.gate.take("exclusive", end)
        exclusive = locks is not None and locks.work.take("exclusive", end) and exclusive
        conditions = HostConditions(exclusive)
        before = _read_usage()
        yield conditions
        conditions.load = _compute_load(before, _read_usage())
    finally:
        if locks is not None:
            locks.close()


@final
class TrainingTurn:
    """The right of a training to compute, given up during measurements.

    Attributes:
        paused: seconds that the training has waited for measurements.
    """

    def __init__(self, locks: _Locks | None) -> None:
        self.paused = 0.0
        self._locks = locks
        self._checked = 0.0
        self._enter()

    def pause_for_measurements(self) -> None:
        """Pause while a measurement waits or runs; cheap enough for every step."""
        if self._locks is None or time.monotonic() - self._checked < EVERY:
            return
        if self._locks.gate.take("shared", 0.0):
            self._locks.gate.release()
            self._checked = time.monotonic()
        else:
            self._locks.work.release()
            self._enter()

    def _enter(self) -> None:
        """Take the lock of trainings, after waiting measurements."""
        begin = time.monotonic()
        if self._locks is not None:
            end = begin + PATIENCE
            passed = self._locks.gate.take("shared", end)
            self._locks.work.take("shared", end)
            if passed:
                self._locks.gate.release()
        self._checked = time.monotonic()
        self.paused += self._checked - begin


@contextmanager
def training_turn() -> Iterator[TrainingTurn]:
    """Enter a training; call ``pause_for_measurements()`` between its steps.

    Example:
        >>> with training_turn() as turn:
        ...     for step in range(3):
        ...         turn.pause_for_measurements()
        >>> turn.paused < 60
        True
    """
    locks = _Locks.open()
    try:
        yield TrainingTurn(locks)
    finally:
        if locks is not None:
            locks.close()


@final
class _Lock:
    """A file locked by :func:`fcntl.flock`."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)

    def take(self, how: str, end: float) -> bool:
        """Try until the clock passes ``end``; return whether the lock was taken."""
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
    """The two files: measurements take ``gate`` exclusively, trainings hold ``work`` shared."""

    def __init__(self, folder: Path) -> None:
        self.gate = _Lock(folder / "gate.lock")
        try:
            self.work = _Lock(folder / "work.lock")
        except OSError:
            self.gate.close()
            raise

    @classmethod
    def open(cls) -> _Locks | None:
        """Open the locks of this user on this host; return ``None`` if there are none."""
        try:
            import fcntl  # noqa: F401 - absent on some systems

            folder = Path(tempfile.gettempdir()) / f"nasturtium-{os.getuid()}"
            folder.mkdir(mode=0o700, exist_ok=True)
            status = folder.lstat()
            if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.getuid():
                return None  # made by another user
            return cls(folder)
        except (ImportError, AttributeError, OSError):
            return None

    def close(self) -> None:
        self.gate.close()
        self.work.close()


def _read_usage() -> tuple[float, float, float] | None:
    """Return the clock, the busy seconds of all cores, and those of this process."""
    try:
        ticks = os.sysconf("SC_CLK_TCK")
        with open("/proc/stat", encoding="ascii") as file:
            user, nice, system, _, _, irq, soft, steal, *_ = map(int, file.readline().split()[1:])
    except (OSError, ValueError, AttributeError):
        return None
    busy = (user + nice + system + irq + soft + steal) / ticks
    return time.monotonic(), busy, time.process_time()


def _compute_load(
    before: tuple[float, float, float] | None, after: tuple[float, float, float] | None
) -> float | None:
    """Return the cores that other programs used between two readings."""
    if before is None or after is None or after[0] <= before[0]:
        return None
    spent, busy, own = (now - then for now, then in zip(after, before, strict=True))
    return max(0.0, (busy - own) / spent)
