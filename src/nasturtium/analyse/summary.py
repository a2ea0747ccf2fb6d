"""The evidence in plain sentences."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nasturtium.analyse.cost_benefit import Gain
    from nasturtium.analyse.evidence import Evidence

__all__ = ["sentences"]

NOTHING = 5e-5  # what would be written as 0.0000


def sentences(evidence: Evidence) -> tuple[str, ...]:
    """The evidence in sentences, the verdict first."""
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


def _prospect(evidence: Evidence) -> Iterator[str]:
    """Before anything is compared, what the comparison could show."""
    if evidence.verdict.gain is None and not evidence.prospect.can_decide:
        yield str(evidence.prospect)


def _networks(evidence: Evidence) -> Iterator[str]:
    network, name, apart = evidence.network, evidence.metric, evidence.apart
    wanted = evidence.prospect.seeds
    if network is not None:
        count = len(network["accuracies"])
        few = f"; a comparison needs {wanted}" if count < wanted else ""
        yield (
            f"The network of trial {network['trial']} has {name} {_interval(network)} after "
            f"training in full, over {_seeds(network)}{few}."
        )
    elif apart is not None:
        value = "" if apart["accuracy"] is None else f", {name} {apart['accuracy']:.4f}"
        yield (
            f"The network of trial {apart['trial']} is finished: one training, seed "
            f"{apart['seed']}{value} on the test examples; a comparison needs {wanted} trainings "
            "under one recipe (nasturtium evidence)."
        )
    else:
        yield "The study's own network has not been trained in full."
    if not evidence.references:
        yield "No reference network was trained under the same recipe."
        return
    for reference in evidence.references:
        size = reference["params"]
        yield (
            f"Reference {reference['name']}"
            + ("" if size is None else f" ({size:,} parameters)")
            + f": {name} {_interval(reference)} under the same recipe, over {_seeds(reference)}"
            + (
                f"; it breaks {', '.join(reference['breaks'])}, so it is not counted."
                if reference.get("breaks")
                else "."
            )
        )
    yield f"Gain over the best reference: {_gain(evidence.worth.over_reference)}."


def _curves(evidence: Evidence) -> Iterator[str]:
    search, control = evidence.search, evidence.control
    if search is None:
        yield "No trial of the search has finished at full fidelity."
        return
    text = f"By its own estimate the search reached {search.best[-1]:.4f} in {search.trials[-1]:g}"
    text += " trials"
    if control is None:
        yield f"{text}; there is no control to hold it against."
        return
    text += f"; random search is expected to reach {control.best[-1]:.4f} "
    text += f"({control.low[-1]:.4f} to {control.high[-1]:.4f}) in {control.trials[-1]:g}"
    yield text + (", an extrapolation." if control.extrapolated[-1] else ".")


def _ranking(evidence: Evidence) -> str:
    whole, top = evidence.rank, evidence.rank_top
    return (
        f"Rank correlation of the estimate with the finished {evidence.metric}: over all finished "
        f"networks {_said(str(whole), whole.tau)}; within the best tenth of estimates "
        f"{_said(str(top), top.tau)}."
    )


def _cost(evidence: Evidence) -> Iterator[str]:
    worth = evidence.worth
    if worth.seconds > 0:
        spent = (
            f"The search took {_time(worth.seconds)} of trials ({_time(worth.cpu_seconds)} of "
            f"processor time), the control {_time(worth.control_seconds)}, training in full "
            f"{_time(worth.finishing_seconds)}"
        )
        if worth.gpu_seconds is not None:
            spent += f"; {_time(worth.gpu_seconds)} of the search were on a GPU"
    else:
        spent = f"The search cost {worth.trials:g} trials; their seconds are not recorded"
    yield f"{spent}."
    if worth.energy_kwh is None:
        yield f"Energy: {worth.energy_source}."
    else:
        yield f"Energy of the search: {worth.energy_kwh:.3g} kWh ({worth.energy_source})."
    yield (
        "Gained by each doubling of the search's cost, by its own estimate: "
        f"{_gain(worth.per_doubling)}; expected of one more hour: {_gain(worth.per_hour)}, an "
        "extrapolation."
    )


def _failures(evidence: Evidence) -> Iterator[str]:
    if evidence.failed:
        first = evidence.failed[0]
        many = len(evidence.failed)
        yield (
            f"{many} training{'s' if many > 1 else ''} in full failed, the first with: "
            f"{first['error']}."
        )


def _missing(evidence: Evidence) -> str:
    lacking = [item.item for item in evidence.checklist if item.state in ("no", "unknown")]
    if not lacking:
        return "The study has all that the checklist asks for."
    asked = "; that ".join(f"{item[:1].lower()}{item[1:]}" for item in lacking)
    return f"The checklist also asks, and this study does not show: that {asked}."


def _interval(row: object) -> str:
    assert isinstance(row, dict)
    if row["low"] is None:
        return f"{row['mean']:.4f}"
    return f"{row['mean']:.4f} ({row['low']:.4f} to {row['high']:.4f})"


def _seeds(row: object) -> str:
    assert isinstance(row, dict)
    count = len(row["accuracies"])
    return f"{count} seed{'s' if count > 1 else ''}"


def _gain(gain: Gain) -> str:
    """A gain in words, with what is plausible of it."""
    if gain.gain is None or gain.low is None or gain.high is None:
        return str(gain)
    between = f"{gain.low:+.4f} to {gain.high:+.4f} is plausible (90 % interval)"
    if abs(gain.gain) < NOTHING:
        return f"none was seen, and {between}"
    if gain.low <= 0.0 <= gain.high:
        return f"{gain.gain:+.4f}, which is not told from none: {between}"
    return f"{gain.gain:+.4f}; {between}"


def _said(text: str, tau: float | None) -> str:
    return text if tau is not None else f"unknown, {text}"


def _time(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.1f} s"
    return f"{seconds / 60:.1f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"
