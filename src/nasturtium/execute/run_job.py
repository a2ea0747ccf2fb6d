"""Running one job: every error becomes part of its outcome."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, final

from nasturtium.display.printable import to_one_line
from nasturtium.errors import NasturtiumError
from nasturtium.study.estimator import Estimator
from nasturtium.study.job import ConstraintViolation, Job
from nasturtium.study.trial import Outcome
from nasturtium.study.validate import parse_metrics

__all__ = ["SignalRequests", "outcome_from_json", "outcome_to_json", "run_job"]


def run_job(estimator: Estimator, job: Job, requests: SignalRequests | None = None) -> Outcome:
    """Run a job and return its outcome; an error makes the trial fail, and is not raised.

    The outcome holds plain numbers and printable text only, whatever the estimator returned.

    Args:
        estimator: estimates the job's architecture.
        job: what to run.
        requests: distinguishes Ctrl-C, which is raised, from errors of the estimator. If not
            given, ``KeyboardInterrupt`` and ``SystemExit`` are raised.
    """
    start, cpu = time.perf_counter(), time.process_time()
    metrics: Mapping[str, float] = {}
    curve: Sequence[Mapping[str, float]] = ()
    error: str | None = None
    full: int | None = None
    try:
        metrics = parse_metrics(estimator.estimate(job), f"{type(estimator).__name__}.estimate")
    except ConstraintViolation as broken:
        metrics, error = broken.metrics, _message(broken)
    except MemoryError:
        error = "out of memory"
    except BaseException as reason:
        if requests is None and isinstance(reason, (KeyboardInterrupt, SystemExit)):
            raise
        error = _describe(reason)
    try:
        curve = tuple(parse_metrics(point, "job.curve") for point in job.curve)
        full = estimator.full_epochs()
    except Exception as reason:
        metrics, error = {}, error or _describe(reason)
    if requests is not None and requests.raised is not None:
        raise requests.raised
    stopped = error is None and job.stopped(full)
    return Outcome(
        job.number,
        metrics,
        curve,
        dict(job.kept),
        error,
        time.perf_counter() - start,
        time.process_time() - cpu,
        job.trained(full, whole=error is None and not stopped),
        stopped,
    )


@final
class SignalRequests:
    """Records what the handlers of SIGINT and SIGTERM raise, as distinct from an estimate's errors.

    Signals are handled in the main thread; in another thread nothing is recorded.

    Attributes:
        raised: the exception that a handler raised, or ``None``.
    """

    def __init__(self) -> None:
        self.raised: BaseException | None = None
        self._handlers: dict[signal.Signals, Any] = {}

    def open(self) -> None:
        """Wrap the handlers of the signals; a second call changes nothing."""
        for number in (signal.SIGINT, signal.SIGTERM):
            handler = signal.getsignal(number)
            if callable(handler) and number not in self._handlers:
                try:
                    signal.signal(number, self._recording(handler))
                except ValueError:  # not the main thread
                    return
                self._handlers[number] = handler

    def close(self) -> None:
        """Restore the handlers."""
        for number, handler in self._handlers.items():
            signal.signal(number, handler)
        self._handlers.clear()
        self.raised = None

    def _recording(self, handler: Callable[..., object]) -> Callable[[int, Any], None]:
        def record(number: int, frame: Any) -> None:
            try:
                handler(number, frame)
            except BaseException as request:
                self.raised = request
                raise

        return record


def _message(reason: BaseException) -> str:
    """Return the message of an error in one line, even if its ``__str__`` fails."""
    try:
        return to_one_line(str(reason).strip())
    except Exception:
        return f"{type(reason).__name__}, whose text cannot be read"


def _describe(reason: BaseException) -> str:
    """Return an unexpected error in one line, with the function that raised it."""
    if isinstance(reason, NasturtiumError):
        return _message(reason)
    try:
        first = (str(reason).strip().splitlines() or ["no message"])[0]
    except Exception:
        first = "its text cannot be read"
    if "can't allocate memory" in first or type(reason).__name__ == "OutOfMemoryError":
        return to_one_line(f"out of memory: {first}")
    place = ""
    trace = reason.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    if trace is not None:
        code = trace.tb_frame.f_code
        place = f" (in {code.co_name}, {code.co_filename.rpartition('/')[2]}:{trace.tb_lineno})"
    return to_one_line(f"{type(reason).__name__}: {to_one_line(first)[:1800]}{place}")


def outcome_to_json(outcome: Outcome) -> dict[str, Any]:
    """Return an outcome as plain JSON, with infinite numbers and NaN as Python writes them."""
    return {
        "metrics": dict(outcome.metrics),
        "curve": [dict(point) for point in outcome.curve],
        "files": dict(outcome.files),
        "error": outcome.error,
        "seconds": outcome.seconds,
        "cpu_seconds": outcome.cpu_seconds,
        "epochs": outcome.epochs,
        "stopped": outcome.stopped,
    }


def outcome_from_json(number: int, data: Mapping[str, Any]) -> Outcome:
    """Return the outcome that :func:`outcome_to_json` wrote."""
    return Outcome(
        number,
        data["metrics"],
        tuple(data["curve"]),
        data["files"],
        data["error"],
        data["seconds"],
        data["cpu_seconds"],
        data.get("epochs"),
        data.get("stopped", False),
    )
