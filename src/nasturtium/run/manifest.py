"""The manifest, the first event of a study: its plan, and what was measured when it started."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

import numpy as np

from nasturtium.errors import StoreError
from nasturtium.run.describe_part import shorten
from nasturtium.run.environment import current_commit, describe_machine, package_versions
from nasturtium.run.plan import IDENTITY, SearchPlan
from nasturtium.task.duplicates import count_duplicates
from nasturtium.task.task import Task

__all__ = ["check_unchanged", "count_examples", "new_manifest"]

IMPLIED = ("space.fingerprint", "space.decisions")  # they change with the decisions, if at all
NOT_SET = "not set"
SHOWN = 8  # differences that a message lists


def new_manifest(plan: SearchPlan, measured: Mapping[str, Any]) -> dict[str, Any]:
    """Return the manifest of a study that starts now.

    Args:
        plan: of the search.
        measured: its numerics, workers and measured speeds.
    """
    return {
        "name": plan.name,
        **plan.to_json(),
        "versions": package_versions(),
        "machine": describe_machine(),
        "commit": current_commit(),
        **count_examples(plan.task),
        **measured,
        "measured": {"started": datetime.now(UTC).isoformat(timespec="seconds")},
    }


def count_examples(task: Task) -> dict[str, Any]:
    """Count copies of examples between the splits, and the accuracy that guessing would reach.

    ``chance`` is the score of the most frequent class on the validation examples.
    """
    counts = np.bincount(task.valid.labels, minlength=task.classes)
    return {
        "duplicates": count_duplicates(task),
        "chance": {
            "accuracy": round(float(counts.max() / counts.sum()), 6),
            "balanced_accuracy": round(1 / task.classes, 6),
        },
    }


def check_unchanged(before: Mapping[str, Any], now: Mapping[str, Any], name: str) -> None:
    """Check that a study is resumed with the plan that it was started with.

    Args:
        before: the study's manifest.
        now: the plan of this call, as JSON.
        name: of the study.

    Raises:
        StoreError: names each setting that differs, and both values.
    """
    old, new = (
        json.loads(json.dumps({key: of.get(key) for key in IDENTITY})) for of in (before, now)
    )
    for data in (old["data"], new["data"]):
        if isinstance(data, dict):  # notes only describe how the data were read
            data.pop("notes", None)
    if old == new:
        return
    found = dict(_differences("", old, new))
    for path, values in list(found.items()):  # an estimator holds the recipe as well
        for other in [one for one in found if one.endswith(f".{path}")]:
            if found[other] == values:
                del found[other]
    lines = [f"{path}: {was}, now {become}" for path, (was, become) in found.items()]
    if "space.fingerprint" in found:
        decisions = _changed_decisions(before.get("decisions"), now.get("decisions"))
        lines = decisions + [line for line in lines if not line.startswith(IMPLIED)]
    entries = dict.fromkeys(path.partition(".")[0] for path in found)
    more = f"; and {len(lines) - SHOWN} more" if len(lines) > SHOWN else ""
    raise StoreError(
        f"study {name!r} exists with another {' and another '.join(entries)} "
        f"({'; '.join(lines[:SHOWN])}{more}); give another name, or the old settings to resume it"
    )


def _differences(path: str, old: Any, new: Any) -> Iterator[tuple[str, tuple[str, str]]]:
    """Yield the settings that differ: their paths, and both values."""
    if old == new:
        return
    if isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        old, new = (dict(enumerate(one)) for one in (old, new))
    if isinstance(old, dict) and isinstance(new, dict):
        for key in {**old, **new}:
            inner = f"{path}.{key}" if path else str(key)
            yield from _differences(inner, old.get(key, NOT_SET), new.get(key, NOT_SET))
        return
    was, become = (one if one is NOT_SET else shorten(repr(one), 80) for one in (old, new))
    yield path, (was, become)


def _changed_decisions(old: Any, new: Any) -> list[str]:
    """Return a line for each decision of a space that changed."""
    if not isinstance(old, Mapping) or not isinstance(new, Mapping):
        return ["its builder asks for other decisions"]
    lines = []
    for name in {**old, **new}:
        if name not in old:
            lines.append(f"decision {name!r} is new")
        elif name not in new:
            lines.append(f"decision {name!r} is gone")
        elif old[name] != new[name]:
            lines.append(f"decision {name!r}: {old[name]}, now {new[name]}")
    return lines or ["the code of its builder asks for something else, or in another order"]
