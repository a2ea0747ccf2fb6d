"""Validation of manifests: every entry, and its type.

A store may be damaged, or written by anybody, so that a manifest is read only after this check.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from nasturtium.errors import NasturtiumError, StoreError
from nasturtium.run.call import NO_TEXT, RECORDED
from nasturtium.study.event_schema import describe_value, is_count, is_finite, is_natural
from nasturtium.study.objective import Objective
from nasturtium.train.check_arguments import check_types

__all__ = ["FORMAT", "validate_manifest"]

FORMAT = 3  # of manifests; those of format 2 are read under their new names

ENTRIES: Mapping[str, Any] = {
    "name": str,
    "seed": int,
    "data": dict,
    "space": dict,
    "recipe": dict,
    "objectives": list,
    "constraints": list,
    "control": float,
    "ordered": bool,
    "call": dict,
    "versions": dict,
    "machine": dict,
    "commit": str | None,
    "numerics": dict,
    "executor": str,
    "workers": int,
    "lag": int,
}
DATA: Mapping[str, Any] = {
    "name": str,
    "fingerprint": str,
    "inputs": list,
    "classes": int,
    "examples": dict,
    "notes": list,
}
# The types of a call's arguments that are numbers; others are texts.
CALL: Mapping[str, Any] = {
    "trials": int,
    "hours": float | None,
    "control": float,
    "seed": int,
    "time_limit": float | None,
    "ordered": bool,
}
OBJECTIVE = {field.name for field in dataclasses.fields(Objective)}
PARTS = ("data", "space", "strategy", "estimator")  # which a call always has


def validate_manifest(data: object, name: str, *, whole: bool = True) -> dict[str, Any]:
    """Return a manifest that was read from a log, after the check that this version can use it.

    Args:
        data: the body of a study's first event.
        name: the study's name in the store.
        whole: whether to check the recipe, the numerics and the call too, which imports torch.

    Raises:
        StoreError: it is of another version, or it was damaged.
    """
    if not isinstance(data, Mapping):
        raise StoreError(f"study {name!r}: its manifest is {describe_value(data)}, not a mapping")
    missing = [entry for entry in (*ENTRIES, "strategy", "estimator") if entry not in data]
    if data.get("format") != FORMAT or missing:
        versions = data.get("versions")
        version = versions.get("nasturtium") if isinstance(versions, Mapping) else None
        raise StoreError(
            f"study {name!r} was written by another version: its manifest has format "
            f"{describe_value(data.get('format'))}"
            + (f" and lacks {', '.join(missing)}" if missing else "")
            + f"; this one reads formats 2 and {FORMAT}; open it with nasturtium "
            f"{version if isinstance(version, str) else 'of that version'}"
        )
    try:
        _check(data, name, whole)
    except NasturtiumError as error:
        raise StoreError(
            f"study {name!r} has a damaged manifest ({error}); it was changed after it was "
            "written, so restore the store from a copy, or search again under another name"
        ) from error
    return dict(data)


def _check(data: Mapping[str, Any], name: str, whole: bool) -> None:
    check_types("manifest", data, ENTRIES, StoreError)
    check_types("data", data["data"], DATA, StoreError)
    missing = [entry for entry in DATA if entry not in data["data"]]
    _require(not missing, f"data lacks {', '.join(missing)}")
    _require(data["name"] == name, f"its name is {describe_value(data['name'])}")
    _require(isinstance(data["space"].get("name"), str), "space has no name")
    _require(isinstance(data["space"].get("mutations", []), list), "space: mutations is not a list")
    notes = data["data"]["notes"]
    _require(all(isinstance(one, str) for one in notes), f"data: notes={describe_value(notes)}")
    inputs = data["data"]["inputs"]
    _require(
        bool(inputs) and all(is_count(one) for one in inputs),
        f"data: inputs={describe_value(inputs)}",
    )
    _require(
        is_count(data["data"]["classes"]),
        f"data: classes={describe_value(data['data']['classes'])}",
    )
    for entry in ("workers", "lag"):
        _require(is_count(data[entry]), f"{entry}={describe_value(data[entry])}")
    _require(is_finite(data["control"]), f"control={describe_value(data['control'])}")
    for entry in ("objectives", "constraints"):
        for one in data[entry]:
            good = isinstance(one, Mapping) and set(one) == OBJECTIVE
            good = good and isinstance(one["metric"], str) and one["goal"] in ("max", "min")
            good = good and (
                is_finite(one["bound"]) if entry == "constraints" else one["bound"] is None
            )
            _require(good, f"{entry} holds {describe_value(one)}")
    decisions = data.get("decisions")
    good = decisions is None or (
        isinstance(decisions, Mapping) and all(isinstance(v, str) for v in decisions.values())
    )
    _require(good, "decisions are not texts")
    _require(bool(data["objectives"]), "objectives is empty")
    _check_counts(data)
    for part in ("strategy", "estimator"):
        good = isinstance(data[part], str)
        good = good or (isinstance(data[part], Mapping) and isinstance(data[part].get("name"), str))
        _require(good, f"{part}={describe_value(data[part])}")
    _check_lists(data["estimator"])
    if not whole:
        return
    from nasturtium.train.numerics import Numerics
    from nasturtium.train.recipe import Recipe

    Recipe.from_json(data["recipe"])
    Numerics.from_json(data["numerics"])
    _check_call(data["call"])


def _check_counts(data: Mapping[str, Any]) -> None:
    """Check the counts of the data and the machine, which older manifests may lack."""
    examples, copies = data["data"]["examples"], data.get("duplicates", {})
    for entry, counts in (("data: examples", examples), ("duplicates", copies)):
        good = isinstance(counts, Mapping) and all(map(is_natural, counts.values()))
        _require(good, f"{entry}={describe_value(counts)}")
    chance = data.get("chance", {})
    good = isinstance(chance, Mapping) and all(map(is_finite, chance.values()))
    _require(good, f"chance={describe_value(chance)}")
    cores = data["machine"].get("cores", 1)
    _require(is_count(cores), f"machine: cores={describe_value(cores)}")


def _check_lists(estimator: Any) -> None:
    """Check the lists of an estimator and its parts."""
    if not isinstance(estimator, Mapping):
        return
    for entry in ("wanted", "metrics", "parts"):
        listed = estimator.get(entry) or []
        _require(isinstance(listed, list), f"estimator: {entry}={describe_value(listed)}")
    for part in estimator.get("parts") or []:
        _check_lists(part)
    threads = estimator.get("threads", 1)
    _require(threads is None or is_count(threads), f"estimator: threads={describe_value(threads)}")


def _check_call(call: Mapping[str, Any]) -> None:
    """Check the texts and numbers of a call."""
    unknown = sorted(set(call) - set(RECORDED))
    _require(not unknown, f"call has {', '.join(unknown)}, which search does not take")
    missing = [name for name in (*PARTS, "trials") if name not in call]
    _require(not missing, f"call lacks {', '.join(missing)}")
    for argument, value in call.items():
        if value == NO_TEXT and argument not in CALL:
            continue
        if argument in CALL:
            check_types("call", {argument: value}, CALL, StoreError)
            good = value is None or isinstance(value, bool) or is_finite(value)
            _require(good, f"call: {argument}={describe_value(value)}")
        elif argument in ("objectives", "constraints"):
            good = isinstance(value, list) and all(isinstance(one, str) for one in value)
            _require(good, f"call: {argument}={describe_value(value)}")
        elif argument in PARTS:
            _require(isinstance(value, str), f"call: {argument}={describe_value(value)}")
        else:
            good = value is None or isinstance(value, (str, bool)) or is_finite(value)
            _require(good, f"call: {argument}={describe_value(value)}")


def _require(good: bool, what: str) -> None:
    if not good:
        raise StoreError(what)
