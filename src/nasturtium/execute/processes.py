"""An executor that runs jobs in worker processes, which live as long as the search."""

from __future__ import annotations

import signal
import sys
import time
from collections import deque
from collections.abc import Callable, Sequence
from pickle import loads
from typing import Any, final

from nasturtium.display.printable import to_one_line
from nasturtium.errors import EstimateError, StoreError, TaskError
from nasturtium.execute.base import MAX_DEATHS, Executor, Listen, count_cores
from nasturtium.execute.run_job import outcome_from_json
from nasturtium.execute.serialize import dumps
from nasturtium.execute.worker_process import WorkerProcess, describe_exit, poll
from nasturtium.study.context import StudyContext
from nasturtium.study.estimator import Estimator
from nasturtium.study.job import Job
from nasturtium.study.trial import Outcome

__all__ = ["Processes"]

STARTS = 5  # worker processes in a row that may fail to start before the search is given up
GRACE = 20.0  # seconds beyond one and a half time limits after which a job counts as hanging
LATE = "late"  # the reason for replacing a worker whose job did not end
STOPPED = 60.0  # seconds that a worker may be stopped (SIGSTOP) before it is replaced


@final
class Processes(Executor):
    """Runs jobs in worker processes on this machine, each of which imports torch once.

    Workers are started as new processes, not forked, and do not import the main program, which
    therefore needs no ``if __name__ == "__main__"``. Space, estimator and context are sent by
    value. A worker and everything that it started end as soon as its driver ends. If a worker
    dies, it is replaced and its job is run again; a job that kills two workers fails. A worker
    that is stopped (SIGSTOP) for a minute is replaced as if it had died. Without a time limit, a
    job that never ends is not ended.

    Args:
        workers: how many; one for each core if not given.
        start_limit: seconds within which a worker has to import its modules and to load the space
            and the estimator; a slower one is replaced.

    Example:
        >>> import nasturtium as nas
        >>> executor = nas.Processes(workers=2)
        >>> executor.workers
        2

        ``nas.search("digits", executor=executor)`` runs two trials at a time;
        ``executor="processes(workers=2)"`` is the same.
    """

    def __init__(self, workers: int | None = None, start_limit: float = 300.0) -> None:
        if workers is not None and workers < 1:
            raise EstimateError(f"workers={workers}; expected 1 or more")
        if not start_limit > 0:
            raise EstimateError(f"start_limit={start_limit}; expected seconds, more than 0")
        self.workers = workers or count_cores()
        self.start_limit = start_limit
        self._workers: list[WorkerProcess] = []
        self._queue: deque[Job] = deque()
        self._deaths: dict[int, int] = {}
        self._failed_starts = 0  # in a row
        self._context: StudyContext | None = None
        self._start_message = b""
        self._listen: Listen | None = None
        self._now = 0.0  # seconds that this process waited, without those in which it was stopped
        self._watched = time.monotonic()

    def start(
        self, context: StudyContext, estimator: Estimator, listen: Listen | None = None
    ) -> None:
        self._context = context
        self._listen = listen
        try:
            parts = dumps((context.to_parts(), estimator, listen is not None))
            self._start_message = dumps(("start", (sys.path, parts)))
        except (StoreError, TaskError):
            raise  # errors of the data, which are sent as files
        except Exception as error:
            raise EstimateError(
                f"the space or the estimator cannot be sent to worker processes ({error}); remove "
                "open files, connections and locks from them, or use executor='here'"
            ) from error
        for worker in self._workers[self.workers :]:
            worker.end()
        del self._workers[self.workers :]
        for worker in self._workers:
            worker.started = self._now
            worker.send(self._start_message)
        while len(self._workers) < self.workers:
            self._workers.append(self._start_worker())

    def _start_worker(self) -> WorkerProcess:
        assert self._context is not None
        numerics = self._context.numerics
        worker = WorkerProcess(1 if numerics is None else numerics.threads, self._now)
        worker.send(self._start_message)
        return worker

    def submit(self, job: Job) -> None:
        self._queue.append(job)
        self._assign_jobs()

    def _assign_jobs(self) -> None:
        for worker in self._workers:
            if self._queue and worker.job is None:
                worker.assign(self._queue.popleft())

    def wait(self, timeout: float) -> list[Outcome]:
        self._watch(self._workers, timeout)
        outcomes = []
        for index, worker in enumerate(self._workers):
            failure = self._failure(worker)  # first, to receive all that it sent before it died
            for message in worker.receive():
                outcome = self._handle(worker, *loads(message))
                if outcome is not None:
                    outcomes.append(outcome)
            if failure is not None or worker.closed:
                outcome = self._replace(index, worker, failure or "")
                if outcome is not None:
                    outcomes.append(outcome)
        self._assign_jobs()
        return outcomes

    def _watch(self, workers: Sequence[WorkerProcess], timeout: float) -> None:
        poll(workers, timeout)
        now = time.monotonic()
        self._now += min(now - self._watched, timeout + 1.0)
        self._watched = now

    def _failure(self, worker: WorkerProcess) -> str | None:
        """Return why a worker has to be replaced: empty where it ended, ``None`` where it works."""
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
        return None if worker.halted is not None or not self._is_late(worker) else LATE

    def _is_late(self, worker: WorkerProcess) -> bool:
        """Return whether a job is far beyond its time limit, so that it hangs outside training."""
        limit = None if self._context is None else self._context.time_limit
        if worker.began is None or limit is None:
            return False
        return self._now - worker.began > 1.5 * limit + GRACE

    def _handle(self, worker: WorkerProcess, kind: str, data: Any) -> Outcome | None:
        """Answer a worker's message; return the outcome that the message holds, if any."""
        if kind == "broken":
            raise EstimateError(f"a worker process failed: {to_one_line(data)}")
        if kind == "ready":
            worker.started, self._failed_starts = None, 0
        elif kind == "began":
            worker.began = self._now
        elif kind == "report":
            number, point = data
            worker.curve.append(point)
            proceed = self._listen is None or self._listen(number, worker.curve)
            worker.send(dumps(("answer", proceed)))
        elif kind == "done":
            worker.job = worker.began = None
            assert isinstance(data, Outcome)
            self._deaths.pop(data.number, None)
            return data
        return None

    def _replace(self, index: int, worker: WorkerProcess, why: str) -> Outcome | None:
        """Replace a worker by a new one; return the outcome of its job, if it is known."""
        code, job = worker.end(), worker.job
        reason = why or describe_exit(code)
        if worker.started is not None:
            self._failed_starts += 1
            if self._failed_starts == STARTS:
                raise EstimateError(
                    f"worker processes do not start: {STARTS} in a row ended before they were "
                    f"ready (the last: {reason}); check the imports of the space and the "
                    "estimator, or use executor='here'"
                )
        self._workers[index] = self._start_worker()
        if job is None:
            return None
        saved = self._saved_outcome(job)
        if saved is not None:
            return saved
        if why == LATE:
            limit = self._context.time_limit if self._context else None
            return Outcome(job.number, error=f"did not end within its time limit of {limit:g} s")
        deaths = self._deaths[job.number] = self._deaths.get(job.number, 0) + (
            worker.started is None
        )
        if deaths < MAX_DEATHS:
            self._queue.appendleft(job)
            return None
        hint = "" if why or code != -signal.SIGKILL else "; the system may be out of memory"
        return Outcome(
            job.number, error=f"its worker process died {MAX_DEATHS} times ({reason}){hint}"
        )

    def _saved_outcome(self, job: Job) -> Outcome | None:
        """Return the outcome that a worker saved before it died; its job does not run again."""
        files = job.context.files
        saved = files and files.take_result(job.context.study, job.number, job.digest)
        return outcome_from_json(job.number, saved) if saved else None

    def call(self, function: Callable[..., Any], workers: int, *arguments: Any) -> list[Any]:
        """Call ``function(context, *arguments)`` in the first ``workers`` at the same time.

        No job may be running meanwhile.

        Raises:
            EstimateError: the function failed, or a worker died in it.
        """
        message = dumps(("call", (function, arguments)))
        called = dict(enumerate(self._workers[:workers]))
        for worker in called.values():
            worker.send(message)
        results: dict[int, Any] = {}
        broken = None
        while called:
            self._watch(list(called.values()), 0.2)
            for index, worker in list(called.items()):
                failure = self._failure(worker)
                answers = [loads(message) for message in worker.receive()]
                for kind, data in answers:
                    if kind == "ready":
                        worker.started, self._failed_starts = None, 0
                    else:
                        broken = data if kind == "broken" else broken
                        results[index] = data
                        called.pop(index, None)
                if index in called and (failure is not None or worker.closed):
                    code = worker.end()
                    broken = f"it died ({failure or describe_exit(code)})"
                    self._workers[index] = self._start_worker()
                    del called[index]
        if broken is not None:  # all have answered by now, so no answer is left for a later call
            raise EstimateError(f"a worker process failed: {broken}")
        return [results[index] for index in sorted(results)]

    def stop(self) -> None:
        for worker in self._workers:
            worker.end()
        self._workers = []
        self._queue.clear()
        self._deaths.clear()
