"""Gathering evidence: trained once, gone on with after a kill, and by a budget."""

from __future__ import annotations

import json

import numpy as np
import pytest

import nasturtium as nas
from nasturtium.analyse.load_evidence import load_evidence
from nasturtium.retraining.collect_evidence import collect_evidence


def data(test=True):
    """Three classes of noisy 8x8 images."""
    rng = np.random.default_rng(0)
    labels = np.arange(180) % 3
    images = 2 * rng.normal(size=(180, 1, 8, 8)) + labels[:, None, None, None]
    return images.astype(np.float32), labels


def searched(store, **options):
    given = {
        "space": "nasbench201(cells=1,channels=2)",
        "strategy": "evolution(population=6,sample=2)",
        "recipe": "epochs=1,batch_size=60",
        "trials": 12,
        "executor": "here",
        "numerics": "threads=1",
        "name": "one",
    }
    return nas.search(data(), store=store, **{**given, **options})


SMALL = {"top": 2, "seeds": 2, "spread": 2, "recipe": "epochs=3"}


@pytest.fixture(scope="module")
def gathered(tmp_path_factory):
    """A study, its evidence, and the trainings that were watched."""
    study = searched(tmp_path_factory.mktemp("store") / "study.db")
    seen = []

    def watch(training, done, total):
        seen.append((training.key, training.seed, done, total))
        if len(seen) == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        collect_evidence(study, **SMALL, watch=watch)
    partial = load_evidence(study)
    evidence = collect_evidence(study, **SMALL, watch=watch)
    return study, partial, evidence, seen


def test_a_killed_gathering_goes_on_and_nothing_is_trained_twice(gathered):
    study, partial, evidence, seen = gathered
    assert len(partial.finished) + len(partial.references) == 4
    assert len({(key, seed) for key, seed, *_ in seen}) == len(seen)
    assert [done for *_, done, _ in seen] == list(range(1, seen[0][3] + 1))
    again = []
    assert collect_evidence(study, **SMALL, watch=lambda *all: again.append(all)).to_json() == (
        evidence.to_json()
    )
    assert not again


def test_evidence_has_its_parts(gathered):
    study, _, evidence, _ = gathered
    assert [row["name"] for row in evidence.references] == ["resnet", "mobilenetv2"]
    assert all(len(row["accuracies"]) == 2 for row in evidence.references)
    answer = next(row for row in evidence.finished if row["trial"] == study.best.number)
    for row in evidence.references:
        assert row["params"] == pytest.approx(answer["params"], rel=0.3)
    assert evidence.network["trial"] == study.best.number
    assert len(evidence.network["accuracies"]) == 2
    assert evidence.verdict.seeds == 2
    assert evidence.rank.tau is not None
    json.dumps(evidence.to_json(), allow_nan=False)


def test_the_log_alone_gives_the_same_evidence(gathered):
    study, _, evidence, _ = gathered
    again = searched(study.store)  # the same call: finds the study complete, and reads its log
    assert len(again.history) == len(study.history)
    read = load_evidence(again)
    for part in ("accuracy", "seed", "trial", "role", "params"):
        assert [row[part] for row in read.finished] == [row[part] for row in evidence.finished]
    assert [row["mean"] for row in read.references] == [r["mean"] for r in evidence.references]
    assert read.verdict.answer == evidence.verdict.answer
    assert (read.rank, read.checklist) == (evidence.rank, evidence.checklist)


def test_gathering_leaves_no_trials_and_no_files_behind(gathered):
    study, _, _, _ = gathered
    assert not study.history.pending
    assert {trial.arm for trial in study.history} <= {"search", "control"}
    folder = study.files.folder
    assert not list(folder.glob("checkpoints/*/*"))
    assert not list(folder.glob("results/*/*"))


def test_what_finish_trained_is_not_trained_again(tmp_path):
    study = searched(tmp_path / "study.db", trials=8)
    done = nas.retrain(study, recipe="epochs=1,batch_size=60")
    seen = []
    settings = {"top": 1, "seeds": 1, "spread": 0, "references": False}
    evidence = collect_evidence(
        study, **settings, recipe="epochs=1,batch_size=60", watch=lambda *all: seen.append(all)
    )
    assert study.best.architecture.key not in {training.key for training, *_ in seen}
    assert evidence.network["accuracies"] == [done.metrics["accuracy"]]


def test_workers_train_to_the_same_bits_as_here(tmp_path, gathered):
    _, _, evidence, _ = gathered
    other = searched(tmp_path / "study.db")
    other.manifest = {**other.manifest, "executor": "processes", "workers": 1}
    settings = {"top": 1, "seeds": 1, "spread": 0, "recipe": SMALL["recipe"], "references": False}
    found = collect_evidence(other, **settings)
    same = {row["trial"]: row["accuracy"] for row in evidence.finished if row["seed"] == 0}
    assert found.finished
    assert all(row["accuracy"] == same[row["trial"]] for row in found.finished)
    assert not list(other.files.folder.glob("results/*/*"))


def test_a_budget_ends_a_gathering_and_words_say_what_is_missing(tmp_path):
    study = searched(tmp_path / "study.db", trials=8)
    evidence = collect_evidence(study, budget_seconds=0.0, **SMALL)
    assert not evidence.finished
    assert "more finished networks are the least" in str(evidence)


def test_a_failed_training_is_words_and_is_tried_again(tmp_path, monkeypatch):
    study = searched(tmp_path / "study.db", trials=8)
    from nasturtium.retraining import estimator as retrain_estimator

    def broken(*_, **__):
        raise nas.EstimateError("the loss is NaN")

    settings = {"top": 1, "seeds": 1, "spread": 0, "references": False}
    with monkeypatch.context() as patch:
        patch.setattr(retrain_estimator, "fit", broken)
        evidence = collect_evidence(study, **settings)
    assert "the loss is NaN" in str(evidence)
    assert not evidence.finished
    again = collect_evidence(study, **settings)
    assert again.finished
    assert not again.failed


def test_bad_requests_are_refused(tmp_path):
    study = searched(None, trials=2, control=0, strategy="random")
    with pytest.raises(nas.StrategyError, match="collect_evidence got top=0"):
        collect_evidence(study, top=0)
    empty = nas.Study(nas.zoo.nasbench201, nas.RandomSearch(), name="empty")
    with pytest.raises(nas.StrategyError, match="has no finished trial yet"):
        collect_evidence(empty)
    empty.tell(empty.ask(), {"accuracy": 0.5})
    with pytest.raises(nas.StrategyError, match="was made from objects"):
        collect_evidence(empty)
    lease = study.store.lease(study.name)
    with pytest.raises(nas.StoreError, match="is being driven already"):
        collect_evidence(study)
    lease.release()


def test_data_without_test_examples_are_refused():
    task = nas.load(data(), fractions=(0.2, 0.0))
    study = nas.search(
        task,
        space="nasbench201(cells=1,channels=2)",
        recipe="epochs=1",
        trials=1,
        executor="here",
        numerics="threads=1",
        store=None,
    )
    with pytest.raises(nas.StrategyError, match="have no test examples"):
        collect_evidence(study)
