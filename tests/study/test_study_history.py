"""The folded log: views that grow, and the questions that strategies ask, against brute force."""

from __future__ import annotations

import math
from itertools import product
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import nasturtium as nas
from nasturtium.architecture import Architecture
from nasturtium.errors import StrategyError
from nasturtium.study.fidelity import FULL, Fidelity
from nasturtium.study.history import History
from nasturtium.study.objective import Objective
from nasturtium.study.trial import Outcome, Proposal, Trial

HALF = Fidelity(epochs=0.5)


@nas.space
def toy(choose):
    choose("kind", tuple(range(6)))
    return lambda: None


def architecture(kind):
    return Architecture("toy", {"kind": kind})


NAMES = ("arm", "fidelity", "state", "uniform")
CONDITIONS = [
    {name: value for name, value in zip(NAMES, row, strict=True) if value}
    for row in product(
        (None, "search", ("search", "control")),
        (None, FULL, HALF),
        (None, "finished", "failed", "rejected"),
        (None, True),
    )
] + [{"uniform": False}]


def happen(history, rng, asked_only=False):
    """One event by chance, by the methods that a study calls."""
    pending = history.pending
    if asked_only or rng.random() < 0.5 or not pending:
        proposal = Proposal(
            architecture(rng.randrange(6)), rng.choice((FULL, HALF)), uniform=rng.random() < 0.5
        )
        arm = rng.choice(("search", "control", "reference"))
        state = "pending" if rng.random() < 0.8 else "rejected"
        history._insert(Trial(len(history), arm, proposal, state))
    else:
        number = rng.choice(pending).number
        metrics = {"accuracy": rng.random()} if rng.random() < 0.8 else {}
        error = None if metrics and rng.random() < 0.8 else "why"
        history._complete(Outcome(number, metrics, error=error, stopped=rng.random() < 0.3))


def content(history):
    before = [list(history.before(trial)) for trial in history]
    ended = [list(history.before(trial, stopped=True)) for trial in history]
    results = list(history.finished), list(history.stopped), list(history.ended)
    return list(history), *results, history.pending, before, ended


def fresh(history):
    """An equal history that has no views yet."""
    twin = History(history.space, history.objectives, history.constraints)
    twin._trials, twin._numbers = list(history._trials), list(history._numbers)
    twin._finished, twin._pending = list(history._finished), dict(history._pending)
    twin._ended = list(history._ended)
    twin._order, twin._ended_before = list(history._order), dict(history._ended_before)
    return twin


seeds = st.integers(0, 2**32)


@settings(max_examples=25, deadline=None)
@given(seeds, st.sampled_from(CONDITIONS))
def test_views_grow_to_what_a_view_made_afterwards_shows(seed, outer):
    rng, history = Random(seed), History(toy, (Objective("accuracy"),))
    views = [(history.where(**c), {}, c) for c in CONDITIONS]
    views += [(history.where(**outer).where(**c), outer, c) for c in CONDITIONS]
    for _ in range(30):
        happen(history, rng)
        twin = fresh(history)
        for view, first, second in views:
            assert content(view) == content(twin.where(**first).where(**second))
            assert all(view.trial(trial.number) is trial for trial in view)
    for view, _, _ in views:
        numbers = [trial.number for trial in view]
        assert numbers == sorted(numbers)


@settings(max_examples=25, deadline=None)
@given(seeds, st.sampled_from(CONDITIONS))
def test_what_could_not_be_logged_is_taken_back(seed, condition):
    rng, history = Random(seed), History(toy, (Objective("accuracy"),))
    view = history.where(**condition)
    for _ in range(20):
        happen(history, rng)
    kept, number = (content(history), content(view)), len(history)
    for _ in range(5):
        happen(history, rng, asked_only=True)
    history._remove_from(number)
    assert (content(history), content(view)) == kept


def test_trials_that_had_ended_before_a_trial_was_asked_for():
    history = History(toy, (Objective("accuracy"),))
    searched = history.where(arm="search")

    def ask(number, arm):
        history._insert(Trial(number, arm, Proposal(architecture(number))))

    def tell(number):
        history._complete(Outcome(number, {"accuracy": 0.5}))

    for number, arm in enumerate(("search", "control", "search")):
        ask(number, arm)
    tell(2)
    tell(1)
    ask(3, "search")
    tell(0)
    tell(3)
    assert [trial.number for trial in history.before(history.trial(3))] == [2, 1]
    assert [trial.number for trial in searched.before(history.trial(3))] == [2]
    assert not history.before(history.trial(2))


def test_a_view_is_made_once():
    history = History(toy, (Objective("accuracy"),))
    assert history.where(arm="search") is history.where(arm="search")
    assert history.where(arm="search") is history.where(arm=("search",))
    assert history.where() is history


@pytest.mark.parametrize(
    ("condition", "message"),
    [
        (
            {"arm": "serch"},
            "history.where got arm='serch'; expected one of search, control, confirm, reference, "
            "final; did you mean 'search'?",
        ),
        (
            {"state": "done"},
            "history.where got state='done'; expected one of finished, failed, rejected, stopped",
        ),
        (
            {"state": "pending"},
            "history.where got state='pending'; expected one of finished, failed, rejected, "
            "stopped; pending trials are in history.pending",
        ),
    ],
)
def test_a_condition_that_names_nothing(condition, message):
    with pytest.raises(StrategyError) as raised:
        History(toy, (Objective("accuracy"),)).where(**condition)
    assert str(raised.value) == message


OBJECTIVES = (Objective("accuracy"), Objective("latency", "min"))
BOUNDS = (Objective("latency", "min", bound=2.0), Objective("size", "min", bound=10.0))

rows = st.lists(
    st.tuples(
        st.integers(0, 4).map(float),  # accuracy: small integers, so that there are ties
        st.integers(0, 4).map(float),  # latency
        st.sampled_from((1.0, 10.0, 11.0, 15.0)),  # size
        st.sampled_from((FULL, HALF, HALF)),
        st.integers(0, 5),  # architecture
        st.sampled_from((None, None, None, "why", "stopped")),
    ),
    max_size=14,
)


def completed(rows, constraints=()):
    """A history of these rows, asked for in order and reported in reverse order."""
    history = History(toy, OBJECTIVES, constraints)
    for number, row in enumerate(rows):
        history._insert(Trial(number, "search", Proposal(architecture(row[4]), row[3])))
    for number, row in reversed(list(enumerate(rows))):
        metrics = dict(zip(("accuracy", "latency", "size"), row[:3], strict=True))
        if row[5] == "stopped":
            history._complete(Outcome(number, metrics, stopped=True))
        else:
            history._complete(Outcome(number, {} if row[5] else metrics, error=row[5]))
    return history


def excess(trial):
    metrics = trial.metrics
    return max(0.0, (metrics["latency"] - 2) / 2) + max(0.0, (metrics["size"] - 10) / 10)


def comparable(history):
    """Finished trials at the greatest fidelity that any has, in the order of their numbers."""
    done = sorted((t for t in history if t.state == "finished"), key=lambda t: t.number)
    full = [t for t in done if t.fidelity == FULL]
    return full or done


@settings(max_examples=150, deadline=None)
@given(rows, st.booleans(), st.integers(1, 4))
def test_best_is_what_sorting_by_hand_gives(rows, bounded, k):
    history = completed(rows, BOUNDS if bounded else ())
    trials = comparable(history)
    broken = {t.number: excess(t) if bounded else 0.0 for t in trials}
    for trial in trials:
        assert history.violation(trial) == pytest.approx(broken[trial.number])
        assert history.score(trial) == trial.metrics["accuracy"]
        assert history.vector(trial) == (trial.metrics["accuracy"], -trial.metrics["latency"])
        assert history.rank(trial) == (-history.violation(trial), history.score(trial))
    trials.sort(key=lambda t: (broken[t.number], -t.metrics["accuracy"], t.number))
    wanted, seen = [], set()
    for trial in trials:
        if trial.architecture not in seen and len(wanted) < k:
            seen.add(trial.architecture)
            wanted.append(trial)
    assert history.best(k) == tuple(wanted)


def beats(one, other):
    pairs = list(zip(one, other, strict=True))
    return all(a >= b for a, b in pairs) and any(a > b for a, b in pairs)


@settings(max_examples=150, deadline=None)
@given(rows, st.booleans())
def test_front_is_what_comparing_all_pairs_gives(rows, bounded):
    history = completed(rows, BOUNDS if bounded else ())
    trials = [t for t in comparable(history) if not bounded or excess(t) == 0.0]
    wanted, seen = [], set()
    for trial in trials:
        vector = (trial.metrics["accuracy"], -trial.metrics["latency"])
        others = [(t.metrics["accuracy"], -t.metrics["latency"]) for t in trials]
        if vector not in seen and not any(beats(other, vector) for other in others):
            seen.add(vector)
            wanted.append(trial)
    wanted.sort(key=lambda t: (-t.metrics["accuracy"], t.number))
    assert history.front() == tuple(wanted)


@pytest.mark.parametrize("objectives", [1, 2, 3])
def test_front_of_many_trials(objectives):
    rng = Random(objectives)
    goals = tuple(Objective(f"m{i}", "min" if i % 2 else "max") for i in range(objectives))
    history = History(toy, goals)
    for number in range(300):
        history._insert(Trial(number, "search", Proposal(architecture(number % 6))))
        history._complete(Outcome(number, {o.metric: round(rng.gauss(0, 1), 1) for o in goals}))
    front = history.front()
    vectors = [history.vector(trial) for trial in front]
    everything = [history.vector(trial) for trial in history]
    assert len(set(vectors)) == len(vectors)
    assert set(vectors) == {v for v in everything if not any(beats(w, v) for w in everything)}
    assert vectors == sorted(vectors, key=lambda vector: -vector[0])


def test_nothing_finished_has_no_best_and_no_front():
    history = History(toy, OBJECTIVES)
    history._insert(Trial(0, "search", Proposal(architecture(0))))
    assert history.best() == () and history.front() == ()


def test_violation_of_what_is_not_a_number():
    history = completed([(1.0, math.nan, 1.0, FULL, 0, None)], BOUNDS)
    assert history.violation(history[0]) == math.inf
    assert history.front() == ()


def test_bounds_on_objectives_are_constraints():
    bounded = Objective("latency", "min", bound=2.0)
    history = History(toy, (Objective("accuracy"), bounded), BOUNDS[1:])
    assert history.constraints == (BOUNDS[1], bounded)
    assert history.where(arm="search").constraints == history.constraints


def test_a_metric_that_is_not_there():
    history = completed([(1.0, 1.0, 1.0, FULL, 0, None), (1.0, 1.0, 1.0, FULL, 1, "why")])
    history.objectives = (Objective("energy", "min"),)
    with pytest.raises(StrategyError) as raised:
        history.score(history[0])
    assert str(raised.value) == (
        "trial 0 (finished) has no metric 'energy'; it has ['accuracy', 'latency', 'size']"
    )
    with pytest.raises(StrategyError, match=r"trial 1 \(failed\) has no metric .*; it has none"):
        history.score(history[1])


@pytest.mark.parametrize("number", [-1, 2, 99])
def test_a_trial_that_is_not_there(number):
    history = completed([(1.0, 1.0, 1.0, FULL, 0, None), (1.0, 1.0, 1.0, FULL, 1, "why")])
    with pytest.raises(StrategyError, match=f"there is no trial {number} among 2 trials here"):
        history.trial(number)
    with pytest.raises(StrategyError, match="there is no trial 1 among 1 trials here"):
        history.where(state="finished").trial(1)


def test_a_history_is_a_sequence():
    history = completed([(1.0, 1.0, 1.0, FULL, kind, None) for kind in range(3)])
    assert [trial.number for trial in history] == [0, 1, 2]
    assert history[-1].number == 2 and [t.number for t in history[1:]] == [1, 2]
    assert [trial.number for trial in history.finished] == [2, 1, 0]
    assert repr(history) == "<history of 3 trials, 3 finished>"
