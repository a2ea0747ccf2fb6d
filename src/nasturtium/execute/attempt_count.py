"""How often in a row processes began one trial, in a file that outlives them."""

from __future__ import annotations

import contextlib
import mmap
import os
import struct
from pathlib import Path
from typing import final

__all__ = ["AttemptCount"]

RECORD = struct.Struct("<qq")  # number of the trial + 1, how often it was begun


@final
class AttemptCount:
    """A file with the number of the trial that this process runs, and how often it was begun.

    It is mapped into memory and not flushed to the disk, so that a note takes less than a
    microsecond: the file of a process that is killed stays, and a machine that loses power did not
    die of the trial. Where it cannot be written, nothing is counted.

    Args:
        path: the file; what an earlier process left in it is read.
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
                    os.write(descriptor, bytes(RECORD.size))  # which fails where the disk is full
                self._file = mmap.mmap(descriptor, RECORD.size)
            finally:
                os.close(descriptor)
            self._last = RECORD.unpack_from(self._file)

    def note(self, number: int) -> int:
        """Note that a trial is begun; how often in a row it was, by now."""
        times = self._last[1] + 1 if self._last[0] == number + 1 else 1
        self._last = number + 1, times
        if self._file is not None:
            RECORD.pack_into(self._file, 0, *self._last)
        return times

    def drop(self) -> None:
        """Remove the file: this process ends by itself."""
        if self._file is not None:
            self._file.close()
            self._file = None
            self.path.unlink(missing_ok=True)
