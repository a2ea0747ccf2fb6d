"""The stages of a search, and how they are announced."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

from nasturtium.study.study import Study
from nasturtium.study.trial import Trial

__all__ = ["Announce", "Stage", "Watch", "announcer", "call_both"]

Stage = Literal["check", "tune", "prepare", "search", "epoch", "done"]
Watch = Callable[[Study, Stage, Trial | None], None]
Announce = Callable[[Stage, Trial | None], None]


def announcer(study: Study, watch: Watch | None) -> Announce:
    """Return a function that reports stages and trials of a study to a watch, if there is one."""

    def announce(stage: Stage, trial: Trial | None) -> None:
        if watch is not None:
            watch(study, stage, trial)

    return announce


def call_both(
    first: Callable[..., None], second: Callable[..., None] | None
) -> Callable[..., None]:
    """Return a function that calls two others, of which the second may be missing."""
    if second is None:
        return first

    def both(*arguments: Any) -> None:
        first(*arguments)
        second(*arguments)

    return both
