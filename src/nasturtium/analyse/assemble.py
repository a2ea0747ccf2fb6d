"""From a study's history and its trainings in full to the evidence."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from scipy.stats import t as student

from nasturtium.analyse.checklist import checklist
from nasturtium.analyse.cost_benefit import Spent, cost_benefit_of, over
from nasturtium.analyse.curve import control_curve, search_curve
from nasturtium.analyse.evidence import Evidence
from nasturtium.analyse.prospect import foresee
from nasturtium.analyse.rank import Rank, rank_correlation
from nasturtium.analyse.retrained import MEASURED, Network, Training, most, networks
from nasturtium.analyse.selection import Pools, judged, pools, select
from nasturtium.analyse.verdict import MARGIN, judge
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
    finishing: Mapping[str, Any] | None = None,
    spent: Spent | None = None,
    seeds: int = 3,
    apart: Mapping[str, Any] | None = None,
) -> Evidence:
    """Weigh what a study and its trainings in full say; nothing is trained here.

    Args:
        history: all trials of the study.
        trainings: of its architectures and of reference networks, in full.
        answer: the trial that the study gives as its answer.
        manifest: the study's first event; what it lacks is named in the checklist.
        name: the study's name.
        top: how many networks of either side are compared.
        spread: how many others were to be trained.
        margin: the least gain that counts, in the metric's units.
        finishing: the recipe of the trainings.
        spent: workers, device and power.
        seeds: trainings that were planned of each network.
        apart: the answer's training by ``finish`` where it is no part of the comparison: ``trial``,
            ``seed``, ``recipe``, ``metrics`` and ``seconds``.

    Example:
        >>> import nasturtium as nas
        >>> study = nas.Study(nas.zoo.nasbench201, nas.RandomSearch())
        >>> trial = study.ask()
        >>> study.tell(trial, {"accuracy": 0.9})
        >>> assemble_evidence(study.history).verdict.answer
        'no better'
    """
    manifest, spent = manifest or {}, spent or Spent()
    given = tuple(trainings)
    objective = judged(history)
    metric = objective if objective.metric in MEASURED else Objective("accuracy")
    parted = pools(history)
    chosen = select(parted, top, spread)
    ours = networks((t for t in given if t.trial is not None), metric)
    others = networks((t for t in given if t.trial is None), metric)
    # With control=0 no draw was asked for; what the strategy drew by itself still counts.
    controlled = manifest.get("control", 0.1) != 0
    ceiling = most(metric)
    verdict = judge(parted, chosen, ours, sign=metric.sign, margin=margin, controlled=controlled)
    answering = None if answer is None else ours.get(answer.architecture.key)
    broken = {key: _breaks(one.metrics, history.constraints) for key, one in others.items()}
    fair = [one for key, one in others.items() if not broken[key]]
    strongest = max(fair, key=lambda one: metric.sign * one.mean, default=None)
    worth = cost_benefit_of(
        history,
        objective,
        verdict,
        over(answering, strongest, metric.sign),
        sum(training.seconds for training in given) + (apart["seconds"] if apart else 0.0),
        spent,
    )
    estimates = _estimates(history, parted)
    each = worth.seconds / parted.equal if parted.equal else 0.0
    whole, best = _ranks(estimates, parted, ours, metric.sign)
    return Evidence(
        study=name,
        metric=metric.metric,
        goal=metric.goal,
        verdict=verdict,
        search=search_curve(history, objective),
        control=control_curve(parted.drawn, parted.equal, each, objective.sign),
        finished=tuple(
            {
                "role": chosen.role(training.key),
                "trial": training.trial,
                "seed": training.seed,
                "estimate": _signed(estimates.get(training.key), parted.goal),
                "accuracy": training.value(metric.metric),
                "seconds": training.seconds,
                **_costs(training.metrics),
            }
            for training in given
            if training.trial is not None and training.fault(metric.metric) is None
        ),
        failed=tuple(
            {
                "role": "reference" if training.trial is None else chosen.role(training.key),
                "trial": training.trial,
                "name": training.key,
                "seed": training.seed,
                "error": training.fault(metric.metric),
            }
            for training in given
            if training.fault(metric.metric) is not None
        ),
        network=None if answering is None else _row(answering, {"trial": answering.trial}, ceiling),
        references=tuple(
            _row(one, {"name": one.key, "breaks": broken[one.key]}, ceiling)
            for one in others.values()
        ),
        apart=None
        if apart is None
        else {
            "trial": apart["trial"],
            "seed": apart["seed"],
            "accuracy": apart["metrics"].get(metric.metric),
            "seconds": apart["seconds"],
        },
        prospect=foresee(parted, chosen, seeds=seeds, margin=margin),
        rank=whole,
        rank_top=best,
        worth=worth,
        checklist=checklist(
            manifest,
            verdict,
            references=tuple(others),
            finishing=finishing or (apart and apart["recipe"]),
            seconds=worth.seconds,
            compared=finishing is not None,
        ),
    )


def _breaks(metrics: Mapping[str, float], bounds: Iterable[Objective]) -> list[str]:
    """The bounds of the study that a reference network breaks, as far as its costs are known."""
    return [
        str(bound)
        for bound in bounds
        if bound.metric in metrics and bound.excess(metrics[bound.metric]) > 0.0
    ]


def _estimates(history: History, parted: Pools) -> dict[str, float]:
    """The search's estimate of each architecture, larger is better."""
    known = [*parted.search, *parted.control]
    known.sort(key=lambda trial: trial.number)
    found: dict[str, float] = {}
    for trial in known:
        found.setdefault(trial.architecture.key, parted.estimate(trial))
    return found


def _ranks(
    estimates: Mapping[str, float], parted: Pools, ours: Mapping[str, Network], sign: float
) -> tuple[Rank, Rank]:
    """Rank correlation over all finished networks, and within the best tenth of estimates."""
    both = [key for key in ours if key in estimates]
    least = float(np.quantile(list(estimates.values()), 0.9)) if estimates else 0.0
    able = [key for key in both if estimates[key] >= least]
    return tuple(  # type: ignore[return-value]
        rank_correlation([estimates[key] for key in keys], [sign * ours[key].mean for key in keys])
        for keys in (both, able)
    )


def _row(network: Network, head: Mapping[str, Any], ceiling: float) -> dict[str, Any]:
    """A network over its seeds, with a 90 % interval of its mean (Student's t)."""
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


def _signed(estimate: float | None, sign: float) -> float | None:
    return None if estimate is None else sign * estimate
