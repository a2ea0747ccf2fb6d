"""Notices about a study's numbers: chance level, duplicate examples, measurement of latency."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from statistics import NormalDist, median
from typing import Any

from nasturtium.study.metric_summary import ACCURACIES, MetricSummary

__all__ = ["notices"]

LEVEL = 0.05  # probability that networks that guess are not reported as such
FEWEST = 3  # finished trials that the check of chance level needs


def notices(measured: MetricSummary, manifest: Mapping[str, Any]) -> tuple[str, ...]:
    """Return sentences on chance level, copies between the splits, and the measurement of latency.

    Args:
        measured: metrics of a study's finished trials.
        manifest: its first event; empty if there is none.
    """
    return (
        *_guessing(measured, manifest),
        *_copies(manifest),
        *_latency(measured, manifest),
    )


def _guessing(measured: MetricSummary, manifest: Mapping[str, Any]) -> Iterator[str]:
    """Report whether no trial is better than a guess.

    Guessing the most frequent class has its share as accuracy. The best of many networks that
    guess is above it by luck, which the quantile accounts for.
    """
    data = manifest.get("data") or {}
    examples = (data.get("examples") or {}).get("valid")
    known = manifest.get("chance") or {}
    for metric in ACCURACIES:
        count = measured.counts.get(metric, 0)
        if count < FEWEST or not examples or not data.get("classes"):
            continue
        share = float(known.get(metric, 1 / data["classes"]))
        luck = NormalDist().inv_cdf(1 - LEVEL / count) * math.sqrt(share * (1 - share) / examples)
        highest = measured.highest[metric]
        if highest <= share + luck:
            yield (
                f"All {count} finished trials are at chance level: the best {metric} is "
                f"{highest:.4f}, and guessing has {share:.4f}. Try more epochs, a smaller or "
                "larger learning rate (recipe), or a space with larger networks; check the scale "
                "and layout of the inputs, and that labels belong to their examples."
            )
            return


def _copies(manifest: Mapping[str, Any]) -> Iterator[str]:
    counts = manifest.get("duplicates") or {}
    examples = (manifest.get("data") or {}).get("examples") or {}
    parts = [
        f"{counts[name]:,} of {examples.get(name, 0):,} {words} examples"
        for name, words in (("test", "test"), ("valid", "validation"))
        if counts.get(name)
    ]
    if parts:
        yield (
            f"{' and '.join(parts)} are exact copies of examples that networks are trained on; "
            "results on them are too high; remove the copies from the data."
        )


def _latency(measured: MetricSummary, manifest: Mapping[str, Any]) -> Iterator[str]:
    setting = _measuring(manifest.get("estimator"))
    if setting is None:
        return
    how = (
        f"Latency is the median of up to 100 timings of {setting.get('batch', 1)} example(s) on an "
        f"untrained network, in {setting.get('backend', 'torch')} on "
        f"{setting.get('device', 'cpu')} with {setting.get('threads', 1)} thread(s)"
    )
    if "host_load" not in setting.get("metrics", ()):
        yield f"{how}; other trainings may have run beside it."
        return
    loads = measured.loads
    how += "; it is measured alone: one measurement at a time on a host, and no training beside it"
    if not loads:
        yield f"{how}."
        return
    cores = (manifest.get("machine") or {}).get("cores")
    busy = f"{median(loads):.1f}" + (f" of {cores} cores" if cores else " cores")
    text = (
        f"{how}. Other programs kept {busy} busy during the measurements (at most {max(loads):.1f})"
    )
    free = None if cores is None else cores - max(loads)
    if free is not None and free < setting.get("threads", 1):
        text += ", so the host was loaded and these latencies may be too high"
    yield f"{text}."


def _measuring(estimator: Any) -> Mapping[str, Any] | None:
    """Return the part of an estimator that measures latency, from the manifest."""
    if not isinstance(estimator, Mapping):
        return None
    if "latency" in (estimator.get("wanted") or ()):
        return estimator
    parts = (_measuring(part) for part in estimator.get("parts") or ())
    return next((part for part in parts if part is not None), None)
