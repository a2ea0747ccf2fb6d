from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import nasturtium as nas
from nasturtium.analyse.retraining_settings import retraining_recipe
from nasturtium.retraining.load_retrained import load_retrained
from nasturtium.retraining.retrain import retrain
from nasturtium.study.stores.sql import SqlStore
from nasturtium.train.evaluate import evaluate

RECIPE = nas.Recipe(epochs=1, lr=0.05, batch_size=32)


@nas.space
def net(choose: Any, *, inputs: Any, classes: int, layers: int = 1) -> Any:
    width = choose("width", (4, 8))

    def build() -> nn.Module:
        body: list[nn.Module] = [nn.Linear(int(np.prod(inputs)), width)]
        for _ in range(layers):
            body += [nn.ReLU(), nn.Linear(width, width)]
        return nn.Sequential(nn.Flatten(), *body, nn.Linear(width, classes))

    return build


@cache
def data(seed: int = 0) -> tuple[Any, Any]:
    labels = np.arange(150) % 3
    noise = np.random.default_rng(seed).integers(0, 120, (150, 4, 4))
    return (noise + 80 * np.eye(4, dtype=int)[labels][:, None]).astype(np.uint8), labels


def study(store: Path | None = None, trials: int = 2, **more: Any) -> nas.Study:
    options: dict[str, Any] = {"recipe": RECIPE, "executor": "here", "numerics": "threads=1"}
    options |= {"strategy": "random", "name": "s", "space": net}
    return nas.search(data(), store=store, trials=trials, **{**options, **more})


def same(first: nn.Module, second: nn.Module) -> bool:
    states = first.state_dict(), second.state_dict()
    return all(torch.equal(tensor, states[1][name]) for name, tensor in states[0].items())


def test_weights_load_into_plain_modules(tmp_path: Path) -> None:
    network = retrain(study(), recipe="epochs=1")
    torch.save(network.model.state_dict(), tmp_path / "net.pt")
    width = network.architecture["width"]
    assert isinstance(width, int)
    layers = [nn.Linear(16, width), nn.ReLU(), nn.Linear(width, width), nn.Linear(width, 3)]
    plain = nn.Sequential(nn.Flatten(), *layers).eval()
    plain.load_state_dict(torch.load(tmp_path / "net.pt", weights_only=True))
    examples = torch.rand(5, *network.task.inputs)
    assert torch.equal(plain(examples), network.model(examples))
    assert {type(part) for part in network.model.modules()} == {type(p) for p in plain.modules()}


def test_finished_once_and_loaded_ever_after(tmp_path: Path) -> None:
    searched = study(tmp_path / "s.db")
    epochs: list[int] = []
    network = retrain(searched, watch=lambda point: epochs.append(point.epoch))
    assert epochs == [1, 2, 3, 4]  # four times the study's epochs
    assert network.recipe == retraining_recipe(searched) == RECIPE.replace(epochs=4)
    assert {"accuracy", "balanced_accuracy", "loss", "params", "macs"} <= set(network.metrics)
    assert network.trial == searched.best.number
    assert not network.reused
    assert not network.model.training
    again = retrain(study(tmp_path / "s.db"), data=data())
    assert again.reused
    assert again.metrics == network.metrics
    assert same(again.model, network.model)
    log = SqlStore(tmp_path / "s.db").text("s")
    assert [kind for _, kind, _ in log].count("note") == 1
    assert same(load_retrained(study(tmp_path / "s.db"), data=data()).model, network.model)
    assert not list((tmp_path / "s.db.files" / "checkpoints" / "s").glob("finish*"))
    shorter = retrain(searched, recipe="epochs=1", whole=False, seed=3, trial=0)
    assert not shorter.reused
    assert shorter.recipe.epochs == 1
    assert "valid_accuracy" in shorter.metrics
    assert "valid_accuracy" not in network.metrics
    deeper = retrain(searched, build=net.bind(layers=3), recipe="epochs=1")
    assert deeper.metrics["params"] > network.metrics["params"]


@pytest.mark.parametrize("damage", [lambda path: path.write_bytes(b"x"), Path.unlink])
def test_damaged_weights_are_trained_again_and_never_used(
    tmp_path: Path, damage: Any, caplog: pytest.LogCaptureFixture
) -> None:
    searched = study(tmp_path / "s.db")
    network = retrain(searched, recipe="epochs=1")
    digest = next(note["weights"] for note in searched.notes if "weights" in note)
    assert searched.files is not None
    damage(searched.files.get(digest))
    with pytest.raises(nas.StoreError, match=r"cannot be loaded: .*nasturtium finish trains it"):
        load_retrained(searched, data=data())
    again = retrain(searched, recipe="epochs=1")
    assert "the network is trained again: the file" in caplog.text
    assert again.weights.startswith("newly trained; the file")
    assert not again.reused
    assert same(again.model, network.model)
    assert retrain(searched, recipe="epochs=1").reused
    assert same(load_retrained(searched, data=data()).model, network.model)


def test_in_memory_too() -> None:
    searched = study()
    first, second = retrain(searched, recipe="epochs=1"), retrain(searched, recipe="epochs=1")
    assert (first.reused, second.reused) == (False, True)
    assert same(first.model, second.model)


def test_interrupted_it_gives_the_study_back_and_writes_nothing(tmp_path: Path) -> None:
    searched = study(tmp_path / "s.db")
    before = SqlStore(tmp_path / "s.db").text("s")

    def interrupt(point: Any) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        retrain(searched, watch=interrupt)
    assert SqlStore(tmp_path / "s.db").text("s") == before
    assert not retrain(searched).reused


def test_not_while_a_driver_searches(tmp_path: Path) -> None:
    searched = study(tmp_path / "s.db")
    lease = SqlStore(tmp_path / "s.db").lease("s")
    with pytest.raises(nas.StoreError, match="study 's' is being driven by process"):
        retrain(searched)
    lease.release()
    assert not retrain(searched, recipe="epochs=1").reused


def test_what_cannot_be_finished_is_said(tmp_path: Path) -> None:
    searched = study(tmp_path / "s.db")
    with pytest.raises(nas.StrategyError, match="are not those of study 's'"):
        retrain(searched, data=data(1))
    searched.task = None
    with pytest.raises(nas.StrategyError, match=r"from objects.*pass them again as data=\.\.\."):
        retrain(searched)
    with pytest.raises(nas.StrategyError, match="there is no trial 99"):
        retrain(searched, trial=99, data=data())
    with pytest.raises(nas.StrategyError, match="has no retrained network yet"):
        load_retrained(searched, data=data())
    empty = nas.Study(net, nas.RandomSearch())
    with pytest.raises(nas.StrategyError, match="no finished trial yet"):
        retrain(empty, data=data())


def test_an_export_is_named_by_its_ending(tmp_path: Path) -> None:
    network = retrain(study(), recipe="epochs=1")
    with pytest.raises(nas.ExportError, match=r"ends in .h5; expected .onnx, or .pt2"):
        network.export(tmp_path / "net.h5")
    network.export(tmp_path / "net.pt2")
    assert (tmp_path / "net.pt2").exists()


def test_the_weights_of_the_search_can_be_kept(tmp_path: Path) -> None:
    space = nas.zoo.nasbench201.bind(cells=1, channels=4)
    options = {"space": space, "trials": 1, "executor": "here", "recipe": "epochs=2", "control": 0}
    study = nas.search(
        "digits", **options, estimator="train(keep=True)", store=tmp_path / "kept.db"
    )
    done = nas.retrain(study, keep=True)
    assert done.weights == "kept from the search"
    assert done.recipe.epochs == 2
    task = done.task
    valid = evaluate(done.model, task.valid, task)["accuracy"]
    assert valid == pytest.approx(study.best.metrics["accuracy"], abs=1e-9)
    assert study.files is not None
    weights = study.files.get(study.best.files["weights"])
    content = bytearray(weights.read_bytes())
    content[len(content) // 2] ^= 1
    weights.write_bytes(content)
    with pytest.raises(nas.StoreError, match=r"is damaged.*without --keep retrains"):
        nas.retrain(study, keep=True)
    plain = nas.search("digits", **options, store=None)
    with pytest.raises(nas.StrategyError, match="kept no weights; search with"):
        nas.retrain(plain, keep=True)


def test_delivered_files_are_measured_and_described(tmp_path: Path) -> None:
    space = nas.zoo.nasbench201.bind(cells=1, channels=4)
    study = nas.search(
        "digits", space=space, trials=1, executor="here", recipe="epochs=1", control=0, store=None
    )
    done = nas.retrain(study, recipe="epochs=2")
    sent = nas.export_with_card(study, done, tmp_path / "net.onnx", tmp_path / "net.pt2", int8=True)
    assert [file.format for file in sent.files] == ["onnx", "onnx int8", "torch.export"]
    for file in sent.files:
        assert file.path.stat().st_size == file.bytes
        assert file.latency_ms > 0
        assert file.accuracy == pytest.approx(done.metrics["accuracy"], abs=0.05)
    exact = [file.accuracy for file in sent.files if file.format != "onnx int8"]
    assert exact == pytest.approx([done.metrics["accuracy"]] * 2)
    card = sent.card.read_text()
    for words in ("net.int8.onnx", "edge0_1", "newly trained", task_line(done)):
        assert words in card
    with pytest.raises(nas.ExportError, match="int8 needs an ONNX file"):
        nas.export_with_card(study, done, tmp_path / "only.pt2", int8=True)


def task_line(done: nas.Retrained) -> str:
    return f"fingerprint {done.task.fingerprint}"


def test_a_training_under_other_numerics_is_another_one(monkeypatch: pytest.MonkeyPatch) -> None:
    measured: list[Any] = []

    def heard(*given: Any, numerics: Any = None) -> Any:
        measured.append(numerics)
        return evaluate(*given, numerics=numerics)

    monkeypatch.setattr("nasturtium.retraining.measure.evaluate", heard)
    searched = study()
    low = nas.Numerics(precision="bf16")
    one = retrain(searched, recipe="epochs=1")
    two = retrain(searched, recipe="epochs=1", numerics=low)
    assert not two.reused
    assert not same(one.model, two.model)
    again = retrain(searched, recipe="epochs=1", numerics=low)
    assert again.reused
    assert same(again.model, two.model)
    assert same(load_retrained(searched, data=data()).model, two.model)
    assert measured == [nas.Numerics(), low]  # where and as it was trained


def test_a_training_of_unknown_numerics_is_made_again() -> None:
    searched = study()
    retrain(searched, recipe="epochs=1")
    note = dict(searched.notes[0])
    note["finished"] = {k: v for k, v in note["finished"].items() if k != "numerics"}
    older = study()
    older.log("note", note)
    with pytest.raises(nas.StrategyError, match="did not record the numerics"):
        load_retrained(older, data=data())
    network = retrain(older, recipe="epochs=1")
    assert not network.reused
    assert network.weights.endswith("not reused, since its numerics were not recorded")


def test_studies_of_other_seeds_share_their_splits(tmp_path: Path) -> None:
    first, second = study(seed=1, name="a"), study(seed=2, name="b")
    other = study(seed=1, split_seed=4, name="c")
    splits = [one.manifest["data"]["split"] for one in (first, second, other)]
    assert splits[0] == splits[1]
    assert splits[0]["digests"]["test"] != splits[2]["digests"]["test"]
    assert other.manifest["data"]["fingerprint"] == first.manifest["data"]["fingerprint"]
    assert other.manifest["call"]["split_seed"] == splits[2]["seed"] == 4
    network = retrain(other, data=data(), recipe="epochs=1")  # read again, divided as before
    assert network.task.split.to_json() == splits[2]
    with pytest.raises(nas.StoreError, match="another data"):
        study(tmp_path / "s.db", seed=1), study(tmp_path / "s.db", seed=1, split_seed=4)


def test_copies_of_training_examples_and_chance_level_are_in_the_manifest() -> None:
    inputs, labels = data()
    copied = (inputs[:90], labels[:90]), (inputs[60:], labels[60:])
    searched = nas.search(
        copied, space=net, recipe=RECIPE, executor="here", store=None, trials=1, control=0
    )
    found = searched.manifest
    assert found["duplicates"] == {"test": 30, "valid": 0}
    assert found["chance"] == {"accuracy": 0.333333, "balanced_accuracy": 0.333333}
