"""The evidence of a study for its page: the verdict, the networks compared, the checklist."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, final

from nasturtium.report.format import classify_metric, format_count, format_number, join_words
from nasturtium.study.study import Study

__all__ = ["EvidenceView", "Row", "describe_checklist", "describe_evidence"]

VERDICTS = {"better": "good", "no better": "bad"}
STATES = {"yes": "yes", "no": "no", "partly": "partly", "unknown": "not known"}

Row = tuple[str | int, ...]


@final
class Missing(NamedTuple):
    """The reason why the page has no retrained networks to compare.

    Attributes:
        trained: the number of networks that were retrained but not passed to the page; or empty.
        store: the study's name on the command line, quoted for a shell.
    """

    trained: str
    store: str


@final
@dataclass(frozen=True)
class EvidenceView:
    """The evidence as the page shows it.

    Attributes:
        verdict: the verdict in a sentence.
        kind: ``good``, ``bad`` or ``open``.
        missing: why no networks are compared; ``None`` where some are.
        sentences: the rest of the evidence, in sentences.
        heads: of the table of networks.
        networks: the retrained networks, one row each.
    """

    verdict: str
    kind: str
    missing: Missing | None
    sentences: tuple[str, ...]
    heads: tuple[str, ...]
    networks: tuple[Row, ...]


def describe_evidence(study: Study, evidence: Mapping[str, Any], store: str) -> EvidenceView:
    """Describe the evidence of a study.

    Args:
        study: the study.
        evidence: as ``Evidence.to_json`` gives it.
        store: the study's name on the command line.
    """
    verdict = evidence.get("verdict") or {}
    sentence = str(verdict.get("sentence") or "")
    missing = None
    if not evidence.get("finished"):
        count = sum("trained" in note for note in study.notes)
        missing = Missing(format_count(count, "network") if count else "", shlex.quote(store))
    metric = str((evidence.get("metric") or {}).get("name", "accuracy"))
    return EvidenceView(
        verdict=sentence,
        kind=VERDICTS.get(str(verdict.get("answer")), "open"),
        missing=missing,
        sentences=tuple(str(s) for s in evidence.get("words") or () if s != sentence),
        heads=(
            "network",
            f"mean {metric.replace('_', ' ')}, test",
            "90 % interval",
            "trainings",
            "parameters",
            "MACs",
        ),
        networks=tuple(_rows(evidence, metric)),
    )


def _rows(evidence: Mapping[str, Any], metric: str) -> Iterator[Row]:
    """Yield the chosen network, then the references, with their means over the trainings."""
    network = evidence.get("network")
    named = [("the chosen network", network)] if isinstance(network, Mapping) else []
    for reference in evidence.get("references") or ():
        broken = reference.get("breaks")
        breaks = f" (violates {join_words(broken)}, not counted)" if broken else ""
        named.append((f"reference: {reference.get('name')}{breaks}", reference))
    for name, trained in named:
        low, high, mean = (_value(metric, trained.get(key)) for key in ("low", "high", "mean"))
        yield (
            name,
            mean or "not known",
            f"{low} to {high}" if low and high else "one training only",
            len(trained.get("accuracies") or ()),
            format_number(float(trained.get("params") or 0)),
            format_number(float(trained.get("macs") or 0)),
        )


def _value(metric: str, value: object) -> str:
    """Return a metric's value without its name; empty where there is none."""
    if not isinstance(value, (int, float)):
        return ""
    return (
        f"{100 * value:.2f} %" if classify_metric(metric, (value,)) == "share" else f"{value:.4g}"
    )


def describe_checklist(evidence: Mapping[str, Any]) -> tuple[Row, ...]:
    """Return the items of the checklist of good practice: item, whether it is met, details."""
    return tuple(
        (
            str(item.get("item", "")),
            STATES.get(str(item.get("state")), "not known"),
            str(item.get("answer", "")),
        )
        for item in evidence.get("checklist") or ()
        if isinstance(item, Mapping)
    )
