"""The driver's side of a worker process: its state, and a pipe that never blocks the driver.

A message is its length in eight bytes, followed by its bytes. The driver's end does not block: a
worker that is stopped in the middle of a message, or that does not read, does not delay the others.
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

from nasturtium.execute.serialize import dumps
from nasturtium.study.job import Job

__all__ = ["LENGTH", "PIPE", "WorkerProcess", "describe_exit", "poll"]

LENGTH = 8  # bytes before each message
PIPE = "NASTURTIUM_PIPE"  # environment variable: the number of the worker's end of the pipe


@final
class WorkerProcess:
    """One worker process in its own process group, with the driver's end of its pipe.

    Attributes:
        job: its job, or ``None``.
        curve: the points that the job reported in this process.
        started: when the context was sent to it; ``None`` once it is ready for a job.
        began: when its job began, or ``None``.
        halted: when it was first found stopped, or ``None`` while it runs.
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
                process_group=0,  # to end it together with all processes that it started
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
        """Send as much of a message as the pipe takes now, and the rest in :func:`poll`."""
        self._out += (memoryview(len(message).to_bytes(LENGTH)), memoryview(message))
        self.flush()

    def flush(self) -> bool:
        """Send waiting bytes; return whether some still wait."""
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

    def receive(self) -> list[bytes]:
        """Return the messages that have arrived completely; record whether the pipe is closed."""
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

    def assign(self, job: Job) -> None:
        """Send a job to the worker."""
        parts = (job.number, job.proposal, job.parent_weights, job.resumed, job.origin)
        self.job, self.curve, self.began = job, [], None
        self.send(dumps(("job", parts)))

    def state(self) -> Literal["running", "stopped", "ended"]:
        """Return whether the process runs, is stopped (SIGSTOP), or has ended."""
        if not hasattr(os, "waitid"):  # macOS, before Python 3.13
            return "running" if self.process.poll() is None else "ended"
        flags = os.WEXITED | os.WSTOPPED | os.WNOHANG | os.WNOWAIT
        try:
            status = os.waitid(os.P_PID, self.process.pid, flags)
        except ChildProcessError:  # the program ignores SIGCHLD, or waited for all children
            return "ended"
        if status is None:
            return "running"
        return "stopped" if status.si_code == os.CLD_STOPPED else "ended"

    def end(self) -> int:
        """Kill the process and all processes that it started; return its exit code."""
        if self.process.returncode is None:  # so no other process has its number
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.kill()  # if a job put it into another group
        code = self.process.wait()
        self.pipe.close()
        return code


def poll(workers: Iterable[WorkerProcess], timeout: float) -> None:
    """Wait for a message, at most ``timeout`` seconds, and send waiting bytes meanwhile."""
    watched = select.poll()
    for worker in workers:
        waiting = worker.flush()
        watched.register(worker.pipe, select.POLLIN | (select.POLLOUT if waiting else 0))
    watched.poll(1000 * timeout)


def describe_exit(code: int) -> str:
    """Return how a process ended: the name of a signal, or its exit code."""
    return signal.Signals(-code).name if code < 0 else f"exit code {code}"
