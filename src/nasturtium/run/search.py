"""The function :func:`search`: resolve a call, check it, open its study, and run the loop."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from nasturtium.execute.base import Executor
from nasturtium.renamed import with_new_arguments
from nasturtium.run.call import SearchCall, check_call
from nasturtium.run.loop import SearchLoop
from nasturtium.run.plan import SearchPlan
from nasturtium.run.preflight import preflight
from nasturtium.run.progress import show_progress
from nasturtium.run.ready_executor import ready_executor
from nasturtium.run.resolve import resolve
from nasturtium.run.stages import Watch
from nasturtium.run.start_study import prepare, start_study
from nasturtium.space.base import Space
from nasturtium.space.recipe_space import RecipeSpace
from nasturtium.study.estimator import Estimator
from nasturtium.study.objective import Objective
from nasturtium.study.stores.base import Store
from nasturtium.study.strategy import Strategy
from nasturtium.study.study import Study
from nasturtium.train.numerics import Numerics, default_torch_state
from nasturtium.train.recipe import Recipe

__all__ = ["search"]


@with_new_arguments("search")
@default_torch_state()
def search(
    data: Any,
    *,
    load: Mapping[str, Any] | str | None = None,
    space: Space | str = "mobilenet",
    recipe: Recipe | RecipeSpace | str | None = None,
    strategy: Strategy | str = "portfolio",
    estimator: Estimator | str = "train",
    objectives: Iterable[Objective | str] = ("accuracy",),
    constraints: Iterable[Objective | str] = (),
    trials: int = 100,
    hours: float | None = None,
    control: float = 0.1,
    confirm: int | None = None,
    executor: Executor | str | None = None,
    store: Store | str | Path | None = "study.db",
    name: str | None = None,
    seed: int = 0,
    split_seed: int = 0,
    time_limit: float | None = None,
    numerics: Numerics | str | None = None,
    ordered: bool = True,
    progress: bool | None = None,
    watch: Watch | None = None,
) -> Study:
    """Search an architecture for some data; the same call again resumes where it stopped.

    Args:
        data: a name of scikit-learn's bundled sets (``digits``), a folder of images
            (``train/<class>/*.png``), arrays ``(X, y)``, tables ``(frame, "label")``, torch-style
            data sets, or a ``Task``.
        load: options of :func:`nasturtium.load` for the data: ``layout``, ``missing``, ``size``,
            ``skip_unreadable``, ``fractions``; as a mapping, or text such as
            ``"skip_unreadable=True"``. They are kept with the study.
        space: a space, its name, or ``file.py:name``.
        recipe: how candidates are trained; text such as ``"epochs=5,optimizer=adamw"`` changes the
            default, and ``flip=True,crop=4`` are short for ``augment={flip: True, crop: 4}``;
            a space of recipes (``training``, ``randaugment(epochs=5)``, ``@nas.recipe``, or
            ``file.py:name``) is searched together with the architecture.
        strategy: what proposes candidates; text such as ``"evolution(population=50)"`` gives
            arguments.
        estimator: what gives the metrics: ``train``, ``hardware``, or your own.
        objectives: metrics to make large or small, the first decides single questions.
        constraints: constraints to meet, e.g. ``("latency<5ms", "params<50k")``.
        trials: how many candidates; ones that a free count rejects are not counted.
        hours: stop asking for candidates after so much time.
        control: uniformly drawn candidates beside the search, as a share of its trials; the
            strategy's own uniform draws count.
        confirm: how many of the best candidates are trained again at the end, with another
            seed, so that the answer has the best mean and is not the luckiest one; if not
            given, a tenth of the trials and at most 5, and none with several objectives. With 0
            the answer is the best single estimate.
        executor: ``"here"``, ``"processes(workers=4)"``, or an executor; measured if not given.
        store: where the log is kept: a path, an SQLAlchemy URL, a store, or ``None`` for memory.
        name: the study's name in the store; composed of data, space and strategy if not given.
        seed: all randomness of the search and of trainings is keyed by it.
        split_seed: divides off validation and test examples if the data are not divided;
            studies of other seeds share the same ones.
        time_limit: seconds after which a trial fails. A training ends at the limit; another
            estimate is ended with its worker process, half a limit and 20 s later.
            With ``executor="here"`` such an estimate is not ended; without a limit, a trial that
            hangs is never ended.
        numerics: threads, precision and memory format, e.g. ``"precision=bf16"``; measured if not
            given.
        ordered: log outcomes in the order of trials, which makes W workers give the same study in
            every run; otherwise as they come, which may leave workers less idle.
        progress: whether to show the progress. If not given: a panel on a terminal, lines in a
            notebook, and elsewhere messages of the logger ``nasturtium`` at the level INFO;
            nothing if there is a ``watch``.
        watch: called as ``watch(study, stage, trial)`` during the search. The stages are
            ``check`` (the space is tried out), ``tune`` (speeds are measured), ``prepare``
            (strategy and estimator do lengthy work), ``search``, ``epoch``, and ``done``. In
            ``search`` the trial is the one that was just logged, or ``None`` while the search
            waits; in ``epoch`` it is a running trial with its curve so far. ``epoch`` comes only
            with a strategy that may stop trainings, as the default does.

    Returns:
        the study: its history, best trial and front.

    Raises:
        TaskError: the data cannot be used.
        SpaceError: the space does not fit the data.
        StrategyError: constraints that nothing meets, a strategy that cannot work here, or fewer
            trials than its population or first rung.
        StoreError: the store cannot be used, another driver has the study, or a study of that
            name exists with other settings.
        EstimateError: the first ten trials all failed.

    Example:
        >>> import nasturtium as nas
        >>> study = nas.search("digits", space="nasbench201(cells=1,channels=4)", trials=2,
        ...     recipe="epochs=1", executor="here", store=None, control=0)
        >>> len(study.history.finished)
        2
    """
    call = SearchCall(
        data=data,
        load=load,
        space=space,
        recipe=recipe,
        strategy=strategy,
        estimator=estimator,
        objectives=objectives,
        constraints=constraints,
        trials=trials,
        hours=hours,
        control=control,
        confirm=confirm,
        executor=executor,
        store=store,
        name=name,
        seed=seed,
        split_seed=split_seed,
        time_limit=time_limit,
        numerics=numerics,
        ordered=ordered,
        progress=progress,
        watch=watch,
    )
    check_call(call)
    with show_progress(progress, watch, trials, hours) as shown:
        plan = resolve(call)
        preflight(plan)
        return _run(plan, shown)


def _run(plan: SearchPlan, watch: Watch | None) -> Study:
    """Search by a plan, and return its study."""
    with (
        start_study(plan, watch) as (study, context, lease, announce),
        ready_executor(plan, study, context, announce) as executor,
    ):
        prepare(plan, study, context, announce)
        lag = study.manifest["lag"]
        SearchLoop(plan, study, context, executor, lease, announce, lag=lag).run()
        announce("done", None)
        return study
