"""Decide where trials run and with which numerics: as given, as before, or as measured."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from nasturtium.errors import StoreError
from nasturtium.estimate.combined import Combined
from nasturtium.estimate.train import Train
from nasturtium.execute.base import Executor, count_cores
from nasturtium.execute.here import Here
from nasturtium.execute.measure_throughput import Tuning, tune
from nasturtium.execute.processes import Processes
from nasturtium.run.manifest import new_manifest
from nasturtium.run.plan import SearchPlan
from nasturtium.run.stages import Announce
from nasturtium.study.context import StudyContext
from nasturtium.study.estimator import Estimator
from nasturtium.study.study import Study
from nasturtium.train.numerics import Numerics

__all__ = ["ready_executor"]


@contextmanager
def ready_executor(
    plan: SearchPlan, study: Study, context: StudyContext, announce: Announce
) -> Iterator[Executor]:
    """Give the executor of a study, and set the numerics of its context.

    A new study gets its manifest, which records both. The executor is stopped at the end.

    Raises:
        StoreError: the study computes with other numerics than the plan.
    """
    if study.manifest:
        executor = _executor_of(study.manifest, plan, context)
    else:
        executor, tuning = _choose_executor(plan, context, announce)
    try:
        if not study.manifest:
            measured = _settings(executor, context.numerics, tuning)
            study.log("manifest", new_manifest(plan, measured))
        yield executor
    finally:
        executor.stop()


def _executor_of(manifest: Mapping[str, Any], plan: SearchPlan, context: StudyContext) -> Executor:
    """Return the executor for a study that is resumed, with the numerics that it started with."""
    context.numerics = Numerics.from_json(manifest["numerics"])
    if plan.numerics is not None and plan.numerics != context.numerics:
        raise StoreError(
            f"study {context.study!r} computes with {context.numerics}, this call has "
            f"{plan.numerics}; they change results, so leave numerics out to resume it, or give "
            "another name"
        )
    if plan.executor is not None:
        return plan.executor
    return Here() if manifest["executor"] == "here" else Processes(manifest["workers"])


def _choose_executor(
    plan: SearchPlan, context: StudyContext, announce: Announce
) -> tuple[Executor, Tuning | None]:
    """Choose executor and numerics of a new study; trainings in worker processes are measured."""
    executor, numerics = plan.executor, plan.numerics
    if numerics is None and (isinstance(executor, Here) or not _trains(plan.estimator)):
        numerics = Numerics()  # nothing is measured; more threads slow small networks down
    if numerics is None:
        announce("tune", None)
        if executor is None or isinstance(executor, Processes):
            return _tuned(executor or Processes(), plan, context)
        numerics = Numerics()
    context.numerics = numerics
    if executor is None:
        if _trains(plan.estimator):
            executor = Processes(max(1, count_cores() // numerics.threads))
        else:  # only a worker process can be ended at a time limit
            executor = Here() if plan.time_limit is None else Processes(1)
    return executor, None


def _tuned(
    executor: Processes, plan: SearchPlan, context: StudyContext
) -> tuple[Processes, Tuning]:
    """Measure workers and numerics, and set them."""
    try:
        executor.start(context, plan.estimator)
        tuning = tune(executor, context, plan.recipe.batch_size)
    except BaseException:
        executor.stop()
        raise
    context.numerics = tuning.numerics
    executor.workers = tuning.workers
    return executor, tuning


def _settings(
    executor: Executor, numerics: Numerics | None, tuning: Tuning | None
) -> dict[str, Any]:
    """Return the entries of a manifest that say where and with which numerics trials run."""
    assert numerics is not None
    workers = executor.workers
    settings: dict[str, Any] = {
        "numerics": numerics.to_json(),
        "executor": type(executor).__name__.lower(),
        "workers": workers,
        "lag": workers if workers == 1 else 2 * workers,
    }
    if tuning is not None:
        settings["tuning"] = dict(tuning.measured)
    return settings


def _trains(estimator: Estimator) -> bool:
    parts = estimator.parts if isinstance(estimator, Combined) else (estimator,)
    return any(isinstance(part, Train) for part in parts)
