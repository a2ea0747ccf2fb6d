"""Confirmation: the best candidates are estimated again before one of them is the answer.

The best of many noisy estimates is more often too high than too low: the leading trial of a search
owes part of its lead to chance, and the more so the more trials there are (Smith & Winkler 2006,
"The optimizer's curse", section 2; Cawley & Talbot 2010, "On over-fitting in model selection and
subsequent selection bias in performance evaluation", section 4).

Implemented: at the end of a search, each of its best few candidates is estimated again with another
seed, and the answer is the candidate with the best mean over its estimates. A second estimate that
only repeats the numbers of the first carries no information: after two of those, no more
confirmations are asked for.

Deviations: none of the shrinkage estimators of the literature. A surrogate's predictions at the
candidates were tried on six tables, and were better than the highest single estimate on none: a
surrogate cannot separate noise from properties of a network that it has not learned. The rows are
in the documentation.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from statistics import fmean
from typing import NamedTuple, final

from nasturtium.study.history import History
from nasturtium.study.trial import Trial

__all__ = [
    "ANSWER_ARMS",
    "MOST",
    "Confirmed",
    "answer",
    "confirmed",
    "default_count",
    "explain_no_answer",
    "next_candidate",
]

MOST = 5  # candidates that are confirmed by default, at most
SHARE = 10  # one candidate is confirmed for this many trials
REPEATED = 2  # second estimates that equal the first before an estimator counts as exact
ANSWER_ARMS = ("search", "control")  # arms from which the study's answer is taken


@final
class Confirmed(NamedTuple):
    """A candidate with all of its estimates.

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
    """Return how many candidates a search with this many trials confirms by default.

    Example:
        >>> [default_count(trials, objectives=1) for trials in (10, 24, 100, 1000)]
        [0, 2, 5, 5]
    """
    count = min(MOST, trials // SHARE)
    return count if count > 1 and objectives == 1 else 0


def next_candidate(history: History, count: int) -> Trial | None:
    """Return the candidate to estimate again; ``None`` where no confirmation would help.

    Args:
        history: of the whole study.
        count: how many of the best candidates are confirmed.
    """
    confirmed_keys = {trial.architecture.key for trial in history.where(arm="confirm")}
    candidates = history.where(arm=ANSWER_ARMS).best(count) if count > 1 else ()
    acceptable = [trial for trial in candidates if history.violation(trial) == 0.0]
    if len(acceptable) < 2 or _is_exact(history):
        return None
    return next(
        (trial for trial in acceptable if trial.architecture.key not in confirmed_keys), None
    )


def _is_exact(history: History) -> bool:
    """Return whether the first confirmations only repeated the first estimates."""
    confirmations = history.where(arm="confirm").finished[:REPEATED]
    if len(confirmations) < REPEATED:
        return False
    first = {trial.architecture.key: trial for trial in _originals(history, confirmations)}
    return all(
        first[trial.architecture.key].metrics == trial.metrics
        for trial in confirmations
        if trial.architecture.key in first
    )


def _originals(history: History, confirmations: Sequence[Trial]) -> list[Trial]:
    """Return the best trial of search or control of each confirmed architecture."""
    keys = {trial.architecture.key for trial in confirmations}
    top = max(trial.fidelity.cost for trial in confirmations)
    best: dict[str, Trial] = {}
    for trial in history.where(arm=ANSWER_ARMS).finished:
        key = trial.architecture.key
        if key in keys and trial.fidelity.cost == top:
            known = best.get(key)
            if known is None or history.rank(trial) > history.rank(known):
                best[key] = trial
    return list(best.values())


def confirmed(history: History) -> tuple[Confirmed, ...]:
    """Return the candidates that were estimated more than once, best mean first."""
    confirmations = history.where(arm="confirm").finished
    if not confirmations:
        return ()
    metric, sign = history.objectives[0].metric, history.objectives[0].sign
    candidates = [
        Confirmed(
            trial,
            (
                trial.metrics[metric],
                *(
                    one.metrics[metric]
                    for one in confirmations
                    if one.architecture == trial.architecture
                ),
            ),
        )
        for trial in _originals(history, confirmations)
    ]
    return tuple(sorted(candidates, key=lambda one: (-sign * one.mean, one.trial.number)))


def answer(history: History) -> Trial | None:
    """Return the trial that is the answer of a study; ``None`` where none has finished.

    Among several confirmed candidates it is the one with the best mean, as long as it satisfies the
    constraints and no other trial was trained at a higher fidelity since; else the trial with the
    best estimate.
    """
    best = history.where(arm=ANSWER_ARMS).best()
    if not best:
        return None
    candidates = confirmed(history)
    if len(candidates) < 2 or candidates[0].trial.fidelity.cost < best[0].fidelity.cost:
        return best[0]
    return candidates[0].trial


def explain_no_answer(study: str, history: History) -> str:
    """Return the message for a study without a finished trial.

    Args:
        study: its name.
        history: of the whole study.
    """
    states = Counter(trial.state for trial in history)
    early = f", {states['stopped']} stopped early" if states["stopped"] else ""
    if early and not states["pending"]:
        return (
            f"study {study!r} has no finished trial: of {len(history)} trials "
            f"{states['stopped']} were stopped early and none was trained to its end; "
            "resume it with more trials, or with a strategy that stops fewer"
        )
    return (
        f"study {study!r} has no finished trial yet ({len(history)} asked for, "
        f"{states['failed']} failed{early}); run or resume it first"
    )
