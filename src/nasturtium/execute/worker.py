"""The main program of a worker process, which runs jobs of its driver until the pipe closes.

The outcome of a finished trial is saved as a file before it is sent, so that it is not lost if the
driver dies in between. When the driver dies, the reading thread sees the pipe close and kills the
whole process group at once: this process and all processes that a job started.
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
from collections.abc import Mapping, Sequence
from pathlib import Path
from pickle import loads
from typing import Any

from nasturtium.execute.base import Listen
from nasturtium.execute.run_job import SignalRequests, outcome_to_json, run_job
from nasturtium.execute.serialize import dumps
from nasturtium.execute.worker_process import LENGTH, PIPE
from nasturtium.study.context import StudyContext
from nasturtium.study.estimator import Estimator
from nasturtium.study.job import Job

SET_DEATH_SIGNAL = 1  # PR_SET_PDEATHSIG of Linux's prctl


def main() -> None:
    """Run the jobs that arrive through the pipe named in the environment."""
    _set_up_signals()
    pipe = socket.socket(fileno=int(os.environ[PIPE]))
    messages: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(pipe, messages), daemon=True).start()
    context: StudyContext | None = None
    estimator: Estimator | None = None
    listening = False

    def report(number: int, curve: Sequence[Mapping[str, float]]) -> bool:
        """Send the last point of a curve to the driver; return whether the job continues."""
        _send(pipe, "report", (number, curve[-1]))
        return bool(loads(messages.get())[1])

    while True:
        try:
            kind, data = loads(messages.get())
            if kind == "start":
                sys.path[:] = data[0]  # first: objects need modules from these folders
                parts, estimator, listening = loads(data[1])
                context = StudyContext.from_parts(parts)
                _send(pipe, "ready", None)
            elif context is None or estimator is None:
                continue  # the start failed, and the driver knows
            elif kind == "job":
                _send(pipe, "began", None)
                _send(pipe, "done", _run(context, estimator, data, report if listening else None))
            else:
                function, arguments = data
                _send(pipe, "called", function(context, *arguments))
        except BaseException as error:  # also SystemExit, which a loaded object may raise
            _send(pipe, "broken", f"{type(error).__name__}: {error}")


def _set_up_signals() -> None:
    """Prepare for Ctrl-C, for the death of the driver, and for a shortage of memory."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the driver handles Ctrl-C
    signal.signal(signal.SIGTTOU, signal.SIG_IGN)  # printing from the background must not stop it
    if sys.platform == "linux":
        # If the driver dies while this process is stopped, it continues and sees the pipe close.
        ctypes.CDLL(None).prctl(SET_DEATH_SIGNAL, signal.SIGCONT)
        with contextlib.suppress(OSError):  # the kernel kills a worker before the driver
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
    message = dumps((kind, data))
    pipe.sendall(len(message).to_bytes(LENGTH) + message)


def _run(context: StudyContext, estimator: Estimator, parts: Any, listen: Listen | None) -> Any:
    number, proposal, parent_weights, resumed, origin = parts
    job = Job(number, proposal, context, parent_weights, resumed, origin, listen)
    outcome = run_job(estimator, job, SignalRequests())  # signals request nothing of a worker
    if context.files is not None:
        saved = {"job": job.digest, **outcome_to_json(outcome)}
        context.files.leave_result(context.study, number, saved)
    return outcome


if __name__ == "__main__":
    main()
