"""Open the study of a plan, new or resumed, and get it ready for its first trial."""

from __future__ import annotations

import shutil
import tempfile
import weakref
from collections.abc import Iterator
from contextlib import contextmanager

from nasturtium.estimate.combined import Combined
from nasturtium.run.defaults import round_fidelities
from nasturtium.run.manifest import check_unchanged
from nasturtium.run.plan import SearchPlan
from nasturtium.run.preflight import check_space, make_screen
from nasturtium.run.stages import Announce, Watch, announcer
from nasturtium.study.context import StudyContext
from nasturtium.study.estimator import Estimator
from nasturtium.study.files import Files
from nasturtium.study.preparation import Preparation
from nasturtium.study.stores.base import Lease
from nasturtium.study.stores.open_store import open_store
from nasturtium.study.strategy import Strategy
from nasturtium.study.study import Study

__all__ = ["prepare", "start_study"]


@contextmanager
def start_study(
    plan: SearchPlan, watch: Watch | None
) -> Iterator[tuple[Study, StudyContext, Lease, Announce]]:
    """Lease the study of a plan, and open it: a new one is checked, an old one compared.

    Args:
        plan: of the search.
        watch: called with stages and trials.

    Yields:
        the study, what its jobs share, the lease, and a function that announces stages.

    Raises:
        StoreError: another driver has the study, or it was started with another plan.
        SpaceError: the space does not fit the data.
        StrategyError: the constraints cannot be met.
    """
    store = open_store(plan.store)
    lease = store.lease(plan.name)
    try:
        screen = make_screen(plan)
        study = Study(
            plan.space,
            plan.strategy,
            objectives=plan.objectives,
            constraints=plan.constraints,
            store=store,
            name=plan.name,
            seed=plan.seed,
            screen=screen,
            trains=round_fidelities(plan.space, plan.task, plan.estimator),
        )
        announce = announcer(study, watch)
        if study.manifest:
            check_unchanged(study.manifest, plan.to_json(), plan.name)
        else:
            announce("check", None)
            check_space(plan, screen)
        yield study, _open_files(plan, study), lease, announce
    finally:
        lease.release()


def _open_files(plan: SearchPlan, study: Study) -> StudyContext:
    """Drop what interrupted runs left of trials that are no longer pending; return the context."""
    if study.files is None:
        folder = tempfile.mkdtemp(prefix="nasturtium-")
        weakref.finalize(study, shutil.rmtree, folder, ignore_errors=True)
        study.files = Files(folder)
    pending = {trial.number for trial in study.history.pending}
    study.files.tidy(plan.name, pending if study.manifest else None)
    study.task = plan.task
    return StudyContext(
        plan.name,
        plan.seed,
        plan.space,
        plan.task,
        study.files,
        None,
        plan.time_limit,
        study.prepared,
        plan.constraints,
    )


def prepare(plan: SearchPlan, study: Study, context: StudyContext, announce: Announce) -> None:
    """Let the strategy and the estimator do their lengthy work, once for a study."""
    for role, part in (("strategy", plan.strategy), ("estimator", plan.estimator)):
        if _prepares(part):
            announce("prepare", None)
            part.prepare(Preparation(context, role, lambda data: study.log("prepared", data)))


def _prepares(part: Strategy | Estimator) -> bool:
    if isinstance(part, Combined):
        return any(map(_prepares, part.parts))
    base = Strategy if isinstance(part, Strategy) else Estimator
    return type(part).prepare is not base.prepare
