"""A worker process: takes jobs from its driver until the pipe closes.

A finished trial's outcome is left as a file before it is sent, so that it is not lost when the
driver dies in between. When the driver dies, the reading thread sees the pipe close and ends the
process at once, whatever it is doing.
"""

from __future__ import annotations

import os
import queue
import signal
import sys
import threading
from collections.abc import Callable, Mapping
from multiprocessing.connection import Connection
from pickle import loads
from typing import Any

from nasturtium.run.attempt import attempt, outcome_to_json
from nasturtium.run.luggage import packed
from nasturtium.study.estimator import Estimator
from nasturtium.study.work import Job, Setting

Listen = Callable[[int, Mapping[str, float]], bool]


def main() -> None:
    """Serve the driver at the other end of the pipe that the environment names."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the driver's to answer
    pipe = Connection(int(os.environ["NASTURTIUM_PIPE"]))
    messages: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(pipe, messages), daemon=True).start()
    setting: Setting | None = None
    estimator: Estimator | None = None
    heard = False

    def report(number: int, metrics: Mapping[str, float]) -> bool:
        """Send a point of a curve to the driver, and wait for its word."""
        _send(pipe, "report", (number, dict(metrics)))
        return bool(loads(messages.get())[1])

    while True:
        try:
            kind, data = loads(messages.get())
            if kind == "start":
                sys.path[:] = data[0]  # before what may be imported from there is unpacked
                parts, estimator, heard = loads(data[1])
                setting = Setting.unpacked(parts)
            elif setting is None or estimator is None:
                continue  # the start has failed, and the driver was told
            elif kind == "job":
                _send(pipe, "began", None)  # the start is over, which a time limit is not about
                _send(pipe, "done", _run(setting, estimator, data, report if heard else None))
            else:
                function, arguments = data
                _send(pipe, "called", function(setting, *arguments))
        except Exception as error:
            _send(pipe, "broken", f"{type(error).__name__}: {error}")


def _listen(pipe: Connection, messages: queue.SimpleQueue[bytes]) -> None:
    while True:
        try:
            messages.put(pipe.recv_bytes())
        except (EOFError, OSError):
            os._exit(0)


def _send(pipe: Connection, kind: str, data: Any) -> None:
    pipe.send_bytes(packed((kind, data)))


def _run(setting: Setting, estimator: Estimator, parts: Any, listen: Listen | None) -> Any:
    number, proposal, parent_weights, resumed, origin = parts
    job = Job(number, proposal, setting, parent_weights, resumed, origin, listen)
    outcome = attempt(estimator, job)
    if setting.files is not None:
        left = {"job": job.digest, **outcome_to_json(outcome)}
        setting.files.leave_result(setting.study, number, left)
    return outcome


if __name__ == "__main__":
    main()
