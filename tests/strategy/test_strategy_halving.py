"""Halving: rung counts of the papers, and promotions step by step."""

from __future__ import annotations

from collections import Counter
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nasturtium.errors import StrategyError
from nasturtium.space.decorator import space
from nasturtium.strategy.evolution.regularized_evolution import RegularizedEvolution
from nasturtium.strategy.multifidelity.asha import ASHA
from nasturtium.strategy.multifidelity.hyperband import Hyperband
from nasturtium.strategy.multifidelity.successive_halving import SuccessiveHalving
from nasturtium.strategy.random_search import RandomSearch
from nasturtium.study.strategy import Strategy
from nasturtium.study.study import Study
from nasturtium.study.trial import Proposal


@space
def line(choose):
    choose.range("x", 0, 100_000)
    return lambda: None


def worth(trial):
    return {"accuracy": trial.architecture["x"] / 100_000}


def drive(strategy, trials, seed=0):
    study = Study(line, strategy, seed=seed)
    for _ in range(trials):
        trial = study.ask()
        study.tell(trial, worth(trial))
    return study


# Hyperband (JMLR 2018), table 1: R = 81, eta = 3; rows are brackets s = 4 ... 0.
TABLE = (
    ((81, 1), (27, 3), (9, 9), (3, 27), (1, 81)),
    ((34, 3), (11, 9), (3, 27), (1, 81)),
    ((15, 9), (5, 27), (1, 81)),
    ((8, 27), (2, 81)),
    ((5, 81),),
)


def test_hyperband_has_the_papers_brackets():
    made = Hyperband(least=1 / 81).brackets
    found = tuple(tuple((n, round(81 * f.epochs)) for n, f in bracket) for bracket in made)
    assert found == TABLE


def test_hyperband_runs_the_papers_brackets():
    total = sum(count for bracket in TABLE for count, _ in bracket)
    study = drive(Hyperband(least=1 / 81), 2 * total)
    asked = [round(81 * trial.fidelity.epochs) for trial in study.history]
    expected = [resource for bracket in TABLE for count, resource in bracket for _ in range(count)]
    assert asked == 2 * expected
    # What stands at the end of the first bracket is the best of its 81.
    first = [trial.architecture["x"] for trial in study.history[:81]]
    assert study.history[120].architecture["x"] == max(first)
    assert [t.architecture["x"] for t in study.history[81:108]] == sorted(first)[::-1][:27]


def test_successive_halving_counts():
    study = drive(SuccessiveHalving(count=27, least=1 / 27), 80)
    rungs = Counter(round(27 * trial.fidelity.epochs) for trial in study.history)
    assert rungs == {1: 27 * 2, 3: 9 * 2, 9: 3 * 2, 27: 1 * 2}


def test_a_rung_is_waited_for_and_failures_are_coped_with():
    study = Study(line, SuccessiveHalving(count=9, least=1 / 9))
    trials = [study.ask() for _ in range(9)]
    other = study.ask()  # the next bracket, while this one's rung is waited for
    assert other.fidelity.epochs == pytest.approx(1 / 9)
    for trial in trials[:7]:
        study.tell(trial, worth(trial))
    study.fail(trials[7], "out of memory")
    assert study.ask().fidelity == other.fidelity
    study.fail(trials[8], "out of memory")
    promoted = [study.ask() for _ in range(3)]
    best = sorted((trial.architecture["x"] for trial in trials[:7]), reverse=True)[:3]
    assert [trial.architecture["x"] for trial in promoted] == best
    for trial in promoted:
        study.fail(trial, "out of memory")
    rest = [study.ask() for _ in range(7)]  # nobody is left: the next bracket goes on
    assert {trial.fidelity for trial in rest} == {other.fidelity}


def in_parallel(strategy, trials, workers, seed=0, refuse=0.0):
    """A study of workers that answer in any order; some estimates break a bound."""
    study, rng = Study(line, strategy, seed=seed), Random(seed)
    asked, pending = 0, []
    while asked < trials or pending:
        if asked < trials and len(pending) < workers:
            pending.append(study.ask())
            asked += 1
            assert pending[-1] is not None
        if len(pending) == workers or asked == trials:
            trial = pending.pop(rng.randrange(len(pending)))
            if rng.random() < refuse:
                study.fail(trial, "too slow", metrics={"latency": 9.0})
            else:
                study.tell(trial, worth(trial))
    return study


@pytest.mark.parametrize("workers", [1, 4, 30, 100])
@pytest.mark.parametrize("schedule", ["complete", "prefix"])
def test_hyperband_keeps_the_papers_counts_with_many_workers(workers, schedule):
    """Every rung of every bracket has the paper's count, and nobody ever waits."""
    study = in_parallel(Hyperband(least=1 / 81, schedule=schedule), 900, workers)
    state = study.state
    asked = Counter(round(81 * trial.fidelity.epochs) for trial in study.history)
    assert state.begun - len(state.open) >= 4
    # What the open brackets still lack is all that parts the log from whole rounds.
    lacking = Counter()
    for bracket in state.open:
        room = bracket.plan[bracket.rung][0] - len(bracket.members)
        lacking[round(81 * bracket.fidelity.epochs)] += room
        for count, rung in bracket.plan[bracket.rung + 1 :]:
            lacking[round(81 * rung.epochs)] += count
    planned = Counter()
    for begun in range(state.begun):
        planned.update({resource: count for count, resource in TABLE[begun % 5]})
    assert asked == planned - lacking
    for trial in study.history:
        if trial.proposal.resume is not None:
            assert study.history.trial(trial.proposal.resume).state == "finished"


@pytest.mark.parametrize("strategy", [
    SuccessiveHalving(count=9, least=1 / 9),
    Hyperband(RegularizedEvolution(6, 2), least=1 / 27),
    ASHA(least=1 / 27),
], ids=lambda strategy: type(strategy).__name__)  # fmt: skip
def test_what_estimates_reject_is_folded_alike(strategy):
    """A seat that an estimate frees goes to another, live and folded from the log."""
    study = in_parallel(strategy, 250, 7, refuse=0.2)
    assert len(study.history.where(state="rejected")) > 20
    assert any(trial.fidelity.full for trial in study.history)
    again = Study(line, strategy, store=study.store)
    ours, theirs = [study.ask()], [again.ask()]
    for _ in range(60):
        for trials, one in ((ours, study), (theirs, again)):
            one.tell(trials[-1], worth(trials[-1]))
            trials.append(one.ask())
    assert [trial.proposal for trial in ours] == [trial.proposal for trial in theirs]


def test_an_architecture_is_trained_once_at_a_fidelity():
    """In a space of four, brackets share what was trained, and new ones go on being begun."""

    @space
    def four(choose):
        choose.range("x", 0, 3)
        return lambda: None

    class Plain(Strategy):
        """Marks nothing as uniform, as a policy does not."""

        def propose(self, state, history, rng):
            return Proposal(history.space.sample(rng))

    study = Study(four, Hyperband(Plain(), least=1 / 9))
    for _ in range(120):
        trial = study.ask()
        study.tell(trial, {"accuracy": trial.architecture["x"] / 3})
    assert study.state.begun > 3
    full = [trial.architecture["x"] for trial in study.history if trial.fidelity.full]
    assert set(full) <= {0, 1, 2, 3}


def test_prefix_schedules_resume_and_complete_ones_do_not():
    for schedule, resumed in (("prefix", True), ("complete", False)):
        study = drive(SuccessiveHalving(count=9, least=1 / 9, schedule=schedule), 13)
        promotions = study.history[9:]
        assert {trial.fidelity.schedule for trial in study.history} == {schedule}
        for trial in promotions:
            resume = trial.proposal.resume
            assert (resume is not None) is resumed
            if resumed:
                before = study.history.trial(resume)
                assert before.architecture == trial.architecture
                assert before.fidelity.epochs * 3 == pytest.approx(trial.fidelity.epochs)


def test_asha_step_by_step():
    """Nine configurations, one worker: algorithm 2 of the paper, by hand."""
    study = Study(line, ASHA(least=1 / 9))
    low, middle, full = study.strategy.rungs
    asked = []
    ranks = iter([0.5, 0.4, 0.6, 0.3, 0.2, 0.7, 0.1, 0.15, 0.8])
    score = {}
    while True:
        trial = study.ask()
        key = trial.architecture.key
        if trial.fidelity == low:
            value = next(ranks, None)
            if value is None:
                break
            score[key] = value
        asked.append((trial.fidelity, score[key]))
        study.tell(trial, {"accuracy": score[key]})
    assert asked == [
        (low, 0.5), (low, 0.4), (low, 0.6),  # three finished: the best one of three goes up
        (middle, 0.6),
        (low, 0.3), (low, 0.2), (low, 0.7),  # six finished: the best two are 0.7 and 0.6
        (middle, 0.7),
        (low, 0.1), (low, 0.15), (low, 0.8),  # nine: 0.8, 0.7 and 0.6
        (middle, 0.8),
        (full, 0.8),  # three at the middle rung: their best one goes to the top
    ]  # fmt: skip


def test_asha_never_waits():
    study = Study(line, ASHA(least=1 / 9))
    trials = [study.ask() for _ in range(20)]
    assert all(trial is not None for trial in trials)
    assert {trial.fidelity.epochs for trial in trials} == {1 / 9}


@settings(deadline=None, max_examples=30)
@given(st.lists(st.integers(0, 6), min_size=1, max_size=40), st.sampled_from([2, 3, 4]))
def test_asha_promotes_what_sorting_the_rung_would(scores, eta):
    study = Study(line, ASHA(least=1 / eta, eta=eta))
    full = study.strategy.rungs[-1]
    told, promoted, values = [], set(), iter(scores)
    while True:
        trial = study.ask()
        key = trial.architecture.key
        told.sort()
        best = [k for _, _, k in told[: len(told) // eta] if k not in promoted]
        if trial.fidelity == full:
            assert key == best[0]
            promoted.add(key)
            study.tell(trial, {"accuracy": 0.5})
            continue
        assert not best
        score = next(values, None)
        if score is None:
            break
        told.append((-score, trial.number, key))
        study.tell(trial, {"accuracy": float(score)})


def test_asha_hides_promotions_from_the_inner_strategy():
    seen = []

    class Spy(Strategy):
        def start(self):
            return 0

        def update(self, state, history, trial):
            return state + (trial.state == "finished")

        def propose(self, state, history, rng):
            assert state == len(history.finished)
            seen.append([trial.architecture.key for trial in history.finished])
            assert {trial.fidelity.epochs for trial in history} <= {1 / 9}
            return RandomSearch().propose(None, history, rng)

    study = drive(ASHA(Spy(), 1 / 9), 60)
    assert any(trial.fidelity.full for trial in study.history)
    assert all(len(keys) == len(set(keys)) for keys in seen)


def test_asha_around_evolution_climbs():
    plain = drive(ASHA(RandomSearch(), 1 / 9), 150).best
    study = drive(ASHA(RegularizedEvolution(10, 3), 1 / 9), 150)
    children = [t for t in study.history if t.proposal.parent is not None]
    low = study.history.where(fidelity=study.strategy.rungs[0])
    assert children and all(low.trial(t.proposal.parent) for t in children)
    assert study.best.metrics["accuracy"] > 0.9 and plain.fidelity.full


def test_wrappers_refuse():
    with pytest.raises(StrategyError, match="between 0 and 1"):
        ASHA(least=2.0)
    with pytest.raises(StrategyError, match="no rung between"):
        Hyperband(least=0.5, eta=3)
    with pytest.raises(StrategyError, match="give at least 27"):
        SuccessiveHalving(count=20, least=1 / 27)
