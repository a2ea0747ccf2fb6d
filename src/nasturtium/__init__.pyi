"""The public names, as type checkers and editors see them.

The package reads this file too, and imports a name from its module when it is first used.
"""

from nasturtium import report as report
from nasturtium.analyse.evidence import Evidence as Evidence
from nasturtium.analyse.load_evidence import load_evidence as load_evidence
from nasturtium.architecture import Architecture as Architecture
from nasturtium.bench.accelnasbench import accelnasbench as accelnasbench
from nasturtium.bench.benchmark import Benchmark as Benchmark
from nasturtium.bench.dartscells import dartscells as dartscells
from nasturtium.bench.nasbench101 import NASBench101 as NASBench101
from nasturtium.bench.nasbench201 import NASBench201 as NASBench201
from nasturtium.bench.nasbenchmacro import NASBenchMacro as NASBenchMacro
from nasturtium.bench.pool_benchmark import PoolBenchmark as PoolBenchmark
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
from nasturtium.execute.base import Executor as Executor
from nasturtium.execute.here import Here as Here
from nasturtium.execute.processes import Processes as Processes
from nasturtium.module_factory import Block as Block
from nasturtium.module_factory import block as block
from nasturtium.module_factory import chain as chain
from nasturtium.retraining.collect_evidence import collect_evidence as collect_evidence
from nasturtium.retraining.export_with_card import export_with_card as export_with_card
from nasturtium.retraining.retrain import retrain as retrain
from nasturtium.retraining.retrained import Retrained as Retrained
from nasturtium.run.resume import resume as resume
from nasturtium.run.search import search as search
from nasturtium.sklearn import NasturtiumClassifier as NasturtiumClassifier
from nasturtium.space import zoo as zoo
from nasturtium.space.base import Space as Space
from nasturtium.space.choice_space import ChoiceSpace as ChoiceSpace
from nasturtium.space.choose import Reading as Reading
from nasturtium.space.decorator import space as space
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
from nasturtium.task.load import load as load
from nasturtium.task.task import Task as Task
from nasturtium.train.numerics import Numerics as Numerics
from nasturtium.train.recipe import Recipe as Recipe
