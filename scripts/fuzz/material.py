"""Sound studies, data and files, made once for each run and altered by its cases."""

from __future__ import annotations

import importlib
import json
import os
import shutil
import sqlite3
import sys
import tempfile
from functools import cache
from pathlib import Path

import numpy as np
import torch
import typer
from torch import nn

from fuzz.watch import Case, Guard
from nasturtium.run.names import NAMES, look_up
from nasturtium.study.stores import lease
from nasturtium.task.load import load
from nasturtium.task.task import Task
from nasturtium.train.fit import Fitted, fit
from nasturtium.train.recipe import Recipe
from nasturtium.train.weights import save_weights

SEGMENT = 8  # events between snapshots, so that short studies have some
EVIL = "open('PWNED', 'w').close()\nnet = None\n"
TABLE = "number,word,answer\n" + "".join(f"{n},{'abc'[n % 3]},{n % 2}\n" for n in range(40))


def warm() -> None:
    """Import what commands import, once for all processes."""
    for name in (
        "nasturtium.report.page",
        "nasturtium.retraining.collect_evidence",
        "nasturtium.retraining.retrain",
        "nasturtium.retraining.export_with_card",
        "nasturtium.study.stores.repair",
        "nasturtium.comparison.race",
        "nasturtium.run.progress",
        "nasturtium.space.zoo.training_recipes",
        "sqlalchemy.dialects.postgresql.psycopg",
        "sqlalchemy.dialects.sqlite",
        "sklearn.datasets",
        "rich.console",
        "cloudpickle",
        "pandas",
        "PIL.Image",
        "torch._dynamo",
    ):
        importlib.import_module(name)
    for kind, parts in NAMES.items():
        for name in parts:
            if kind != "benchmark":
                look_up(kind, name)


def prepare_process() -> None:
    """Make what takes long in one process short: snapshots, leases elsewhere, the parser."""
    for name, module in list(sys.modules.items()):
        if name.startswith("nasturtium.") and hasattr(module, "SEGMENT"):
            module.SEGMENT = SEGMENT  # type: ignore[attr-defined]
    lease.TableLease.__init__.__defaults__ = (0.3, None)
    typer.main.get_command = cache(typer.main.get_command)


def make(folder: Path, seed: int, guard: Guard) -> None:
    """Fill a folder with a study of a small search, all that followed it, and data of all kinds."""
    from PIL import Image

    rng = np.random.default_rng(seed)
    os.chdir(folder)
    prepare_process()
    tempfile.tempdir = str(folder)
    labels = np.repeat(np.arange(3), 20)
    images = (rng.normal(size=(60, 8, 8)) + labels[:, None, None]).astype(np.float32)
    np.savez("d.npz", X=images, y=labels)
    np.savez_compressed("c.npz", x_train=images, y_train=labels, x_test=images, y_test=labels)
    np.save("a.npy", images)
    Path("t.csv").write_text(TABLE)
    for number, suffix in enumerate(("png", "jpg", "webp", "tiff", "bmp", "gif")):
        for name in ("cat", "dog"):
            place = Path("pictures", name)
            place.mkdir(parents=True, exist_ok=True)
            for copy in range(2):
                pixels = rng.integers(0, 255, (6, 6, 3), dtype=np.uint8)
                Image.fromarray(pixels).save(place / f"{number}{copy}.{suffix}")
    load("d.npz").save("task")
    case = Case("material", 0, seed, folder, folder, guard)
    quiet = ("--recipe", "epochs=1", "-q")
    for words in (
        (
            *[
                "search",
                "d.npz",
                "--space",
                "mlp",
                "--trials",
                "6",
                "--control",
                "0.3",
                "--strategy",
                "random",
            ],
            *quiet,
            *[
                "--executor",
                "here",
                "--numerics",
                "threads=1",
                "--store",
                "s.db",
                "--name",
                "s",
                "--confirm",
                "2",
            ],
        ),
        ("finish", "s.db:s", *quiet),
        (
            *[
                "evidence",
                "s.db:s",
                "--top",
                "1",
                "--seeds",
                "1",
                "--spread",
                "0",
                "--no-references",
            ],
            *quiet,
        ),
        ("export", "s.db:s", "n.pt2"),
        (
            *[
                "search",
                "d.npz",
                "--space",
                "mlp",
                "--trials",
                "4",
                "--strategy",
                "evolution(population=2)",
            ],
            *quiet,
            *["--executor", "here", "--numerics", "threads=1", "--store", "s.db", "--name", "t"],
            *["--objective", "accuracy", "--objective", "params", "--constraint", "params<1M"],
        ),
    ):
        answer = case.command(*words)
        if answer.code:
            raise RuntimeError(f"{words}: {answer.err}")
    with sqlite3.connect("s.db") as connection:
        connection.execute("PRAGMA journal_mode=DELETE")
    _checkpoint(folder)
    Path("kept.json").write_text(json.dumps(sorted(_kept(folder))))


def _kept(folder: Path) -> list[str]:
    return [path.name for path in (folder / "s.db.files").glob("??/*")]


def network() -> nn.Module:
    """Build the network of the checkpoint."""
    torch.manual_seed(0)
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 3))


def trained(checkpoint: Path, task: Task, killed: bool = False) -> Fitted:
    """Train two epochs from a checkpoint, or be killed after the first."""

    def progress(point: object) -> bool:
        if killed:
            raise KeyboardInterrupt
        return True

    return fit(
        network(),
        task,
        Recipe(epochs=2, batch_size=16),
        seed=0,
        checkpoint=checkpoint,
        checkpoint_seconds=0.0,
        progress=progress,
    )


def _checkpoint(folder: Path) -> None:
    """Write a checkpoint after one epoch, and the weights after two."""
    task = load("d.npz")
    try:
        trained(folder / "checkpoint.pt", task, killed=True)
    except KeyboardInterrupt:
        pass
    assert (folder / "checkpoint.pt").exists()
    save_weights("trained.pt", trained(folder / "none.pt", task).model)


def copy_store(case: Case) -> Path:
    """Copy the studies to the case's folder."""
    shutil.copyfile(case.material / "s.db", "s.db")
    return Path("s.db")


def copy_files(case: Case) -> None:
    """Copy the files of the studies, and their data."""
    shutil.copytree(case.material / "s.db.files", "s.db.files", dirs_exist_ok=True)
