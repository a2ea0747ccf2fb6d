"""Collecting the evidence of a study: retraining the networks that it compares.

Every training is recorded in the study's log as soon as it ends, and has a checkpoint while it
runs. A collection that was interrupted therefore resumes where it stopped, and no network is
trained twice in the same way, including those that ``finish`` has trained.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from typing import Any

from nasturtium.analyse.comparison.prospect import Prospect, assess_prospect
from nasturtium.analyse.comparison.retrained import Training
from nasturtium.analyse.comparison.selection import select_trials, split_pools
from nasturtium.analyse.comparison.verdict import MARGIN
from nasturtium.analyse.evidence import Evidence
from nasturtium.analyse.load_evidence import load_evidence
from nasturtium.analyse.reference_networks import LEAST, REFERENCES
from nasturtium.analyse.retraining_settings import numerics_of, retraining_recipe
from nasturtium.analyse.training_notes import canonical_json, read_plan, read_training_notes
from nasturtium.cost.count import count
from nasturtium.errors import StrategyError
from nasturtium.execute.base import Executor
from nasturtium.execute.here import Here
from nasturtium.execute.processes import Processes
from nasturtium.execute.run_job import outcome_from_json
from nasturtium.retraining.energy import PowerMeter
from nasturtium.retraining.estimator import Retrain, RetrainJob
from nasturtium.retraining.identity import training_identity
from nasturtium.retraining.study_task import load_study_task
from nasturtium.run.environment import describe_machine
from nasturtium.run.progress import choose_view
from nasturtium.run.resolve import bind_space, parse_recipe
from nasturtium.run.stages import call_both
from nasturtium.space.base import Space
from nasturtium.study.context import StudyContext
from nasturtium.study.job import Job
from nasturtium.study.stores.base import Lease
from nasturtium.study.study import Study
from nasturtium.study.trial import Outcome, Proposal, Trial
from nasturtium.task.task import Task
from nasturtium.train.check_arguments import check_types, find_type_hints
from nasturtium.train.numerics import default_torch_state
from nasturtium.train.recipe import Recipe

__all__ = ["collect_evidence"]

Watch = Callable[[Training, int, int], None]


@default_torch_state()
def collect_evidence(
    study: Study,
    *,
    top: int = 3,
    seeds: int = 3,
    spread: int = 4,
    references: bool = True,
    margin: float = MARGIN,
    budget_seconds: float | None = None,
    recipe: Recipe | str | None = None,
    data: Any = None,
    progress: bool | None = None,
    foreseen: Callable[[Prospect], None] | None = None,
    watch: Watch | None = None,
) -> Evidence:
    """Retrain the networks that the evidence compares, on all workers of the study.

    The best ``top`` networks of the search and of the control are trained with several seeds each,
    and so are the study's answer and two reference networks of its size; ``spread`` others are
    trained once, for the rank correlation. A later call resumes, and repeats failed trainings.

    Args:
        study: a study of :func:`nasturtium.search`.
        top: how many networks of search and control are compared.
        seeds: trainings of each network; the first has the study's own seed.
        spread: how many others are trained, evenly spaced over the control's ranks.
        references: whether to train reference networks.
        margin: the least gain that counts, in the metric's units.
        budget_seconds: start no further training after so much time.
        recipe: how to train; the study's own recipe with four times as many epochs if not given.
        data: the data, if the study was made from objects; otherwise they are read again.
        progress: whether to show progress, as for :func:`nasturtium.search`.
        foreseen: called before anything is trained, with an assessment of whether retraining can
            decide.
        watch: called as ``watch(training, done, all)`` after each training.

    Returns:
        the evidence; ``print`` it, or see ``to_json``.

    Raises:
        StrategyError: the study has no finished trial, or its data have no test examples.
        StoreError: another driver is searching in the study.

    Example:
        >>> import nasturtium as nas
        >>> study = nas.search(
        ...     "digits", space="mlp", strategy="random", trials=2, control=0.0, confirm=0,
        ...     recipe="epochs=1", executor="here", numerics="threads=1", store=None,
        ... )
        >>> evidence = nas.collect_evidence(
        ...     study, top=1, seeds=1, spread=0, references=False, recipe="epochs=1"
        ... )
        >>> len(evidence.finished), evidence.verdict.answer
        (1, 'no better')
    """
    check_types(
        "collect_evidence", dict(locals()), find_type_hints(collect_evidence), StrategyError
    )
    if top < 1 or seeds < 1 or spread < 0 or not 0 < margin < math.inf:
        raise StrategyError(
            f"collect_evidence got top={top}, seeds={seeds}, spread={spread}, margin={margin}; "
            "expected at least one network and one seed, no negative spread, and a positive margin"
        )
    view = choose_view(progress, watch is not None or foreseen is not None)
    if view is not None:
        foreseen, watch = call_both(view.foreseen, foreseen), call_both(view.trained, watch)
    with view or nullcontext():
        answer, task = study.best, load_study_task(study, data)
        if task.test is None:
            raise StrategyError(
                f"the data {task.name!r} have no test examples, and the validation examples chose "
                "the architectures; give a test split, or divide one off with fractions=(valid, "
                "test)"
            )
        space = bind_space(study.space, task)
        plan = {
            "top": top,
            "seeds": seeds,
            "spread": spread,
            "margin": margin,
            "references": references and _fits_references(task),
            "recipe": None
            if recipe is None
            else parse_recipe(recipe, retraining_recipe(study)).to_json(),
            "space": dict(space.describe()),
            "params": count(space.build(answer.architecture), task.inputs).params,
        }
        if foreseen is not None:
            foreseen(_assess(study, plan))
        lease = study.store.lease(study.name)
        try:
            if canonical_json(read_plan(study) or {}) != canonical_json(plan):
                study.log("note", {"evidence": plan})
            jobs = list(_plan_jobs(study, plan, answer, space, task))
            _train(study, jobs, space, task, lease, budget_seconds, watch)
        finally:
            lease.release()
        return load_evidence(study)


def _assess(study: Study, plan: dict[str, Any]) -> Prospect:
    """Assess what the planned trainings could show."""
    pools = split_pools(study.history)
    selection = select_trials(pools, plan["top"], plan["spread"])
    return assess_prospect(pools, selection, seeds=plan["seeds"], margin=plan["margin"])


def _fits_references(task: Task) -> bool:
    """Return whether there are reference networks for the inputs of the task."""
    return len(task.inputs) == 3 and min(task.inputs[1:]) >= LEAST


def _plan_jobs(
    study: Study, plan: dict[str, Any], answer: Trial, space: Space, task: Task
) -> Iterator[RetrainJob]:
    """Yield all trainings, one seed after the other, so that a budget leaves them balanced."""
    selection = select_trials(split_pools(study.history), plan["top"], plan["spread"])
    repeated = {t.architecture.key: t for t in (answer, *selection.search, *selection.control)}
    once = [t for t in selection.spread if t.architecture.key not in repeated]
    numerics = numerics_of(study)
    given = None if plan["recipe"] is None else Recipe.from_json(plan["recipe"])
    for step in range(plan["seeds"]):
        seed = study.seed + step
        for trial in (*repeated.values(), *(once if step == 0 else ())):
            recipe = given or retraining_recipe(study, trial.architecture)
            identity = training_identity(trial.number, recipe, seed, True, space, numerics)
            yield RetrainJob(identity, trial.architecture, seed, recipe, trial.number)
        if plan["references"]:
            recipe = given or retraining_recipe(study, answer.architecture)
            for name in REFERENCES:
                params = plan["params"]
                yield RetrainJob.of_reference(name, params, seed, recipe, True, task, numerics)


def _train(
    study: Study,
    jobs: list[RetrainJob],
    space: Space,
    task: Task,
    lease: Lease,
    budget: float | None,
    watch: Watch | None,
) -> None:
    """Train the networks that are not in the log yet, and record each as soon as it is done."""
    notes = read_training_notes(study)
    known = {canonical_json(identity) for identity, note in notes if "error" not in note}
    wanted = {job.number: job for job in jobs if canonical_json(job.identity) not in known}
    if not wanted:
        return
    manifest, files = study.manifest, study.files
    context = StudyContext(study.name, study.seed, space, task, files, numerics_of(study))
    alone = files is None or manifest.get("executor", "here") == "here"
    executor: Executor = Here() if alone else Processes(manifest.get("workers"))
    executor.start(context, Retrain(wanted, whole=True))
    done, start, meter = len(jobs) - len(wanted), time.monotonic(), PowerMeter()
    waiting, running = list(wanted.values()), 0
    try:
        while waiting or running:
            if budget is not None and time.monotonic() - start > budget:
                waiting = []
            saved = []
            while waiting and running < executor.workers:
                outcome = _start(executor, study, waiting.pop(0), context)
                saved += [outcome] if outcome is not None else []
                running += 1
            for outcome in saved or executor.wait(0.2):
                training = _record(study, wanted[outcome.number], outcome)
                running, done = running - 1, done + 1
                if watch is not None:
                    watch(training, done, len(jobs))
            lease.beat()
            meter.sample()
    finally:
        executor.stop()
        power = {"watts": meter.watts, "source": meter.source}
        study.log("note", {"power": describe_machine(), "measured": power})


def _start(
    executor: Executor, study: Study, wanted: RetrainJob, context: StudyContext
) -> Outcome | None:
    """Submit a training, or return the outcome that an earlier worker saved."""
    job = Job(wanted.number, Proposal(wanted.architecture), context)
    files = study.files
    saved = None if files is None else files.take_result(study.name, job.number, job.digest)
    if saved is not None:
        return outcome_from_json(job.number, saved)
    executor.submit(job)
    return None


def _record(study: Study, job: RetrainJob, outcome: Outcome) -> Training:
    """Log a training, and remove its temporary files."""
    body: dict[str, Any] = {"trained": job.identity, "key": job.key}
    if outcome.error is None:
        body["metrics"] = dict(outcome.metrics)
    else:
        body["error"] = outcome.error
    study.log("note", {**body, "measured": [outcome.seconds, outcome.cpu_seconds]})
    if study.files is not None:
        study.files.clear(study.name, job.number)
    return Training(
        job.key,
        job.seed,
        job.trial,
        dict(outcome.metrics) if outcome.error is None else {},
        outcome.seconds,
        outcome.cpu_seconds,
        outcome.error,
    )
