"""The parts of the page that scripts fill, the chosen network, and how the study is made again."""

from __future__ import annotations

import json
from collections.abc import Mapping
from html import escape
from typing import Any

from nasturtium.errors import NasturtiumError, StoreError
from nasturtium.report.sections import section, table
from nasturtium.run.names import NAMES, foreign
from nasturtium.study.study import Study
from nasturtium.study.trial import Trial

__all__ = ["again", "network", "plots", "trials"]


def plots(study: Study, best: Trial | None) -> str:
    """Where the plots go; the page's scripts fill them."""
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
        '<div id="chosen" class="detail" tabindex="0" aria-live="polite"></div></div>',
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


def network(study: Study, best: Trial | None) -> str:
    """The chosen network as a graph and as a table, or why it cannot be drawn."""
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
    heads = ("block", "type", "output", "parameters", "MACs")
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
        facts = getattr(study.space, "facts", None)
        shape = None if facts is None else facts.get("inputs")
    if shape is None:
        raise StoreError("the shape of an example is not known; neither data nor space say it")
    return tuple(shape)


def trials(study: Study) -> str:
    """Where the trial table goes."""
    if not len(study.history):
        return ""
    return section(
        "trials",
        "All trials",
        "<p>A click on a head sorts, on a number shows the architecture. The filter takes words "
        "and comparisons, e.g. <code>control failed</code> or <code>accuracy&gt;0.9</code>.</p>"
        '<p class="picks"><label>filter <input id="filter" type="search" autocomplete="off" '
        'spellcheck="false"></label><span id="rows" role="status"></span></p>'
        '<div class="scroll" tabindex="0"><table id="table"><thead></thead><tbody></tbody></table>'
        '</div><p class="picks" id="pages"></p>',
    )


def again(study: Study, command: str | None) -> str:
    """How the study is made again, and its manifest."""
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
            code = _own_code(call)
            warning = f" It runs {escape(code)}: read that first." if code else ""
            body += f"<p>In Python:{warning}</p><pre>{escape(_python(manifest, call))}</pre>"
    if not body:
        body = "<p>The log does not hold the call that started the study.</p>"
    if manifest:
        text = escape(json.dumps(manifest, indent=2, ensure_ascii=False, default=str))
        summary = "Manifest: the study's first entry"
        body += f"<details><summary>{summary}</summary><pre>{text}</pre></details>"
    return section("again", "Make it again", body)


def _own_code(call: Mapping[str, Any]) -> str:
    """The parts of a call that are no names of the library's own."""
    parts = {kind: text for kind, text in call.items() if kind in NAMES and isinstance(text, str)}
    return ", ".join(text for kind, text in parts.items() if foreign({kind: text}))


def _python(manifest: Mapping[str, Any], call: Mapping[str, Any]) -> str:
    """The call that started the study, with the numerics and workers that it was run with."""
    words = [repr(call.get("data"))]
    words += [
        f"{k}={v!r}"
        for k, v in call.items()
        if v is not None and k not in ("data", "store") and k.isidentifier()
    ]
    numerics = manifest.get("numerics")
    if isinstance(numerics, Mapping):
        words.append(f"numerics={','.join(f'{k}={v}' for k, v in numerics.items())!r}")
    if manifest.get("executor") == "here":
        words.append("executor='here'")
    elif manifest.get("workers"):
        words.append(f"executor='processes(workers={manifest['workers']})'")
    return "nas.search(\n    " + ",\n    ".join(words) + ",\n)"
