"""The evidence of a study: how certain its answer is, and what it cost.

The record is assembled by :func:`~nasturtium.analyse.assemble.assemble_evidence` from a study's
history and its retrained networks, and can be written as plain JSON (:meth:`Evidence.to_json`).
Values of the metric are in its own units (accuracy: 0 to 1); intervals from ``low`` to ``high`` are
90 % intervals; an unknown value is ``null``, and its reason is given as text.

::

    {"format": 2,
     "study": name,
     "metric": {"name": "accuracy", "goal": "max"},
     "verdict": {"answer": "better" | "no better" | "undecided",
                 "sentence": text,             # the verdict as text, never empty
                 "reason": text,               # its reason, never empty
                 "gain": value | null,         # search minus control at equal cost
                 "low": value | null, "high": value | null,
                 "margin": value,              # the least gain that counts
                 "power": 0..1 | null,         # probability of finding a gain of the margin
                 "more": int | null,           # further retrained networks that would decide
                 "networks": {"search": int, "control": int, "seeds": int},
                 "trials": {"search": number, "control": int},   # search's in full-cost trials
                 "extrapolated": true | false, # whether the control was extrapolated to that cost
                 "allowance": value | null,    # what the extrapolation added to the control
                 "chance": 0..1 | null},       # probability that draws look like proposals
     "curves": {"search": {"trials": [...], "seconds": [...],    # cumulative cost; equal lengths
                           "best": [...], "low": [...], "high": [...],
                           "extrapolated": [false, ...]},
                "control": {the same; null without a control}},
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
                     "breaks": [bound, ...]}], # violated constraints; then it does not count
     "apart": {"trial": n, "seed": s, "accuracy": v | null, "seconds": s} | null,
                                               # retrained by ``finish`` only
     "prospect": {"can_decide": true | false,  # whether retraining could decide, see
                  "reason": text, ...},        # nasturtium.analyse.comparison.prospect
     "rank": {"whole": {"tau": v | null, "low": v | null, "high": v | null, "networks": n,
                        "reason": text},       # empty if tau is known
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

``accuracy`` is the value of the compared metric on the test examples, whatever that metric is.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, final

from nasturtium.analyse.checklist import Item
from nasturtium.analyse.comparison.prospect import Prospect
from nasturtium.analyse.comparison.verdict import Verdict
from nasturtium.analyse.cost_benefit import CostBenefit
from nasturtium.analyse.curves import Curve
from nasturtium.analyse.evidence_summary import summarize
from nasturtium.analyse.ranking import Rank
from nasturtium.display.notebook import render_lines
from nasturtium.errors import StrategyError

__all__ = ["Evidence"]

FORMAT = 2
Row = Mapping[str, Any]


@final
@dataclass(frozen=True)
class Evidence:
    """The evidence on a study's answer; ``print`` it to read it.

    Attributes:
        study: the study's name.
        metric: the metric by which networks are compared.
        goal: ``max`` or ``min``.
        verdict: the comparison of the search with random search at equal cost.
        search: best estimate so far of the search; ``None`` if no trial finished.
        control: expected best estimate so far of random search; ``None`` without a control.
        finished: one row for each retraining, see the module.
        failed: one row for each retraining that failed.
        network: the study's answer over its seeds; ``None`` if it was not retrained.
        references: one row for each reference network.
        rank: rank correlation of estimate and metric after retraining, over all networks.
        rank_top: the same within the best tenth of the study's estimates.
        worth: cost and gain.
        checklist: the checklist for research on architecture search.
        prospect: whether retraining could decide the comparison.
        apart: the answer's training by ``finish``, if the comparison has none of the answer.

    Example:
        >>> import nasturtium as nas
        >>> study = nas.Study(nas.zoo.nasbench201, nas.RandomSearch())
        >>> study.tell(study.ask(), {"accuracy": 0.9})
        >>> evidence = nas.load_evidence(study)
        >>> evidence.verdict.answer, evidence.network
        ('no better', None)
        >>> nas.Evidence.from_json(evidence.to_json()) == evidence
        True
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
        return summarize(self)

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON in the layout that the module describes."""
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
        """Return the evidence that ``to_json`` wrote.

        Raises:
            StrategyError: another version wrote it.
        """
        if data.get("format") != FORMAT:
            raise StrategyError(
                f"evidence of format {data.get('format')!r} cannot be read; this version reads "
                f"format {FORMAT}; collect it again from the study"
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
        """Return the display in a notebook."""
        return render_lines(repr(self)[1:-1], self.words)

    def __str__(self) -> str:
        return "\n".join(self.words)
