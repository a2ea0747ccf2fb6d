"""One attempt at a job: its outcome as plain JSON, whatever happens in it."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from nasturtium.errors import EstimateError, NasturtiumError
from nasturtium.study.estimator import Estimator
from nasturtium.study.trial import Outcome
from nasturtium.study.work import Job, OutOfBounds

__all__ = ["attempt", "outcome_from_json", "outcome_to_json"]


def attempt(estimator: Estimator, job: Job) -> Outcome:
    """Run an estimate; an error becomes the reason of a failure, and nothing is raised.

    A request to stop (Ctrl-C) is passed on.
    """
    start, cpu = time.perf_counter(), time.process_time()
    metrics: Mapping[str, float] = {}
    error: str | None = None
    try:
        metrics = _numbers(estimator, estimator.estimate(job))
    except OutOfBounds as broken:
        metrics, error = broken.metrics, str(broken)
    except NasturtiumError as reason:
        error = str(reason)
    except MemoryError:
        error = "out of memory"
    except Exception as reason:
        error = _described(reason)
    full = estimator.full_epochs()
    stopped = error is None and job.stopped(full)
    return Outcome(
        job.number,
        metrics,
        tuple(job.curve),
        dict(job.kept),
        error,
        time.perf_counter() - start,
        time.process_time() - cpu,
        job.trained(full, whole=error is None and not stopped),
        stopped,
    )


def _numbers(estimator: Estimator, found: object) -> dict[str, float]:
    if not isinstance(found, Mapping):
        raise EstimateError(
            f"{type(estimator).__name__}.estimate gave {found!r}; expected a mapping of numbers by "
            "name, e.g. {'accuracy': 0.9}"
        )
    return {name: float(value) for name, value in found.items()}


def _described(reason: Exception) -> str:
    """An unforeseen error in one line, with the place it came from."""
    text = str(reason).strip()
    if "can't allocate memory" in text or type(reason).__name__ == "OutOfMemoryError":
        return f"out of memory: {text.splitlines()[0]}"
    place = ""
    trace = reason.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    if trace is not None:
        code = trace.tb_frame.f_code
        place = f" (in {code.co_name}, {code.co_filename.rpartition('/')[2]}:{trace.tb_lineno})"
    first = text.splitlines()[0] if text else "no message"
    return f"{type(reason).__name__}: {first}{place}"


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
