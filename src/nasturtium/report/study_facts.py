"""The facts about a study for its page: data, space, strategy, objectives, machine."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, final

from nasturtium.report.format import classify_metric, format_number, join_words, name_metric
from nasturtium.study.objective import Objective
from nasturtium.study.study import Study

__all__ = ["Fact", "StudyFacts", "describe_study"]

UNKNOWN = "not recorded"
SPLITS = {"train": "for training", "valid": "for validation", "test": "for testing"}
RECIPE = ("epochs", "optimizer", "lr", "batch_size")


@final
class Fact(NamedTuple):
    """One fact about a study: its name and its text."""

    name: str
    text: str


@final
@dataclass(frozen=True)
class StudyFacts:
    """The facts about a study as the page shows them.

    Attributes:
        name: of the study.
        recorded: whether the study has a manifest.
        facts: data, space, strategy and so on; without a manifest, those that are known.
    """

    name: str
    recorded: bool
    facts: tuple[Fact, ...]


def describe_study(study: Study, written: str) -> StudyFacts:
    """Describe a study: data, space, strategy, objectives, machine.

    Args:
        study: the study.
        written: when the page is written.
    """
    manifest = study.manifest
    facts = [
        Fact("Data", _describe_data(manifest.get("data"))),
        Fact("Space", _describe_space(manifest.get("space"), study)),
        Fact("Strategy", _describe_part(manifest.get("strategy"), type(study.strategy).__name__)),
        Fact("Estimator", _describe_part(manifest.get("estimator"), UNKNOWN)),
        Fact("Objectives", _describe_objectives(study.history.objectives)),
        Fact(
            "Constraints",
            join_words(map(_describe_constraint, study.history.constraints)) or "none",
        ),
        Fact("Machine", _describe_machine(manifest.get("machine"))),
        Fact("Numerics", _describe_numerics(manifest)),
        Fact("Versions", _describe_versions(manifest)),
        Fact("Seed", str(manifest.get("seed", study.seed))),
        Fact("Page written", written),
    ]
    started = (manifest.get("measured") or {}).get("started")
    if started:
        facts.insert(-1, Fact("Study started", str(started)))
    if not manifest:
        facts = [fact for fact in facts if fact.text != UNKNOWN]
    return StudyFacts(study.name, bool(manifest), tuple(facts))


def _describe_data(data: Any) -> str:
    """Return the data's name, shape, classes and sizes of the splits."""
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
        text += f"; {join_words(parts)}"
    return "; ".join([text, *map(str, data.get("notes", ()))])


def _describe_space(space: Any, study: Study) -> str:
    """Return the space's name, arguments and number of decisions."""
    if not isinstance(space, Mapping):
        return study.space.name
    text = str(space.get("name", study.space.name))
    arguments = space.get("arguments") or {}
    if arguments:
        text += f" ({', '.join(f'{name}={value}' for name, value in arguments.items())})"
    count = space.get("decisions")
    return text if count is None else f"{text}, {count} decisions"


def _describe_part(part: Any, otherwise: str) -> str:
    """Return a strategy or an estimator of the manifest, with its plain arguments."""
    if not isinstance(part, Mapping):
        return otherwise if part is None else str(part)
    name = str(part.get("name", otherwise))
    parts = part.get("parts")
    if isinstance(parts, list) and parts:
        return join_words(_describe_part(one, "a part") for one in parts)
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


def _describe_objectives(objectives: Iterable[Objective]) -> str:
    """Return objectives as text: ``maximise accuracy and minimise parameters``."""
    return join_words(f"{one.goal}imise {name_metric(one.metric)}" for one in objectives)


def _describe_constraint(constraint: Objective) -> str:
    """Return a constraint with its exact limit: ``accuracy at least 60 %``."""
    value = constraint.bound if constraint.bound is not None else math.nan
    kind = classify_metric(constraint.metric, (value,))
    exact = {"share": f"{100 * value:g} %", "ms": f"{value:g} ms"}
    text = exact.get(kind) or format_number(value)
    side = "at least" if constraint.goal == "max" else "at most"
    return f"{name_metric(constraint.metric)} {side} {text}"


def _describe_machine(machine: Any) -> str:
    """Return device, processor, cores and system."""
    if not isinstance(machine, Mapping):
        return UNKNOWN
    parts = [str(machine[key]) for key in ("device", "processor", "system") if machine.get(key)]
    if machine.get("cores"):
        parts.insert(-1, f"{machine['cores']} cores")
    return ", ".join(parts) or UNKNOWN


def _describe_numerics(manifest: Mapping[str, Any]) -> str:
    """Return numerics and workers, and how they were chosen."""
    numerics = manifest.get("numerics")
    if not isinstance(numerics, Mapping):
        return UNKNOWN
    text = ", ".join(f"{key.replace('_', ' ')} {value}" for key, value in numerics.items())
    workers = manifest.get("workers")
    if workers:
        text = f"{workers} worker{'s' if workers != 1 else ''}: {text}"
    speeds = manifest.get("tuning")
    if not isinstance(speeds, Mapping):
        return text + "; set by the user, not tuned"
    measured = [(speed, name) for name, speed in speeds.items() if isinstance(speed, (int, float))]
    if measured:
        best, worst = max(measured), min(measured)
        text += (
            f"; the fastest of {len(measured)} measured combinations: {best[0]:,.0f} images/s with "
            f"{best[1]}, {worst[0]:,.0f} with {worst[1]}"
        )
    return text


def _describe_versions(manifest: Mapping[str, Any]) -> str:
    """Return versions of packages, and the commit."""
    versions = manifest.get("versions")
    text = UNKNOWN
    if isinstance(versions, Mapping) and versions:
        text = ", ".join(f"{name} {version}" for name, version in versions.items())
    commit = manifest.get("commit")
    if commit:
        changed = " with uncommitted changes" if str(commit).endswith("+") else ""
        text += f"; commit {str(commit)[:12]}{changed}"
    return text
