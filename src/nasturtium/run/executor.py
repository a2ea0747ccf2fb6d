"""Where jobs run: here, or in worker processes that live as long as the search."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Mapping
from multiprocessing.connection import Connection, wait
from pickle import loads
from typing import Any, final

from nasturtium.errors import EstimateError, StoreError, TaskError
from nasturtium.run.attempt import attempt, outcome_from_json
from nasturtium.run.luggage import packed
from nasturtium.study.estimator import Estimator
from nasturtium.study.trial import Outcome
from nasturtium.study.work import Job, Setting

__all__ = ["Executor", "Here", "Processes"]

Listen = Callable[[int, Mapping[str, float]], bool]
DEATHS = 2  # times that a job may take its worker with it before the trial fails
GRACE = 20.0  # seconds beyond one and a half time limits after which a job counts as hanging


class Executor(ABC):
    """Runs jobs and gives their outcomes back in the order in which they end.

    Attributes:
        workers: how many jobs run at a time.
    """

    workers: int

    @abstractmethod
    def start(self, setting: Setting, estimator: Estimator, listen: Listen | None = None) -> None:
        """Get ready to run jobs of this setting; may be called again with another setting.

        Args:
            setting: what jobs share.
            estimator: what is run.
            listen: called with a job's number and what it reports; false stops the job early.
        """

    @abstractmethod
    def submit(self, job: Job) -> None:
        """Queue a job."""

    @abstractmethod
    def wait(self, timeout: float) -> list[Outcome]:
        """Outcomes that are there within ``timeout`` seconds; none is given twice."""

    @abstractmethod
    def stop(self) -> None:
        """Drop what is queued and let go of all processes; may be called twice."""


@final
class Here(Executor):
    """Runs each job in this process when it is waited for: for tables and for debugging."""

    def __init__(self) -> None:
        self.workers = 1
        self._queue: deque[Job] = deque()
        self._estimator: Estimator | None = None
        self._listen: Listen | None = None

    def start(self, setting: Setting, estimator: Estimator, listen: Listen | None = None) -> None:
        self._estimator = estimator
        self._listen = listen

    def submit(self, job: Job) -> None:
        self._queue.append(job)

    def wait(self, timeout: float) -> list[Outcome]:
        if not self._queue:
            return []
        assert self._estimator is not None
        job = self._queue.popleft()
        job.listen = self._listen
        return [attempt(self._estimator, job)]

    def stop(self) -> None:
        self._queue.clear()


@final
class Processes(Executor):
    """Persistent worker processes on this machine; torch is imported once in each.

    Workers are started afresh, not forked, and do not import the main program: it needs no
    ``if __name__ == "__main__"``. Space, estimator and setting are sent by value. A worker ends
    with its driver, at once. A worker that dies is replaced and its job is run again; a job that
    kills two workers fails.

    Args:
        workers: how many; one for each core if not given.
    """

    def __init__(self, workers: int | None = None) -> None:
        if workers is not None and workers < 1:
            raise EstimateError(f"workers={workers}; expected 1 or more")
        self.workers = workers or cores()
        self._crew: list[_Worker] = []
        self._queue: deque[Job] = deque()
        self._deaths: dict[int, int] = {}
        self._setting: Setting | None = None
        self._luggage = b""
        self._listen: Listen | None = None

    def start(self, setting: Setting, estimator: Estimator, listen: Listen | None = None) -> None:
        self._setting = setting
        self._listen = listen
        try:
            parts = packed((setting.packed(), estimator, listen is not None))
            self._luggage = packed(("start", (sys.path, parts)))
        except (StoreError, TaskError):
            raise  # of the data, which travel as files
        except Exception as error:
            raise EstimateError(
                f"the space or the estimator cannot be sent to worker processes ({error}); take "
                "open files, connections and locks out of them, or use executor='here'"
            ) from error
        for worker in self._crew[self.workers :]:
            worker.end()
        del self._crew[self.workers :]
        for worker in self._crew:
            worker.send(self._luggage)
        while len(self._crew) < self.workers:
            self._crew.append(self._hire())

    def _hire(self) -> _Worker:
        assert self._setting is not None
        numerics = self._setting.numerics
        worker = _Worker(1 if numerics is None else numerics.threads)
        worker.send(self._luggage)
        return worker

    def submit(self, job: Job) -> None:
        self._queue.append(job)
        self._assign()

    def _assign(self) -> None:
        for index, worker in enumerate(self._crew):
            if not self._queue:
                return
            if worker.job is None:
                job = self._queue.popleft()
                while not self._crew[index].give(job):
                    self._crew[index].end()
                    self._crew[index] = self._hire()

    def wait(self, timeout: float) -> list[Outcome]:
        ready = wait([worker.pipe for worker in self._crew], timeout)
        outcomes = []
        for index, worker in enumerate(self._crew):
            if worker.pipe in ready:
                outcome = self._received(index, worker)
                if outcome is not None:
                    outcomes.append(outcome)
            elif worker.overdue(self._setting):
                outcome = self._died(index, worker)
                if outcome is not None:
                    outcomes.append(outcome)
        self._assign()
        return outcomes

    def _received(self, index: int, worker: _Worker) -> Outcome | None:
        try:
            kind, data = loads(worker.pipe.recv_bytes())
        except (EOFError, OSError):
            return self._died(index, worker)
        if kind == "broken":
            raise EstimateError(f"a worker process failed: {data}")
        if kind == "began":
            worker.since = time.monotonic()
            return None
        if kind == "report":
            go_on = self._listen is None or self._listen(*data)
            worker.send(packed(("answer", go_on)))
            return None
        worker.job = worker.since = None
        assert isinstance(data, Outcome)
        self._deaths.pop(data.number, None)
        return data

    def _died(self, index: int, worker: _Worker) -> Outcome | None:
        code = worker.end()
        self._crew[index] = self._hire()
        job = worker.job
        if job is None:
            return None
        left = self._left(job)
        if left is not None:
            return left
        if worker.late:
            limit = self._setting.time_limit if self._setting else None
            return Outcome(job.number, error=f"did not end within its time limit of {limit:g} s")
        self._deaths[job.number] = self._deaths.get(job.number, 0) + 1
        if self._deaths[job.number] < DEATHS:
            self._queue.appendleft(job)
            return None
        hint = "; the system may be out of memory" if code == -signal.SIGKILL else ""
        reason = f"its worker process died {DEATHS} times ({_cause(code)}){hint}"
        return Outcome(job.number, error=reason)

    def _left(self, job: Job) -> Outcome | None:
        """The outcome that a worker left before it died, so that no finished job runs again."""
        files = job.setting.files
        left = files and files.take_result(job.setting.study, job.number, job.digest)
        return outcome_from_json(job.number, left) if left else None

    def call(self, function: Callable[..., Any], workers: int, *arguments: Any) -> list[Any]:
        """Call ``function(setting, *arguments)`` in the first ``workers`` at the same time.

        Only while no job is running.

        Raises:
            EstimateError: the function failed, or a worker died in it.
        """
        message = packed(("call", (function, arguments)))
        for worker in self._crew[:workers]:
            worker.send(message)
        results, broken = [], None
        for index, worker in enumerate(self._crew[:workers]):
            try:
                kind, data = loads(worker.pipe.recv_bytes())
            except (EOFError, OSError):
                kind, data = "broken", f"it died ({_cause(worker.end())})"
                self._crew[index] = self._hire()
            if kind == "broken":
                broken = data
            results.append(data)
        if broken is not None:  # all have answered by now, so that none answers a later call
            raise EstimateError(f"a worker process failed: {broken}")
        return results

    def stop(self) -> None:
        for worker in self._crew:
            worker.end()
        self._crew = []
        self._queue.clear()
        self._deaths.clear()


@final
class _Worker:
    """One worker process and the pipe to it."""

    def __init__(self, threads: int) -> None:
        ours, theirs = _pipe()
        environment = {
            **os.environ,
            "OMP_NUM_THREADS": str(threads),
            "NASTURTIUM_PIPE": str(theirs.fileno()),
        }
        self.process = subprocess.Popen(
            [sys.executable, "-m", "nasturtium.run.worker"],
            pass_fds=(theirs.fileno(),),
            env=environment,
            stdin=subprocess.DEVNULL,
        )
        theirs.close()
        self.pipe = ours
        self.job: Job | None = None
        self.late = False
        self.since: float | None = None  # when it began its job

    def send(self, message: bytes) -> bool:
        """Send a message; false if the worker is gone."""
        try:
            self.pipe.send_bytes(message)
        except (OSError, ValueError):
            return False
        return True

    def give(self, job: Job) -> bool:
        """Hand a job over; false if the worker is gone."""
        parts = (job.number, job.proposal, job.parent_weights, job.resumed, job.origin)
        if not self.send(packed(("job", parts))):
            return False
        self.job, self.since = job, None
        return True

    def overdue(self, setting: Setting | None) -> bool:
        """Whether the job is far beyond its time limit: it hangs outside of training."""
        if self.since is None or setting is None or setting.time_limit is None:
            return False
        self.late = time.monotonic() - self.since > 1.5 * setting.time_limit + GRACE
        return self.late

    def end(self) -> int:
        """Kill the process and return its exit code."""
        if self.process.poll() is None:
            self.process.kill()
        code = self.process.wait()
        self.pipe.close()
        return code


def _cause(code: int) -> str:
    """What an exit code says of a process's end."""
    return signal.Signals(-code).name if code < 0 else f"exit code {code}"


def _pipe() -> tuple[Connection, Connection]:
    from multiprocessing import Pipe

    ours, theirs = Pipe()
    return ours, theirs


def cores() -> int:
    """Processor cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return max(1, len(os.sched_getaffinity(0)))
    return os.cpu_count() or 1


def described(executor: Executor) -> dict[str, Any]:
    """What the manifest says of an executor."""
    return {"name": type(executor).__name__.lower(), "workers": executor.workers}
