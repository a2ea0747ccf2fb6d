"""The summary of the evidence in sentences."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol

from nasturtium.analyse.checklist import Item
from nasturtium.analyse.comparison.prospect import Prospect
from nasturtium.analyse.comparison.verdict import Verdict
from nasturtium.analyse.cost_benefit import CostBenefit, Gain
from nasturtium.analyse.curves import Curve
from nasturtium.analyse.ranking import Rank

__all__ = ["EvidenceParts", "summarize"]

ZERO = 5e-5  # smaller gains would be written as 0.0000
Row = Mapping[str, Any]


class EvidenceParts(Protocol):
    """The parts of the evidence that are summarized."""

    @property
    def metric(self) -> str: ...
    @property
    def verdict(self) -> Verdict: ...
    @property
    def search(self) -> Curve | None: ...
    @property
    def control(self) -> Curve | None: ...
    @property
    def failed(self) -> Sequence[Row]: ...
    @property
    def network(self) -> Row | None: ...
    @property
    def references(self) -> Sequence[Row]: ...
    @property
    def rank(self) -> Rank: ...
    @property
    def rank_top(self) -> Rank: ...
    @property
    def worth(self) -> CostBenefit: ...
    @property
    def checklist(self) -> Sequence[Item]: ...
    @property
    def prospect(self) -> Prospect: ...
    @property
    def apart(self) -> Row | None: ...


def summarize(evidence: EvidenceParts) -> tuple[str, ...]:
    """Return the evidence in sentences, the verdict first."""
    return (
        str(evidence.verdict),
        *_prospect(evidence),
        *_networks(evidence),
        *_curves(evidence),
        _ranking(evidence),
        *_cost(evidence),
        *_failures(evidence),
        _missing(evidence),
    )


def _prospect(evidence: EvidenceParts) -> Iterator[str]:
    """Describe what a comparison could show, before there is one."""
    if evidence.verdict.gain is None and not evidence.prospect.can_decide:
        yield str(evidence.prospect)


def _networks(evidence: EvidenceParts) -> Iterator[str]:
    network, name, apart = evidence.network, evidence.metric, evidence.apart
    wanted = evidence.prospect.seeds
    if network is not None:
        count = len(network["accuracies"])
        few = f"; a comparison needs {wanted}" if count < wanted else ""
        yield (
            f"The network of trial {network['trial']} has {name} {_interval(network)} after "
            f"retraining, over {_seeds(network)}{few}."
        )
    elif apart is not None:
        value = "" if apart["accuracy"] is None else f", {name} {apart['accuracy']:.4f}"
        yield (
            f"The network of trial {apart['trial']} was retrained once, with seed "
            f"{apart['seed']}{value} on the test examples; a comparison needs {wanted} trainings "
            "by one recipe (nasturtium evidence)."
        )
    else:
        yield "The study's own network has not been retrained."
    if not evidence.references:
        yield "No reference network was trained by the same recipe."
        return
    for reference in evidence.references:
        size = reference["params"]
        yield (
            f"Reference {reference['name']}"
            + ("" if size is None else f" ({size:,} parameters)")
            + f": {name} {_interval(reference)} by the same recipe, over {_seeds(reference)}"
            + (
                f"; it violates {', '.join(reference['breaks'])} and does not count."
                if reference.get("breaks")
                else "."
            )
        )
    yield f"Gain over the best reference: {_gain(evidence.worth.over_reference)}."


def _curves(evidence: EvidenceParts) -> Iterator[str]:
    search, control = evidence.search, evidence.control
    if search is None:
        yield "No trial of the search has finished at full fidelity."
        return
    text = f"By its own estimate the search reached {search.best[-1]:.4f} in {search.trials[-1]:g}"
    text += " trials"
    if control is None:
        yield f"{text}; there is no control to compare it with."
        return
    text += f"; random search is expected to reach {control.best[-1]:.4f} "
    text += f"({control.low[-1]:.4f} to {control.high[-1]:.4f}) in {control.trials[-1]:g}"
    yield text + (", an extrapolation." if control.extrapolated[-1] else ".")


def _ranking(evidence: EvidenceParts) -> str:
    whole, top = evidence.rank, evidence.rank_top
    return (
        f"Rank correlation of the estimate with the {evidence.metric} after retraining: over all "
        f"retrained networks {_rank(whole)}; within the best tenth of estimates {_rank(top)}."
    )


def _cost(evidence: EvidenceParts) -> Iterator[str]:
    worth = evidence.worth
    if worth.seconds > 0:
        spent = (
            f"The search took {_time(worth.seconds)} of trials ({_time(worth.cpu_seconds)} of "
            f"processor time), the control {_time(worth.control_seconds)}, retraining "
            f"{_time(worth.finishing_seconds)}"
        )
        if worth.gpu_seconds is not None:
            spent += f"; {_time(worth.gpu_seconds)} of the search were on a GPU"
    else:
        spent = f"The search cost {worth.trials:g} trials; their durations are not recorded"
    yield f"{spent}."
    if worth.energy_kwh is None:
        yield f"Energy: {worth.energy_source}."
    else:
        yield f"Energy of the search: {worth.energy_kwh:.3g} kWh ({worth.energy_source})."
    yield (
        "Gain per doubling of the search's cost, by its own estimate: "
        f"{_gain(worth.per_doubling)}; expected gain of one more hour: {_gain(worth.per_hour)}, an "
        "extrapolation."
    )


def _failures(evidence: EvidenceParts) -> Iterator[str]:
    if evidence.failed:
        first = evidence.failed[0]
        many = len(evidence.failed)
        yield (
            f"{many} retraining{'s' if many > 1 else ''} failed, the first with: {first['error']}."
        )


def _missing(evidence: EvidenceParts) -> str:
    lacking = [item.item for item in evidence.checklist if item.state in ("no", "unknown")]
    if not lacking:
        return "The study meets every item of the checklist."
    items = "; ".join(f"{item[:1].lower()}{item[1:]}" for item in lacking)
    return f"The study does not show these items of the checklist: {items}."


def _interval(row: Row) -> str:
    if row["low"] is None:
        return f"{row['mean']:.4f}"
    return f"{row['mean']:.4f} ({row['low']:.4f} to {row['high']:.4f})"


def _seeds(row: Row) -> str:
    count = len(row["accuracies"])
    return f"{count} seed{'s' if count > 1 else ''}"


def _gain(gain: Gain) -> str:
    """Return a gain as text, with its plausible range."""
    if gain.gain is None or gain.low is None or gain.high is None:
        return str(gain)
    between = f"{gain.low:+.4f} to {gain.high:+.4f} is plausible (90 % interval)"
    if abs(gain.gain) < ZERO:
        return f"none was observed; {between}"
    if gain.low <= 0.0 <= gain.high:
        return f"{gain.gain:+.4f}, which is not significant: {between}"
    return f"{gain.gain:+.4f}; {between}"


def _rank(rank: Rank) -> str:
    return str(rank) if rank.tau is not None else f"unknown, {rank}"


def _time(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.1f} s"
    return f"{seconds / 60:.1f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"
