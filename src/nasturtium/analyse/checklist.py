"""The checklist for research on architecture search, filled in from a study's manifest.

Lindauer & Hutter (2020), "Best Practices for Scientific Research on Neural Architecture Search":
what to release, how to compare, what to report. Each item is answered from what the study itself
has recorded; what a study cannot know (ablations, how its settings were tuned) is said to be
missing, by name.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, final

from nasturtium.analyse.verdict import Verdict

__all__ = ["Item", "checklist"]

FORMAT = 1  # of the manifests that this version writes
LONG = 300  # characters of an answer; the manifest has the rest


@final
@dataclass(frozen=True)
class Item:
    """One point of the checklist.

    Attributes:
        item: what is asked.
        answer: what the study says; what is missing is named.
        state: ``yes``, ``partly``, ``no``, or ``unknown`` where the manifest does not say.
    """

    item: str
    answer: str
    state: str

    def to_json(self) -> dict[str, str]:
        """As plain JSON."""
        return {"item": self.item, "answer": self.answer, "state": self.state}


def checklist(
    manifest: Mapping[str, Any],
    verdict: Verdict,
    *,
    references: Sequence[str] = (),
    finishing: Mapping[str, Any] | None = None,
    seconds: float = 0.0,
    compared: bool = True,
) -> tuple[Item, ...]:
    """The checklist of a study.

    Args:
        manifest: the study's first event; fields that an older version did not write are named as
            missing.
        verdict: of the comparison with random search.
        references: names of the reference networks that were trained.
        finishing: the recipe of the trainings in full.
        seconds: what the search cost.
        compared: whether that recipe is of a comparison; else one network was finished by it.
    """
    # As it reads from the log, so that the answers are the same before and after.
    ask = _Manifest(json.loads(json.dumps(manifest, sort_keys=True)))
    finishing = finishing and json.loads(json.dumps(finishing, sort_keys=True))
    return (
        *_release(ask, finishing),
        *_compare(ask, verdict, references, finishing if compared else None),
        *_report(ask, verdict, seconds),
    )


def _release(ask: _Manifest, finishing: Mapping[str, Any] | None) -> list[Item]:
    commit = ask("commit")
    if commit is None:
        code = Item(CODE, f"no commit is known{ask.missing('commit')}", "no")
    elif str(commit).endswith("+"):
        code = Item(CODE, f"commit {commit[:12]}, with changes that are not committed", "partly")
    else:
        code = Item(CODE, f"commit {commit[:12]}", "yes")
    own = [name for name, value in (ask("call") or {}).items() if value == "?"]
    same = "every part can be named on a command line"
    if own:
        same = f"{', '.join(own)} came from a program, which has to be kept with the study"
    return [
        code,
        ask.item("The search space is defined in full", "space"),
        ask.item("The data and their split are identified", "data", _data),
        ask.item("The recipe of the candidates is recorded", "recipe"),
        Item(
            "The recipe of the final networks is recorded",
            _settings(finishing) if finishing else "no network has been trained in full yet",
            "yes" if finishing else "no",
        ),
        ask.item("The search method and its settings are recorded", "strategy"),
        ask.item("The estimator and its settings are recorded", "estimator"),
        ask.item("Seeds are recorded", "seed", lambda seed: f"seed {seed}"),
        Item("The study can be run again", same, "partly" if own else "yes")
        if ask("call") is not None
        else Item("The study can be run again", f"unknown{ask.missing('call')}", "unknown"),
    ]


CODE = "The code is identified"


def _compare(
    ask: _Manifest,
    verdict: Verdict,
    references: Sequence[str],
    finishing: Mapping[str, Any] | None,
) -> list[Item]:
    share = ask("control")
    against = f"{verdict.trials_control} uniformly drawn architectures"
    if verdict.trials_control == 0:
        against = "none: the control was switched off" if share == 0 else "none has finished"
    elif verdict.extrapolated:
        against += f", continued to the cost of {verdict.trials_search:.0f} by extrapolation"
    several = verdict.seeds
    return [
        Item(
            "All networks are trained by the same code and recipe",
            "search, control and references share one training loop and one recipe"
            if finishing
            else "no comparison was trained yet (nasturtium evidence)",
            "yes" if finishing else "no",
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
            f"{several} seeds each" if several else "no network of a comparison was yet",
            "yes" if several > 1 else "no",
        ),
        Item(
            "The search itself is repeated with several seeds",
            f"no: this is one run, seed {ask('seed')}; repeat it with other seeds",
            "no",
        ),
        Item("There are ablations of the method", "none is part of a study; run them apart", "no"),
        Item("Performance is shown over time", "over trials and seconds, with intervals", "yes"),
    ]


def _report(ask: _Manifest, verdict: Verdict, seconds: float) -> list[Item]:
    hours = f"{seconds / 3600:.2f} worker hours of trials" if seconds else "no seconds are known"
    return [
        ask.item("Hardware is stated", "machine"),
        ask.item("Versions of software are stated", "versions"),
        ask.item("Numerical settings are stated", "numerics"),
        Item("The cost of the whole search is stated", hours, "yes" if seconds else "no"),
        Item(
            "How the method's own settings were tuned is stated, with its cost",
            "a study does not know it; say it beside the result",
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
    """A manifest that may lack what an older version did not write."""

    def __init__(self, manifest: Mapping[str, Any]) -> None:
        self._held = manifest
        self._format = manifest.get("format")

    def __call__(self, name: str) -> Any:
        return self._held.get(name)

    def missing(self, name: str) -> str:
        """In brackets, why a field is not there; empty where it is."""
        if name in self._held:
            return ""
        if not self._held:
            return " (the study has no manifest)"
        if self._format == FORMAT:
            return f" (the manifest has no {name!r})"
        return f" (the manifest, of format {self._format}, has no {name!r}; this is {FORMAT})"

    def item(self, question: str, name: str, said: Callable[[Any], str] | None = None) -> Item:
        """An item that one field answers."""
        found = self(name)
        if found is None:
            return Item(question, f"unknown{self.missing(name)}", "unknown")
        return Item(question, (said or _settings)(found), "yes")


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
