"""A worker process: takes jobs from its driver until the pipe closes.

A finished trial's outcome is left as a file before it is sent, so that it is not lost when the
driver dies in between. When the driver dies, the reading thread sees the pipe close and kills the
process's group at once: the process itself, whatever it is doing, and all that a job started.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import queue
import signal
import socket
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from pickle import loads
from typing import Any

from nasturtium.execute.process import LENGTH, PIPE
from nasturtium.execute.run_job import Requests, outcome_to_json, run_job
from nasturtium.execute.serialize import packed
from nasturtium.study.context import StudyContext
from nasturtium.study.estimator import Estimator
from nasturtium.study.job import Job

Listen = Callable[[int, Sequence[Mapping[str, float]]], bool]

SET_DEATH_SIGNAL = 1  # PR_SET_PDEATHSIG of Linux's prctl


def main() -> None:
    """Serve the driver at the other end of the pipe that the environment names."""
    _settle_in()
    pipe = socket.socket(fileno=int(os.environ[PIPE]))
    messages: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(pipe, messages), daemon=True).start()
    context: StudyContext | None = None
    estimator: Estimator | None = None
    heard = False

    def report(number: int, curve: Sequence[Mapping[str, float]]) -> bool:
        """Send the last point of a curve to the driver, and wait for its word."""
        _send(pipe, "report", (number, curve[-1]))
        return bool(loads(messages.get())[1])

    while True:
        try:
            kind, data = loads(messages.get())
            if kind == "start":
                sys.path[:] = data[0]  # before what may be imported from there is unpacked
                parts, estimator, heard = loads(data[1])
                context = StudyContext.from_parts(parts)
                _send(pipe, "ready", None)
            elif context is None or estimator is None:
                continue  # the start has failed, and the driver was told
            elif kind == "job":
                _send(pipe, "began", None)
                _send(pipe, "done", _run(context, estimator, data, report if heard else None))
            else:
                function, arguments = data
                _send(pipe, "called", function(context, *arguments))
        except BaseException as error:  # also SystemExit, of what is unpacked
            _send(pipe, "broken", f"{type(error).__name__}: {error}")


def _settle_in() -> None:
    """Prepare for signals, for the driver's death, and for a shortage of memory."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the driver's to answer
    signal.signal(signal.SIGTTOU, signal.SIG_IGN)  # may print, though it is in the background
    if sys.platform == "linux":
        # Where the driver dies while this process is stopped, it goes on, and sees the pipe close.
        ctypes.CDLL(None).prctl(SET_DEATH_SIGNAL, signal.SIGCONT)
        with contextlib.suppress(OSError):  # the kernel ends a worker before the driver
            Path("/proc/self/oom_score_adj").write_text("500")


def _listen(pipe: socket.socket, messages: queue.SimpleQueue[bytes]) -> None:
    with contextlib.suppress(OSError):
        source = pipe.makefile("rb")
        while len(length := source.read(LENGTH)) == LENGTH:
            messages.put(source.read(int.from_bytes(length)))
    if os.getpgrp() == os.getpid():
        os.killpg(0, signal.SIGKILL)
    os._exit(0)


def _send(pipe: socket.socket, kind: str, data: Any) -> None:
    message = packed((kind, data))
    pipe.sendall(len(message).to_bytes(LENGTH) + message)


def _run(context: StudyContext, estimator: Estimator, parts: Any, listen: Listen | None) -> Any:
    number, proposal, parent_weights, resumed, origin = parts
    job = Job(number, proposal, context, parent_weights, resumed, origin, listen)
    outcome = run_job(estimator, job, Requests())  # a worker is asked for nothing by signals
    if context.files is not None:
        left = {"job": job.digest, **outcome_to_json(outcome)}
        context.files.leave_result(context.study, number, left)
    return outcome


if __name__ == "__main__":
    main()
