"""The verdict: its error rates, and what it says where it cannot be had."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from evidenced import Unsaid, drawn, study_of, trained

import nasturtium as nas
from nasturtium.analyse.comparison.contrast import Contrast
from nasturtium.analyse.comparison.selection import select_trials, split_pools
from nasturtium.analyse.comparison.verdict import Verdict, judge
from nasturtium.analyse.normal_scores import normal_scores


def verdict_of(study, truth=lambda value: value, *, noise=0.0, top=3, seed=0, **options):
    parted, chosen, found = trained(study, truth, noise=noise, top=top, seed=seed)
    return judge(parted, chosen, found, **options)


def test_random_search_is_hardly_ever_called_better():
    answers = [
        verdict_of(
            study_of(drawn(60, seed=seed), drawn(12, seed=seed + 5000), seed=seed),
            noise=0.01,
            seed=seed,
        ).answer
        for seed in range(80)
    ]
    assert answers.count("better") <= 2


def test_a_much_better_search_is_called_better():
    answers = [
        verdict_of(
            study_of(drawn(60, 2.0, seed), drawn(60, 0.0, seed + 5000), seed=seed),
            noise=0.005,
            seed=seed,
        ).answer
        for seed in range(20)
    ]
    assert answers.count("better") >= 16


def test_trials_that_are_good_on_average_but_not_at_the_top_are_not_called_better():
    plateau = [0.55 + 0.0001 * i for i in range(60)]  # one deviation above the mean, all of them
    for seed in range(20):
        study = study_of(plateau, drawn(60, seed=seed), seed=seed)
        verdict = verdict_of(study, noise=0.005, seed=seed)
        assert verdict.chance < 0.05
        assert verdict.answer != "better"


def test_a_smaller_control_is_continued_and_the_verdict_says_so():
    # Estimates exactly at their expected places: the line is the truth, and nothing is gained.
    many, few = normal_scores(80, 80), normal_scores(10, 10)
    study = study_of([0.5 + 0.01 * z for z in many], [0.5 + 0.01 * z for z in few])
    verdict = verdict_of(study)
    assert verdict.extrapolated
    assert (verdict.trials_search, verdict.trials_control) == (80, 10)
    assert verdict.gain == pytest.approx(0.0, abs=0.0005)
    expected = 0.01 * (normal_scores(80, 3).mean() - normal_scores(10, 3).mean())
    assert verdict.allowance == pytest.approx(expected, rel=0.01)
    assert "extrapolated from 10 to 80 trials" in str(verdict)


def test_equal_cost_is_reckoned_in_seconds_where_they_are_known():
    study = study_of(drawn(10))
    for value in drawn(5, seed=1):
        study.tell(study.ask("control"), {"accuracy": value}, seconds=0.25)
    parted = split_pools(study.history)
    assert (parted.equal, parted.by) == (40.0, "seconds")
    unknown = split_pools(study_of(drawn(10), drawn(5, seed=1), seconds=0.0).history)
    assert (unknown.equal, unknown.by) == (10.0, "trials")


def test_what_both_sides_chose_cancels():
    study = study_of(drawn(12), strategy=nas.RegularizedEvolution(population=12, sample=3))
    study.tell(study.ask(), {"accuracy": 0.1})  # the one trial that evolution proposed is bad
    verdict = verdict_of(study, noise=0.02)
    assert verdict.gain == pytest.approx(0.0, abs=0.02)
    assert verdict.answer != "better"


def test_more_networks_are_what_the_power_asks_for():
    study = study_of(drawn(200, 2.0), drawn(200, seed=3))
    parted, chosen, found = trained(study, lambda value: value, noise=0.05, seed=6)
    verdict = judge(parted, chosen, found)
    assert verdict.answer == "undecided"
    assert verdict.more is not None
    assert f"{verdict.more} more finished networks would decide" in str(verdict)
    top = 3 + verdict.more // 2
    answers = []
    for seed in range(20):
        more = trained(study, lambda value: value, noise=0.05, top=top, seed=seed)
        answers.append(judge(*more).answer)
    assert answers.count("undecided") <= 10


def test_the_interval_widens_with_the_distance_of_the_extrapolation():
    study = study_of(drawn(40), drawn(20, seed=1))
    parted, chosen, found = trained(study, lambda value: value, noise=0.01)
    line = [key for key in found if key in {t.architecture.key for t in parted.control[:10]}]
    top = [trial.architecture.key for trial in chosen.search]
    places = {trial.architecture.key: rank for rank, trial in enumerate(parted.control)}
    values = {key: network.mean for key, network in found.items()}
    errors = [
        Contrast.of(pools_with(parted, equal), top, line, places, values).error
        for equal in (20, 100, 1000)
    ]
    assert errors == sorted(errors)
    assert errors[0] < errors[-1]


def pools_with(parted, equal):
    from dataclasses import replace

    return replace(parted, equal=float(equal))


@pytest.mark.parametrize(
    ("search", "control", "options", "answer", "word"),
    [
        ([], [], {}, "undecided", "the search has no finished trial at full fidelity"),
        ([0.5], [], {}, "undecided", "there is no control to compare with: there is none yet"),
        ([0.5], [], {"controlled": False}, "undecided", "the control was switched off"),
        ([0.5, 0.6], [0.4], {}, "undecided", "the control has 1 architectures, and 3 are needed"),
        ([0.5], [0.4] * 5, {}, "undecided", "1 networks of the search"),
    ],
)
def test_what_is_missing_is_said(search, control, options, answer, word):
    verdict = verdict_of(study_of(search, control), **options)
    assert verdict.answer == answer
    assert word in str(verdict)


def test_a_search_that_only_drew_uniformly_is_its_own_control():
    verdict = verdict_of(study_of(drawn(20), strategy=nas.RandomSearch()))
    assert verdict.answer == "no better"
    assert "it is random search, its own control" in str(verdict)


def test_with_the_control_off_the_strategys_own_draws_stand_in_and_it_is_said():
    study = study_of(drawn(30), strategy=nas.RegularizedEvolution(population=10, sample=3))
    verdict = verdict_of(study, noise=0.02, controlled=False)
    assert "the control was switched off (control=0), and 10 uniform draws" in str(verdict)


def test_before_anything_is_trained_the_least_number_is_given():
    parted = split_pools(study_of(drawn(20), drawn(10, seed=1)).history)
    verdict = judge(parted, select_trials(parted, 3, 4), {})
    assert verdict.more == 5
    assert "5 more finished networks are the least" in str(verdict)


def test_a_spread_of_more_than_there_are_is_all_of_them():
    parted = split_pools(study_of(drawn(20), drawn(10, seed=1)).history)
    everything = select_trials(parted, 3, 10**15)
    assert len(everything.spread) == 7
    assert select_trials(parted, 3, 7) == everything


def test_less_is_better_where_the_metric_says_so():
    study = nas.Study(nas.zoo.nasbench201, Unsaid(), objectives=("loss",))
    for arm, values in (("search", drawn(60, -3.0)), ("control", drawn(60, 0.0, 1))):
        for value in values:
            study.tell(study.ask(arm), {"loss": value}, seconds=1.0)
    parted = split_pools(study.history)
    assert parted.estimate(parted.search[0]) == max(parted.proposed)
    chosen = select_trials(parted, 3, 4)
    found = {
        t.architecture.key: t.metrics["loss"]
        for t in (*chosen.search, *chosen.control, *chosen.spread)
    }
    from nasturtium.analyse.comparison.retrained import Network

    networks = {key: Network(key, 0, (value,), {}, 1.0) for key, value in found.items()}
    verdict = judge(parted, chosen, networks, sign=-1.0)
    assert verdict.gain > 0


def test_low_fidelity_draws_are_no_control():
    low = nas.Fidelity(epochs=0.1)

    class Cheap(nas.Strategy):
        def propose(self, state, history, rng):
            return nas.Proposal(history.space.sample(rng), low, uniform=True)

    study = study_of(drawn(10), drawn(2, seed=1), strategy=Cheap())
    assert study.cost == pytest.approx(1.0)
    assert study.count("uniform") == 2
    parted = split_pools(study.history)
    assert len(parted.control) == 2
    assert not parted.search


def test_a_verdict_survives_json():
    verdict = verdict_of(study_of(drawn(30), drawn(10, seed=1)), noise=0.01)
    assert Verdict.from_json(verdict.to_json()) == verdict


TABLE = Path(os.environ.get("NASTURTIUM_DATA", "")) / "nb201/nasbench201_tss.npz"


@pytest.mark.skipif(not TABLE.is_file(), reason="NASTURTIUM_DATA has no NAS-Bench-201 table")
def test_error_rate_and_power_on_nasbench201():
    import importlib.util

    path = Path(__file__).parents[2] / "scripts/reproduce/evidence_verdict.py"
    spec = importlib.util.spec_from_file_location("evidence_verdict", path)
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    bench, full = script.NASBench201("cifar100"), script.NASBench201("cifar100", epochs=200)
    rates = {}
    for name, strategy in (("random", script.Unsaid()), ("evolution", nas.RegularizedEvolution())):
        answers = []
        for seed in range(60):
            study = script.simulated(bench, strategy, 100, 1.0, seed)
            parted = split_pools(study.history)
            chosen = select_trials(parted, 5, 4)
            answers.append(judge(parted, chosen, script.finished(full, chosen)).answer)
        rates[name] = answers.count("better") / len(answers)
    assert rates["random"] <= 0.05
    assert rates["evolution"] >= 0.5
