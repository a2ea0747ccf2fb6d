"""Samplers of Optuna answer decisions, and are told what was answered."""

from __future__ import annotations

import pytest
from searching import layered, mean_best, searched, worth

import nasturtium as nas
from nasturtium.contracts.strategies import check_strategy
from nasturtium.errors import StrategyError
from nasturtium.space.decorator import space
from nasturtium.strategy.optuna_samplers import Optuna, _parameters
from nasturtium.study.study import Study

optuna = pytest.importorskip("optuna", reason="the extra optuna is not installed")


def test_laws():
    check_strategy(Optuna(), trials=20, cuts=2)
    check_strategy(Optuna("random"), trials=20, cuts=2)


def test_finds_more_than_random_search():
    assert mean_best(Optuna(), 50, 3) > mean_best(nas.RandomSearch(), 50, 3) + 0.2


@space
def kinds(choose):
    choose("op", ("a", ("b", 2), 3.5))
    choose.range("layers", 1, 9, step=2)
    choose.range("rate", 1e-4, 1e-1, log=True)
    choose.range("drop", 0.0, 0.5, step=0.1)
    choose.range("width", 8, 64, log=True)
    choose.subset("extras", ("x", "y", "z"), least=1, most=2)
    return lambda: None


def test_every_kind_of_decision_is_told_as_it_was_answered():
    seen = []

    class Listening(optuna.samplers.RandomSampler):
        def sample_independent(self, study, trial, name, distribution):
            seen.append((name, distribution))
            return super().sample_independent(study, trial, name, distribution)

    study = Study(kinds, Optuna(lambda seed: Listening(seed=seed)))
    for _ in range(5):
        trial = study.ask()
        study.tell(trial, {"accuracy": 0.5})
        params, distributions = _parameters(optuna, kinds, trial.architecture)
        asked = dict(seen)
        assert params.keys() == distributions.keys() == asked.keys()
        assert all(asked[name] == kind for name, kind in distributions.items())
        assert all(kind._contains(kind.to_internal_repr(params[name]))
                   for name, kind in distributions.items())  # fmt: skip
    assert {type(kind).__name__ for kind in asked.values()} == {
        "CategoricalDistribution", "IntDistribution", "FloatDistribution",
    }  # fmt: skip


def test_pending_trials_are_told_as_running():
    seen = []

    class Listening(optuna.samplers.RandomSampler):
        def before_trial(self, study, trial):
            seen.append([t.state.name for t in study.get_trials(deepcopy=False)])

    study = Study(layered, Optuna(lambda seed: Listening(seed=seed)))
    first = study.ask()
    study.tell(first, {"accuracy": worth(first.architecture)})
    study.ask()
    study.ask()
    assert seen[-1][:2] == ["COMPLETE", "RUNNING"]


def test_options_reach_the_sampler():
    """With more startup trials than trials, TPE is random search, and so differs from TPE."""
    late = searched(Optuna(options={"n_startup_trials": 1000}), 30)
    soon = searched(Optuna(options={"n_startup_trials": 5}), 30)
    keys = [[trial.architecture.key for trial in study.history] for study in (late, soon)]
    assert keys[0][:5] == keys[1][:5] and keys[0] != keys[1]


def test_messages(monkeypatch):
    with pytest.raises(StrategyError, match="sampler='tpes'; expected one of tpe"):
        Optuna("tpes")
    monkeypatch.setitem(__import__("sys").modules, "optuna", None)
    with pytest.raises(StrategyError, match=r"pip install nasturtium\[optuna\]"):
        Study(layered, Optuna()).ask()
