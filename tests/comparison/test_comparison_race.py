"""Races: equal budgets, honest intervals, the same result whatever the number of processes."""

from __future__ import annotations

import json
from random import Random

import numpy as np
import pytest
from scipy.stats import t

from nasturtium.bench.benchmark import Benchmark
from nasturtium.bench.pool_benchmark import PoolBenchmark
from nasturtium.comparison.race import Race, race
from nasturtium.comparison.replay import Run, simulate
from nasturtium.comparison.statistics import correct_by_holm
from nasturtium.errors import EstimateError, StrategyError
from nasturtium.space.pool_space import PoolSpace
from nasturtium.strategy.evolution.regularized_evolution import RegularizedEvolution
from nasturtium.strategy.local_search import LocalSearch
from nasturtium.strategy.multifidelity.asha import ASHA
from nasturtium.strategy.random_search import RandomSearch
from nasturtium.study.fidelity import FULL, Fidelity
from nasturtium.study.strategy import Strategy


def bowl(rows=400, **columns):
    grid = [{"x": x, "y": y} for x in range(20) for y in range(rows // 20)]
    codes = np.array([(r["x"], r["y"]) for r in grid])
    accuracy = 1 - ((codes - 7) ** 2).sum(1) / 400
    pool = PoolSpace("bowl", grid, codes, near=10)
    return PoolBenchmark("bowl", pool, {"accuracy": accuracy, **columns})


class Levels(Benchmark):
    """Two fidelities; a third of the training says half the truth."""

    def __init__(self):
        self.inner = bowl()
        self.name, self.space, self.best = "levels", self.inner.space, self.inner.best
        self.metrics = ("accuracy", "seconds")
        self.fidelities = (Fidelity(epochs=1 / 3), FULL)

    def query(self, architecture, *, fidelity=FULL, run=None):
        level = self.level(fidelity)
        value = self.inner.truth(architecture)
        return {"accuracy": value if level else value / 2, "seconds": 30.0 if level else 10.0}

    def truth(self, architecture):
        return self.inner.truth(architecture)


def test_a_race_is_the_same_in_any_number_of_processes():
    strategies = {"random": RandomSearch(), "evolution": RegularizedEvolution(10, 3)}
    alone = race(strategies, bowl(), trials=40, repeats=6, workers=1, seed=3)
    shared = race(strategies, bowl(), trials=40, repeats=6, workers=2, seed=3)
    assert alone == shared
    assert alone != race(strategies, bowl(), trials=40, repeats=6, workers=1, seed=4)
    assert all(run.finished == 40 for runs in alone.runs.values() for run in runs)
    # A strategy's runs do not depend on who else runs.
    lone = race(
        {"evolution": strategies["evolution"]}, bowl(), trials=40, repeats=6, workers=1, seed=3
    )
    assert lone.runs["evolution"] == alone.runs["evolution"]


def test_what_a_race_says():
    name = "local search"
    strategies = {"random": RandomSearch(), name: LocalSearch(starts=3)}
    raced = race(strategies, bowl(), trials=60, repeats=20, workers=1)
    truths = raced.truths(name)
    half = t.ppf(0.975, 19) * truths.std(ddof=1) / np.sqrt(20)
    assert raced.interval(name) == pytest.approx((truths.mean() - half, truths.mean() + half))
    curves = raced.curves(name)
    assert curves.shape == (20, 60)
    assert (np.diff(curves, axis=1) >= 0).all()  # no noise: incumbents only improve
    assert (curves[:, -1] == truths).all()
    assert raced.significance()["random", name] < 0.05
    text = str(raced)
    assert text.index(name) < text.index("random ")  # sorted by the mean
    assert "bowl: 60 trials, 20 runs each, best 100.00 %" in text and "Holm" in text
    data = json.loads(json.dumps(raced.to_json()))
    assert data["strategies"][name]["mean"] == pytest.approx(truths.mean())
    assert data["grid"][-1] == 60


def test_plot_is_one_self_contained_file(tmp_path):
    raced = race(["random", "evolution"], bowl(), trials=25, repeats=4, workers=1)
    page = raced.plot(tmp_path / "race.html").read_text()
    assert "bowl: 4 runs" in page and 'src="http' not in page and len(page) > 1_000_000


def test_the_clock_of_one_machine_and_of_four():
    bench = bowl(seconds=np.full(400, 10.0))
    one, _ = simulate(RandomSearch(), bench, seed=0, seconds=95.0)
    assert (one.finished, one.seconds) == (10, 100.0)  # the one that crosses the budget counts
    four, study = simulate(RandomSearch(), bench, seed=0, seconds=95.0, lanes=4)
    assert (four.finished, four.seconds) == (40, 100.0)
    assert not study.history.pending
    uneven = bowl(seconds=np.arange(400.0) + 1)
    run, study = simulate(RandomSearch(), uneven, seed=0, trials=30, lanes=3)
    # The makespan of list scheduling, by hand.
    free = [0.0] * 3
    for trial in study.history:
        lane = free.index(min(free))
        free[lane] += uneven.query(trial.architecture)["seconds"]
    assert run.seconds == pytest.approx(max(free))
    told = [trial.number for trial in study.history.finished]
    assert told != sorted(told)


def test_low_fidelities_do_not_stand_beside_full_ones():
    run, study = simulate(ASHA(RandomSearch(), 1 / 3), Levels(), seed=1, trials=60)
    full = [trial for trial in study.history.finished if trial.fidelity.full]
    assert full and len(full) < 30
    assert run.truth[-1] == max(trial.metrics["accuracy"] for trial in full)
    assert run.seconds == 10.0 * (60 - len(full)) + 30.0 * len(full)
    assert run.truth[-1] == Levels().truth(study.best.architecture)


def test_failures_are_counted():
    latency = np.ones(400)
    latency[::3] = np.nan
    bench = bowl(latency=latency)
    run, _ = simulate(
        RandomSearch(), bench, seed=0, trials=60, objectives=("accuracy", "min:latency")
    )
    assert run.failed + run.finished == 60 and 10 < run.failed < 30


def test_bounds_choose_the_incumbent():
    params = np.arange(400.0)
    bench = bowl(params=params)
    run, study = simulate(RandomSearch(), bench, seed=0, trials=60, constraints=("params<100",))
    able = [t for t in study.history.finished if t.metrics["params"] <= 100]
    assert run.truth[-1] == max(t.metrics["accuracy"] for t in able)


def test_holm_by_hand():
    raw = {("a", "b"): 0.01, ("a", "c"): 0.04, ("b", "c"): 0.03}
    assert correct_by_holm(raw) == pytest.approx(
        {("a", "b"): 0.03, ("a", "c"): 0.06, ("b", "c"): 0.06}
    )


def test_curves_over_seconds_wait_for_the_first_result():
    run = Run((1, 3), (20.0, 60.0), (0.5, 0.7), 4, 0, 80.0)
    raced = Race("by hand", 1.0, None, 100.0, 0, {"it": (run, run)})
    curve = raced.curves("it")[0]
    grid = raced.grid()
    assert np.isnan(curve[grid < 20]).all()
    assert (curve[(grid >= 20) & (grid < 60)] == 0.5).all() and (curve[grid >= 60] == 0.7).all()


def test_bad_input_is_refused_before_any_work():
    two = ["random"]
    with pytest.raises(StrategyError, match="one budget"):
        race(two, bowl())
    with pytest.raises(StrategyError, match="one budget"):
        race(two, bowl(), trials=3, seconds=3)
    with pytest.raises(StrategyError, match="at least 2 repeats"):
        race(two, bowl(), trials=3, repeats=1)
    with pytest.raises(StrategyError, match="no strategies"):
        race([], bowl(), trials=3)
    with pytest.raises(StrategyError, match="did you mean 'evolution'"):
        race(["evolutoin"], bowl(), trials=3)
    with pytest.raises(StrategyError, match="population of 20, but the budget is 10 trials"):
        race({"rea": RegularizedEvolution(20)}, bowl(), trials=10)
    with pytest.raises(StrategyError, match="no training times"):
        race(two, bowl(), seconds=100)
    with pytest.raises(EstimateError, match="there is no 'latency'"):
        race(two, bowl(), trials=3, objectives=("accuracy", "min:latency"))
    with pytest.raises(StrategyError, match="did you mean 'accuracy'"):
        race(two, bowl(), trials=3, objectives=("acuracy",))


def test_a_strategy_that_waits_for_nothing_is_named():
    class Idle(Strategy):
        def propose(self, state, history, rng: Random):
            return None

    with pytest.raises(StrategyError, match="Idle waits after 0 trials although none is pending"):
        race({"idle": Idle()}, bowl(), trials=3, repeats=2, workers=1)


def test_a_strategy_whose_rungs_a_table_does_not_hold_is_refused():
    for name in ("hyperband", "asha", "halving", "bohb", 'median(strategy="asha")'):
        with pytest.raises(StrategyError, match="bowl holds trainings of 1: it fits strategies"):
            race([name], bowl(), trials=200)
    with pytest.raises(StrategyError, match=r"levels holds trainings of 0\.333, 1: give least="):
        race({"asha": ASHA(least=1 / 27)}, Levels(), trials=30)
    with pytest.raises(StrategyError, match="schedule 'prefix'"):
        race({"asha": ASHA(least=1 / 3, schedule="prefix")}, Levels(), trials=30)
    race({"asha": ASHA(least=1 / 3)}, Levels(), trials=30, repeats=2, workers=1)


def test_a_strategy_with_many_failed_trials_is_not_ranked():
    good = Run((1,), (0.0,), (0.9,), 50, 0, 0.0)
    few = Run((1,), (0.0,), (0.95,), 47, 3, 0.0)
    many = Run((1,), (0.0,), (0.99,), 4, 46, 0.0)
    raced = Race(
        "t", 1.0, 50, None, 0, {"many": (many,) * 6, "good": (good,) * 6, "few": (few,) * 6}
    )
    assert [raced.ranked(name) for name in raced.runs] == [False, True, True]
    assert list(raced.significance()) == [("good", "few")]
    lines = str(raced).splitlines()
    assert [line.split()[0] for line in lines[2:5]] == ["few", "good", "many"]
    assert lines[4].endswith(" 4.0    46.0")
    assert "many is not ranked: 276 of its trials failed in 6 runs" in str(raced)
    told = raced.to_json()["strategies"]["many"]
    assert (told["failed"], told["ranked"]) == (276, False)


def test_ties_are_not_told_apart():
    same = Run((1,), (0.0,), (0.9,), 50, 0, 0.0)
    raced = Race("t", 1.0, 50, None, 0, {"a": (same,) * 2, "b": (same,) * 2})
    assert raced.significance() == {("a", "b"): 1.0}
    assert "do not differ significantly (p = 1, Wilcoxon, Holm)" in str(raced)


TABLE = """
import nasturtium as nas
from helper_of_the_table import best
from nasturtium.bench.benchmark import Benchmark
from nasturtium.study.fidelity import FULL

@nas.space
def net(choose):
    choose("x", tuple(range(10)))
    choose("y", tuple(range(10)))
    return lambda: None

class Table(Benchmark):
    def __init__(self):
        self.name, self.space, self.metrics, self.best = "own", net, ("accuracy",), best()

    def query(self, architecture, *, fidelity=FULL, run=None):
        self.level(fidelity)
        return {"accuracy": self.truth(architecture)}

    def truth(self, architecture):
        return (architecture["x"] + architecture["y"]) / 20
"""


def test_a_table_from_a_file_works_in_worker_processes(tmp_path):
    from nasturtium.contracts.benchmarks import check_benchmark
    from nasturtium.run.names import build_part

    (tmp_path / "helper_of_the_table.py").write_text("def best():\n    return 0.9\n")
    (tmp_path / "table.py").write_text(TABLE)
    table = build_part("benchmark", f"{tmp_path}/table.py:Table")
    two = {"random": RandomSearch(), "evolution": RegularizedEvolution(5, 2)}
    told = [race(two, table, trials=12, repeats=4, workers=w).to_json() for w in (1, 2)]
    assert told[0] == told[1]
    check_benchmark(table)
