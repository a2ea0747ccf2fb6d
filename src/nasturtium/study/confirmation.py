"""Confirmation: the best candidates are estimated once more before one of them is the answer.

The best of many noisy estimates is more often too high than too low: the trial that leads a search
owes part of its lead to luck, and the more so the more trials there are (Smith & Winkler 2006, "The
optimizer's curse", section 2; Cawley & Talbot 2010, "On over-fitting in model selection and
subsequent selection bias in performance evaluation", section 4).

Implemented: when the search is over, each of its best few candidates is estimated again with
another seed, and the answer is the one with the best mean over its estimates. A second estimate
that only repeats the numbers of the first tells nothing: after two of those no more are asked for.

Deviations: none of the shrinkage estimators of the literature. A surrogate's predictions at the
candidates were tried on six tables, and were better than the highest single estimate on none: a
surrogate cannot tell noise from what it has not learned of a network. The rows are in the
documentation.
"""

from __future__ import annotations

from statistics import fmean
from typing import TYPE_CHECKING, NamedTuple, final

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nasturtium.study.history import History
    from nasturtium.study.trial import Trial

__all__ = [
    "ANSWER_ARMS",
    "MOST",
    "Confirmed",
    "answer",
    "confirmed",
    "default_count",
    "next_candidate",
]

MOST = 5  # candidates that are confirmed unless a search says otherwise
SHARE = 10  # one in so many trials is as many as that
REPEATED = 2  # second estimates that equal the first before an estimator counts as exact
ANSWER_ARMS = ("search", "control")  # arms that the study's answer is from


@final
class Confirmed(NamedTuple):
    """A candidate with all estimates of it.

    Attributes:
        trial: the candidate: the best trial of its architecture in the search or the control.
        estimates: of the first objective: the trial's own, then those of its confirmations.
    """

    trial: Trial
    estimates: tuple[float, ...]

    @property
    def mean(self) -> float:
        """The mean of the estimates."""
        return fmean(self.estimates)


def default_count(trials: int, objectives: int) -> int:
    """How many candidates a search of so many trials confirms unless it is told otherwise.

    Example:
        >>> [default_count(trials, objectives=1) for trials in (10, 24, 100, 1000)]
        [0, 2, 5, 5]
    """
    count = min(MOST, trials // SHARE)
    return count if count > 1 and objectives == 1 else 0


def next_candidate(history: History, count: int) -> Trial | None:
    """The candidate to estimate once more; ``None`` where there is none, or it would tell nothing.

    Args:
        history: of the whole study.
        count: how many of the best candidates are confirmed.
    """
    asked = {trial.architecture.key for trial in history.where(arm="confirm")}
    candidates = history.where(arm=ANSWER_ARMS).best(count) if count > 1 else ()
    able = [trial for trial in candidates if history.violation(trial) == 0.0]
    if len(able) < 2 or _exact(history):
        return None
    return next((trial for trial in able if trial.architecture.key not in asked), None)


def _exact(history: History) -> bool:
    """Whether the first confirmations only repeated the numbers that there were."""
    again = history.where(arm="confirm").finished[:REPEATED]
    if len(again) < REPEATED:
        return False
    first = {trial.architecture.key: trial for trial in _originals(history, again)}
    return all(
        first[trial.architecture.key].metrics == trial.metrics
        for trial in again
        if trial.architecture.key in first
    )


def _originals(history: History, confirmations: Sequence[Trial]) -> list[Trial]:
    """The best trial of search or control of each architecture that was confirmed."""
    wanted = {trial.architecture.key for trial in confirmations}
    top = max(trial.fidelity.cost for trial in confirmations)
    found: dict[str, Trial] = {}
    for trial in history.where(arm=ANSWER_ARMS).finished:
        key = trial.architecture.key
        if key in wanted and trial.fidelity.cost == top:
            known = found.get(key)
            if known is None or history.rank(trial) > history.rank(known):
                found[key] = trial
    return list(found.values())


def confirmed(history: History) -> tuple[Confirmed, ...]:
    """The candidates that were estimated more than once, best mean first."""
    again = history.where(arm="confirm").finished
    if not again:
        return ()
    metric, sign = history.objectives[0].metric, history.objectives[0].sign
    found = [
        Confirmed(
            trial,
            (
                trial.metrics[metric],
                *(one.metrics[metric] for one in again if one.architecture == trial.architecture),
            ),
        )
        for trial in _originals(history, again)
    ]
    return tuple(sorted(found, key=lambda one: (-sign * one.mean, one.trial.number)))


def answer(history: History) -> Trial | None:
    """The trial that a study gives as its best; ``None`` where none has finished.

    Of several confirmed candidates the one with the best mean, as long as it keeps the bounds and
    no other trial was trained at a higher fidelity since; else the trial with the best estimate.
    """
    best = history.where(arm=ANSWER_ARMS).best()
    if not best:
        return None
    again = confirmed(history)
    if len(again) < 2 or again[0].trial.fidelity.cost < best[0].fidelity.cost:
        return best[0]
    return again[0].trial
