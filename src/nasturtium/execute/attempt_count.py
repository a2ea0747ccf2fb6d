"""A count of the processes in a row that began the same trial, in a file."""

from __future__ import annotations

import contextlib
import mmap
import os
import struct
from pathlib import Path
from typing import final

__all__ = ["AttemptCount"]

RECORD = struct.Struct("<qq")  # number of the trial + 1, how often in a row it began


@final
class AttemptCount:
    """A file with the number of the running trial and how often in a row it began.

    The file is mapped into memory and not flushed to the disk, so that recording takes less than a
    microsecond. It survives a process that is killed; it need not survive a loss of power, which no
    trial causes. If the file cannot be written, nothing is counted.

    Args:
        path: the file; the count of an earlier process is read from it.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file: mmap.mmap | None = None
        self._last = (0, 0)
        with contextlib.suppress(OSError):
            path.parent.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
            try:
                if os.fstat(descriptor).st_size != RECORD.size:
                    os.ftruncate(descriptor, 0)
                    os.write(descriptor, bytes(RECORD.size))  # fails if the disk is full
                self._file = mmap.mmap(descriptor, RECORD.size)
            finally:
                os.close(descriptor)
            self._last = RECORD.unpack_from(self._file)

    def record(self, number: int) -> int:
        """Record that a trial begins; return how often in a row it has begun."""
        times = self._last[1] + 1 if self._last[0] == number + 1 else 1
        self._last = number + 1, times
        if self._file is not None:
            RECORD.pack_into(self._file, 0, *self._last)
        return times

    def remove(self) -> None:
        """Remove the file, as this process ends normally."""
        if self._file is not None:
            self._file.close()
            self._file = None
            self.path.unlink(missing_ok=True)
