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
    "ASHA": "strategy.asha",
    "Architecture": "architecture",
    "Augment": "task.augment",
    "BANANAS": "strategy.bananas",
    "BOHB": "strategy.bohb",
    "BayesianOptimization": "strategy.bayes",
    "Benchmark": "bench.base",
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
    "GraphSpace": "space.graph",
    "Hardware": "estimate.hardware",
    "Here": "run.executor",
    "History": "study.history",
    "Hyperband": "strategy.halving",
    "Job": "study.work",
    "Lemonade": "strategy.lemonade",
    "LocalSearch": "strategy.local",
    "MedianStop": "strategy.median",
    "MemoryStore": "study.store",
    "NASBench101": "bench.nasbench101",
    "NASBench201": "bench.nasbench201",
    "NASBenchMacro": "bench.nasbenchmacro",
    "NPENAS": "strategy.npenas",
    "NSGA2": "strategy.nsga2",
    "NasturtiumClassifier": "run.classifier",
    "NasturtiumError": "errors",
    "Numerics": "train.numerics",
    "Objective": "study.trial",
    "OneOf": "decision",
    "Optuna": "strategy.optuna",
    "PoolBenchmark": "bench.pool",
    "PoolSpace": "space.pool",
    "Portfolio": "strategy.portfolio",
    "Processes": "run.executor",
    "Proposal": "study.trial",
    "Race": "run.race",
    "RandomSearch": "strategy.random",
    "Range": "decision",
    "Reading": "space.choose",
    "Recipe": "train.recipe",
    "RegularizedEvolution": "strategy.evolution",
    "Reinforce": "strategy.reinforce",
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
    "SuccessiveHalving": "strategy.halving",
    "Supernet": "supernet.supernet",
    "Tabular": "estimate.tabular",
    "Task": "task.task",
    "TaskError": "errors",
    "Together": "estimate.together",
    "TournamentEvolution": "strategy.tournament",
    "Train": "estimate.train",
    "Trial": "study.trial",
    "accelnasbench": "bench.accelnasbench",
    "block": "blocks",
    "chain": "blocks",
    "dartscells": "bench.dartscells",
    "deliver": "run.deliver",
    "finish": "run.finish",
    "gather": "run.evidence",
    "load": "task.sources",
    "race": "run.race",
    "recall": "run.evidence",
    "recipe": "space.recipe",
    "relax": "supernet.relax",
    "resume": "run.search",
    "search": "run.search",
}

# Packages that can be used as they are: the report is called, the zoo holds spaces.
_PACKAGES = {"report": "report", "zoo": "space.zoo"}

__all__ = sorted([*_HOME, *_PACKAGES, "space"])


def __getattr__(name: str) -> Any:
    if name in _HOME:
        value = getattr(import_module(f"nasturtium.{_HOME[name]}"), name)
        globals()[name] = value
        return value
    if name in _PACKAGES:
        return import_module(f"nasturtium.{_PACKAGES[name]}")
    raise AttributeError(f"module 'nasturtium' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
