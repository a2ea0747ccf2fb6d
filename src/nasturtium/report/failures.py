"""The failures of a study for its page, grouped by their reasons."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import NamedTuple, final

from nasturtium.study.study import Study

__all__ = ["FailureGroup", "FailuresView", "describe_failures"]

GROUPS = 20  # reasons that are listed
NUMBERS = 8  # trials of a reason that are listed


@final
class FailureGroup(NamedTuple):
    """Trials that failed for one reason: how many, the first one's reason, their numbers."""

    trials: int
    reason: str
    numbers: str


@final
@dataclass(frozen=True)
class FailuresView:
    """The failures as the page shows them.

    Attributes:
        groups: the most frequent reason first.
        rest: the number of rarer reasons, which are left out.
    """

    groups: tuple[FailureGroup, ...]
    rest: int


def describe_failures(study: Study) -> FailuresView:
    """Group failed trials by reason; reasons that differ only in numbers are one reason."""
    trials: dict[str, list[int]] = {}
    for trial in study.history:
        if trial.state == "failed":
            reason = re.sub(r"\d+(\.\d+)?", "#", str(trial.error))
            trials.setdefault(reason, []).append(trial.number)
    ordered = sorted(trials.values(), key=lambda numbers: (-len(numbers), numbers[0]))
    groups = tuple(
        FailureGroup(
            len(numbers),
            str(study.history.trial(numbers[0]).error),
            ", ".join(map(str, numbers[:NUMBERS])) + (" …" if len(numbers) > NUMBERS else ""),
        )
        for numbers in ordered[:GROUPS]
    )
    return FailuresView(groups, max(0, len(ordered) - GROUPS))
