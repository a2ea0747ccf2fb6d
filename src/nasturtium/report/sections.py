"""The parts of the page that are words and tables: the answer, the evidence, failures."""

from __future__ import annotations

import math
import re
import shlex
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any

from nasturtium.analyse.comparison.retrained import MEASURED
from nasturtium.analyse.notices import notices
from nasturtium.report.format import kind_of, listed, many, measured, short, span
from nasturtium.study import confirmation
from nasturtium.study.history import SPENT, History
from nasturtium.study.measured import Measured
from nasturtium.study.study import Study
from nasturtium.study.trial import Trial

__all__ = ["answer", "checklist", "evidence", "failures", "section", "table"]

STATES = {"yes": "yes", "no": "no", "partly": "partly", "unknown": "not known"}
GROUPS = 20  # reasons of failures that are listed


def section(name: str, title: str, body: str) -> str:
    """A part of the page under its heading."""
    heading = f'<h2 id="{name}-t">{title}</h2>'
    return f'<section id="{name}" aria-labelledby="{name}-t">{heading}{body}</section>'


def table(heads: Sequence[str], rows: Iterable[Sequence[object]], kind: str = "") -> str:
    """A plain table; numbers are set to the right."""
    top = "".join(f'<th scope="col">{escape(head)}</th>' for head in heads)
    body = "".join(
        "<tr>"
        + "".join(
            f"<td{' class=number' if isinstance(cell, (int, float)) else ''}>{_cell(cell)}</td>"
            for cell in row
        )
        + "</tr>"
        for row in rows
    )
    return (
        f'<div class="scroll" tabindex="0"><table class="{kind}"><thead><tr>{top}</tr></thead>'
        f"<tbody>{body}</tbody></table></div>"
    )


def _cell(cell: object) -> str:
    return f"{cell:,}" if isinstance(cell, int) else escape(str(cell))


# -- the answer -----------------------------------------------------------------------------------


def answer(study: Study, best: Trial | None, final: Mapping[str, Any] | None) -> str:
    """The chosen network in numbers, and how the study went."""
    history = study.history
    went = f"<p>{escape(_counted(history))}</p>"
    if best is None:
        return section("answer", "The answer", f'<p class="lead">{_no_answer(study)}</p>{went}')
    words = [measured(o.metric, best.metrics[o.metric]) for o in history.objectives]
    lead = f"The best network found is trial {best.number}: {listed(words)}"
    if final is not None and final["trial"] == study_best(study):
        lead = f"The chosen network is trial {best.number}: {listed(words)}"
    elif final is not None:
        lead = f"The network that was finished is trial {best.number}: {listed(words)}"
    lead += ", as the search estimated it."
    again = {one.trial.number: one for one in confirmation.confirmed(history)}
    if best.number in again:
        lead += f" {_confirmed(history, again[best.number], len(again))}"
    broken = [str(b) for b in history.constraints if b.excess(best.metrics[b.metric]) > 0]
    if broken:
        lead += f" It breaks {listed(broken)}: no trial met every bound."
    shown = [name for name in best.metrics if name not in {o.metric for o in history.objectives}]
    # What was trained is measured on two splits: the tiles say which one is meant.
    split = "validation" if study.manifest.get("data") else ""
    tested = {} if final is None else {name: final["metrics"].get(name) for name in _names(study)}
    tiles = "".join(
        _tile(name, best.metrics[name], split if name in MEASURED else "")
        + (_tile(name, tested[name], "test") if tested.get(name) and name in MEASURED else "")
        for name in (*_names(study), *shown)
    )
    body = f'<p class="lead">{escape(lead)}</p><ul class="tiles">{tiles}</ul>'
    if final is not None:
        told = listed(measured(name, value) for name, value in final["metrics"].items())
        time = f" after {span(final['seconds'])} of training" if final["seconds"] else ""
        body += (
            f'<p class="lead"><strong>Finished</strong>{time}, measured once on the test examples '
            f"that the search never saw: {escape(told)}.</p>"
        )
    else:
        body += (
            '<p class="note">It was not trained in full yet. An estimate that was picked as the '
            "best of many is more often too high than too low; <code>nas.retrain(study)</code> "
            "trains the network in full and measures it once on the test examples.</p>"
        )
    front = study.front
    if len(history.objectives) > 1:
        names = escape(listed(o.metric for o in history.objectives))
        body += f"<p>The Pareto front has {many(len(front), 'network')}: no other beats one of "
        body += f"them in every objective ({names}).</p>"
    told = "".join(
        f'<p class="note">{escape(one)}</p>'
        for one in notices(Measured.of(history), study.manifest)
    )
    return section("answer", "The answer", body + went + told)


def _confirmed(history: History, one: confirmation.Confirmed, among: int) -> str:
    """What the estimates of a confirmed candidate were."""
    metric = history.objectives[0].metric
    return (
        f"Trained {len(one.estimates)} times, it has a mean {measured(metric, one.mean)}; it was "
        f"chosen by that mean among {many(among, 'candidate')}."
    )


def study_best(study: Study) -> int | None:
    """The number of the study's best trial."""
    found = confirmation.answer(study.history)
    return None if found is None else found.number


def _names(study: Study) -> list[str]:
    return [objective.metric for objective in study.history.objectives]


def _tile(name: str, value: float, split: str = "") -> str:
    kind = kind_of(name, (value,))
    if not math.isfinite(value):
        text = "not finite"
    elif kind == "share":
        text = f"{100 * value:.2f} %"
    elif kind == "ms":
        text = f"{value:.3g} ms"
    else:
        text = span(value) if kind == "s" else short(value)
    exact = f' title="{value:,.10g}"'
    word = {"macs": "multiply-accumulates", "params": "parameters"}.get(name, name)
    word = f"{split} {word}".strip()
    return f"<li{exact}><b>{text}</b><span>{escape(word.replace('_', ' '))}</span></li>"


def _counted(history: Sequence[Trial]) -> str:
    states = Counter(trial.state for trial in history)
    arms = Counter(trial.arm for trial in history if trial.state not in ("rejected", "pending"))
    parts = [f"{arms['search']:,} of the search"]
    parts += [f"{arms['control']:,} of the random control"] if arms["control"] else []
    parts += [f"{arms['confirm']:,} to confirm the best"] if arms["confirm"] else []
    parts += [f"{arms[arm]:,} {arm}" for arm in ("reference", "final") if arms[arm]]
    count = sum(states[state] for state in SPENT)
    text = f"{many(count, 'network')} estimated: {listed(parts)}."
    if states["failed"]:
        text += f" {states['failed']:,} of them failed."
    if states["stopped"]:
        text += f" {states['stopped']:,} were stopped early, and count as no result."
    if states["rejected"]:
        text += f" {states['rejected']:,} more broke a bound and were not trained."
    if states["pending"]:
        text += f" Not done yet: {states['pending']:,}."
    seconds = sum(trial.seconds for trial in history)
    return text + (f" The work took {span(seconds)}, all workers added up." if seconds else "")


def _no_answer(study: Study) -> str:
    history = study.history
    states = Counter(trial.state for trial in history)
    if not len(history):
        return "No trial was asked for yet, so there is no answer. Run or resume the study first."
    if states["failed"] and not states["pending"] and not states["stopped"]:
        return (
            f"There is no answer: all {states['failed']} trials that ran failed. Why is written "
            'under <a href="#failures">failures</a>.'
        )
    return (
        f"There is no answer yet: of {len(history)} trials none has finished "
        f"(not done: {states['pending']}, failed: {states['failed']}, out of bounds: "
        f"{states['rejected']}, stopped early: {states['stopped']}). Resume the study."
    )


# -- the evidence ---------------------------------------------------------------------------------


def evidence(study: Study, found: Mapping[str, Any], store: str) -> str:
    """Whether the answer can be believed, in the words of the evidence.

    Args:
        study: whose answer it is.
        found: as ``Evidence.to_json`` gives it.
        store: what the command line calls the study.
    """
    verdict = found.get("verdict") or {}
    kind = {"better": "good", "no better": "bad"}.get(str(verdict.get("answer")), "open")
    body = f'<p class="lead verdict {kind}">{escape(str(verdict.get("sentence") or ""))}</p>'
    if not found.get("finished"):
        body += _gather(study, store)
    words = [str(one) for one in found.get("words") or () if one != verdict.get("sentence")]
    body += f"<ul>{''.join(f'<li>{escape(one)}</li>' for one in words)}</ul>" if words else ""
    return section("evidence", "The evidence", body + _trained(found))


def _gather(study: Study, store: str) -> str:
    """How the evidence is gathered, or that what was gathered is not on the page."""
    done = sum("trained" in note for note in study.notes)
    if done:
        return (
            f'<p class="note">For the evidence {many(done, "network")} finished training, and this '
            "page was written without them; give the evidence to <code>report</code>.</p>"
        )
    return (
        "<p>The evidence is not gathered yet: no network was trained in full to compare. "
        f"<code>nasturtium evidence {escape(shlex.quote(store))}</code> trains the best networks "
        "of the search and of the random control, and reference networks under the same recipe.</p>"
    )


def _trained(found: Mapping[str, Any]) -> str:
    """The networks that were trained in full for the evidence, as a table."""
    rows: list[Sequence[object]] = []
    metric = str((found.get("metric") or {}).get("name", "accuracy"))
    network = found.get("network")
    named = [("the chosen network", network)] if isinstance(network, Mapping) else []
    for one in found.get("references") or ():
        breaks = f" (breaks {listed(one['breaks'])}, not counted)" if one.get("breaks") else ""
        named.append((f"reference: {one.get('name')}{breaks}", one))
    for name, one in named:
        low, high, mean = (_value(metric, one.get(key)) for key in ("low", "high", "mean"))
        rows.append(
            (
                name,
                mean or "not known",
                f"{low} to {high}" if low and high else "one training only",
                len(one.get("accuracies") or ()),
                short(float(one.get("params") or 0)),
                short(float(one.get("macs") or 0)),
            )
        )
    if not rows:
        return ""
    heads = (
        "network",
        f"mean {metric.replace('_', ' ')}, test",
        "90 % interval",
        "trainings",
        "parameters",
        "MACs",
    )
    return table(heads, rows)


def _value(metric: str, value: object) -> str:
    """A metric's value without its name; empty where there is none."""
    if not isinstance(value, (int, float)):
        return ""
    return f"{100 * value:.2f} %" if kind_of(metric, (value,)) == "share" else f"{value:.4g}"


def checklist(found: Mapping[str, Any]) -> str:
    """The checklist of good practice: what the study keeps of it."""
    items = [one for one in found.get("checklist") or () if isinstance(one, Mapping)]
    if not items:
        return ""
    rows = [
        (
            str(one.get("item", "")),
            STATES.get(str(one.get("state")), "not known"),
            str(one.get("answer", "")),
        )
        for one in items
    ]
    return section(
        "checklist", "Checklist", table(("item", "kept", "what was done"), rows, "words")
    )


def failures(study: Study) -> str:
    """Why trials failed, the most frequent reason first."""
    reasons: dict[str, list[int]] = {}
    for trial in study.history:
        if trial.state == "failed":  # reasons that differ in numbers only are one reason
            alike = re.sub(r"\d+(\.\d+)?", "#", str(trial.error))
            reasons.setdefault(alike, []).append(trial.number)
    if not reasons:
        return ""
    ordered = sorted(reasons.values(), key=lambda numbers: (-len(numbers), numbers[0]))
    rows: list[Sequence[object]] = []
    for numbers in ordered[:GROUPS]:
        more = " …" if len(numbers) > 8 else ""
        example = str(study.history.trial(numbers[0]).error)
        rows.append((len(numbers), example, ", ".join(map(str, numbers[:8])) + more))
    rest = len(ordered) - GROUPS
    others = f"<p>{rest} rarer reasons are in the trial table.</p>" if rest > 0 else ""
    return section(
        "failures", "Failures", table(("trials", "reason", "numbers"), rows, "words") + others
    )
