"""``nasturtium search`` and ``nasturtium resume``."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from nasturtium.cli.answer import (
    Json,
    Quiet,
    StoreName,
    Trust,
    completing,
    going_on,
    named,
    shown,
    tell,
)

__all__ = ["resume", "search"]


def search(
    data: Annotated[
        str,
        typer.Argument(
            help="a name of scikit-learn's bundled sets (digits), a folder of images "
            "(train/<class>/*.png), or an .npz file"
        ),
    ],
    load: Annotated[
        str | None,
        typer.Option(
            help="options of the data: layout, missing, size, skip_unreadable, fractions; e.g. "
            '"skip_unreadable=True,layout=NHWC"'
        ),
    ] = None,
    space: Annotated[
        str,
        typer.Option(
            help="a space's name, or file.py:name; the names are " + named("space"),
            autocompletion=completing("space"),
        ),
    ] = "mobilenet",
    recipe: Annotated[
        str | None,
        typer.Option(
            help='how candidates are trained; text such as "epochs=5,optimizer=adamw" changes the '
            "default, and flip=True,crop=4 are short for augment={flip: True, crop: 4}; "
            "a space of recipes (training, randaugment(epochs=5), file.py:name) is searched "
            "together with the architecture",
            autocompletion=completing("recipe"),
        ),
    ] = None,
    strategy: Annotated[
        str,
        typer.Option(
            help='who proposes; text such as "evolution(population=50)" gives arguments; the names '
            "are " + named("strategy"),
            autocompletion=completing("strategy"),
        ),
    ] = "portfolio",
    estimator: Annotated[
        str,
        typer.Option(
            help="what gives the metrics: train, hardware, or your own as file.py:name",
            autocompletion=completing("estimator"),
        ),
    ] = "train",
    objectives: Annotated[
        list[str],
        typer.Option(
            "--objective",
            help="metrics to make large or small, the first decides single questions; repeat it "
            "for more: --objective accuracy --objective latency",
        ),
    ] = ["accuracy"],  # noqa: B006 - typer's form of a repeatable option
    constraints: Annotated[
        list[str],
        typer.Option(
            "--constraint", help='constraints to meet, e.g. "latency<5ms"; repeat it for more'
        ),
    ] = [],  # noqa: B006
    trials: Annotated[
        int,
        typer.Option(help="how many candidates; ones that a free count rejects are not counted"),
    ] = 100,
    hours: Annotated[float | None, typer.Option(help="stop asking after so much time")] = None,
    control: Annotated[
        float,
        typer.Option(
            help="uniformly drawn candidates beside the search, as a share of its trials; the "
            "strategy's own uniform draws count"
        ),
    ] = 0.1,
    confirm: Annotated[
        int | None,
        typer.Option(
            help="how many of the best candidates are trained again at the end, so that the "
            "answer has the best mean; if not given, a tenth of the trials and at most 5"
        ),
    ] = None,
    executor: Annotated[
        str | None,
        typer.Option(help='here, or "processes(workers=4)"; measured if not given'),
    ] = None,
    store: Annotated[
        str, typer.Option(help="where the log is kept: a path, or an SQLAlchemy URL")
    ] = "study.db",
    name: Annotated[
        str | None,
        typer.Option(
            help="the study's name in the store; made of data, space and strategy if not given"
        ),
    ] = None,
    seed: Annotated[int, typer.Option(help="all randomness is keyed by it")] = 0,
    split_seed: Annotated[
        int,
        typer.Option(
            help="divides off validation and test examples; studies of other seeds share them"
        ),
    ] = 0,
    time_limit: Annotated[
        float | None,
        typer.Option(
            help="seconds after which a trial fails; without it, or with --executor here, a trial "
            "that hangs is not ended"
        ),
    ] = None,
    numerics: Annotated[
        str | None,
        typer.Option(
            help='threads, precision and memory format, e.g. "precision=bf16"; measured if not '
            "given"
        ),
    ] = None,
    ordered: Annotated[
        bool,
        typer.Option(
            metavar="",
            help="log outcomes in the order of trials, which makes W workers give the same study "
            "in every run; else as they come, which may leave less idle",
        ),
    ] = True,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Search an architecture for some data; the same command again goes on where it stopped."""
    with going_on(), shown(quiet, trials, hours) as show:
        from nasturtium.run.search import search

        study = search(
            data,
            load=load,
            space=space,
            recipe=recipe,
            strategy=strategy,
            estimator=estimator,
            objectives=tuple(objectives),
            constraints=tuple(constraints),
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
            watch=show,
        )
    tell(study, as_json)


def resume(
    study: StoreName,
    trials: Annotated[
        int | None, typer.Option(help="another number of candidates than at the start")
    ] = None,
    hours: Annotated[
        float | None, typer.Option(help="stop asking after so much time, all runs together")
    ] = None,
    executor: Annotated[str | None, typer.Option(help='here, or "processes(workers=4)"')] = None,
    trust: Trust = False,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Go on with a study, with the settings that it was started with."""
    from nasturtium.run.open_study import read_manifest
    from nasturtium.run.store_address import find_store

    log, name = find_store(study)
    manifest = read_manifest(log, name)
    given: dict[str, Any] = {"trials": trials, "hours": hours, "executor": executor}
    changes = {key: value for key, value in given.items() if value is not None}
    budget = {**manifest["call"], **changes}
    with going_on(), shown(quiet, budget["trials"], budget.get("hours")) as show:
        from nasturtium.run.resume import resume

        resumed = resume(log, manifest["name"], trust=trust, watch=show, **changes)
    tell(resumed, as_json)
