"""Data at their corners, from ``nas.search`` to the exported file."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn
from typer.testing import CliRunner

import nasturtium as nas
from nasturtium.cli import app
from nasturtium.report.study_facts import describe_study
from nasturtium.retraining.model_card import format_card
from nasturtium.run.open_study import open_study
from nasturtium.study.context import StudyContext
from nasturtium.study.stores.open_store import open_store

SHORT: dict[str, Any] = {
    "recipe": "epochs=1",
    "executor": "here",
    "numerics": "threads=1",
    "trials": 2,
    "control": 0,
    "strategy": "random",
}
RNG = np.random.default_rng(0)


@nas.space
def flat(choose: Any, *, inputs: tuple[int, ...], classes: int) -> Callable[[], nn.Module]:
    """Linear layers on whatever comes."""
    width = choose("width", (4, 8))

    def build() -> nn.Module:
        size = int(np.prod(inputs))
        return nn.Sequential(
            nn.Flatten(), nn.Linear(size, width), nn.ReLU(), nn.Linear(width, classes)
        )

    return build


@nas.space
def signals(choose: Any, *, inputs: tuple[int, int], classes: int) -> Callable[[], nn.Module]:
    """A convolution along a signal."""
    width = choose("width", (4, 8))

    def build() -> nn.Module:
        return nn.Sequential(
            nn.Conv1d(inputs[0], width, 3),
            nn.ReLU(),
            nn.AdaptiveAvgPool1d(1),
            nn.Flatten(),
            nn.Linear(width, classes),
        )

    return build


def sensor(root: Path) -> Path:
    """Images of 12 bits in files of 16, one of them damaged."""
    for name, level in (("dark", 300), ("light", 380)):
        (root / name).mkdir(parents=True)
        for k in range(20):
            values = RNG.normal(level, 15, (8, 8)).astype(np.uint16)
            Image.fromarray(values).save(root / name / f"{k}.png")
    (root / "dark" / "x.png").write_bytes(b"")
    return root


def test_options_of_the_data_are_kept_with_the_study(tmp_path: Path) -> None:
    root, store = sensor(tmp_path / "sensor"), tmp_path / "s.db"
    with pytest.raises(nas.TaskError, match=r'load="skip_unreadable=True" to nas.search'):
        nas.search(root, space=flat, store=store, **SHORT)
    study = nas.search(root, load="skip_unreadable=True", space=flat, store=store, **SHORT)
    assert study.manifest["call"]["load"] == "skip_unreadable=True"
    mapping = {"skip_unreadable": True}
    again = nas.search(root, load=mapping, space=flat, store=store, **{**SHORT, "trials": 3})
    assert len(again.history.finished) == 3
    read = open_study(open_store(store))  # as the command line finishes
    read.space, read.task = study.space, None
    finished = nas.retrain(read, recipe="epochs=30,lr=0.05")
    assert finished.task.fingerprint == again.task.fingerprint
    assert finished.metrics["accuracy"] > 0.8  # 8 bits would not tell 300 from 380
    test = finished.task.test
    assert test is not None
    finished.export(tmp_path / "net.pt2")
    extra = {"input_range": ""}
    program = torch.export.load(tmp_path / "net.pt2", extra_files=extra).module()
    raw = torch.from_numpy(np.array(test.inputs)).float()
    assert raw.max() > 255
    right = program(raw).argmax(1).numpy() == test.labels
    assert right.mean() == pytest.approx(finished.metrics["accuracy"])
    text = format_card(again, finished, [])
    low, high = finished.task.train.inputs.min(), finished.task.train.inputs.max()
    assert json.loads(extra["input_range"]) == [low, high]
    assert f"in the scale of the data ({low:g} to {high:g} in the training examples)" in text


def test_what_was_done_to_the_data_is_shown(tmp_path: Path) -> None:
    root, store = sensor(tmp_path / "sensor"), tmp_path / "s.db"
    runner = CliRunner()
    words = (
        f"search {root} --load skip_unreadable=True --space mobilenet --store {store} --trials 1"
    )
    rest = "--recipe epochs=1 --executor here --numerics threads=1 --control 0 --strategy random"
    done = runner.invoke(app, [*words.split(), *rest.split()])
    assert done.exit_code == 0, done.output
    assert "note: images of more than 8 bits a pixel keep their values" in done.stderr
    for command in ("status", "describe"):
        shown = " ".join(runner.invoke(app, [command, str(store)]).output.split())
        assert "images of more than 8 bits a pixel keep their values" in shown
        assert "1 unreadable images skipped: dark/x.png" in shown
    facts = dict(describe_study(open_study(open_store(store)), "now").facts)  # of the report
    assert "1 unreadable images skipped" in facts["Data"]
    assert (
        "--load skip_unreadable=True"
        in runner.invoke(app, ["describe", "--command", str(store)]).output
    )


def test_missing_values_and_layouts_from_search() -> None:
    x = RNG.random((60, 5)).astype(np.float32)
    x[3, 0] = np.nan  # of a validation example
    y = np.arange(60) % 2
    study = nas.search((x, y), load="missing=median", space=flat, store=None, **SHORT)
    assert study.task is not None
    assert study.task.notes == ("1 missing valid values replaced by medians of train",)
    with pytest.raises(nas.TaskError, match="load= was given with a Task"):
        nas.search(study.task, load="missing=median", space=flat, store=None, **SHORT)
    waves = RNG.random((60, 2, 32)).astype(np.float32)
    study = nas.search((waves, y), load="layout=NCL", space=signals, store=None, **SHORT)
    assert study.task is not None
    assert study.task.inputs == (2, 32)
    assert len(study.history.finished) == 2
    assert nas.retrain(study, recipe="epochs=1").metrics["accuracy"] >= 0


def doubled() -> AbstractContextManager[None]:
    from contextlib import contextmanager

    @contextmanager
    def state() -> Any:
        torch.set_default_dtype(torch.float64)
        try:
            yield
        finally:
            torch.set_default_dtype(torch.float32)

    return state()


@pytest.mark.parametrize(
    "state",
    [
        doubled,
        torch.no_grad,
        torch.inference_mode,
        lambda: torch.autocast("cpu"),
        lambda: torch.device("meta"),
    ],
)
def test_the_state_of_torch_changes_nothing(
    tmp_path: Path, state: Callable[[], AbstractContextManager[Any]]
) -> None:
    def run() -> list[float]:
        study = nas.search("iris", space=flat, store=None, **SHORT)
        finished = nas.retrain(study, recipe="epochs=1")
        finished.export(tmp_path / "net.pt2")
        assert next(finished.model.parameters()).dtype == torch.float32
        return [*(trial.metrics["loss"] for trial in study.history), finished.metrics["loss"]]

    usual = run()
    with state():
        before = torch.get_default_dtype(), torch.is_grad_enabled()
        assert run() == usual
        assert (torch.get_default_dtype(), torch.is_grad_enabled()) == before


def test_damaged_data_of_workers_are_made_again(tmp_path: Path) -> None:
    x = RNG.random((60, 5)).astype(np.float32)
    study = nas.search((x, np.arange(60) % 2), space=flat, store=tmp_path / "s.db", **SHORT)
    assert study.files is not None
    assert study.task is not None
    context = StudyContext("s", 0, flat, study.task, study.files)
    file = context.to_parts()["task"] / "train_inputs.npy"
    content = bytearray(file.read_bytes())
    content[-64:] = bytes(64)
    file.write_bytes(bytes(content))
    task = StudyContext.from_parts(
        context.to_parts()
    ).task  # a driver that starts again, and its worker
    assert task is not None
    assert np.array_equal(task.train.inputs, study.task.train.inputs)
    header = file.with_name("task.json")
    header.write_text(header.read_text().replace('"format": 2', '"format": 1'))  # older data
    assert StudyContext.from_parts(context.to_parts()).task is not None
