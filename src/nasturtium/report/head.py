"""The head of the page: what was searched, with what, and where."""

from __future__ import annotations

import math
from collections.abc import Mapping
from html import escape
from typing import Any

from nasturtium.report.format import COUNTED, kind_of, listed, short
from nasturtium.study.study import Study
from nasturtium.study.trial import Objective

__all__ = ["head"]

UNKNOWN = "not recorded"
SPLITS = {"train": "to train", "valid": "to choose by", "test": "to test"}
RECIPE = ("epochs", "optimizer", "lr", "batch_size")


def head(study: Study, written: str) -> str:
    """The title and what the study is: data, space, strategy, where it ran."""
    manifest = study.manifest
    facts = [
        ("Data", _data(manifest.get("data"))),
        ("Space", _space(manifest.get("space"), study)),
        ("Strategy", _part(manifest.get("strategy"), type(study.strategy).__name__)),
        ("Estimate", _part(manifest.get("estimator"), UNKNOWN)),
        ("Goal", _goals(study)),
        ("Machine", _machine(manifest.get("machine"))),
        ("Numerics", _numerics(manifest)),
        ("Versions", _versions(manifest)),
        ("Seed", str(manifest.get("seed", study.seed))),
        ("Page written", written),
    ]
    started = (manifest.get("measured") or {}).get("started")
    if started:
        facts.insert(-1, ("Study started", str(started)))
    if not manifest:
        facts = [fact for fact in facts if fact[1] != UNKNOWN]
    rows = "".join(f"<div><dt>{name}</dt><dd>{escape(text)}</dd></div>" for name, text in facts)
    missing = (
        ""
        if manifest
        else (
            '<p class="note">The log holds no manifest: the study was made by hand, or by an older '
            "version. What it says of data, machine and versions is not known.</p>"
        )
    )
    return (
        f'<header><p class="kicker">Neural architecture search: report of a study</p>'
        f"<h1>{escape(study.name)}</h1>{missing}<dl class=facts>{rows}</dl></header>"
    )


def _data(data: Any) -> str:
    if not isinstance(data, Mapping):
        return UNKNOWN
    text = str(data.get("name", "unnamed"))
    if data.get("inputs"):
        text += f", examples of {'×'.join(map(str, data['inputs']))}"
    if data.get("classes"):
        text += f", {data['classes']} classes"
    examples = data.get("examples")
    if isinstance(examples, Mapping):
        known = [name for name in SPLITS if name in examples]
        names = (*known, *(name for name in examples if name not in SPLITS))
        parts = (f"{examples[name]:,} {SPLITS.get(name, name)}" for name in names)
        text += f"; {listed(parts)}"
    return "; ".join([text, *map(str, data.get("notes", ()))])


def _space(space: Any, study: Study) -> str:
    if not isinstance(space, Mapping):
        return study.space.name
    text = str(space.get("name", study.space.name))
    arguments = space.get("arguments") or {}
    if arguments:
        text += f" ({', '.join(f'{name}={value}' for name, value in arguments.items())})"
    count = space.get("decisions")
    return text if count is None else f"{text}, {count} decisions"


def _part(part: Any, otherwise: str) -> str:
    """A strategy or an estimator from the manifest, with its plain arguments."""
    if not isinstance(part, Mapping):
        return otherwise if part is None else str(part)
    name = str(part.get("name", otherwise))
    parts = part.get("parts")
    if isinstance(parts, list) and parts:
        return listed(_part(one, "a part") for one in parts)
    recipe = part.get("recipe")
    plain = (
        {key: recipe[key] for key in RECIPE if key in recipe} if isinstance(recipe, Mapping) else {}
    )
    plain |= {
        key: value
        for key, value in part.items()
        if key != "name" and value is not False and isinstance(value, (bool, int, float, str))
    }
    plain.pop("free", None)
    return name + (f" ({', '.join(f'{k}={v}' for k, v in plain.items())})" if plain else "")


def _goals(study: Study) -> str:
    history = study.history
    goals = [f"{_much(o)} {_word(o)} as possible" for o in history.objectives]
    return listed(goals) + "".join(f", {_bound(bound)}" for bound in history.constraints)


def _word(objective: Objective) -> str:
    return COUNTED.get(objective.metric, objective.metric.replace("_", " "))


def _much(objective: Objective) -> str:
    if objective.metric in COUNTED:
        return "as many" if objective.goal == "max" else "as few"
    return "as much" if objective.goal == "max" else "as little"


def _bound(bound: Objective) -> str:
    value = bound.bound if bound.bound is not None else math.nan
    kind = kind_of(bound.metric, (value,))
    text = {"share": f"{100 * value:g} %", "ms": f"{value:g} ms"}.get(kind, short(value))
    word = COUNTED.get(bound.metric, bound.metric.replace("_", " "))
    return f"{'at least' if bound.goal == 'max' else 'at most'} {text} {word}"


def _machine(machine: Any) -> str:
    if not isinstance(machine, Mapping):
        return UNKNOWN
    parts = [str(machine[key]) for key in ("device", "processor", "system") if machine.get(key)]
    if machine.get("cores"):
        parts.insert(-1, f"{machine['cores']} cores")
    return ", ".join(parts) or UNKNOWN


def _numerics(manifest: Mapping[str, Any]) -> str:
    numerics = manifest.get("numerics")
    if not isinstance(numerics, Mapping):
        return UNKNOWN
    text = ", ".join(f"{key.replace('_', ' ')} {value}" for key, value in numerics.items())
    workers = manifest.get("workers")
    if workers:
        text = f"{workers} worker{'s' if workers != 1 else ''}: {text}"
    speeds = manifest.get("tuning")
    if not isinstance(speeds, Mapping):
        return text + "; given, not measured"
    found = [(speed, name) for name, speed in speeds.items() if isinstance(speed, (int, float))]
    if found:
        best, worst = max(found), min(found)
        text += (
            f"; chosen by measuring {len(found)} combinations: {best[0]:,.0f} images/s with "
            f"{best[1]}, {worst[0]:,.0f} with {worst[1]}"
        )
    return text


def _versions(manifest: Mapping[str, Any]) -> str:
    versions = manifest.get("versions")
    text = UNKNOWN
    if isinstance(versions, Mapping) and versions:
        text = ", ".join(f"{name} {version}" for name, version in versions.items())
    commit = manifest.get("commit")
    if commit:
        changed = " with changes" if str(commit).endswith("+") else ""
        text += f"; commit {str(commit)[:12]}{changed}"
    return text
