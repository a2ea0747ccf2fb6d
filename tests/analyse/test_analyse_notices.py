from __future__ import annotations

from typing import Any

import pytest

from nasturtium.analyse.notices import notices
from nasturtium.architecture import Architecture
from nasturtium.study.metric_summary import MetricSummary
from nasturtium.study.trial import Outcome, Proposal, Trial

MANIFEST = {"data": {"classes": 4, "examples": {"train": 300, "valid": 100, "test": 50}}}


def trials(*found: dict[str, float]) -> list[Trial]:
    made = []
    for number, metrics in enumerate(found):
        proposal = Proposal(Architecture("s", {"x": number}))
        outcome = Outcome(number, metrics, (), {}, None, 1.0, 1.0)
        made.append(Trial(number, proposal, "search", "finished", *outcome[1:]))
    return made


@pytest.mark.parametrize(
    ("accuracies", "chance", "said"),
    [
        ((0.25, 0.27, 0.2), None, True),
        ((0.25, 0.33, 0.2), None, True),  # luck of the best of three guesses
        ((0.25, 0.45, 0.2), None, False),
        ((0.25, 0.45, 0.6), {"accuracy": 0.6}, True),  # the most frequent class has that share
        ((0.25, 0.25), None, False),  # too few trials to say so
        ((), None, False),
    ],
)
def test_trials_at_chance_level_are_said_to_be(
    accuracies: tuple[float, ...], chance: dict[str, float] | None, said: bool
) -> None:
    manifest: dict[str, Any] = MANIFEST | ({} if chance is None else {"chance": chance})
    told = notices(
        MetricSummary.of(trials(*({"accuracy": value} for value in accuracies))), manifest
    )
    assert len(told) == said
    if said:
        assert "are at chance level" in told[0]
        assert "learning rate" in told[0]


def test_copies_between_splits_are_said() -> None:
    assert notices(MetricSummary(), MANIFEST | {"duplicates": {"test": 0, "valid": 0}}) == ()
    (told,) = notices(MetricSummary(), MANIFEST | {"duplicates": {"test": 15, "valid": 0}})
    assert told.startswith("15 of 50 test examples are exact copies of examples that networks")


@pytest.mark.parametrize(
    ("loads", "words"),
    [
        (
            (0.1, 0.3),
            "kept 0.2 of 2 cores busy during the measurements (at most 0.3).",
        ),
        ((0.1, 1.8), "so the host was loaded and these latencies may be too high."),
        ((float("nan"),), "no training beside it."),
        (None, "other trainings may have run beside it."),
    ],
)
def test_how_latency_was_measured_is_said(loads: tuple[float, ...] | None, words: str) -> None:
    beside = ["latency_spread", "host_load"] if loads is not None else ["latency_spread"]
    hardware = {"name": "Hardware", "wanted": ["latency"], "metrics": ["latency", *beside]}
    manifest = MANIFEST | {
        "estimator": {"name": "Combined", "parts": [hardware, {"name": "Train"}]},
        "machine": {"cores": 2},
    }
    done = trials(*({"latency": 1.0, "host_load": load} for load in loads or ()))
    (told,) = notices(MetricSummary.of(done), manifest)
    assert told.endswith(words)
