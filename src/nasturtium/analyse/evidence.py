"""The evidence of a study: whether its answer can be believed, and whether it was worth the cost.

The record is made by :func:`~nasturtium.analyse.assemble.weigh` from a study's history and the
networks that were trained in full, and is plain JSON as well (:meth:`Evidence.to_json`). Values of
the metric are in its own units (accuracy: 0 to 1); an interval is ``low`` to ``high``, at 90 %;
what could not be found out is ``null``, with the reason in words beside it.

::

    {"format": 2,
     "study": name,
     "metric": {"name": "accuracy", "goal": "max"},
     "verdict": {"answer": "better" | "no better" | "undecided",
                 "sentence": text,             # the verdict in words, never empty
                 "reason": text,               # why, never empty
                 "gain": value | null,         # search minus control at equal cost, more is better
                 "low": value | null, "high": value | null,
                 "margin": value,              # the least gain that counts
                 "power": 0..1 | null,         # chance to find a gain of the margin with these
                 "more": int | null,           # further finished networks that would decide
                 "networks": {"search": int, "control": int, "seeds": int},
                 "trials": {"search": number, "control": int},   # search's in full-cost trials
                 "extrapolated": true | false, # the control was continued to the search's cost
                 "allowance": value | null,    # what that added to the control
                 "chance": 0..1 | null},       # that random draws look like the search's proposals
     "curves": {"search": {"trials": [...], "seconds": [...],    # cumulated cost; same lengths
                           "best": [...], "low": [...], "high": [...],
                           "extrapolated": [false, ...]},
                "control": {the same; null where there is no control}},
     "finished": [{"role": "search" | "control" | "both" | "spread" | "other", "trial": n,
                   "seed": s, "estimate": value | null, "accuracy": value, "seconds": s,
                   "params": n | null, "macs": n | null}, ...],
     "failed": [{"role": the same or "reference", "trial": n | null, "name": key, "seed": s,
                 "error": text}],
     "network": {"trial": n, "accuracies": [...], "mean": v, "low": v | null, "high": v | null,
                 "params": n | null, "macs": n | null, "seconds": s} | null,
                                               # the study's answer, over all seeds
     "references": [{"name": "resnet" | "mobilenetv2", "accuracies": [...], "mean": v,
                     "low": v | null, "high": v | null, "params": n | null,
                     "macs": n | null, "seconds": s,
                     "breaks": [bound, ...]}], # bounds of the study; such a one is not counted
     "apart": {"trial": n, "seed": s, "accuracy": v | null, "seconds": s} | null,
                                               # finished once, outside of the comparison
     "prospect": {"can_decide": true | false,  # what the planned trainings could show, see
                  "reason": text, ...},        # nasturtium.analyse.prospect
     "rank": {"whole": {"tau": v | null, "low": v | null, "high": v | null, "networks": n,
                        "reason": text},       # empty where tau is given
              "top": {the same, within the best tenth of all estimates}},
     "worth": {"trials": n, "seconds": s, "cpu_seconds": s, "gpu_seconds": s | null,
               "control_seconds": s, "finishing_seconds": s,
               "energy_kwh": v | null, "energy_source": text,
               "over_control": {"gain": v | null, "low": v | null, "high": v | null,
                                "reason": text, "name": text},
               "over_reference": {the same; "name" is the best reference's},
               "per_doubling": {the same; in the estimate's units},
               "per_hour": {the same; an extrapolation}},
     "checklist": [{"item": text, "answer": text, "state": "yes" | "no" | "partly" | "unknown"}],
     "words": [sentence, ...]}

Accuracies here are the first objective's metric on the test examples, whatever its name is.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, final

from nasturtium.analyse.checklist import Item
from nasturtium.analyse.cost_benefit import CostBenefit
from nasturtium.analyse.curve import Curve
from nasturtium.analyse.prospect import Prospect
from nasturtium.analyse.rank import Rank
from nasturtium.analyse.summary import sentences
from nasturtium.analyse.verdict import Verdict
from nasturtium.display.notebook import render_lines
from nasturtium.errors import StrategyError

__all__ = ["Evidence"]

FORMAT = 2
Row = Mapping[str, Any]


@final
@dataclass(frozen=True)
class Evidence:
    """What a study's answer rests on; ``print`` it to read it.

    Attributes:
        study: the study's name.
        metric: the metric that networks are compared by.
        goal: ``max`` or ``min``.
        verdict: the search against random search at equal cost.
        search: best estimate so far of the search; ``None`` where nothing finished.
        control: expected best estimate so far of random search; ``None`` without a control.
        finished: one row for each training in full, see the module.
        failed: one row for each that failed.
        network: the study's answer over its seeds; ``None`` where it was not trained in full.
        references: one row for each reference network.
        rank: rank correlation of estimate and finished metric, over all networks.
        rank_top: the same within the best tenth of the study's estimates.
        worth: cost and gain.
        checklist: the checklist for research on architecture search.
        prospect: whether the planned trainings could decide.
        apart: the answer's training by ``finish``, where it is no part of the comparison.
    """

    study: str
    metric: str
    goal: str
    verdict: Verdict
    search: Curve | None
    control: Curve | None
    finished: tuple[Row, ...]
    failed: tuple[Row, ...]
    network: Row | None
    references: tuple[Row, ...]
    rank: Rank
    rank_top: Rank
    worth: CostBenefit
    checklist: tuple[Item, ...]
    prospect: Prospect
    apart: Row | None = None

    @property
    def words(self) -> tuple[str, ...]:
        """The evidence in sentences."""
        return sentences(self)

    def to_json(self) -> dict[str, Any]:
        """As plain JSON; the module says how it is laid out."""
        return {
            "format": FORMAT,
            "study": self.study,
            "metric": {"name": self.metric, "goal": self.goal},
            "verdict": self.verdict.to_json(),
            "curves": {
                name: None if curve is None else curve.to_json()
                for name, curve in (("search", self.search), ("control", self.control))
            },
            "finished": [dict(row) for row in self.finished],
            "failed": [dict(row) for row in self.failed],
            "network": None if self.network is None else dict(self.network),
            "references": [dict(row) for row in self.references],
            "apart": None if self.apart is None else dict(self.apart),
            "prospect": self.prospect.to_json(),
            "rank": {"whole": self.rank.to_json(), "top": self.rank_top.to_json()},
            "worth": self.worth.to_json(),
            "checklist": [item.to_json() for item in self.checklist],
            "words": list(self.words),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Evidence:
        """The evidence that ``to_json`` wrote.

        Raises:
            StrategyError: it was written by another version.
        """
        if data.get("format") != FORMAT:
            raise StrategyError(
                f"evidence of format {data.get('format')!r} cannot be read, this version has "
                f"format {FORMAT}; gather it again from the study"
            )
        curves = {
            name: None if curve is None else Curve.from_json(curve)
            for name, curve in data["curves"].items()
        }
        return cls(
            study=data["study"],
            metric=data["metric"]["name"],
            goal=data["metric"]["goal"],
            verdict=Verdict.from_json(data["verdict"]),
            search=curves["search"],
            control=curves["control"],
            finished=tuple(data["finished"]),
            failed=tuple(data["failed"]),
            network=data["network"],
            references=tuple(data["references"]),
            rank=Rank.from_json(data["rank"]["whole"]),
            rank_top=Rank.from_json(data["rank"]["top"]),
            worth=CostBenefit.from_json(data["worth"]),
            checklist=tuple(Item(**item) for item in data["checklist"]),
            prospect=Prospect(**data["prospect"]),
            apart=data["apart"],
        )

    def __repr__(self) -> str:
        return f"<evidence of study {self.study}: {self.verdict.answer}>"

    def _repr_html_(self) -> str:
        """What a notebook shows."""
        return render_lines(repr(self)[1:-1], self.words)

    def __str__(self) -> str:
        return "\n".join(self.words)
