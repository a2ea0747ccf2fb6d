"""Where jobs run: here, or in worker processes that live as long as the search."""

from __future__ import annotations

import os
import signal
import sys
import time
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from pickle import loads
from typing import Any, final

from nasturtium.errors import EstimateError, StoreError, TaskError
from nasturtium.execute.attempt_count import AttemptCount
from nasturtium.execute.process import WorkerProcess, cause, poll
from nasturtium.execute.run_job import Requests, outcome_from_json, run_job
from nasturtium.execute.serialize import packed
from nasturtium.study.context import StudyContext
from nasturtium.study.estimator import Estimator
from nasturtium.study.job import Job
from nasturtium.study.trial import Outcome
from nasturtium.study.validate import printable_line

__all__ = ["Executor", "Here", "Processes"]

Listen = Callable[[int, Sequence[Mapping[str, float]]], bool]
DEATHS = 2  # times that a job may take its process with it before the trial fails
STARTS = 5  # worker processes in a row that may fail to start before the search is given up
GRACE = 20.0  # seconds beyond one and a half time limits after which a job counts as hanging
LATE = "late"  # its job did not end
STOPPED = 60.0  # seconds that a worker may be stopped (SIGSTOP) before it is replaced


class Executor(ABC):
    """Runs jobs and gives their outcomes back in the order in which they end.

    Attributes:
        workers: how many jobs run at a time.
    """

    workers: int

    @abstractmethod
    def start(
        self, context: StudyContext, estimator: Estimator, listen: Listen | None = None
    ) -> None:
        """Get ready to run jobs in this context; may be called again with another context.

        Args:
            context: what jobs share.
            estimator: what is run.
            listen: called with a job's number and its curve, after each point that it reports in
                the process that runs it; false stops the job early.
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
    """Runs each job in this process when it is waited for: for tables and for debugging.

    A job that never ends cannot be ended here, whatever the time limit. Where the process died
    twice in a row while it ran the same job, the next one runs that job in a worker process.
    """

    def __init__(self) -> None:
        self.workers = 1
        self._queue: deque[Job] = deque()
        self._estimator: Estimator | None = None
        self._listen: Listen | None = None
        self._begun: AttemptCount | None = None
        self._requests = Requests()

    def start(
        self, context: StudyContext, estimator: Estimator, listen: Listen | None = None
    ) -> None:
        self._estimator = estimator
        self._listen = listen
        if self._begun is not None:
            self._begun.drop()
        files = context.files
        self._begun = None if files is None else AttemptCount(files.begun(context.study))
        self._requests.open()

    def submit(self, job: Job) -> None:
        self._queue.append(job)

    def wait(self, timeout: float) -> list[Outcome]:
        if not self._queue:
            return []
        assert self._estimator is not None
        job = self._queue.popleft()
        if self._begun is not None and (times := self._begun.note(job.number)) > DEATHS:
            return [self._apart(job, self._estimator, times - 1)]
        job.listen = self._listen
        return [run_job(self._estimator, job, self._requests)]

    def _apart(self, job: Job, estimator: Estimator, deaths: int) -> Outcome:
        """Run a job in a worker process, because this one may not survive it."""
        worker = Processes(1)
        try:
            worker.start(job.context, estimator, self._listen)
            worker.submit(job)
            while not (found := worker.wait(0.2)):
                pass
            return found[0]
        except EstimateError as error:
            return Outcome(
                job.number,
                error=f"its process died {deaths} times, and a worker process cannot run it: "
                f"{printable_line(str(error))}",
            )
        finally:
            worker.stop()

    def stop(self) -> None:
        self._queue.clear()
        self._requests.close()
        if self._begun is not None:
            self._begun.drop()
            self._begun = None


@final
class Processes(Executor):
    """Persistent worker processes on this machine; torch is imported once in each.

    Workers are started afresh, not forked, and do not import the main program: it needs no
    ``if __name__ == "__main__"``. Space, estimator and context are sent by value. A worker ends
    with its driver, at once, and everything that a worker started ends with it. A worker that dies
    is replaced and its job is run again; a job that kills two workers fails. A worker that is
    stopped (SIGSTOP) for a minute is replaced as if it had died. Without a time limit, a job that
    never ends is not ended.

    Args:
        workers: how many; one for each core if not given.
        start_limit: seconds in which a worker has to start: to import what it needs and to unpack
            the space and the estimator. One that does not is replaced.
    """

    def __init__(self, workers: int | None = None, start_limit: float = 300.0) -> None:
        if workers is not None and workers < 1:
            raise EstimateError(f"workers={workers}; expected 1 or more")
        if not start_limit > 0:
            raise EstimateError(f"start_limit={start_limit}; expected seconds, more than 0")
        self.workers = workers or cores()
        self.start_limit = start_limit
        self._crew: list[WorkerProcess] = []
        self._queue: deque[Job] = deque()
        self._deaths: dict[int, int] = {}
        self._failed_starts = 0  # in a row
        self._context: StudyContext | None = None
        self._luggage = b""
        self._listen: Listen | None = None
        self._now = 0.0  # seconds in which this process watched; not those in which it was stopped
        self._watched = time.monotonic()

    def start(
        self, context: StudyContext, estimator: Estimator, listen: Listen | None = None
    ) -> None:
        self._context = context
        self._listen = listen
        try:
            parts = packed((context.to_parts(), estimator, listen is not None))
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
            worker.started = self._now
            worker.send(self._luggage)
        while len(self._crew) < self.workers:
            self._crew.append(self._hire())

    def _hire(self) -> WorkerProcess:
        assert self._context is not None
        numerics = self._context.numerics
        worker = WorkerProcess(1 if numerics is None else numerics.threads, self._now)
        worker.send(self._luggage)
        return worker

    def submit(self, job: Job) -> None:
        self._queue.append(job)
        self._assign()

    def _assign(self) -> None:
        for worker in self._crew:
            if self._queue and worker.job is None:
                worker.give(self._queue.popleft())

    def wait(self, timeout: float) -> list[Outcome]:
        self._watch(self._crew, timeout)
        outcomes = []
        for index, worker in enumerate(self._crew):
            lost = self._lost(worker)  # first, so that what it sent before it died is received
            for message in worker.received():
                outcome = self._heard(worker, *loads(message))
                if outcome is not None:
                    outcomes.append(outcome)
            if lost is not None or worker.closed:
                outcome = self._replaced(index, worker, lost or "")
                if outcome is not None:
                    outcomes.append(outcome)
        self._assign()
        return outcomes

    def _watch(self, workers: Sequence[WorkerProcess], timeout: float) -> None:
        poll(workers, timeout)
        now = time.monotonic()
        self._now += min(now - self._watched, timeout + 1.0)
        self._watched = now

    def _lost(self, worker: WorkerProcess) -> str | None:
        """Why a worker is not to be waited for any longer; empty where it has ended."""
        state = worker.state()
        if state == "ended":
            return ""
        if state == "running":
            worker.halted = None
        elif worker.halted is None:
            worker.halted = self._now
        if worker.halted is not None and self._now - worker.halted > STOPPED:
            return f"it was stopped for {STOPPED:g} s"
        if worker.started is not None and self._now - worker.started > self.start_limit:
            return f"it was not ready for a job after {self.start_limit:g} s"
        return None if worker.halted is not None or not self._late(worker) else LATE

    def _late(self, worker: WorkerProcess) -> bool:
        """Whether a job is far beyond its time limit: it hangs outside of training."""
        limit = None if self._context is None else self._context.time_limit
        if worker.began is None or limit is None:
            return False
        return self._now - worker.began > 1.5 * limit + GRACE

    def _heard(self, worker: WorkerProcess, kind: str, data: Any) -> Outcome | None:
        """Answer a message of a worker; the outcome that it holds, if any."""
        if kind == "broken":
            raise EstimateError(f"a worker process failed: {printable_line(data)}")
        if kind == "ready":
            worker.started, self._failed_starts = None, 0
        elif kind == "began":
            worker.began = self._now
        elif kind == "report":
            number, point = data
            worker.curve.append(point)
            go_on = self._listen is None or self._listen(number, worker.curve)
            worker.send(packed(("answer", go_on)))
        elif kind == "done":
            worker.job = worker.began = None
            assert isinstance(data, Outcome)
            self._deaths.pop(data.number, None)
            return data
        return None

    def _replaced(self, index: int, worker: WorkerProcess, why: str) -> Outcome | None:
        """Put a fresh worker in the place of one; the outcome of its job, where that is known."""
        code, job = worker.end(), worker.job
        reason = why or cause(code)
        if worker.started is not None:
            self._failed_starts += 1
            if self._failed_starts == STARTS:
                raise EstimateError(
                    f"worker processes do not start: {STARTS} in a row ended before they were "
                    f"ready (the last: {reason}); look at what the space and the estimator import, "
                    "or use executor='here'"
                )
        self._crew[index] = self._hire()
        if job is None:
            return None
        left = self._left(job)
        if left is not None:
            return left
        if why == LATE:
            limit = self._context.time_limit if self._context else None
            return Outcome(job.number, error=f"did not end within its time limit of {limit:g} s")
        deaths = self._deaths[job.number] = self._deaths.get(job.number, 0) + (
            worker.started is None
        )
        if deaths < DEATHS:
            self._queue.appendleft(job)
            return None
        hint = "" if why or code != -signal.SIGKILL else "; the system may be out of memory"
        return Outcome(job.number, error=f"its worker process died {DEATHS} times ({reason}){hint}")

    def _left(self, job: Job) -> Outcome | None:
        """The outcome that a worker left before it died, so that no finished job runs again."""
        files = job.context.files
        left = files and files.take_result(job.context.study, job.number, job.digest)
        return outcome_from_json(job.number, left) if left else None

    def call(self, function: Callable[..., Any], workers: int, *arguments: Any) -> list[Any]:
        """Call ``function(context, *arguments)`` in the first ``workers`` at the same time.

        Only while no job is running.

        Raises:
            EstimateError: the function failed, or a worker died in it.
        """
        message = packed(("call", (function, arguments)))
        called = dict(enumerate(self._crew[:workers]))
        for worker in called.values():
            worker.send(message)
        results: dict[int, Any] = {}
        broken = None
        while called:
            self._watch(list(called.values()), 0.2)
            for index, worker in list(called.items()):
                lost = self._lost(worker)
                answers = [loads(message) for message in worker.received()]
                for kind, data in answers:
                    if kind == "ready":
                        worker.started, self._failed_starts = None, 0
                    else:
                        broken = data if kind == "broken" else broken
                        results[index] = data
                        called.pop(index, None)
                if index in called and (lost is not None or worker.closed):
                    code = worker.end()
                    broken = f"it died ({lost or cause(code)})"
                    self._crew[index] = self._hire()
                    del called[index]
        if broken is not None:  # all have answered by now, so that none answers a later call
            raise EstimateError(f"a worker process failed: {broken}")
        return [results[index] for index in sorted(results)]

    def stop(self) -> None:
        for worker in self._crew:
            worker.end()
        self._crew = []
        self._queue.clear()
        self._deaths.clear()


def cores() -> int:
    """Processor cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return max(1, len(os.sched_getaffinity(0)))
    return os.cpu_count() or 1


def described(executor: Executor) -> dict[str, Any]:
    """What the manifest says of an executor."""
    return {"name": type(executor).__name__.lower(), "workers": executor.workers}
