"""nasturtium: neural architecture search for PyTorch.

The public face. Names are loaded when first used, so that importing takes milliseconds and torch
is only imported when something needs it.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

# Imported at once: the decorator shares its name with a package, which would hide it if that
# package were loaded first. It needs no torch.
from nasturtium.space.decorator import space as space

# "import nasturtium.space.zoo as zoo" looks for zoo in what nasturtium.space is, the decorator, and
# then among the imported modules, under the name that it finds there.
space.__name__ = "nasturtium.space"

if TYPE_CHECKING:  # what type checkers and editors see of the table below
    from nasturtium.analyse.evidence import Evidence as Evidence
    from nasturtium.architecture import Architecture as Architecture
    from nasturtium.bench.accelnasbench import accelnasbench as accelnasbench
    from nasturtium.bench.base import Benchmark as Benchmark
    from nasturtium.bench.dartscells import dartscells as dartscells
    from nasturtium.bench.nasbench101 import NASBench101 as NASBench101
    from nasturtium.bench.nasbench201 import NASBench201 as NASBench201
    from nasturtium.bench.nasbenchmacro import NASBenchMacro as NASBenchMacro
    from nasturtium.bench.pool import PoolBenchmark as PoolBenchmark
    from nasturtium.blocks import Block as Block
    from nasturtium.blocks import block as block
    from nasturtium.blocks import chain as chain
    from nasturtium.comparison.race import Race as Race
    from nasturtium.comparison.race import race as race
    from nasturtium.decision.base import Decision as Decision
    from nasturtium.decision.one_of import OneOf as OneOf
    from nasturtium.decision.range import Range as Range
    from nasturtium.decision.subset import Subset as Subset
    from nasturtium.errors import EstimateError as EstimateError
    from nasturtium.errors import ExportError as ExportError
    from nasturtium.errors import NasturtiumError as NasturtiumError
    from nasturtium.errors import SpaceError as SpaceError
    from nasturtium.errors import StoreError as StoreError
    from nasturtium.errors import StrategyError as StrategyError
    from nasturtium.errors import TaskError as TaskError
    from nasturtium.estimate.combined import Combined as Combined
    from nasturtium.estimate.hardware import Hardware as Hardware
    from nasturtium.estimate.tabular import Tabular as Tabular
    from nasturtium.estimate.train import Train as Train
    from nasturtium.execute.executor import Executor as Executor
    from nasturtium.execute.executor import Here as Here
    from nasturtium.execute.executor import Processes as Processes
    from nasturtium.retraining.evidence import collect_evidence as collect_evidence
    from nasturtium.retraining.evidence import load_evidence as load_evidence
    from nasturtium.retraining.model_card import export_with_card as export_with_card
    from nasturtium.retraining.retrain import Retrained as Retrained
    from nasturtium.retraining.retrain import retrain as retrain
    from nasturtium.run.search import resume as resume
    from nasturtium.run.search import search as search
    from nasturtium.sklearn import NasturtiumClassifier as NasturtiumClassifier
    from nasturtium.space.base import Space as Space
    from nasturtium.space.choice_space import ChoiceSpace as ChoiceSpace
    from nasturtium.space.choose import Reading as Reading
    from nasturtium.space.graph_space import GraphSpace as GraphSpace
    from nasturtium.space.operations import Classifier as Classifier
    from nasturtium.space.pool_space import PoolSpace as PoolSpace
    from nasturtium.space.recipe_space import recipe as recipe
    from nasturtium.strategy.evolution.regularized_evolution import (
        RegularizedEvolution as RegularizedEvolution,
    )
    from nasturtium.strategy.evolution.tournament_evolution import (
        TournamentEvolution as TournamentEvolution,
    )
    from nasturtium.strategy.local_search import LocalSearch as LocalSearch
    from nasturtium.strategy.multifidelity.asha import ASHA as ASHA
    from nasturtium.strategy.multifidelity.bohb import BOHB as BOHB
    from nasturtium.strategy.multifidelity.hyperband import Hyperband as Hyperband
    from nasturtium.strategy.multifidelity.median_stopping import MedianStop as MedianStop
    from nasturtium.strategy.multifidelity.successive_halving import (
        SuccessiveHalving as SuccessiveHalving,
    )
    from nasturtium.strategy.multiobjective.lemonade import LEMONADE as LEMONADE
    from nasturtium.strategy.multiobjective.nsga2 import NSGA2 as NSGA2
    from nasturtium.strategy.optuna_samplers import Optuna as Optuna
    from nasturtium.strategy.random_search import RandomSearch as RandomSearch
    from nasturtium.strategy.reinforce import REINFORCE as REINFORCE
    from nasturtium.strategy.surrogate.bananas import BANANAS as BANANAS
    from nasturtium.strategy.surrogate.bayesian_optimization import (
        BayesianOptimization as BayesianOptimization,
    )
    from nasturtium.strategy.surrogate.npenas import NPENAS as NPENAS
    from nasturtium.strategy.surrogate.portfolio import Portfolio as Portfolio
    from nasturtium.study.estimator import Estimator as Estimator
    from nasturtium.study.fidelity import Fidelity as Fidelity
    from nasturtium.study.history import History as History
    from nasturtium.study.job import Job as Job
    from nasturtium.study.objective import Objective as Objective
    from nasturtium.study.stores.base import Store as Store
    from nasturtium.study.stores.memory import MemoryStore as MemoryStore
    from nasturtium.study.stores.sql import SqlStore as SqlStore
    from nasturtium.study.strategy import Strategy as Strategy
    from nasturtium.study.study import Study as Study
    from nasturtium.study.trial import Proposal as Proposal
    from nasturtium.study.trial import Trial as Trial
    from nasturtium.supernet.relaxation import Relaxation as Relaxation
    from nasturtium.supernet.relaxation import Softmax as Softmax
    from nasturtium.supernet.relaxed_network import relax as relax
    from nasturtium.supernet.supernet import Supernet as Supernet
    from nasturtium.task.augment import Augment as Augment
    from nasturtium.task.sources import load as load
    from nasturtium.task.task import Task as Task
    from nasturtium.train.numerics import Numerics as Numerics
    from nasturtium.train.recipe import Recipe as Recipe

_HOME = {
    "ASHA": "strategy.multifidelity.asha",
    "Architecture": "architecture",
    "Augment": "task.augment",
    "BANANAS": "strategy.surrogate.bananas",
    "BOHB": "strategy.multifidelity.bohb",
    "BayesianOptimization": "strategy.surrogate.bayesian_optimization",
    "Benchmark": "bench.base",
    "Block": "blocks",
    "ChoiceSpace": "space.choice_space",
    "Classifier": "space.operations",
    "Combined": "estimate.combined",
    "Decision": "decision.base",
    "EstimateError": "errors",
    "Estimator": "study.estimator",
    "Evidence": "analyse.evidence",
    "Executor": "execute.executor",
    "ExportError": "errors",
    "Fidelity": "study.fidelity",
    "GraphSpace": "space.graph_space",
    "Hardware": "estimate.hardware",
    "Here": "execute.executor",
    "History": "study.history",
    "Hyperband": "strategy.multifidelity.hyperband",
    "Job": "study.job",
    "LEMONADE": "strategy.multiobjective.lemonade",
    "LocalSearch": "strategy.local_search",
    "MedianStop": "strategy.multifidelity.median_stopping",
    "MemoryStore": "study.stores.memory",
    "NASBench101": "bench.nasbench101",
    "NASBench201": "bench.nasbench201",
    "NASBenchMacro": "bench.nasbenchmacro",
    "NPENAS": "strategy.surrogate.npenas",
    "NSGA2": "strategy.multiobjective.nsga2",
    "NasturtiumClassifier": "sklearn",
    "NasturtiumError": "errors",
    "Numerics": "train.numerics",
    "Objective": "study.objective",
    "OneOf": "decision.one_of",
    "Optuna": "strategy.optuna_samplers",
    "PoolBenchmark": "bench.pool",
    "PoolSpace": "space.pool_space",
    "Portfolio": "strategy.surrogate.portfolio",
    "Processes": "execute.executor",
    "Proposal": "study.trial",
    "REINFORCE": "strategy.reinforce",
    "Race": "comparison.race",
    "RandomSearch": "strategy.random_search",
    "Range": "decision.range",
    "Reading": "space.choose",
    "Recipe": "train.recipe",
    "RegularizedEvolution": "strategy.evolution.regularized_evolution",
    "Relaxation": "supernet.relaxation",
    "Retrained": "retraining.retrain",
    "Softmax": "supernet.relaxation",
    "Space": "space.base",
    "SpaceError": "errors",
    "SqlStore": "study.stores.sql",
    "Store": "study.stores.base",
    "StoreError": "errors",
    "Strategy": "study.strategy",
    "StrategyError": "errors",
    "Study": "study.study",
    "Subset": "decision.subset",
    "SuccessiveHalving": "strategy.multifidelity.successive_halving",
    "Supernet": "supernet.supernet",
    "Tabular": "estimate.tabular",
    "Task": "task.task",
    "TaskError": "errors",
    "TournamentEvolution": "strategy.evolution.tournament_evolution",
    "Train": "estimate.train",
    "Trial": "study.trial",
    "accelnasbench": "bench.accelnasbench",
    "block": "blocks",
    "chain": "blocks",
    "collect_evidence": "retraining.evidence",
    "dartscells": "bench.dartscells",
    "export_with_card": "retraining.model_card",
    "load": "task.sources",
    "load_evidence": "retraining.evidence",
    "race": "comparison.race",
    "recipe": "space.recipe_space",
    "relax": "supernet.relaxed_network",
    "resume": "run.search",
    "retrain": "retraining.retrain",
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
