"""A study as one HTML page that needs nothing else: no network, no server, no other file."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from datetime import UTC, datetime
from html import escape
from importlib.resources import files
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from nasturtium.analyse.evidence import Evidence
from nasturtium.analyse.load_evidence import load_evidence
from nasturtium.atomic_write import check_target, replace_file
from nasturtium.errors import StoreError
from nasturtium.report import sections
from nasturtium.report.head import head
from nasturtium.report.panels import again, network, plots, trials
from nasturtium.report.plot import columns, curves
from nasturtium.study.confirmation import ANSWER_ARMS, answer
from nasturtium.study.stores.address import printable
from nasturtium.study.stores.sql import SqlStore
from nasturtium.study.study import Study
from nasturtium.study.trial import Trial
from nasturtium.train.fields import check_types, hints_of

__all__ = ["page", "report"]

STYLES = ("page.css", "parts.css")
SCRIPTS = ("page.js", "plots.js", "front.js", "table.js")


class Finished(Protocol):
    """What the page shows of a network that was trained in full."""

    @property
    def trial(self) -> int: ...
    @property
    def metrics(self) -> Mapping[str, float]: ...
    @property
    def seconds(self) -> float: ...


def report(
    study: Study,
    path: str | Path = "report.html",
    *,
    finished: Finished | None = None,
    evidence: Evidence | Mapping[str, Any] | None = None,
    command: str | None = None,
) -> Path:
    """Write a study as one HTML page: the answer, its evidence, and every trial.

    The page works offline, on a phone and in dark mode. It is written under a temporary name and
    renamed, so a page that exists is complete.

    Args:
        study: the study, from a search or reopened; one without its space gets no drawing.
        path: where; an existing page is replaced.
        finished: what :func:`nasturtium.finish` gave; what the study's notes tell if not given.
        evidence: what was gathered; what the log alone says if not given.
        command: the command that makes the same study, if there is one.

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
    check_types("report", dict(locals()), hints_of(report), StoreError)
    path = Path(path)
    check_target("the report", path)
    text = page(study, finished=finished, evidence=evidence, command=command)
    try:
        _write(path, text.encode())
    except OSError as error:
        raise StoreError(
            f"the report {str(path)!r} cannot be written ({error.strerror or error}); give a path "
            "in a folder that can be written, with free space"
        ) from error
    return path


def page(
    study: Study,
    *,
    finished: Finished | None = None,
    evidence: Evidence | Mapping[str, Any] | None = None,
    command: str | None = None,
) -> str:
    """The page of :func:`report` as text."""
    from plotly.offline import get_plotlyjs

    final = _final(study, finished)
    best = _chosen(study, final)
    found = _weighed(study, evidence)
    now = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
    body = "".join(
        (
            head(study, now),
            sections.answer(study, best, final),
            sections.evidence(study, found, _address(study)),
            plots(study, best),
            network(study, best),
            sections.failures(study),
            trials(study),
            sections.checklist(found),
            again(study, command),
        )
    )
    parts = files("nasturtium.report")
    style = "\n".join((parts / name).read_text(encoding="utf-8") for name in STYLES)
    scripts = "\n".join((parts / name).read_text(encoding="utf-8") for name in SCRIPTS)
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta name="color-scheme" content="light dark"><link rel="icon" href="data:,">'
        f"<title>{escape(study.name)}: report</title><style>{style}</style></head><body>"
        f"<main>{body}</main><div id=tip-box role=status hidden></div>"
        "<noscript><p class=note>Plots and the trial table need JavaScript.</p></noscript>"
        f'<script type="application/json" id="data">{_json(_data(study, best, found))}</script>'
        f"<script>{_inside(get_plotlyjs())}</script><script>{_inside(scripts)}</script>"
        "</body></html>\n"
    )


def _data(study: Study, best: Trial | None, found: Mapping[str, Any]) -> dict[str, Any]:
    history = study.history
    shown = list(history.where(arm=ANSWER_ARMS).best(10))
    if best is not None and best.number not in {trial.number for trial in shown}:
        shown.insert(0, best)
    return {
        **columns(history),
        "study": study.name,
        "space": history[0].architecture.space if len(history) else study.space.name,
        "best": None if best is None else best.number,
        "front": [trial.number for trial in study.front],
        "bounds": {bound.metric: str(bound) for bound in history.constraints},
        "progress": _plain(found.get("curves") or {}),
        "curves": curves(shown),
    }


def _json(data: Any) -> str:
    """JSON that can stand inside a script element whatever it holds."""
    text = json.dumps(data, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")


def _plain(data: Any) -> Any:
    """The same without numbers that JSON does not know."""
    if isinstance(data, float):
        return data if data - data == 0.0 else None
    if isinstance(data, Mapping):
        return {key: _plain(value) for key, value in data.items()}
    return [_plain(value) for value in data] if isinstance(data, (list, tuple)) else data


def _inside(script: str) -> str:
    """A script that does not end the element it stands in."""
    return script.replace("</script", "<\\/script").replace("<!--", "<\\!--")


# -- what the study knows -------------------------------------------------------------------------


def _final(study: Study, finished: Finished | None) -> Mapping[str, Any] | None:
    """Trial, metrics and seconds of the network that was trained in full."""
    if finished is not None:
        seconds = float(finished.seconds)
        return {"trial": finished.trial, "metrics": dict(finished.metrics), "seconds": seconds}
    for note in reversed(study.notes):
        told = note.get("finished")
        if isinstance(told, Mapping) and "trial" in told and isinstance(note.get("metrics"), dict):
            seconds = next(iter(note.get("measured") or ()), 0.0)
            return {"trial": told["trial"], "metrics": note["metrics"], "seconds": seconds}
    return None


def _chosen(study: Study, final: Mapping[str, Any] | None) -> Trial | None:
    """The trial that the page is about: the finished one, else the best."""
    if final is not None:
        trial = study.history.trial(final["trial"])
        if trial.state == "finished":
            return trial
    return answer(study.history)


def _weighed(study: Study, given: Evidence | Mapping[str, Any] | None) -> Mapping[str, Any]:
    """The evidence that was gathered, or what the log alone says, as plain JSON."""
    if given is None:
        with np.errstate(invalid="ignore"):  # before the first success the best is -inf
            given = load_evidence(study)
    return given.to_json() if isinstance(given, Evidence) else given


def _address(study: Study) -> str:
    """What the command line calls the study."""
    store = study.store
    if isinstance(store, SqlStore):
        return f"{store.path or printable(store.url)}:{study.name}"
    return f"STORE:{study.name}"


def _write(path: Path, content: bytes) -> None:
    replace_file(path, content)
    mask = os.umask(0)
    os.umask(mask)
    path.chmod(0o666 & ~mask)  # what is written under a temporary name is its owner's alone
