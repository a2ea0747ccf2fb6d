"""A study as one HTML page that needs nothing else: no network, no server, no other file."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Mapping
from datetime import UTC, datetime
from html import escape
from importlib.resources import files
from pathlib import Path
from typing import Any, Protocol

from nasturtium.errors import NasturtiumError, StoreError
from nasturtium.report.head import head
from nasturtium.report.plot import columns, curves, progress
from nasturtium.report.sections import answer, checklist, evidence, failures, section, table
from nasturtium.study.store import SqlStore
from nasturtium.study.study import Study
from nasturtium.study.trial import Trial

__all__ = ["page", "report"]

SCRIPTS = ("page.js", "plots.js", "table.js")


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
    command: str | None = None,
) -> Path:
    """Write a study as one HTML page: the answer, its evidence, and every trial.

    The page works offline, on a phone and in dark mode. It is written under a temporary name and
    renamed, so a page that exists is complete.

    Args:
        study: the study, from a search or reopened; one without its space gets no drawing.
        path: where; an existing page is replaced.
        finished: what :func:`nasturtium.finish` gave; what the study's notes tell if not given.
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
    path = Path(path)
    if path.is_dir():
        raise StoreError(f"the report {str(path)!r} is a folder; give a file, e.g. report.html")
    if not path.parent.is_dir():
        raise StoreError(
            f"the report {str(path)!r} cannot be written: there is no folder "
            f"{str(path.parent)!r}; make it, or give another path"
        )
    text = page(study, finished=finished, command=command)
    try:
        _write(path, text.encode())
    except OSError as error:
        raise StoreError(
            f"the report {str(path)!r} cannot be written ({error.strerror or error}); give a path "
            "in a folder that can be written, with free space"
        ) from error
    return path


def page(study: Study, *, finished: Finished | None = None, command: str | None = None) -> str:
    """The page of :func:`report` as text."""
    from plotly.offline import get_plotlyjs

    final = _final(study, finished)
    best = _chosen(study, final)
    found = _gathered(study)
    now = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
    body = "".join(
        (
            head(study, now),
            answer(study, best, final),
            evidence(study, found, _address(study)),
            _plots(study, best, found),
            _network(study, best),
            failures(study),
            _trials(study),
            checklist(found),
            _again(study, command),
        )
    )
    parts = files("nasturtium.report")
    style = (parts / "page.css").read_text(encoding="utf-8")
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


def _data(study: Study, best: Trial | None, found: Mapping[str, Any] | None) -> dict[str, Any]:
    history = study.history
    shown = list(history.where(arm=("search", "control")).best(10))
    if best is not None and best.number not in {trial.number for trial in shown}:
        shown.insert(0, best)
    lines = (found or {}).get("curves")
    return {
        **columns(history),
        "study": study.name,
        "space": history[0].architecture.space if len(history) else study.space.name,
        "best": None if best is None else best.number,
        "front": [trial.number for trial in study.front],
        "bounds": {bound.metric: bound.bound for bound in history.constraints},
        "progress": {
            "search": progress(history, uniform=False),
            "control": progress(history, uniform=True),
        },
        "evidence": lines if isinstance(lines, Mapping) else None,
        "curves": curves(shown),
    }


def _json(data: Any) -> str:
    """JSON that can stand inside a script element whatever it holds."""
    text = json.dumps(_plain(data), separators=(",", ":"), ensure_ascii=False, allow_nan=False)
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
    found = study.history.where(arm=("search", "control")).best()
    return found[0] if found else None


def _gathered(study: Study) -> Mapping[str, Any] | None:
    """The latest evidence in the study's notes."""
    for note in reversed(study.notes):
        if isinstance(note.get("evidence"), Mapping):
            return dict(note["evidence"])
    return None


def _address(study: Study) -> str:
    """What the command line calls the study."""
    store = study.store
    if isinstance(store, SqlStore):
        return f"{store.path or store.url}:{study.name}"
    return f"STORE:{study.name}"


# -- plots, the network, the table ----------------------------------------------------------------


def _plots(study: Study, best: Trial | None, found: Mapping[str, Any] | None) -> str:
    if best is None:
        return ""
    goal = escape(study.history.objectives[0].metric.replace("_", " "))
    pick = (
        '<p class="picks"><label>across <select id="x-pick"></select></label> '
        '<label>upwards <select id="y-pick"></select></label></p>'
    )
    front = section(
        "front",
        "Every network, and the front",
        '<p>Each point is a trial; touch one to see its architecture. <span id="front-words">'
        f'</span></p>{pick}<div class="pair"><div id="front-plot" class="plot"></div>'
        '<div id="chosen" class="detail" aria-live="polite"></div></div>',
    )
    over = (
        '<p class="picks" role="group" aria-label="what lies across"><button data-over="trials" '
        'aria-pressed="true">over trials</button><button data-over="seconds" aria-pressed="false">'
        "over time</button></p>"
    )
    sofar = section(
        "progress",
        f"Best {goal} so far",
        f'<p id="progress-words"></p>{over}<div id="progress-plot" class="plot"></div>',
    )
    lines = section(
        "curves",
        "Learning curves of the best",
        '<p class="picks"><label>show <select id="curve-pick"></select></label></p>'
        '<div id="curves-plot" class="plot"></div>',
    )
    return front + sofar + lines


def _network(study: Study, best: Trial | None) -> str:
    if best is None:
        return ""
    from nasturtium.report.draw import picture, rows
    from nasturtium.report.graph import graph

    try:
        drawn = graph(_built(study, best), _inputs(study))
    except NasturtiumError as error:
        reason = f"The network of trial {best.number} is not drawn: {error}"
        return section("network", "The network", f'<p class="note">{escape(reason)}</p>')
    except Exception as error:  # a user's builder or module may raise anything
        reason = f"The network is not drawn: building it raised {type(error).__name__}: {error}"
        return section("network", "The network", f'<p class="note">{escape(reason)}</p>')
    heads = ("block", "type", "output", "copies", "parameters", "MACs")
    words = (
        f"The network of trial {best.number}, from top to bottom. Each block shows its output's "
        "shape (channels × height × width), its parameters and its multiply-accumulates for one "
        "example; the bar is its share of the dearest block's work."
    )
    return section(
        "network",
        "The network",
        f'<p>{words}</p><div class="pair"><div class="scroll drawing" tabindex="0" '
        f'aria-label="drawing of the network">{picture(drawn)}</div>'
        f"{table(heads, rows(drawn), 'blocks')}</div>",
    )


def _built(study: Study, best: Trial) -> Any:
    architecture = best.architecture
    skeleton = getattr(study.space, "skeleton", None)
    return study.space.build(architecture) if skeleton is None else skeleton(architecture)


def _inputs(study: Study) -> tuple[int, ...]:
    """The shape of one example: the data's, the manifest's, or what the space was bound to."""
    if study.task is not None:
        return tuple(study.task.inputs)
    data = study.manifest.get("data")
    shape = data.get("inputs") if isinstance(data, Mapping) else None
    if shape is None:
        bind = getattr(study.space, "_bind", None)
        shape = None if bind is None else bind().get("inputs")
    if shape is None:
        raise StoreError("the shape of an example is not known; neither data nor space say it")
    return tuple(shape)


def _trials(study: Study) -> str:
    if not len(study.history):
        return ""
    return section(
        "trials",
        "All trials",
        '<p>A click on a head sorts, on a number shows the architecture. The filter takes words '
        "and comparisons, e.g. <code>control failed</code> or <code>accuracy&gt;0.9</code>.</p>"
        '<p class="picks"><label>filter <input id="filter" type="search" autocomplete="off" '
        'spellcheck="false"></label><span id="rows" role="status"></span></p>'
        '<div class="scroll" tabindex="0"><table id="table"><thead></thead><tbody></tbody></table>'
        '</div><p class="picks" id="pages"></p>',
    )


def _again(study: Study, command: str | None) -> str:
    manifest = study.manifest
    body = ""
    if command:
        body += f"<p>This command makes the same study:</p><pre>{escape(command)}</pre>"
    call = manifest.get("call")
    if isinstance(call, Mapping):
        own = [name for name, value in call.items() if value == "?"]
        if own:
            body += (
                f"<p>The study was made by a program with its own {escape(', '.join(own))}; run "
                "that program again with the same seed.</p>"
            )
        else:
            body += f"<p>In Python:</p><pre>{escape(_python(manifest, call))}</pre>"
    if not body:
        body = "<p>The log does not hold the call that started the study.</p>"
    if manifest:
        text = escape(json.dumps(manifest, indent=2, ensure_ascii=False, default=str))
        body += f"<details><summary>Manifest: the study's first entry</summary><pre>{text}</pre></details>"
    return section("again", "Make it again", body)


def _python(manifest: Mapping[str, Any], call: Mapping[str, Any]) -> str:
    """The call that started the study, with the numerics and workers that it was run with."""
    words = [repr(call.get("data"))]
    words += [f"{k}={v!r}" for k, v in call.items() if v is not None and k not in ("data", "store")]
    numerics = manifest.get("numerics")
    if isinstance(numerics, Mapping):
        words.append(f"numerics={','.join(f'{k}={v}' for k, v in numerics.items())!r}")
    if manifest.get("executor") == "here":
        words.append("executor='here'")
    elif manifest.get("workers"):
        words.append(f"executor='processes(workers={manifest['workers']})'")
    return "nas.search(\n    " + ",\n    ".join(words) + ",\n)"


def _write(path: Path, content: bytes) -> None:
    """Write under a temporary name beside ``path``, then rename."""
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
        mask = os.umask(0)
        os.umask(mask)
        os.chmod(temporary, 0o666 & ~mask)  # a temporary file is its owner's alone
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
