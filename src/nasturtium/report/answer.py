"""The answer of a study for its page: which network, its numbers, and how the study went."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple, Protocol, final

from nasturtium.analyse.comparison.retrained import MEASURED
from nasturtium.analyse.notices import notices
from nasturtium.report.format import (
    COUNTED,
    format_count,
    format_duration,
    format_metric,
    format_value,
    join_words,
    name_metric,
)
from nasturtium.study.confirmation import Confirmed, answer, confirmed
from nasturtium.study.history import ESTIMATED_STATES, History
from nasturtium.study.metric_summary import MetricSummary
from nasturtium.study.study import Study
from nasturtium.study.trial import Trial

__all__ = [
    "AnswerView",
    "RetrainedNetwork",
    "Retraining",
    "Tile",
    "choose_trial",
    "describe_answer",
    "find_retraining",
]


class RetrainedNetwork(Protocol):
    """A retrained network, as far as the page shows it."""

    @property
    def trial(self) -> int: ...
    @property
    def metrics(self) -> Mapping[str, float]: ...
    @property
    def seconds(self) -> float: ...


@final
@dataclass(frozen=True)
class Retraining:
    """The retraining of a trial's network.

    Attributes:
        trial: the trial's number.
        metrics: on the test examples.
        seconds: its duration; 0 where that is not known.
    """

    trial: int
    metrics: Mapping[str, float]
    seconds: float


@final
class Tile(NamedTuple):
    """One number of the answer: as it is written, in ten digits, and what it is."""

    value: str
    exact: str
    label: str


@final
@dataclass(frozen=True)
class AnswerView:
    """The answer as the page shows it.

    Attributes:
        found: whether there is an answer.
        lead: which network it is, or why there is none.
        counts: how many networks were estimated.
        estimate: the network's estimates in the search, and the constraints that it violates.
        tiles: the network's numbers.
        tested: its metrics on the test examples; ``None`` where it was not retrained.
        duration: of its retraining; empty where that is not known.
        front: how large the Pareto front is; empty for a single objective.
        notices: what a reader must know to interpret the numbers.
        refer_to_failures: whether the section of failures says why there is no answer.
    """

    found: bool
    lead: str
    counts: str
    estimate: str = ""
    tiles: tuple[Tile, ...] = ()
    tested: str | None = None
    duration: str = ""
    front: str = ""
    notices: tuple[str, ...] = ()
    refer_to_failures: bool = False


def find_retraining(study: Study, retrained: RetrainedNetwork | None) -> Retraining | None:
    """Return the retraining that was given, or the last one in the study's notes."""
    if retrained is not None:
        return Retraining(retrained.trial, dict(retrained.metrics), float(retrained.seconds))
    for note in reversed(study.notes):
        identity, metrics = note.get("finished"), note.get("metrics")
        if isinstance(identity, Mapping) and "trial" in identity and isinstance(metrics, dict):
            seconds = next(iter(note.get("measured") or ()), 0.0)
            return Retraining(identity["trial"], metrics, seconds)
    return None


def choose_trial(study: Study, retraining: Retraining | None) -> Trial | None:
    """Return the trial that the page is about: the retrained one, else the best."""
    if retraining is not None:
        trial = study.history.trial(retraining.trial)
        if trial.state == "finished":
            return trial
    return answer(study.history)


def describe_answer(study: Study, best: Trial | None, retraining: Retraining | None) -> AnswerView:
    """Describe the answer of a study.

    Args:
        study: the study.
        best: the trial that the page is about; ``None`` where none has finished.
        retraining: its retraining, if there is one.
    """
    counts = _counts(study.history)
    if best is None:
        states = Counter[str](trial.state for trial in study.history)
        return AnswerView(False, _why_none(states), counts, refer_to_failures=_all_failed(states))
    return AnswerView(
        found=True,
        lead=f"{_role(study.history, retraining)} is trial {best.number}.",
        counts=counts,
        estimate=_estimate(study.history, best),
        tiles=tuple(_tiles(study, best, retraining)),
        tested=None if retraining is None else _metrics(retraining.metrics),
        duration=format_duration(retraining.seconds) if retraining and retraining.seconds else "",
        front=_front(study),
        notices=notices(MetricSummary.of(study.history), study.manifest),
    )


def _role(history: History, retraining: Retraining | None) -> str:
    """Return the role of the network: the best one, or another that was retrained."""
    if retraining is None:
        return "The best network found"
    best = answer(history)
    of_best = best is not None and retraining.trial == best.number
    return "The chosen network" if of_best else "The retrained network"


def _estimate(history: History, best: Trial) -> str:
    """Return a trial's estimates in the search, and the constraints that it violates."""
    objectives = {o.metric: best.metrics[o.metric] for o in history.objectives}
    text = f"The search estimated {_metrics(objectives)}."
    candidates = {candidate.trial.number: candidate for candidate in confirmed(history)}
    if best.number in candidates:
        text += f" {_confirmation(history, candidates[best.number], len(candidates))}"
    broken = [str(b) for b in history.constraints if b.excess(best.metrics[b.metric]) > 0]
    if broken:
        text += f" It violates {join_words(broken)}: no trial met every constraint."
    return text


def _confirmation(history: History, candidate: Confirmed, count: int) -> str:
    """Return how often a candidate was estimated, and its mean."""
    metric = history.objectives[0].metric
    return (
        f"The mean of its {len(candidate.estimates)} estimates is "
        f"{format_value(metric, candidate.mean)}; of {format_count(count, 'candidate')}, the one "
        "with the best mean is the answer."
    )


def _metrics(metrics: Mapping[str, float]) -> str:
    """Return metrics as a list of names and values."""
    return join_words(format_metric(name, value) for name, value in metrics.items())


def _tiles(study: Study, best: Trial, retraining: Retraining | None) -> Iterator[Tile]:
    """Yield the numbers of a network: test results, objectives, then the other metrics."""
    history = study.history
    objectives = [objective.metric for objective in history.objectives]
    for name in objectives:
        tested = retraining.metrics.get(name) if retraining else None
        if tested and name in MEASURED:
            yield _tile(name, tested, "test")
    # A trained network is measured on two splits: the label says which one is meant.
    split = "validation" if study.manifest.get("data") else ""
    constraints = (constraint.metric for constraint in history.constraints)
    known = (name for name in (*constraints, *MEASURED, *COUNTED) if name in best.metrics)
    for name in dict.fromkeys([*objectives, *known, *best.metrics]):
        yield _tile(name, best.metrics[name], split if name in MEASURED else "")


def _tile(name: str, value: float, split: str) -> Tile:
    """Return a metric's value, and its name with the split that it was measured on."""
    text = format_value(name, value) if math.isfinite(value) else "not finite"
    return Tile(text, f"{value:,.10g}", f"{split} {name_metric(name)}".strip())


def _front(study: Study) -> str:
    """Return how many networks the Pareto front has; empty for a single objective."""
    objectives = study.history.objectives
    if len(objectives) < 2:
        return ""
    return (
        f"The Pareto front has {format_count(len(study.front), 'network')}: no other network is "
        f"better in every objective ({join_words(o.metric for o in objectives)})."
    )


def _counts(history: History) -> str:
    """Return how many networks were estimated, by arm and state, and the time it took."""
    states = Counter(trial.state for trial in history)
    arms = Counter(trial.arm for trial in history if trial.state not in ("rejected", "pending"))
    parts = [f"{arms['search']:,} of the search"]
    parts += [f"{arms['control']:,} of the random control"] if arms["control"] else []
    parts += [f"{arms['confirm']:,} to confirm the best"] if arms["confirm"] else []
    parts += [f"{arms[arm]:,} {arm}" for arm in ("reference", "final") if arms[arm]]
    count = sum(states[state] for state in ESTIMATED_STATES)
    text = f"{format_count(count, 'network')} estimated: {join_words(parts)}."
    if states["failed"]:
        text += f" {states['failed']:,} of them failed."
    if states["stopped"]:
        text += f" {states['stopped']:,} of them stopped early, without a result."
    if states["rejected"]:
        text += f" {states['rejected']:,} more violated a constraint and received no training."
    if states["pending"]:
        text += f" Pending: {states['pending']:,}."
    seconds = sum(trial.seconds for trial in history)
    if seconds:
        text += f" The work took {format_duration(seconds)}, summed over all workers."
    return text


def _all_failed(states: Counter[str]) -> bool:
    """Return whether trials failed, and no other is pending or was stopped."""
    return bool(states["failed"] and not states["pending"] and not states["stopped"])


def _why_none(states: Counter[str]) -> str:
    """Return why there is no answer."""
    if not any(states.values()):
        return "There is no answer yet: the study has no trials. Run or resume it first."
    if _all_failed(states):
        return f"There is no answer: all {states['failed']} trials that ran failed."
    return (
        f"There is no answer yet: of {format_count(sum(states.values()), 'trial')}, none has "
        f"finished (pending: {states['pending']}, failed: {states['failed']}, rejected by a "
        f"constraint: {states['rejected']}, stopped early: {states['stopped']}). Resume the study."
    )
