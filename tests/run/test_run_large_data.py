from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import nasturtium as nas
from nasturtium.task.array_storage import find_mapped_file
from nasturtium.train import evaluate
from nasturtium.train.batch_stream import BatchStream


def pictures(root: Path) -> Path:
    rng = np.random.default_rng(0)
    for shade, name in enumerate(("dark", "light")):
        (root / name).mkdir(parents=True)
        for k in range(20):
            pixels = rng.integers(0, 150, (8, 8)) + 100 * shade
            Image.fromarray(pixels.astype(np.uint8)).save(root / name / f"{k}.png")
    return root


def searched(data: Path, store: Path, **options: Any) -> nas.Study:
    space = "nasbench201(cells=1,channels=4)"
    told = {"trials": 2, "recipe": "epochs=1", "executor": "here", "control": 0, **options}
    return nas.search(data, space=space, store=store, **told)


def test_data_that_do_not_fit_are_searched_alike(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = pictures(tmp_path / "pets")
    plain = searched(data, tmp_path / "plain.db")
    assert plain.task is not None
    assert find_mapped_file(plain.task.train.inputs) is None
    for module in ("run.resolve", "retraining.study_task", "train.evaluate", "task.array_storage"):
        monkeypatch.setattr(f"nasturtium.{module}.memory_budget", lambda: 100)
    streams: list[int] = []
    made = BatchStream.__init__
    monkeypatch.setattr(
        evaluate.BatchStream, "__init__", lambda s, *rest: streams.append(1) or made(s, *rest)
    )
    study = searched(data, tmp_path / "study.db")
    assert streams
    files = tmp_path / "study.db.files" / "tasks"
    (folder,) = (path for path in files.iterdir() if path.name != ".lock")
    assert study.task is not None
    assert find_mapped_file(study.task.train.inputs) == folder / "train_inputs.npy"
    assert [t.metrics["loss"] for t in study.history.finished] == [
        t.metrics["loss"] for t in plain.history.finished
    ]
    monkeypatch.setattr(
        "nasturtium.task.read_image_folder._decode", None
    )  # nothing is decoded again
    study = searched(data, tmp_path / "study.db", trials=3)
    assert len(study.history.finished) == 3
    finished = nas.retrain(study, recipe="epochs=1")
    assert 0 < finished.metrics["accuracy"] <= 1
    assert any(path.name.endswith("-whole") for path in files.iterdir())
    with pytest.raises(nas.TaskError, match="pass cache=folder"):
        nas.search(data, space="nasbench201(cells=1,channels=4)", trials=1, store=None)
