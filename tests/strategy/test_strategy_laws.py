"""The laws of all strategies, for these and for wrappers around each other."""

from __future__ import annotations

import pytest

from nasturtium.contracts.strategies import check_strategy
from nasturtium.strategy.evolution.regularized_evolution import RegularizedEvolution
from nasturtium.strategy.evolution.tournament_evolution import TournamentEvolution
from nasturtium.strategy.local_search import LocalSearch
from nasturtium.strategy.multifidelity.asha import ASHA
from nasturtium.strategy.multifidelity.hyperband import Hyperband
from nasturtium.strategy.multifidelity.median_stopping import MedianStop
from nasturtium.strategy.multifidelity.successive_halving import SuccessiveHalving
from nasturtium.strategy.multiobjective.lemonade import LEMONADE
from nasturtium.strategy.multiobjective.nsga2 import NSGA2
from nasturtium.strategy.reinforce import REINFORCE

ONE = [
    LocalSearch(),
    LocalSearch("best", 2),
    TournamentEvolution(8, 3),
    REINFORCE(),
    REINFORCE(0.5, "sgd", entropy=0.01, reward="hard"),
    SuccessiveHalving(count=9, least=1 / 9),
    Hyperband(LocalSearch("first", 2), least=1 / 9),
    ASHA(REINFORCE(), least=1 / 9, schedule="prefix"),
    ASHA(RegularizedEvolution(5, 2), least=1 / 9),
    MedianStop(ASHA(TournamentEvolution(4, 2), least=1 / 9)),
]
MANY = [
    NSGA2(8),
    NSGA2(8, 3, selection="hypervolume"),
    NSGA2(8, selection="reference"),
    LEMONADE(5),
    LocalSearch("first", 1),
]


@pytest.mark.parametrize("strategy", ONE, ids=lambda strategy: type(strategy).__name__)
def test_laws(strategy):
    check_strategy(strategy, trials=45, cuts=4)


@pytest.mark.parametrize("strategy", MANY, ids=lambda strategy: type(strategy).__name__)
@pytest.mark.parametrize("objectives", [("accuracy", "min:latency"), ("max:a", "min:b", "max:c")])
def test_laws_with_many_objectives(strategy, objectives):
    check_strategy(strategy, objectives=objectives, trials=45, cuts=4)
