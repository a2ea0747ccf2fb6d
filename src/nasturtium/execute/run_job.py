"""One attempt at a job: its outcome as plain JSON, whatever happens in it."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, final

from nasturtium.errors import NasturtiumError
from nasturtium.study.estimator import Estimator
from nasturtium.study.job import ConstraintViolation, Job
from nasturtium.study.trial import Outcome
from nasturtium.study.validate import parse_metrics, printable_line

__all__ = ["Requests", "outcome_from_json", "outcome_to_json", "run_job"]


def run_job(estimator: Estimator, job: Job, requests: Requests | None = None) -> Outcome:
    """Run an estimate; an error becomes the reason of a failure, and nothing is raised.

    The outcome holds plain numbers and printable text only, whatever the estimator gave.

    Args:
        estimator: what is run.
        job: for what.
        requests: tells Ctrl-C, which is passed on, from what the estimator raises, which fails the
            trial. If not given, ``KeyboardInterrupt`` and ``SystemExit`` are passed on.
    """
    start, cpu = time.perf_counter(), time.process_time()
    metrics: Mapping[str, float] = {}
    curve: Sequence[Mapping[str, float]] = ()
    error: str | None = None
    full: int | None = None
    try:
        metrics = parse_metrics(estimator.estimate(job), f"{type(estimator).__name__}.estimate")
    except ConstraintViolation as broken:
        metrics, error = broken.metrics, _text(broken)
    except MemoryError:
        error = "out of memory"
    except BaseException as reason:
        if requests is None and isinstance(reason, (KeyboardInterrupt, SystemExit)):
            raise
        error = _described(reason)
    try:
        curve = tuple(parse_metrics(point, "job.curve") for point in job.curve)
        full = estimator.full_epochs()
    except Exception as reason:
        metrics, error = {}, error or _described(reason)
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
class Requests:
    """Notes what the handlers of SIGINT and SIGTERM raise, to tell it from what an estimate raises.

    Signals are handled in the main thread; opened in another one, it notes nothing.

    Attributes:
        raised: what a handler raised, or ``None``.
    """

    def __init__(self) -> None:
        self.raised: BaseException | None = None
        self._handlers: dict[signal.Signals, Any] = {}

    def open(self) -> None:
        """Begin to note; nothing if it has begun."""
        for number in (signal.SIGINT, signal.SIGTERM):
            handler = signal.getsignal(number)
            if callable(handler) and number not in self._handlers:
                try:
                    signal.signal(number, self._noting(handler))
                except ValueError:  # not the main thread
                    return
                self._handlers[number] = handler

    def close(self) -> None:
        """Put the handlers back."""
        for number, handler in self._handlers.items():
            signal.signal(number, handler)
        self._handlers.clear()
        self.raised = None

    def _noting(self, handler: Callable[..., object]) -> Callable[[int, Any], None]:
        def noting(number: int, frame: Any) -> None:
            try:
                handler(number, frame)
            except BaseException as request:
                self.raised = request
                raise

        return noting


def _text(reason: BaseException) -> str:
    """What an error says, as one line, whatever it does when it is asked."""
    try:
        return printable_line(str(reason).strip())
    except Exception:
        return f"{type(reason).__name__}, whose text cannot be read"


def _described(reason: BaseException) -> str:
    """An unforeseen error in one line, with the place it came from."""
    if isinstance(reason, NasturtiumError):
        return _text(reason)
    try:
        first = (str(reason).strip().splitlines() or ["no message"])[0]
    except Exception:
        first = "its text cannot be read"
    if "can't allocate memory" in first or type(reason).__name__ == "OutOfMemoryError":
        return printable_line(f"out of memory: {first}")
    place = ""
    trace = reason.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    if trace is not None:
        code = trace.tb_frame.f_code
        place = f" (in {code.co_name}, {code.co_filename.rpartition('/')[2]}:{trace.tb_lineno})"
    return printable_line(f"{type(reason).__name__}: {printable_line(first)[:1800]}{place}")


def outcome_to_json(outcome: Outcome) -> dict[str, Any]:
    """As plain JSON; what is not a finite number stays readable by Python's JSON."""
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
    """What :func:`outcome_to_json` wrote."""
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
