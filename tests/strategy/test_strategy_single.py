"""Local search, tournaments and REINFORCE: their laws, and their rows on NAS-Bench-201."""

from __future__ import annotations

import math
import os
from collections import Counter
from random import Random

import numpy as np
import pytest

from nasturtium.bench.nasbench201 import NASBench201
from nasturtium.comparison.race import race
from nasturtium.decision.one_of import OneOf
from nasturtium.decision.range import Range
from nasturtium.decision.subset import Subset
from nasturtium.errors import StrategyError
from nasturtium.space.decorator import space
from nasturtium.space.pool_space import PoolSpace
from nasturtium.strategy.evolution.regularized_evolution import RegularizedEvolution
from nasturtium.strategy.evolution.tournament_evolution import TournamentEvolution
from nasturtium.strategy.local_search import LocalSearch
from nasturtium.strategy.random_search import RandomSearch
from nasturtium.strategy.reinforce import (
    BINS,
    REINFORCE,
    binned,
    choices,
    draw_in_bin,
    gradient,
    path,
    softmax,
)
from nasturtium.study.objective import Objective
from nasturtium.study.study import Study

tables = pytest.mark.skipif(
    "NASTURTIUM_DATA" not in os.environ, reason="NASTURTIUM_DATA names no folder of tables"
)


@space
def hills(choose):
    choose.range("x", 0, 20)
    choose.range("y", 0, 20)
    return lambda: None


def height(architecture):
    """Two hills; the higher one is at (15, 15)."""
    x, y = architecture["x"], architecture["y"]
    return max(1 - (abs(x - 15) + abs(y - 15)) / 60, 0.8 - (abs(x - 3) + abs(y - 3)) / 20)


def search(strategy, trials, seed=0, where=hills, **named):
    study = Study(where, strategy, seed=seed, **named)
    for _ in range(trials):
        trial = study.ask()
        study.tell(trial, {"accuracy": height(trial.architecture)})
    return study


# -- local search ----------------------------------------------------------------------------------


@pytest.mark.parametrize("improvement", ["first", "best"])
def test_local_search_walks_and_restarts(improvement):
    study = search(LocalSearch(improvement, starts=1), 200)
    assert study.best.metrics["accuracy"] == 1.0
    climbs = 0
    for trial in study.history:
        parent = trial.proposal.parent
        if parent is None:
            climbs += 1
        else:  # a neighbour of its parent
            here, there = trial.architecture, study.history.trial(parent).architecture
            assert abs(here["x"] - there["x"]) + abs(here["y"] - there["y"]) == 1
    assert climbs > 3
    children = [
        trial.architecture.key for trial in study.history if trial.proposal.parent is not None
    ]
    assert len(children) == len(set(children))


def test_best_improvement_sees_all_neighbours_before_it_moves():
    study = search(LocalSearch("best", starts=1), 60)
    by_parent = Counter(t.proposal.parent for t in study.history if t.proposal.parent is not None)
    for parent in list(by_parent)[:-1]:
        at = study.history.trial(parent).architecture
        around = {near.key for near in hills.neighbours(at)}
        tried = {t.architecture.key for t in study.history}
        assert around <= tried
    first = next(iter(by_parent))
    following = list(by_parent)[1]
    near = [t for t in study.history if t.proposal.parent == first]
    assert following == max(near, key=study.history.score).number


def test_local_search_works_no_move_out_twice():
    """Where all is known, a climb costs its starts alone."""
    asked = Counter()

    class Counted(PoolSpace):
        def neighbours(self, architecture):
            asked[architecture] += 1
            return super().neighbours(architecture)

    grid = [{"x": x, "y": y} for x in range(6) for y in range(6)]
    pool = Counted("grid", grid, np.array([list(row.values()) for row in grid]), near=4)
    study = search(LocalSearch(starts=2), 400, where=pool)
    assert len({trial.architecture for trial in study.history}) == 36
    assert set(asked.values()) == {1}


def test_a_neighbour_that_failed_is_settled_by_its_first_trial():
    """It may be drawn again as a start, and be better: no climb is another one for it."""
    for improvement in ("first", "best"):
        study = Study(hills, LocalSearch(improvement, starts=2), seed=4, name="s")
        rng, told = Random(0), Counter()
        for _ in range(300):
            trial = study.ask()
            told[trial.architecture] += 1
            if told[trial.architecture] == 1 and rng.random() < 0.3:
                study.fail(trial, "no luck")
            else:
                x, y = trial.architecture["x"], trial.architecture["y"]
                study.tell(trial, {"accuracy": float(-((x - 3) ** 2) - y)})
        again = Study(
            hills, LocalSearch(improvement, starts=2), seed=4, store=study.store, name="s"
        )
        assert study.ask().proposal == again.ask().proposal


def test_local_search_needs_neighbours():
    class Blind(PoolSpace.__mro__[1]):
        name = "blind"
        sample = mutate = cross = build = canonical = bind = describe = None

    with pytest.raises(StrategyError, match=r"'blind' has no neighbours\(\)"):
        Study(Blind(), LocalSearch()).ask()
    with pytest.raises(StrategyError, match="'first' or 'best'"):
        LocalSearch("steepest")
    with pytest.raises(StrategyError, match="starts=0"):
        LocalSearch(starts=0)


def test_local_search_on_a_pool():
    grid = [{"x": x, "y": y} for x in range(21) for y in range(21)]
    pool = PoolSpace("grid", grid, np.array([list(row.values()) for row in grid]), near=8)
    assert search(LocalSearch(starts=3), 120, where=pool).best.metrics["accuracy"] > 0.9


# -- tournaments -----------------------------------------------------------------------------------


def test_the_worst_of_the_draw_dies():
    """Who reproduces and who dies is distributed as best and worst of one draw."""
    count, sample, repeats = 6, 3, 6000
    pairs = Counter()
    rng = Random(0)
    for _ in range(repeats):
        draw = sorted(rng.sample(range(count), sample))
        pairs[draw[-1], draw[0]] += 1
    found = Counter()
    for seed in range(repeats // 4):
        strategy = TournamentEvolution(count, sample)
        study = Study(hills, strategy, seed=seed)
        values = list(range(count))
        Random(seed).shuffle(values)
        for value in values:
            study.tell(study.ask(), {"accuracy": float(value)})
        child = study.ask()
        parent = study.history.trial(child.proposal.parent).metrics["accuracy"]
        study.tell(child, {"accuracy": 100.0})
        study.ask()
        alive = {
            study.history.trial(-number).metrics["accuracy"] for _, number in study.state.alive
        }
        (dead,) = set(map(float, range(count))) - alive
        found[int(parent), int(dead)] += 1
    assert set(found) <= set(pairs)
    for pair, expected in pairs.items():
        chance = expected / repeats
        error = math.sqrt(chance * (1 - chance) * 4 / repeats) + math.sqrt(chance / repeats)
        assert found[pair] / (repeats // 4) == pytest.approx(chance, abs=4 * error)


def test_a_tournament_population_stays_and_improves():
    study = search(TournamentEvolution(12, 4), 200)
    state = study.state
    assert len(state.alive) == 12
    alive = [study.history.score(study.history.trial(-number)) for _, number in state.alive]
    # The newest member has not been in a tournament.
    assert sorted(alive)[1] >= np.median([study.history.score(t) for t in study.history[:12]])
    with pytest.raises(StrategyError, match="2 <= sample <= population"):
        TournamentEvolution(4, 8)


# -- REINFORCE -------------------------------------------------------------------------------------


def test_gradient_against_differences():
    rng = Random(0)
    logits = {"a": {1: 0.3, 2: -0.2, 3: 1.0}, "b": {"u": 0.1, "v": -0.7}}
    steps = [("a", (1, 2, 3), 2), ("b", ("u", "v"), "u")]
    advantage, weight = 0.7, 0.05

    def value(at):
        total = 0.0
        for name, options, taken in steps:
            chances = softmax(at[name], options)
            total += advantage * math.log(chances[options.index(taken)])
            total -= weight * sum(p * math.log(p) for p in chances)
        return total

    slopes = gradient(logits, steps, advantage, weight)
    for (name, options, _), slope in zip(steps, slopes, strict=True):
        for option in options:
            up = {n: dict(row) for n, row in logits.items()}
            down = {n: dict(row) for n, row in logits.items()}
            up[name][option] += 1e-5
            down[name][option] -= 1e-5
            difference = (value(up) - value(down)) / 2e-5
            assert slope[option] == pytest.approx(difference, abs=1e-8)
    assert rng.random() > 0


def test_adam_is_torchs():
    import torch

    strategy, rng = REINFORCE(learning_rate=0.05, entropy=0.01), Random(0)
    state = strategy.start()
    theirs = torch.zeros(3, dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.Adam([theirs], lr=0.05)
    total = weight = 0.0
    for _ in range(20):
        taken, reward = rng.randrange(3), rng.random()
        total, weight = 0.9 * total + 0.1 * reward, 0.9 * weight + 0.1
        logs = torch.log_softmax(theirs, 0)
        loss = -(reward - total / weight) * logs[taken] + 0.01 * (logs.exp() * logs).sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        strategy._learn(state, [("a", (0, 1, 2), taken)], reward)
    assert list(state.logits["a"].values()) == pytest.approx(theirs.tolist(), abs=1e-6)


def test_only_active_decisions_are_learned():
    @space
    def nested(choose):
        if choose("deep", (False, True)):
            choose("width", (1, 2, 3))
        return lambda: None

    study = Study(nested, REINFORCE(learning_rate=0.3))
    for _ in range(80):
        trial = study.ask()
        study.tell(trial, {"accuracy": trial.architecture.get("width", 0) / 3})
    last = [trial.architecture.get("width", 0) for trial in study.history[-20:]]
    assert np.mean(last) > 2.5
    assert set(study.state.logits) == {"deep", "width"}


def test_every_kind_of_decision_has_options():
    rng = Random(0)
    wide = Range("lr", 1e-4, 1.0, log=True)
    assert binned(wide) and len(choices(wide)) == BINS
    for place in range(BINS):
        value = draw_in_bin(wide, place, rng)
        assert wide.allows(value)
        drawn = path([wide], {"lr": value})  # type: ignore[arg-type]
        assert drawn[0][2] == place
    assert choices(Range("n", 2, 8, step=2)) == (2, 4, 6, 8)
    assert choices(OneOf("op", ("a", "b"))) == ("a", "b")
    assert len(choices(Subset("in", (1, 2, 3), 1, 2))) == 6
    with pytest.raises(StrategyError, match="one by one"):
        choices(Subset("in", tuple(range(30)), 0, 30))


def test_rewards_under_bounds_are_mnasnets():
    soft, hard = REINFORCE(), REINFORCE(reward="hard")
    slow, fast = Objective("latency", "min", bound=10.0), Objective("accuracy", "max", bound=0.5)
    assert soft._factor(slow, 20.0) == pytest.approx(2**-0.07)
    assert soft._factor(slow, 5.0) == pytest.approx(2**0.07)
    assert hard._factor(slow, 20.0) == pytest.approx(0.5)
    assert hard._factor(slow, 5.0) == 1.0
    assert hard._factor(fast, 0.25) == pytest.approx(0.5)
    with pytest.raises(StrategyError, match="bounds have to be positive"):
        soft._factor(Objective("accuracy", "max", bound=-1.0), 0.5)


@pytest.mark.parametrize(
    ("goal", "sign"), [("min:loss", 1.0), ("max:gain", -1.0)], ids=["loss", "negative"]
)
@pytest.mark.parametrize("reward", ["soft", "hard"])
def test_reinforce_stays_within_a_bound_on_losses_and_negative_scores(goal, sign, reward):
    @space
    def switches(choose):
        for place in range(10):
            choose(f"on{place}", (0, 1))
        return lambda: None

    strategy, metric = REINFORCE(reward=reward), goal[4:]
    study = Study(switches, strategy, objectives=(goal,), constraints=("size<3.5",), seed=1)
    sizes, values = [], []
    for _ in range(300):
        trial = study.ask()
        size = sum(trial.architecture.values())
        sizes.append(size)
        values.append(1.0 / (1.0 + size))
        study.tell(trial, {metric: sign * values[-1], "size": size})
    for begin in (100, 150, 200, 250):  # larger networks are better, and it does not drift there
        assert sum(sizes[begin : begin + 50]) / 50 < 3.5
    assert sum(sizes[-50:]) / 50 > 1.5


def test_reinforce_refuses():
    pool = PoolSpace("two", [{"k": 1}, {"k": 3}], np.eye(2))
    with pytest.raises(StrategyError, match="asks none"):
        Study(pool, REINFORCE()).ask()
    for named in ({"learning_rate": 0.0}, {"optimizer": "lion"}, {"reward": "mild"}, {"decay": 1}):
        with pytest.raises(StrategyError, match="expected"):
            REINFORCE(**named)


# -- rows of NAS-Bench-201 (fast: fewer runs, wider by their standard errors) ----------------------

ORACLE = {  # mean at 50, 100, 150 trials, CIFAR-10, without noise
    "random": (RandomSearch(), (93.69, 93.85, 93.93)),
    "rea(10,3)": (RegularizedEvolution(10, 3), (93.88, 94.14, 94.23)),
    "rea(30,10)": (RegularizedEvolution(30, 10), (93.89, 94.24, 94.33)),
    "local": (LocalSearch(), (94.20, 94.32, 94.36)),
}
VALIDATION = {  # mean and deviation of 500 runs at 100 trials, CIFAR-10, 12 epochs
    "random": (RandomSearch(), 93.71, 0.36),
    "rea": (RegularizedEvolution(10, 3), 93.91, 0.41),
    "reinforce .01": (REINFORCE(0.01), 93.81, 0.34),
    "reinforce .1": (REINFORCE(0.1), 93.94, 0.37),
}


@tables
def test_rows_without_noise():
    bench = NASBench201("cifar10", epochs=200, fitness="test")
    runs = 40
    raced = race({n: s for n, (s, _) in ORACLE.items()}, bench, trials=150, repeats=runs, workers=1)
    for name, (_, expected) in ORACLE.items():
        curves = 100 * raced.curves(name)
        for trials, mean in zip((50, 100, 150), expected, strict=True):
            column = curves[:, trials - 1]
            allowed = 0.03 + 3 * column.std(ddof=1) / math.sqrt(runs)
            assert column.mean() == pytest.approx(mean, abs=allowed), (name, trials)


@tables
def test_rows_of_the_search_table():
    bench, runs = NASBench201("cifar10"), 50
    strategies = {name: strategy for name, (strategy, _, _) in VALIDATION.items()}
    raced = race(strategies, bench, trials=100, repeats=runs, workers=1)
    for name, (_, mean, deviation) in VALIDATION.items():
        found = 100 * raced.truths(name)
        error = math.sqrt(found.var(ddof=1) / runs + deviation**2 / 500)
        assert found.mean() == pytest.approx(mean, abs=0.05 + 3 * error), name


@tables
def test_tournaments_win_early():
    bench = NASBench201("cifar10", epochs=200, fitness="test")
    raced = race(
        {"worst": TournamentEvolution(10, 3), "oldest": RegularizedEvolution(10, 3)},
        bench, trials=50, repeats=60, workers=1,
    )  # fmt: skip
    assert raced.mean("worst") > raced.mean("oldest")
