"""nasturtium: neural architecture search for PyTorch.

The public face. Names are loaded when first used, so that importing takes milliseconds and torch
is only imported when something needs it.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

# Imported at once: the decorator shares its name with a package, which would hide it if that
# package were loaded first. It needs no torch.
from nasturtium.space.choice import space as space

# "import nasturtium.space.zoo as zoo" looks for zoo in what nasturtium.space is, the decorator, and
# then among the imported modules, under the name that it finds there.
space.__name__ = "nasturtium.space"

_HOME = {
    "Architecture": "architecture",
    "Augment": "task.augment",
    "Block": "blocks",
    "ChoiceSpace": "space.choice",
    "Classifier": "space.ops",
    "Decision": "decision",
    "EstimateError": "errors",
    "Estimator": "study.estimator",
    "Evidence": "analyse.evidence",
    "Executor": "run.executor",
    "ExportError": "errors",
    "Fidelity": "study.trial",
    "Finished": "run.finish",
    "Hardware": "estimate.hardware",
    "Here": "run.executor",
    "History": "study.history",
    "Job": "study.work",
    "MemoryStore": "study.store",
    "NasturtiumClassifier": "run.classifier",
    "NasturtiumError": "errors",
    "Numerics": "train.numerics",
    "Objective": "study.trial",
    "OneOf": "decision",
    "Processes": "run.executor",
    "Proposal": "study.trial",
    "RandomSearch": "strategy.random",
    "Range": "decision",
    "Reading": "space.choose",
    "Recipe": "train.recipe",
    "RegularizedEvolution": "strategy.evolution",
    "Relaxation": "supernet.relaxation",
    "Softmax": "supernet.relaxation",
    "Space": "space.base",
    "SpaceError": "errors",
    "SqlStore": "study.store",
    "Store": "study.store",
    "StoreError": "errors",
    "Strategy": "study.strategy",
    "StrategyError": "errors",
    "Study": "study.study",
    "Subset": "decision",
    "Supernet": "supernet.supernet",
    "Tabular": "estimate.tabular",
    "Task": "task.task",
    "TaskError": "errors",
    "Together": "estimate.together",
    "Train": "estimate.train",
    "Trial": "study.trial",
    "block": "blocks",
    "chain": "blocks",
    "deliver": "run.deliver",
    "finish": "run.finish",
    "gather": "run.evidence",
    "load": "task.sources",
    "recall": "run.evidence",
    "recipe": "space.recipe",
    "relax": "supernet.relax",
    "resume": "run.search",
    "search": "run.search",
}

__all__ = sorted([*_HOME, "space", "zoo"])


def __getattr__(name: str) -> Any:
    if name in _HOME:
        value = getattr(import_module(f"nasturtium.{_HOME[name]}"), name)
        globals()[name] = value
        return value
    if name == "zoo":
        return import_module("nasturtium.space.zoo")
    raise AttributeError(f"module 'nasturtium' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
