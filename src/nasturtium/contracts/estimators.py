"""The contract of an estimator."""

from __future__ import annotations

import pickle
import tempfile
from collections.abc import Collection, Mapping
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any

from nasturtium.contracts.assertions import alike, leaves_randomness_alone, require, unchanged
from nasturtium.space.base import Space
from nasturtium.study.context import StudyContext
from nasturtium.study.estimator import Estimator
from nasturtium.study.files import Files
from nasturtium.study.job import Job
from nasturtium.study.preparation import Preparation
from nasturtium.study.trial import Proposal
from nasturtium.train.scale_epochs import scale_epochs

if TYPE_CHECKING:
    from nasturtium.task.task import Task

__all__ = ["check_estimator"]


def check_estimator(
    estimator: Estimator,
    given: Space | Job,
    task: Task | None = None,
    *,
    measured: Collection[str] = (),
    samples: int = 2,
    seed: int = 0,
) -> None:
    """Check the properties of an estimator on which studies and workers rely.

    * ``metrics`` names exactly the metrics that ``estimate`` returns, and their values are numbers.
    * Equal jobs give equal metrics, except for measured ones; a copy in another process gives the
      same metrics, since nothing is kept on the instance.
    * Where it reports points, and is asked to end at the first one, it still returns its metrics.
    * ``prepare`` works once: where its file exists it prepares no other one.
    * Python's and NumPy's global generators do not change. (Torch's may be seeded, since dropout
      uses no other; a worker estimates one job at a time.)

    Args:
        estimator: the estimator.
        given: a space from which architectures are drawn (bound to the shapes of ``task``), or a
            job to estimate.
        task: the data, where the estimator needs any.
        measured: names of metrics that differ from run to run, e.g. ``("latency",)``.
        samples: how many architectures are drawn from a space.
        seed: of the generator that draws them.

    Raises:
        AssertionError: a property is violated; says which, and by what.

    Example:
        >>> import nasturtium as nas
        >>> from nasturtium.contracts import check_estimator
        >>> constant = nas.Tabular(lambda architecture: {"accuracy": 0.5})
        >>> check_estimator(constant, nas.zoo.nasbench201)
    """
    name = type(estimator).__name__
    require(
        isinstance(given, (Space, Job)),
        f"check_estimator got {given!r}; expected a space, e.g. nas.zoo.mlp, or a job",
    )
    if task is not None and isinstance(given, Space):
        given = given.bind_known(**task.data_shapes)
    require(
        isinstance(estimator.metrics, tuple)
        and bool(estimator.metrics)
        and len(set(estimator.metrics)) == len(estimator.metrics)
        and all(isinstance(metric, str) and metric for metric in estimator.metrics),
        f"{name}.metrics is {estimator.metrics!r}; expected a tuple of different names",
    )
    with tempfile.TemporaryDirectory() as folder:
        if isinstance(given, Job):
            context, numbered = given.context, [(given.number, given.proposal)]
        else:
            rng = Random(seed)
            context = StudyContext("contract", seed, given, task, Files(Path(folder) / "files"))
            numbered = [(number, Proposal(given.sample(rng))) for number in range(samples)]
        _check_prepare(estimator, context)
        for number, proposal in numbered:
            with unchanged(estimator), leaves_randomness_alone(name, torch=False):
                first = _numbers(estimator, _job(given, number, proposal, context))
            second = _numbers(estimator, _job(given, number, proposal, context))
            _check_same(name, "a second time", first, second, measured)
            sent = _sent(estimator)
            third = _numbers(sent, _job(given, number, proposal, context))
            _check_same(name, "in a worker process", first, third, measured)
            _check_end(estimator, _job(given, number, proposal, context))


def _job(given: Space | Job, number: int, proposal: Proposal, context: StudyContext) -> Job:
    if context.files is not None:
        context.files.clear(context.study, number)  # no checkpoint of the job before
    if isinstance(given, Job):
        return Job(number, proposal, context, given.parent_weights, given.resumed, given.origin)
    return Job(number, proposal, context)


def _check_prepare(estimator: Estimator, context: StudyContext) -> None:
    name = type(estimator).__name__
    logged: list[Any] = []
    with unchanged(estimator), leaves_randomness_alone(f"{name}.prepare", torch=False):
        estimator.prepare(Preparation(context, "estimator", logged.append))
    prepared = len(logged)
    estimator.prepare(Preparation(context, "estimator", logged.append))
    require(
        len(logged) == prepared,
        f"{name}.prepare worked again although its file exists; check preparation.prepared first",
    )


def _numbers(estimator: Estimator, job: Job) -> Mapping[str, float]:
    metrics = estimator.estimate(job)
    name = type(estimator).__name__
    require(isinstance(metrics, Mapping), f"{name}.estimate gave {metrics!r}; expected a mapping")
    require(
        set(metrics) == set(estimator.metrics),
        f"{name}.estimate gave {sorted(metrics)}, and its metrics are {sorted(estimator.metrics)}",
    )
    for metric, value in metrics.items():
        require(
            isinstance(value, (int, float)) and not isinstance(value, bool),
            f"{name}.estimate gave {metric}={value!r}; expected a plain number (use .item())",
        )
    return dict(metrics)


def _check_end(estimator: Estimator, job: Job) -> None:
    """Ask the estimate to end at the first point that it reports."""
    name, full = type(estimator).__name__, estimator.full_epochs()
    job.listen = lambda number, metrics: False
    metrics = estimator.estimate(job)
    require(
        isinstance(metrics, Mapping),
        f"{name}.estimate gave {metrics!r} when job.report asked it to end; expected the "
        "metrics so far",
    )
    if full is None or job.recipe is not None:
        return
    done, planned = job.trained(full, whole=False), scale_epochs(full, job.fidelity.epochs)
    require(
        job.stopped(full) or done == planned,
        f"{name}.full_epochs() is {full}, and it reported {done} of {planned} epochs; report once "
        "after each epoch, or leave full_epochs out",
    )


def _sent(estimator: Estimator) -> Estimator:
    name = type(estimator).__name__
    try:
        sent: Estimator = pickle.loads(pickle.dumps(estimator))
    except Exception as error:
        if "lambda" in str(error) or "local object" in str(error):
            return estimator  # a given function that cannot be imported works in one process
        raise AssertionError(
            f"{name} cannot be sent to a worker process ({error}); keep arguments only"
        ) from error
    return sent


def _check_same(
    name: str,
    when: str,
    first: Mapping[str, float],
    second: Mapping[str, float],
    measured: Collection[str],
) -> None:
    for metric, value in first.items():
        require(
            metric in measured or alike(value, second[metric]),
            f"{name}.estimate gave {metric}={value!r}, and {second[metric]!r} {when}, for the same "
            "job; key all randomness by job.seed(purpose), or name it as measured",
        )
