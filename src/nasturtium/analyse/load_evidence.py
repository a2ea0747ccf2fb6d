"""The evidence that a study has so far, from its log alone."""

from __future__ import annotations

from nasturtium.analyse.assemble import assemble_evidence
from nasturtium.analyse.comparison.verdict import MARGIN
from nasturtium.analyse.evidence import Evidence
from nasturtium.analyse.retraining_settings import retraining_recipe
from nasturtium.analyse.training_notes import (
    read_plan,
    read_separate_training,
    read_spent,
    read_trainings,
)
from nasturtium.study.confirmation import answer
from nasturtium.study.study import Study

__all__ = ["load_evidence"]


def load_evidence(study: Study) -> Evidence:
    """Return the evidence that a study has so far; nothing is trained.

    A study for which no evidence was collected yet still has curves, costs and a checklist, and a
    verdict that names what is missing.

    Args:
        study: any study, also one that is still searching.

    Example:
        >>> import nasturtium as nas
        >>> study = nas.Study(nas.zoo.nasbench201, nas.RandomSearch())
        >>> study.tell(study.ask(), {"accuracy": 0.9})
        >>> nas.load_evidence(study)
        <evidence of study study: no better>
    """
    plan = read_plan(study) or {}
    best = answer(study.history)
    recipe = plan.get("recipe") or retraining_recipe(study, best and best.architecture).to_json()
    trainings = read_trainings(study, plan)
    return assemble_evidence(
        study.history,
        trainings,
        answer=best,
        manifest=study.manifest,
        name=study.name,
        top=plan.get("top", 3),
        spread=plan.get("spread", 4),
        margin=plan.get("margin", MARGIN),
        recipe=recipe if plan else None,
        spent=read_spent(study),
        seeds=plan.get("seeds", 3),
        separate=read_separate_training(study, best, trainings),
    )
