"""A study as one HTML page that needs nothing else: no network, no server, no other file."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path
from typing import Any, final

import numpy as np
from markupsafe import Markup

from nasturtium.analyse.evidence import Evidence
from nasturtium.analyse.load_evidence import load_evidence
from nasturtium.atomic_write import check_target, replace_file
from nasturtium.display.html import render
from nasturtium.errors import StoreError
from nasturtium.renamed import with_new_arguments
from nasturtium.report.answer import (
    AnswerView,
    RetrainedNetwork,
    choose_trial,
    describe_answer,
    find_retraining,
)
from nasturtium.report.evidence import (
    EvidenceView,
    Row,
    describe_checklist,
    describe_evidence,
)
from nasturtium.report.failures import FailuresView, describe_failures
from nasturtium.report.network import NetworkView, describe_network
from nasturtium.report.plot_data import collect_plot_data, encode_script_data
from nasturtium.report.reproduce import ReproduceView, describe_reproduction
from nasturtium.report.study_facts import StudyFacts, describe_study
from nasturtium.status.study_summary import address
from nasturtium.study.stores.sql import SqlStore
from nasturtium.study.study import Study
from nasturtium.train.check_arguments import check_types, find_type_hints

__all__ = ["PageView", "render_page", "report"]

STYLES = ("page.css", "components.css", "network.css")
SCRIPTS = (
    "data.js",
    "trial_details.js",
    "plot_layout.js",
    "best_so_far.js",
    "learning_curves.js",
    "front_plot.js",
    "trial_table.js",
    "start.js",
)


@final
@dataclass(frozen=True)
class PageView:
    """The content of the page; the templates have its form.

    Attributes:
        study: data, space, strategy, machine and so on.
        answer: the chosen network, and counts of trials.
        evidence: the verdict, and the networks compared.
        objective: the first objective, as a word; empty where there is nothing to plot.
        network: the chosen network's drawing; ``None`` without an answer.
        failures: the reasons of failed trials.
        trials: their number.
        checklist: the items of good practice.
        reproduce: the command and the call that run the study again.
        style: of the page.
        scripts: plotly, then the page's own.
        data: the content of plots and tables, as JSON.
    """

    study: StudyFacts
    answer: AnswerView
    evidence: EvidenceView
    objective: str
    network: NetworkView | None
    failures: FailuresView
    trials: int
    checklist: tuple[Row, ...]
    reproduce: ReproduceView
    style: Markup
    scripts: tuple[Markup, ...]
    data: Markup


@with_new_arguments("report")
def report(
    study: Study,
    path: str | Path = "report.html",
    *,
    retrained: RetrainedNetwork | None = None,
    evidence: Evidence | Mapping[str, Any] | None = None,
    command: str | None = None,
) -> Path:
    """Write a study as one HTML page: the answer, its evidence, and every trial.

    The page works offline, on a phone and in dark mode. It is written under a temporary name and
    renamed, so a page that exists is complete.

    Args:
        study: the study, from a search or reopened; one without its space gets no drawing.
        path: where; an existing page is replaced.
        retrained: the result of :func:`nasturtium.retrain`; from the study's notes if not given.
        evidence: the evidence that was gathered; from the study's log if not given.
        command: the command that runs the same study, if there is one.

    Returns:
        the path.

    Raises:
        StoreError: the page cannot be written there.

    Example:
        >>> import nasturtium as nas, tempfile, pathlib
        >>> study = nas.Study(nas.zoo.nasbench201, nas.RandomSearch())
        >>> study.tell(study.ask(), {"accuracy": 0.9})
        >>> nas.report(study, pathlib.Path(tempfile.mkdtemp()) / "report.html").name
        'report.html'
    """
    check_types("report", dict(locals()), find_type_hints(report), StoreError)
    path = Path(path)
    check_target("the report", path)
    text = render_page(study, retrained=retrained, evidence=evidence, command=command)
    try:
        _write(path, text.encode())
    except OSError as error:
        raise StoreError(
            f"the report {str(path)!r} cannot be written ({error.strerror or error}); give a path "
            "in a folder that can be written, with free space"
        ) from error
    return path


def render_page(
    study: Study,
    *,
    retrained: RetrainedNetwork | None = None,
    evidence: Evidence | Mapping[str, Any] | None = None,
    command: str | None = None,
) -> str:
    """Return the page of :func:`report` as text."""
    retraining = find_retraining(study, retrained)
    best = choose_trial(study, retraining)
    found = _evidence(study, evidence)
    objective = study.history.objectives[0].metric.replace("_", " ")
    now = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
    view = PageView(
        study=describe_study(study, now),
        answer=describe_answer(study, best, retraining),
        evidence=describe_evidence(study, found, _address(study)),
        objective="" if best is None else objective,
        network=None if best is None else describe_network(study, best),
        failures=describe_failures(study),
        trials=len(study.history),
        checklist=describe_checklist(found),
        reproduce=describe_reproduction(study, command),
        style=Markup(_assets(STYLES)),
        scripts=_scripts(),
        data=encode_script_data(collect_plot_data(study, best, found)),
    )
    return render("nasturtium.report", "page.html.jinja", page=view)


def _evidence(study: Study, given: Evidence | Mapping[str, Any] | None) -> Mapping[str, Any]:
    """Return the evidence that was gathered, or that the log alone has, as plain JSON."""
    if given is None:
        with np.errstate(invalid="ignore"):  # before the first success the best is -inf
            given = load_evidence(study)
    return given.to_json() if isinstance(given, Evidence) else given


def _address(study: Study) -> str:
    """Return the study's name on the command line."""
    return address(study) if isinstance(study.store, SqlStore) else f"STORE:{study.name}"


def _assets(names: tuple[str, ...]) -> str:
    """Return the text of some style sheets or scripts."""
    folder = files("nasturtium.report") / "assets"
    return "\n".join((folder / name).read_text(encoding="utf-8") for name in names)


def _scripts() -> tuple[Markup, ...]:
    """Return plotly and the page's own script; neither ends the element that it stands in."""
    from plotly.offline import get_plotlyjs  # loads slowly, and only a page needs it

    return tuple(
        Markup(text.replace("</script", "<\\/script").replace("<!--", "<\\!--"))
        for text in (get_plotlyjs(), _assets(SCRIPTS))
    )


def _write(path: Path, content: bytes) -> None:
    """Replace a file in one step, with the permissions of any new file."""
    replace_file(path, content)
    mask = os.umask(0)
    os.umask(mask)
    path.chmod(0o666 & ~mask)  # a temporary file is its owner's alone
