"""Gather the evidence of a study: train in full what has to be compared, and weigh it.

Every training is a note in the study's log as soon as it is done, and each has a checkpoint while
it runs: a gathering that was killed goes on where it stopped, and nothing is trained twice, nor
what ``finish`` has trained already in the same way.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from typing import Any

from nasturtium.analyse.assemble import assemble_evidence
from nasturtium.analyse.cost_benefit import Spent
from nasturtium.analyse.evidence import Evidence
from nasturtium.analyse.prospect import Prospect, foresee
from nasturtium.analyse.reference import LEAST, REFERENCES
from nasturtium.analyse.retrained import Training
from nasturtium.analyse.selection import pools, select
from nasturtium.analyse.verdict import MARGIN
from nasturtium.cost.count import count
from nasturtium.errors import StrategyError
from nasturtium.execute.executor import Executor, Here, Processes
from nasturtium.execute.run_job import outcome_from_json
from nasturtium.retraining.energy import Meter
from nasturtium.retraining.estimator import Retrain, RetrainJob, said
from nasturtium.retraining.retrain import identity_of, longer, numerics_of, task_of
from nasturtium.run.environment import describe_machine
from nasturtium.run.progress import choose_view
from nasturtium.run.resolve import bind_space, parse_recipe
from nasturtium.run.stages import call_both
from nasturtium.space.base import Space
from nasturtium.study.confirmation import answer
from nasturtium.study.context import StudyContext
from nasturtium.study.job import Job
from nasturtium.study.stores.base import Lease
from nasturtium.study.study import Study
from nasturtium.study.trial import Outcome, Proposal, Trial
from nasturtium.task.task import Task
from nasturtium.train.fields import check_types, hints_of
from nasturtium.train.numerics import usual_torch
from nasturtium.train.recipe import Recipe

__all__ = ["collect_evidence", "load_evidence"]

Watch = Callable[[Training, int, int], None]


@usual_torch()
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
    """Train in full what the evidence needs, on all of the study's workers, and weigh it.

    The best ``top`` networks of the search and of the control, each with several seeds; the study's
    answer and two reference networks of its size likewise; and ``spread`` others once, for the rank
    correlation. A later call goes on, and tries again what failed.

    Args:
        study: a study of :func:`nasturtium.search`.
        top: how many networks of either side are compared.
        seeds: trainings of each; the first has the study's own seed.
        spread: how many others are trained, evenly spaced over the control's ranks.
        references: whether to train reference networks.
        margin: the least gain that counts, in the metric's units.
        budget_seconds: start no further training after so much time.
        recipe: how; the study's own, four times as long, if not given, as for ``finish``.
        data: the data, where the study was made from objects; else they are read again.
        progress: whether to show what goes on, as for :func:`nasturtium.search`.
        foreseen: called before anything is trained, with what the trainings could show.
        watch: called as ``watch(training, done, all)`` after each training.

    Returns:
        the evidence; ``print`` it, or see ``to_json``.

    Raises:
        StrategyError: the study has no finished trial, or its data have no test examples.
        StoreError: another driver has the study.
    """
    given = dict(locals())
    check_types("collect_evidence", given, hints_of(collect_evidence), StrategyError)
    show = choose_view(progress, watch is not None or foreseen is not None)
    if show is not None:
        told = {
            "foreseen": call_both(show.foreseen, foreseen),
            "watch": call_both(show.trained, watch),
        }
        with show:
            return collect_evidence(**{**given, "progress": False, **told})
    if top < 1 or seeds < 1 or spread < 0 or not 0 < margin < math.inf:
        raise StrategyError(
            f"collect_evidence got top={top}, seeds={seeds}, spread={spread}, margin={margin}; "
            "expected one network and one seed or more, no negative spread, and a positive margin"
        )
    answer, task = study.best, task_of(study, data)
    if task.test is None:
        raise StrategyError(
            f"the data {task.name!r} have no test examples, and the validation examples chose the "
            "architectures; give a test split, or let fractions=(valid, test) divide one off"
        )
    space = bind_space(study.space, task)
    plan = {
        "top": top,
        "seeds": seeds,
        "spread": spread,
        "margin": margin,
        "references": references and _imaged(task),
        "recipe": None if recipe is None else parse_recipe(recipe, longer(study)).to_json(),
        "space": dict(space.describe()),
        "params": count(space.build(answer.architecture), task.inputs).params,
    }
    if foreseen is not None:
        parted = pools(study.history)
        foreseen(foresee(parted, select(parted, top, spread), seeds=seeds, margin=margin))
    lease = study.store.lease(study.name)
    try:
        if said(_plan(study) or {}) != said(plan):
            study.log("note", {"evidence": plan})
        orders = list(_orders(study, plan, answer, space, task))
        _train(study, orders, space, task, lease, budget_seconds, watch)
    finally:
        lease.release()
    return load_evidence(study)


def load_evidence(study: Study) -> Evidence:
    """The evidence that a study has so far; trains nothing.

    A study of which nothing was gathered yet still has curves, costs and a checklist, and a
    verdict that says what is missing.
    """
    plan = _plan(study) or {}
    best = answer(study.history)
    recipe = plan.get("recipe") or longer(study, best and best.architecture).to_json()
    trainings = _trainings(study, plan)
    return assemble_evidence(
        study.history,
        trainings,
        answer=best,
        manifest=study.manifest,
        name=study.name,
        top=plan.get("top", 3),
        spread=plan.get("spread", 4),
        margin=plan.get("margin", MARGIN),
        finishing=recipe if plan else None,
        spent=_spent(study),
        seeds=plan.get("seeds", 3),
        apart=_apart(study, best, trainings),
    )


def _apart(study: Study, answer: Trial | None, trainings: list[Training]) -> dict[str, Any] | None:
    """The answer's training by ``finish``, where it is none of the comparison's."""
    if answer is None or any(training.trial == answer.number for training in trainings):
        return None
    for note in reversed(study.notes):
        identity = note.get("finished")
        if identity is not None and identity["trial"] == answer.number:
            seconds = next(iter(note.get("measured") or ()), 0.0)
            told = {key: identity[key] for key in ("trial", "seed", "recipe")}
            return {**told, "metrics": note["metrics"], "seconds": seconds}
    return None


def _plan(study: Study) -> dict[str, Any] | None:
    """What the last gathering was asked for."""
    for note in reversed(study.notes):
        if "evidence" in note:
            return dict(note["evidence"])
    return None


def _imaged(task: Task) -> bool:
    """Whether there are reference networks for such inputs."""
    return len(task.inputs) == 3 and min(task.inputs[1:]) >= LEAST


def _orders(
    study: Study, plan: dict[str, Any], answer: Trial, space: Space, task: Task
) -> Iterator[RetrainJob]:
    """All trainings, those of the first seed first, so that what a budget leaves is balanced."""
    chosen = select(pools(study.history), plan["top"], plan["spread"])
    several = {t.architecture.key: t for t in (answer, *chosen.search, *chosen.control)}
    once = [t for t in chosen.spread if t.architecture.key not in several]
    numerics = numerics_of(study)
    told = None if plan["recipe"] is None else Recipe.from_json(plan["recipe"])
    for step in range(plan["seeds"]):
        seed = study.seed + step
        for trial in (*several.values(), *(once if step == 0 else ())):
            recipe = told or longer(study, trial.architecture)
            identity = identity_of(trial.number, recipe, seed, True, space, numerics)
            yield RetrainJob(identity, trial.architecture, seed, recipe, trial.number)
        if plan["references"]:
            recipe = told or longer(study, answer.architecture)
            for name in REFERENCES:
                params = plan["params"]
                yield RetrainJob.of_reference(name, params, seed, recipe, True, task, numerics)


def _train(
    study: Study,
    orders: list[RetrainJob],
    space: Space,
    task: Task,
    lease: Lease,
    budget: float | None,
    watch: Watch | None,
) -> None:
    """Train what is not in the log yet; each is noted as soon as it is done."""
    known = {said(identity) for identity, note in _noted(study) if "error" not in note}
    wanted = {order.number: order for order in orders if said(order.identity) not in known}
    if not wanted:
        return
    manifest, files = study.manifest, study.files
    context = StudyContext(study.name, study.seed, space, task, files, numerics_of(study))
    alone = files is None or manifest.get("executor", "here") == "here"
    executor: Executor = Here() if alone else Processes(manifest.get("workers"))
    executor.start(context, Retrain(wanted, whole=True))
    done, start, meter = len(orders) - len(wanted), time.monotonic(), Meter()
    waiting, out = list(wanted.values()), 0
    try:
        while waiting or out:
            if budget is not None and time.monotonic() - start > budget:
                waiting = []
            early = []
            while waiting and out < executor.workers:
                job = Job((order := waiting.pop(0)).number, Proposal(order.architecture), context)
                left = (
                    None if files is None else files.take_result(study.name, job.number, job.digest)
                )
                if left is None:
                    executor.submit(job)
                else:
                    early.append(outcome_from_json(job.number, left))
                out += 1
            for outcome in early or executor.wait(0.2):
                training = _note(study, wanted[outcome.number], outcome)
                out, done = out - 1, done + 1
                if watch is not None:
                    watch(training, done, len(orders))
            lease.beat()
            meter.sample()
    finally:
        executor.stop()
        power = {"watts": meter.watts, "source": meter.source}
        study.log("note", {"power": describe_machine(), "measured": power})


def _note(study: Study, order: RetrainJob, outcome: Outcome) -> Training:
    """Log a training, and drop what it left behind."""
    body: dict[str, Any] = {"trained": order.identity, "key": order.key}
    if outcome.error is None:
        body["metrics"] = dict(outcome.metrics)
    else:
        body["error"] = outcome.error
    study.log("note", {**body, "measured": [outcome.seconds, outcome.cpu_seconds]})
    if study.files is not None:
        study.files.clear(study.name, order.number)
    return Training(
        order.key,
        order.seed,
        order.trial,
        dict(outcome.metrics) if outcome.error is None else {},
        outcome.seconds,
        outcome.cpu_seconds,
        outcome.error,
    )


def _noted(study: Study) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """The identity of each training in the log, and its note; what ``finish`` noted as well.

    Only trainings under the study's own numerics are alike. Older logs do not tell the numerics:
    those of a gathering were the study's own, those of ``finish`` may be others.
    """
    own = numerics_of(study).to_json()
    for note in study.notes:
        identity = note.get("trained") or note.get("finished")
        if identity is None or not identity.get("whole"):
            continue
        if "numerics" not in identity and "trained" in note:
            identity = {**identity, "numerics": own}
        if identity.get("numerics") == own:
            yield identity, dict(note)


def _trainings(study: Study, plan: dict[str, Any]) -> list[Training]:
    """The trainings in the log that are of the plan's recipe, space and size of references.

    Of one that was tried again, the last.
    """
    found: dict[str, Training] = {}
    # A study that is only read may have a space of recipes that is code, which gives none then.
    own = getattr(study.space, "recipe", None)
    described = study.manifest.get("space") or {}
    unknown = own is None and described.get("recipe") is not None
    unknown = unknown and not plan.get("recipe")
    space = said(plan.get("space") or study.manifest.get("space", {}))
    for identity, note in _noted(study):
        trial, key = identity.get("trial"), note.get("key")
        architecture = None if trial is None else study.history.trial(trial).architecture
        recipe = plan.get("recipe") or longer(study, architecture).to_json()
        if not unknown and said(identity["recipe"]) != said(recipe):
            continue
        if architecture is None:
            if identity.get("params") != plan.get("params"):
                continue  # of the size of an earlier answer
        elif said(identity.get("space") or {}) != space:
            continue  # the same record, built larger
        else:
            key = architecture.key
        seconds = note.get("measured") or [0.0]
        found[said(identity)] = Training(
            str(key),
            identity["seed"],
            trial,
            note.get("metrics", {}),
            seconds[0],
            seconds[1] if len(seconds) > 1 else 0.0,
            note.get("error"),
        )
    return list(found.values())


def _spent(study: Study) -> Spent:
    """Workers and device of the study, and the power that its trainings in full drew."""
    manifest = study.manifest
    workers = int(manifest.get("workers") or 1)
    device = str((manifest.get("numerics") or {}).get("device", "cpu"))
    watts, source = None, "no network was trained in full with a power reading"
    for note in study.notes:
        if "power" not in note:
            continue
        measured = note.get("measured") or {}
        if said(note["power"]) != said(manifest.get("machine") or {}):
            source = "the search ran on another machine than the trainings in full"
        elif measured.get("watts") is not None:
            watts, source = float(measured["watts"]), str(measured["source"])
        elif watts is None:
            source = str(measured.get("source", source))
    return Spent(workers, device, watts, source)
