"""Evidence as a whole: what it says of good studies and of bad ones, and its JSON."""

from __future__ import annotations

import json
import math

import pytest
from evidenced import Unsaid, drawn, study_of, trainings

import nasturtium as nas
from nasturtium.analyse.assemble import assemble_evidence
from nasturtium.analyse.comparison.prospect import assess_prospect
from nasturtium.analyse.comparison.retrained import Training
from nasturtium.analyse.comparison.selection import select_trials, split_pools
from nasturtium.analyse.cost_benefit import Gain, Spent
from nasturtium.analyse.evidence import Evidence
from nasturtium.analyse.evidence_summary import _gain

MANIFEST = {
    "format": 1,
    "seed": 3,
    "data": {"name": "digits", "fingerprint": "ab" * 32, "examples": {"train": 10, "test": 5}},
    "space": {"name": "nasbench201"},
    "strategy": {"name": "RegularizedEvolution", "population": 10},
    "estimator": {"name": "Train"},
    "recipe": {"epochs": 2, "lr": 0.1},
    "control": 0.1,
    "call": {"data": "digits", "space": "?"},
    "versions": {"torch": "2"},
    "machine": {"cores": 2},
    "commit": "0123456789abcdef+",
    "numerics": {"threads": 1},
    "workers": 2,
}


def whole(**options):
    """A study with everything: search, control, references, a failure."""
    study = study_of(drawn(40, 1.0), drawn(20, seed=1))
    done = trainings(study)
    for seed in (0, 1):
        value = {"accuracy": 0.4 + 0.01 * seed, "params": 9.0, "macs": 8.0}
        done.append(Training("resnet", seed, None, value, 3.0))
    done.append(Training("mobilenetv2", 0, None, {}, 1.0, error="the loss is NaN"))
    given = {"manifest": MANIFEST, "name": "one", "recipe": {"epochs": 8}, **options}
    return study, assemble_evidence(study.history, done, answer=study.best, **given)


def test_evidence_survives_json_and_has_no_nan():
    _, evidence = whole()
    body = json.loads(json.dumps(evidence.to_json(), allow_nan=False))
    again = Evidence.from_json(body)
    assert again.to_json() == body
    assert str(again) == str(evidence)
    assert set(body) == {
        "apart",
        "prospect",
        "format", "study", "metric", "verdict", "curves", "finished", "failed", "network",
        "references", "rank", "worth", "checklist", "words",
    }  # fmt: skip


def test_evidence_of_another_format_is_refused():
    _, evidence = whole()
    with pytest.raises(nas.StrategyError, match=r"evidence of format 9 cannot be read.*format 2"):
        Evidence.from_json({**evidence.to_json(), "format": 9})


def test_what_a_study_gained_and_cost():
    study, evidence = whole(spent=Spent(2, "cuda", 90.0, "nvidia-smi, GPUs"))
    worth = evidence.worth
    assert worth.seconds == 40.0
    assert worth.gpu_seconds == 40.0
    assert worth.control_seconds == 20.0
    assert worth.energy_kwh == pytest.approx(90 * (40 / 2 / 3600) / 1000)
    assert worth.over_control.gain == evidence.verdict.gain
    assert worth.over_reference.name == "resnet"
    best = study.best.metrics["accuracy"]
    assert worth.over_reference.gain == pytest.approx(best - 0.4)
    assert worth.over_reference.low < worth.over_reference.gain < worth.over_reference.high
    first = max(trial.metrics["accuracy"] for trial in study.searched[:10])
    assert worth.per_doubling.gain == pytest.approx((best - first) / 2)
    hour = worth.per_doubling.gain * math.log2(1 + 7200 / 40)
    assert worth.per_hour.gain == pytest.approx(min(hour, 1 - best))


def test_roles_failures_and_words():
    _, evidence = whole()
    roles = [row["role"] for row in evidence.finished]
    assert (roles.count("search"), roles.count("control"), roles.count("spread")) == (6, 6, 8)
    assert evidence.failed[0]["name"] == "mobilenetv2"
    text = str(evidence)
    assert "1 retraining failed, the first with: the loss is NaN." in text
    assert "Reference resnet (9 parameters)" in text
    assert "None" not in text
    assert "nan" not in text.lower().replace("nan.", "")


def test_a_metric_that_is_not_finite_is_a_failure_with_words():
    study = study_of(drawn(12), drawn(6, seed=1))
    done = trainings(study)
    bad = [Training(t.key, t.seed, t.trial, {"accuracy": math.nan}, 1.0) for t in done]
    evidence = assemble_evidence(study.history, bad, answer=study.best)
    assert evidence.failed[0]["error"] == "accuracy is nan, not a finite number"
    assert evidence.network is None
    assert evidence.verdict.answer == "undecided"
    json.dumps(evidence.to_json(), allow_nan=False)


def states(evidence):
    return {item.item: (item.state, item.answer) for item in evidence.checklist}


def test_the_checklist_names_what_is_missing():
    _, evidence = whole()
    said = states(evidence)
    assert said["The code is identified"][0] == "partly"
    assert said["The study can be run again"] == (
        "partly",
        "space exists only in a program; keep that program with the study",
    )
    assert said["There is a comparison with random search"][0] == "partly"
    assert said["There are ablations of the method"][0] == "no"
    assert "digits, 10 train, 5 test" in said["The data and their split are identified"][1]


@pytest.mark.parametrize(
    ("manifest", "word"),
    [
        ({}, "unknown (the study has no manifest)"),
        ({"format": 0, "seed": 1}, "the manifest, of format 0, has no 'recipe'; this is 1"),
        ({"format": 1}, "unknown (the manifest has no 'recipe')"),
    ],
)
def test_an_older_manifest_is_said_to_lack_its_fields(manifest, word):
    study = study_of(drawn(5))
    evidence = assemble_evidence(study.history, manifest=manifest)
    state, answer = states(evidence)["The recipe of the candidates is recorded"]
    assert state == "unknown"
    assert word in answer


def failing():
    study = study_of([])
    for _ in range(3):
        study.fail(study.ask(), "out of memory")
    return study


@pytest.mark.parametrize(
    ("study", "word"),
    [
        (study_of([]), "the search has no finished trial"),
        (failing(), "the search has no finished trial"),
        (study_of([0.5]), "there is no control to compare with"),
    ],
)
def test_a_study_without_results_gets_words_and_no_blanks(study, word):
    evidence = assemble_evidence(study.history)
    assert evidence.verdict.answer == "undecided"
    assert word in str(evidence)
    assert all(sentence.strip(" .") for sentence in evidence.words)
    assert all(item.answer for item in evidence.checklist)
    json.dumps(evidence.to_json(), allow_nan=False)


def test_a_control_that_was_switched_off_is_said():
    study = study_of(drawn(9))
    evidence = assemble_evidence(study.history, manifest={**MANIFEST, "control": 0})
    assert "there is no control to compare with: the control was switched off" in str(evidence)
    item = states(evidence)["There is a comparison with random search"]
    assert item == ("no", "none: the control was switched off")


def test_a_study_of_a_proxy_is_compared_by_accuracy():
    study = nas.Study(nas.zoo.nasbench201, nas.RandomSearch(), objectives=("synflow",))
    for value in (10.0, 1000.0, 100.0, 5.0):
        study.tell(study.ask(), {"synflow": value})
    best = study.best
    done = [Training(best.architecture.key, 0, best.number, {"accuracy": 0.8}, 1.0)]
    evidence = assemble_evidence(study.history, done, answer=best)
    assert evidence.metric == "accuracy"
    assert evidence.finished[0]["estimate"] == 1000.0
    assert evidence.network["mean"] == 0.8


@pytest.mark.parametrize(
    ("estimates", "control", "top", "can_decide", "words"),
    [
        (drawn(40, 1.5), drawn(20), 3, True, "would be significant"),
        (drawn(9), drawn(1), 3, False, "the control has 3 or more"),
        (
            drawn(10),
            drawn(3),
            3,
            False,
            "not significant, and gains from 0.005 count; a larger",
        ),
        ([0.5] * 10, [0.5] * 10, 3, True, "a gain of the margin 0.005 can be excluded"),
        ([], drawn(4), 3, False, "is random search so far; search longer"),
    ],
)
def test_whether_trainings_can_decide_is_said_before_them(
    estimates, control, top, can_decide, words
):
    parted = split_pools(study_of(estimates, control).history)
    prospect = assess_prospect(parted, select_trials(parted, top, 4), seeds=3, margin=0.005)
    assert prospect.can_decide is can_decide
    assert words in str(prospect)
    assert bool(prospect.needs) is not can_decide
    assert "3 trainings each" in str(prospect)


def test_a_reference_that_breaks_a_bound_of_the_study_is_marked_and_not_counted():
    study = nas.Study(nas.zoo.nasbench201, Unsaid(), constraints=("params<100",))
    for value in (0.6, 0.7):
        study.tell(study.ask(), {"accuracy": value, "params": 50})
    big, small = (
        [Training(name, seed, None, {"accuracy": 0.8 - gap, "params": params}) for seed in (0, 1)]
        for name, gap, params in (("big", 0.0, 500), ("small", 0.2, 90))
    )
    answer = study.best
    own = Training(answer.architecture.key, 0, answer.number, {"accuracy": 0.75, "params": 50})
    evidence = assemble_evidence(study.history, [*big, *small, own], answer=answer)
    assert [row["breaks"] for row in evidence.references] == [["params<100"], []]
    assert evidence.worth.over_reference.name == "small"
    assert "it violates params<100 and does not count" in str(evidence)
    assert "over 1 seed; a comparison needs 3" in str(evidence)
    alone = assemble_evidence(study.history, [*big, own], answer=answer)
    assert alone.worth.over_reference.gain is None


def test_a_finished_network_outside_of_the_comparison_is_said_to_be_one():
    study = study_of(drawn(20), drawn(5))
    told = {"trial": 3, "seed": 0, "recipe": {"epochs": 9}, "metrics": {"accuracy": 0.9}}
    evidence = assemble_evidence(
        study.history, answer=study.best, separate={**told, "seconds": 8.0}
    )
    text = str(evidence)
    assert "trial 3 was retrained once, with seed 0, accuracy 0.9000" in text
    assert "a comparison needs 3 trainings by one recipe (nasturtium evidence)" in text
    assert "has not been retrained" not in text
    assert "retraining 8.0 s" in text
    assert next(i for i in evidence.checklist if "final networks is rec" in i.item).state == "yes"
    assert "The study does not show these items of the checklist: " in text
    assert Evidence.from_json(evidence.to_json()) == evidence


def test_gains_are_words():
    assert _gain(Gain(reason="why")) == "unknown (why)"
    assert _gain(Gain(0.0, 0.0, 0.0052)).startswith("none was observed; +0.0000 to +0.0052 is")
    assert "not significant" in _gain(Gain(0.01, -0.01, 0.03))
    assert _gain(Gain(0.02, 0.01, 0.03)).startswith("+0.0200; +0.0100 to +0.0300 is plausible")
