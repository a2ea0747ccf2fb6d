"""Reading the notes about retrained networks from the log of a study.

A note is an event that a later stage adds to a study: ``finished`` by ``nasturtium finish``,
``trained`` and ``evidence`` (the plan) by ``nasturtium evidence``, and ``power`` by its power
meter. The *identity* in a note is what makes two trainings the same.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from nasturtium.analyse.comparison.retrained import Training
from nasturtium.analyse.cost_benefit import Spent
from nasturtium.analyse.retraining_settings import numerics_of, retraining_recipe
from nasturtium.study.study import Study
from nasturtium.study.trial import Trial

__all__ = [
    "canonical_json",
    "read_plan",
    "read_separate_training",
    "read_spent",
    "read_training_notes",
    "read_trainings",
]


def canonical_json(data: Mapping[str, Any]) -> str:
    """Return a mapping as JSON text that is the same before and after it was logged."""
    return json.dumps(data, sort_keys=True)


def read_plan(study: Study) -> dict[str, Any] | None:
    """Return what the last collection of evidence was asked for; ``None`` if there was none."""
    for note in reversed(study.notes):
        if "evidence" in note:
            return dict(note["evidence"])
    return None


def read_training_notes(study: Study) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """Yield the identity and the note of each retraining, those of ``finish`` included.

    Only trainings under the study's own numerics are comparable. Older logs do not record the
    numerics: trainings for the evidence used the study's own, those of ``finish`` may not have.
    """
    own = numerics_of(study).to_json()
    for note in study.notes:
        identity = note.get("trained") or note.get("finished")
        if identity is None or not identity.get("whole"):
            continue
        if "numerics" not in identity and "trained" in note:
            identity = {**identity, "numerics": own}
        if identity.get("numerics") == own:
            yield identity, dict(note)


def read_trainings(study: Study, plan: Mapping[str, Any]) -> list[Training]:
    """Return the trainings that match the plan's recipe, space and size of references.

    If a training was repeated, only the last one is returned.
    """
    trainings: dict[str, Training] = {}
    # The space of recipes of a study that was opened without running its code is unknown.
    own = getattr(study.space, "recipe", None)
    described = study.manifest.get("space") or {}
    unknown = own is None and described.get("recipe") is not None
    unknown = unknown and not plan.get("recipe")
    space = canonical_json(plan.get("space") or study.manifest.get("space", {}))
    for identity, note in read_training_notes(study):
        trial, key = identity.get("trial"), note.get("key")
        architecture = None if trial is None else study.history.trial(trial).architecture
        recipe = plan.get("recipe") or retraining_recipe(study, architecture).to_json()
        if not unknown and canonical_json(identity["recipe"]) != canonical_json(recipe):
            continue
        if architecture is None:
            if identity.get("params") != plan.get("params"):
                continue  # matched the size of an earlier answer
        elif canonical_json(identity.get("space") or {}) != space:
            continue  # the same architecture, built larger
        else:
            key = architecture.key
        seconds = note.get("measured") or [0.0]
        trainings[canonical_json(identity)] = Training(
            str(key),
            identity["seed"],
            trial,
            note.get("metrics", {}),
            seconds[0],
            seconds[1] if len(seconds) > 1 else 0.0,
            note.get("error"),
        )
    return list(trainings.values())


def read_separate_training(
    study: Study, answer: Trial | None, trainings: Iterable[Training]
) -> dict[str, Any] | None:
    """Return the training of the answer by ``finish``, if the comparison has none of the answer."""
    if answer is None or any(training.trial == answer.number for training in trainings):
        return None
    for note in reversed(study.notes):
        identity = note.get("finished")
        if identity is not None and identity["trial"] == answer.number:
            seconds = next(iter(note.get("measured") or ()), 0.0)
            known = {key: identity[key] for key in ("trial", "seed", "recipe")}
            return {**known, "metrics": note["metrics"], "seconds": seconds}
    return None


def read_spent(study: Study) -> Spent:
    """Return workers and device of the study, and the power that its retrainings drew."""
    manifest = study.manifest
    workers = int(manifest.get("workers") or 1)
    device = str((manifest.get("numerics") or {}).get("device", "cpu"))
    watts, source = None, "no network was retrained with a power reading"
    for note in study.notes:
        if "power" not in note:
            continue
        measured = note.get("measured") or {}
        if canonical_json(note["power"]) != canonical_json(manifest.get("machine") or {}):
            source = "the search ran on another machine than the retrainings"
        elif measured.get("watts") is not None:
            watts, source = float(measured["watts"]), str(measured["source"])
        elif watts is None:
            source = str(measured.get("source", source))
    return Spent(workers, device, watts, source)
