"""The checklist for research on architecture search, filled in from a study's manifest.

Lindauer & Hutter (2020), "Best Practices for Scientific Research on Neural Architecture Search":
what to release, how to compare, what to report. Each item is answered from the study's records;
items that a study cannot know (ablations, the tuning of its settings) are named as missing.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, final

from nasturtium.analyse.comparison.verdict import Verdict

__all__ = ["Item", "fill_checklist"]

FORMAT = 1  # of the manifests that this version writes
LONG = 300  # characters of an answer; the manifest contains the rest


@final
@dataclass(frozen=True)
class Item:
    """One item of the checklist.

    Attributes:
        item: the requirement.
        answer: how the study meets it, or what is missing.
        state: ``yes``, ``partly``, ``no``, or ``unknown`` if the manifest does not record it.
    """

    item: str
    answer: str
    state: str

    def to_json(self) -> dict[str, str]:
        """Return plain JSON."""
        return {"item": self.item, "answer": self.answer, "state": self.state}


def fill_checklist(
    manifest: Mapping[str, Any],
    verdict: Verdict,
    *,
    references: Sequence[str] = (),
    recipe: Mapping[str, Any] | None = None,
    seconds: float = 0.0,
    compared: bool = True,
) -> tuple[Item, ...]:
    """Fill in the checklist of a study.

    Args:
        manifest: the study's first event; fields that an older version did not write are named as
            missing.
        verdict: the verdict of the comparison with random search.
        references: names of the reference networks that were trained.
        recipe: the recipe of the retrainings.
        seconds: cost of the search.
        compared: whether the recipe is that of a comparison; else one network was retrained by it.
    """
    # In the form in which it is read from the log, so that answers stay the same.
    known = _Manifest(json.loads(json.dumps(manifest, sort_keys=True)))
    recipe = recipe and json.loads(json.dumps(recipe, sort_keys=True))
    return (
        *_release(known, recipe),
        *_compare(known, verdict, references, recipe if compared else None),
        *_report(known, verdict, seconds),
    )


def _release(known: _Manifest, recipe: Mapping[str, Any] | None) -> list[Item]:
    commit = known("commit")
    if commit is None:
        code = Item(CODE, f"no commit is known{known.missing('commit')}", "no")
    elif str(commit).endswith("+"):
        code = Item(CODE, f"commit {commit[:12]}, with changes that are not committed", "partly")
    else:
        code = Item(CODE, f"commit {commit[:12]}", "yes")
    own = [name for name, value in (known("call") or {}).items() if value == "?"]
    same = "every part can be named on a command line"
    if own:
        same = f"{', '.join(own)} exists only in a program; keep that program with the study"
    return [
        code,
        known.item("The search space is defined in full", "space"),
        known.item("The data and their split are identified", "data", _data),
        known.item("The recipe of the candidates is recorded", "recipe"),
        Item(
            "The recipe of the final networks is recorded",
            _settings(recipe) if recipe else "no network has been retrained yet",
            "yes" if recipe else "no",
        ),
        known.item("The search method and its settings are recorded", "strategy"),
        known.item("The estimator and its settings are recorded", "estimator"),
        known.item("Seeds are recorded", "seed", lambda seed: f"seed {seed}"),
        Item("The study can be run again", same, "partly" if own else "yes")
        if known("call") is not None
        else Item("The study can be run again", f"unknown{known.missing('call')}", "unknown"),
    ]


CODE = "The code is identified"


def _compare(
    known: _Manifest,
    verdict: Verdict,
    references: Sequence[str],
    recipe: Mapping[str, Any] | None,
) -> list[Item]:
    share = known("control")
    against = f"{verdict.trials_control} uniformly drawn architectures"
    if verdict.trials_control == 0:
        against = "none: the control was switched off" if share == 0 else "none has finished"
    elif verdict.extrapolated:
        against += f", extrapolated to the cost of {verdict.trials_search:.0f}"
    several = verdict.seeds
    return [
        Item(
            "All networks are trained by the same code and recipe",
            "search, control and references share one training loop and one recipe"
            if recipe
            else "no comparison was made yet (nasturtium evidence)",
            "yes" if recipe else "no",
        ),
        Item(
            "There is a comparison with random search",
            against,
            "no" if verdict.trials_control == 0 else "partly" if verdict.extrapolated else "yes",
        ),
        Item(
            "There are reference networks under the same recipe",
            ", ".join(references) or "none was trained",
            "yes" if references else "no",
        ),
        Item(
            "Final networks are trained with several seeds",
            f"{several} seeds each" if several else "no network of a comparison was retrained yet",
            "yes" if several > 1 else "no",
        ),
        Item(
            "The search itself is repeated with several seeds",
            f"no: this is one run, seed {known('seed')}; repeat it with other seeds",
            "no",
        ),
        Item(
            "There are ablations of the method", "a study contains none; run them separately", "no"
        ),
        Item("Performance is shown over time", "over trials and seconds, with intervals", "yes"),
    ]


def _report(known: _Manifest, verdict: Verdict, seconds: float) -> list[Item]:
    hours = (
        f"{seconds / 3600:.2f} worker hours of trials"
        if seconds
        else "the duration of the trials is unknown"
    )
    return [
        known.item("Hardware is stated", "machine"),
        known.item("Versions of software are stated", "versions"),
        known.item("Numerical settings are stated", "numerics"),
        Item("The cost of the whole search is stated", hours, "yes" if seconds else "no"),
        Item(
            "How the method's own settings were tuned is stated, with its cost",
            "a study does not record it; state it with the result",
            "unknown",
        ),
        Item(
            "The measure of the answer was not used to choose it",
            "the test examples are measured after the search, and choose nothing",
            "yes" if verdict.seeds else "unknown",
        ),
    ]


@final
class _Manifest:
    """A manifest, from which fields may be missing that an older version did not write."""

    def __init__(self, manifest: Mapping[str, Any]) -> None:
        self._fields = manifest
        self._format = manifest.get("format")

    def __call__(self, name: str) -> Any:
        return self._fields.get(name)

    def missing(self, name: str) -> str:
        """Return, in parentheses, why a field is missing; empty if it is present."""
        if name in self._fields:
            return ""
        if not self._fields:
            return " (the study has no manifest)"
        if self._format == FORMAT:
            return f" (the manifest has no {name!r})"
        return f" (the manifest, of format {self._format}, has no {name!r}; this is {FORMAT})"

    def item(self, question: str, name: str, describe: Callable[[Any], str] | None = None) -> Item:
        """Return an item that one field answers."""
        value = self(name)
        if value is None:
            return Item(question, f"unknown{self.missing(name)}", "unknown")
        return Item(question, (describe or _settings)(value), "yes")


def _data(data: Any) -> str:
    if not isinstance(data, Mapping):
        return str(data)
    parts = data.get("examples", {})
    order = [name for name in ("train", "valid", "test") if name in parts]
    sizes = ", ".join(f"{parts[name]} {name}" for name in order) or "of unknown size"
    return f"{data.get('name')}, {sizes}, fingerprint {str(data.get('fingerprint'))[:12]}"


def _settings(settings: Any) -> str:
    if not isinstance(settings, Mapping):
        return str(settings)
    text = ", ".join(f"{name}={value}" for name, value in settings.items())
    return text if len(text) <= LONG else f"{text[:LONG]}…"
