"""An executor that runs jobs in this process, one at a time."""

from __future__ import annotations

from collections import deque
from typing import final

from nasturtium.display.printable import to_one_line
from nasturtium.errors import EstimateError
from nasturtium.execute.attempt_count import AttemptCount
from nasturtium.execute.base import MAX_DEATHS, Executor, Listen
from nasturtium.execute.processes import Processes
from nasturtium.execute.run_job import SignalRequests, run_job
from nasturtium.study.context import StudyContext
from nasturtium.study.estimator import Estimator
from nasturtium.study.job import Job
from nasturtium.study.trial import Outcome

__all__ = ["Here"]


@final
class Here(Executor):
    """Runs each job in this process when its outcome is waited for: for tables and debugging.

    A job that never ends cannot be ended here, whatever the time limit. If the process died twice
    in a row while it ran the same job, the next process runs that job in a worker process.

    Example:
        >>> import nasturtium as nas
        >>> study = nas.search(
        ...     "digits", space="nasbench201(cells=1,channels=4)", estimator="hardware",
        ...     objectives=("params",), strategy="random", trials=2, control=0.0, confirm=0,
        ...     executor=nas.Here(), store=None,
        ... )
        >>> len(study.history.finished)
        2
    """

    def __init__(self) -> None:
        self.workers = 1
        self._queue: deque[Job] = deque()
        self._estimator: Estimator | None = None
        self._listen: Listen | None = None
        self._attempts: AttemptCount | None = None
        self._requests = SignalRequests()

    def start(
        self, context: StudyContext, estimator: Estimator, listen: Listen | None = None
    ) -> None:
        self._estimator = estimator
        self._listen = listen
        if self._attempts is not None:
            self._attempts.remove()
        files = context.files
        self._attempts = None if files is None else AttemptCount(files.begun(context.study))
        self._requests.open()

    def submit(self, job: Job) -> None:
        self._queue.append(job)

    def wait(self, timeout: float) -> list[Outcome]:
        if not self._queue:
            return []
        assert self._estimator is not None
        job = self._queue.popleft()
        if self._attempts is not None:
            attempts = self._attempts.record(job.number)
            if attempts > MAX_DEATHS:
                return [self._run_in_worker(job, self._estimator, attempts - 1)]
        job.listen = self._listen
        return [run_job(self._estimator, job, self._requests)]

    def _run_in_worker(self, job: Job, estimator: Estimator, deaths: int) -> Outcome:
        """Run a job in a worker process, since this process may not survive it."""
        worker = Processes(1)
        try:
            worker.start(job.context, estimator, self._listen)
            worker.submit(job)
            while not (outcomes := worker.wait(0.2)):
                pass
            return outcomes[0]
        except EstimateError as error:
            return Outcome(
                job.number,
                error=f"its process died {deaths} times, and a worker process cannot run it: "
                f"{to_one_line(str(error))}",
            )
        finally:
            worker.stop()

    def stop(self) -> None:
        self._queue.clear()
        self._requests.close()
        if self._attempts is not None:
            self._attempts.remove()
            self._attempts = None
