"""Assembling the evidence from a study's history and its retrained networks."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from scipy.stats import t as student

from nasturtium.analyse.checklist import fill_checklist
from nasturtium.analyse.comparison.prospect import assess_prospect
from nasturtium.analyse.comparison.retrained import (
    MEASURED,
    Network,
    Training,
    group_trainings,
    highest_value,
)
from nasturtium.analyse.comparison.selection import (
    Pools,
    Selection,
    judged_objective,
    select_trials,
    split_pools,
)
from nasturtium.analyse.comparison.verdict import MARGIN, judge
from nasturtium.analyse.cost_benefit import Spent, compute_cost_benefit, gain_over
from nasturtium.analyse.curves import control_curve, search_curve
from nasturtium.analyse.evidence import Evidence
from nasturtium.analyse.ranking import Rank, rank_correlation
from nasturtium.study.history import History
from nasturtium.study.objective import Objective
from nasturtium.study.trial import Trial

__all__ = ["assemble_evidence"]


def assemble_evidence(
    history: History,
    trainings: Iterable[Training] = (),
    *,
    answer: Trial | None = None,
    manifest: Mapping[str, Any] | None = None,
    name: str = "study",
    top: int = 3,
    spread: int = 4,
    margin: float = MARGIN,
    recipe: Mapping[str, Any] | None = None,
    spent: Spent | None = None,
    seeds: int = 3,
    separate: Mapping[str, Any] | None = None,
) -> Evidence:
    """Assemble the evidence from a study's trials and retrainings; nothing is trained.

    Args:
        history: all trials of the study.
        trainings: retrainings of its architectures, and trainings of reference networks.
        answer: the trial that the study gives as its answer.
        manifest: the study's first event; missing fields are named in the checklist.
        name: the study's name.
        top: how many networks of search and control are compared.
        spread: how many others were selected for retraining.
        margin: the least gain that counts, in the metric's units.
        recipe: the recipe of the comparison; ``None`` if there was none.
        spent: workers, device and power.
        seeds: planned trainings of each network.
        separate: the answer's training by ``finish``, if the comparison has none of the answer:
            ``trial``, ``seed``, ``recipe``, ``metrics`` and ``seconds``.

    Example:
        >>> import nasturtium as nas
        >>> study = nas.Study(nas.zoo.nasbench201, nas.RandomSearch())
        >>> trial = study.ask()
        >>> study.tell(trial, {"accuracy": 0.9})
        >>> assemble_evidence(study.history).verdict.answer
        'no better'
    """
    manifest, trainings = manifest or {}, tuple(trainings)
    objective = judged_objective(history)
    metric = objective if objective.metric in MEASURED else Objective("accuracy")
    pools = split_pools(history)
    selection = select_trials(pools, top, spread)
    ours = group_trainings((t for t in trainings if t.trial is not None), metric)
    references = group_trainings((t for t in trainings if t.trial is None), metric)
    # With control=0 no draw was made for comparison, but the strategy's own uniform draws count.
    controlled = manifest.get("control", 0.1) != 0
    verdict = judge(pools, selection, ours, sign=metric.sign, margin=margin, controlled=controlled)
    network = None if answer is None else ours.get(answer.architecture.key)
    valid = (one for one in references.values() if not _violated(one, history.constraints))
    strongest = max(valid, key=lambda one: metric.sign * one.mean, default=None)
    gain = gain_over(network, strongest, metric.sign)
    seconds = sum((t.seconds for t in trainings), separate["seconds"] if separate else 0.0)
    worth = compute_cost_benefit(history, objective, verdict, gain, seconds, spent or Spent())
    estimates = _estimates(pools)
    each = worth.seconds / pools.equal if pools.equal else 0.0
    rank, rank_top = _ranks(estimates, ours, metric.sign)
    ceiling = highest_value(metric)
    return Evidence(
        study=name,
        metric=metric.metric,
        goal=metric.goal,
        verdict=verdict,
        search=search_curve(history, objective),
        control=control_curve(pools.drawn, pools.equal, each, objective.sign),
        finished=_finished_rows(trainings, metric, selection, estimates, pools.goal),
        failed=_failed_rows(trainings, metric, selection),
        network=None if network is None else _row(network, {"trial": network.trial}, ceiling),
        references=_reference_rows(references.values(), history.constraints, ceiling),
        apart=_separate_row(separate, metric),
        prospect=assess_prospect(pools, selection, seeds=seeds, margin=margin),
        rank=rank,
        rank_top=rank_top,
        worth=worth,
        checklist=fill_checklist(
            manifest,
            verdict,
            references=tuple(references),
            recipe=recipe or (separate and separate["recipe"]),
            seconds=worth.seconds,
            compared=recipe is not None,
        ),
    )


def _violated(network: Network, constraints: Iterable[Objective]) -> list[str]:
    """Return the constraints of the study that a reference network violates, as far as known."""
    metrics = network.metrics
    return [
        str(one)
        for one in constraints
        if one.metric in metrics and one.excess(metrics[one.metric]) > 0.0
    ]


def _estimates(pools: Pools) -> dict[str, float]:
    """Return the search's estimate of each architecture; larger is better."""
    trials = sorted((*pools.search, *pools.control), key=lambda trial: trial.number)
    estimates: dict[str, float] = {}
    for trial in trials:
        estimates.setdefault(trial.architecture.key, pools.estimate(trial))
    return estimates


def _finished_rows(
    trainings: Iterable[Training],
    metric: Objective,
    selection: Selection,
    estimates: Mapping[str, float],
    sign: float,
) -> tuple[dict[str, Any], ...]:
    """Return one row for each successful retraining of an architecture of the study."""

    def estimate(key: str) -> float | None:
        return sign * estimates[key] if key in estimates else None

    return tuple(
        {
            "role": selection.role(training.key),
            "trial": training.trial,
            "seed": training.seed,
            "estimate": estimate(training.key),
            "accuracy": training.value(metric.metric),
            "seconds": training.seconds,
            **_costs(training.metrics),
        }
        for training in trainings
        if training.trial is not None and training.fault(metric.metric) is None
    )


def _failed_rows(
    trainings: Iterable[Training], metric: Objective, selection: Selection
) -> tuple[dict[str, Any], ...]:
    """Return one row for each training that failed or has no finite metric."""
    return tuple(
        {
            "role": "reference" if training.trial is None else selection.role(training.key),
            "trial": training.trial,
            "name": training.key,
            "seed": training.seed,
            "error": training.fault(metric.metric),
        }
        for training in trainings
        if training.fault(metric.metric) is not None
    )


def _reference_rows(
    references: Collection[Network], constraints: Sequence[Objective], ceiling: float
) -> tuple[dict[str, Any], ...]:
    """Return one row for each reference network, with the constraints that it violates."""
    heads = ({"name": one.key, "breaks": _violated(one, constraints)} for one in references)
    return tuple(_row(one, head, ceiling) for one, head in zip(references, heads, strict=True))


def _separate_row(separate: Mapping[str, Any] | None, metric: Objective) -> dict[str, Any] | None:
    if separate is None:
        return None
    return {
        "trial": separate["trial"],
        "seed": separate["seed"],
        "accuracy": separate["metrics"].get(metric.metric),
        "seconds": separate["seconds"],
    }


def _ranks(
    estimates: Mapping[str, float], networks: Mapping[str, Network], sign: float
) -> tuple[Rank, Rank]:
    """Return the rank correlation over all networks, and within the best tenth of estimates."""
    both = [key for key in networks if key in estimates]
    least = float(np.quantile(list(estimates.values()), 0.9)) if estimates else 0.0
    best = [key for key in both if estimates[key] >= least]

    def correlate(keys: list[str]) -> Rank:
        retrained = [sign * networks[key].mean for key in keys]
        return rank_correlation([estimates[key] for key in keys], retrained)

    return correlate(both), correlate(best)


def _row(network: Network, head: Mapping[str, Any], ceiling: float) -> dict[str, Any]:
    """Return a network's row over its seeds, with a 90 % interval of its mean (Student's t)."""
    low = high = None
    if len(network.values) > 1:
        count = len(network.values)
        error = float(np.std(network.values, ddof=1)) / count**0.5
        reach = float(student.isf(0.05, count - 1)) * error
        low, high = network.mean - reach, network.mean + reach
        if min(network.values) >= 0.0 and max(network.values) <= ceiling:
            low, high = max(0.0, low), min(ceiling, high)
    return {
        **head,
        "accuracies": list(network.values),
        "mean": network.mean,
        "low": low,
        "high": high,
        **_costs(network.metrics),
        "seconds": network.seconds,
    }


def _costs(metrics: Mapping[str, float]) -> dict[str, int | None]:
    counted = {name: metrics.get(name) for name in ("params", "macs")}
    return {name: None if count is None else round(count) for name, count in counted.items()}
