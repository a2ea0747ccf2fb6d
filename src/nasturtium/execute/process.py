"""A worker process as its driver sees it: a pipe that never blocks the driver, and its state.

A message is eight bytes of length and then so many bytes. The driver's end does not block: a worker
that is stopped in the middle of a message, or that does not read, delays nobody else.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import socket
import subprocess
import sys
from collections import deque
from collections.abc import Iterable, Mapping
from typing import Literal, final

from nasturtium.execute.serialize import packed
from nasturtium.study.job import Job

__all__ = ["LENGTH", "PIPE", "WorkerProcess", "cause", "poll"]

LENGTH = 8  # bytes before each message
PIPE = "NASTURTIUM_PIPE"  # environment variable: the number of the worker's end of the pipe


@final
class WorkerProcess:
    """One worker process, in a process group of its own, and the driver's end of its pipe.

    Attributes:
        job: the job that it has, or ``None``.
        curve: what the job reported in this process.
        started: when it was sent what jobs share; ``None`` once it is ready for a job.
        began: when it began its job, or ``None``.
        halted: when it was first seen to be stopped, or ``None`` while it runs.
        closed: whether its end of the pipe is closed.
    """

    def __init__(self, threads: int, now: float) -> None:
        ours, theirs = socket.socketpair()
        with theirs:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "nasturtium.execute.worker"],
                pass_fds=(theirs.fileno(),),
                env={**os.environ, "OMP_NUM_THREADS": str(threads), PIPE: str(theirs.fileno())},
                stdin=subprocess.DEVNULL,
                process_group=0,  # so that it ends together with all that it started
            )
        ours.setblocking(False)
        self.pipe = ours
        self.job: Job | None = None
        self.curve: list[Mapping[str, float]] = []
        self.started: float | None = now
        self.began: float | None = None
        self.halted: float | None = None
        self.closed = False
        self._out: deque[memoryview] = deque()
        self._in = bytearray()

    def send(self, message: bytes) -> None:
        """Send a message, now as far as the pipe takes it, and the rest in :func:`poll`."""
        self._out += (memoryview(len(message).to_bytes(LENGTH)), memoryview(message))
        self.flush()

    def flush(self) -> bool:
        """Send what waits; whether anything still does."""
        try:
            while self._out:
                left = self._out[0][self.pipe.send(self._out[0]) :]
                if left:
                    self._out[0] = left
                else:
                    self._out.popleft()
        except BlockingIOError:
            return True
        except OSError:
            self.closed = True
            self._out.clear()
        return False

    def received(self) -> list[bytes]:
        """The whole messages that are there; notes where the pipe is closed."""
        try:
            while part := self.pipe.recv(1 << 20):
                self._in += part
            self.closed = True
        except BlockingIOError:
            pass
        except OSError:
            self.closed = True
        messages = []
        while len(self._in) >= LENGTH:
            end = LENGTH + int.from_bytes(self._in[:LENGTH])
            if len(self._in) < end:
                break
            messages.append(bytes(self._in[LENGTH:end]))
            del self._in[:end]
        return messages

    def give(self, job: Job) -> None:
        """Hand a job over."""
        parts = (job.number, job.proposal, job.parent_weights, job.resumed, job.origin)
        self.job, self.curve, self.began = job, [], None
        self.send(packed(("job", parts)))

    def state(self) -> Literal["running", "stopped", "ended"]:
        """Whether the process runs, is stopped (SIGSTOP), or has ended."""
        if not hasattr(os, "waitid"):  # macOS, before Python 3.13
            return "running" if self.process.poll() is None else "ended"
        flags = os.WEXITED | os.WSTOPPED | os.WNOHANG | os.WNOWAIT
        try:
            found = os.waitid(os.P_PID, self.process.pid, flags)
        except ChildProcessError:  # the program ignores SIGCHLD, or waited for all children
            return "ended"
        if found is None:
            return "running"
        return "stopped" if found.si_code == os.CLD_STOPPED else "ended"

    def end(self) -> int:
        """Kill the process and all that it started, and return its exit code."""
        if self.process.returncode is None:  # not waited for, so the number is still its own
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.kill()  # where a job has put it into another group
        code = self.process.wait()
        self.pipe.close()
        return code


def poll(workers: Iterable[WorkerProcess], timeout: float) -> None:
    """Wait until a worker has sent something, or ``timeout`` seconds; send what waits meanwhile."""
    watched = select.poll()
    for worker in workers:
        waits = worker.flush()
        watched.register(worker.pipe, select.POLLIN | (select.POLLOUT if waits else 0))
    watched.poll(1000 * timeout)


def cause(code: int) -> str:
    """What an exit code says of a process's end."""
    return signal.Signals(-code).name if code < 0 else f"exit code {code}"
