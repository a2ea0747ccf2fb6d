"""A driver of ``nas.search`` and ``nas.finish`` that is there to be killed, with real training.

``python searched.py CASE STORE SIDE [POINT[:N]]``; see :mod:`driven`.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import numpy as np
from driven import Death, around, note, nothing

import nasturtium as nas
from nasturtium.run import search as steps
from nasturtium.study.files import Files
from nasturtium.study.store import SqlStore
from nasturtium.task import durable
from nasturtium.train.checkpoint import Checkpoint
from nasturtium.train.fit import fit
from nasturtium.train.loop import Loop

SPACE = """
import nasturtium as nas
from torch import nn

@nas.space
def net(choose, *, inputs, classes):
    width = choose("width", (4, 8, 16))
    act = choose("act", ("relu", "tanh"))
    def build():
        first = nn.Linear(inputs[0] * inputs[1] * inputs[2], width)
        last = nn.Linear(width, classes)
        return nn.Sequential(nn.Flatten(), first, nn.ReLU() if act == "relu" else nn.Tanh(), last)
    return build
"""


class Prepared(nas.Strategy):
    """Counts to five before it proposes anything, and keeps what it counted."""

    def __init__(self, side: str, death: Death) -> None:
        self._side = side
        self._death = death

    def prepare(self, work: Any) -> None:
        if work.prepared is not None:
            assert work.prepared.read_text() == "5"
            return
        assert work.checkpoint is not None
        done = int(work.checkpoint.read_text()) if work.checkpoint.exists() else 0
        while done < 5:
            done += 1
            note(self._side, "prepare", done)
            durable.replace_file(work.checkpoint, str(done).encode())
            self._death("prepare", os.getpid())
        path = work.setting.files.temporary()
        path.write_text(str(done))
        work.keep(path)

    def propose(self, state: Any, history: Any, rng: Any) -> nas.Proposal:
        return nas.Proposal(history.space.sample(rng), uniform=True)


def armed(side: str, death: Death) -> None:
    own = os.getpid()
    Fit: Any = fit
    Fit.__kwdefaults__["checkpoint_seconds"] = 0.0
    around(
        Loop,
        "epoch",
        lambda loop, number, *_: death("epoch", own),
        lambda loop, number, *_: note(side, "epoch", loop.seed, number),
    )
    around(Checkpoint, "write", nothing, lambda *_: death("checkpoint", own))

    def half_written(folder: Path) -> None:
        if "checkpoints" in str(folder):
            death("half", own)

    around(durable.os, "replace", lambda source, target: half_written(target), nothing)
    around(Files, "put", nothing, lambda *_: death("put", own))
    around(SqlStore, "append", lambda store, name, events: death(events[0].kind, own), nothing)


def main(case: str, store: str, side: str, point: str) -> None:
    from sklearn.datasets import load_digits

    death = Death(side, point)
    armed(side, death)
    digits = load_digits()
    data = (digits.images[:240].astype(np.uint8), digits.target[:240])
    file = Path(side).with_name("own.py")
    file.write_text(SPACE)
    common: dict[str, Any] = {
        "space": f"{file}:net",
        "objectives": ("accuracy", "params"),
        "store": store,
        "name": "s",
        "seed": 5,
        "watch": lambda study, stage, trial: print(stage, trial and trial.number, flush=True),
    }
    if case == "chain":
        study = nas.search(
            data,
            strategy=Prepared(side, death),
            recipe="epochs=3,lr=0.05",
            trials=4,
            executor="here",
            numerics="threads=1",
            estimator=nas.Train(nas.Recipe(epochs=3, lr=0.05), keep=True),
            **common,
        )
        finished = nas.finish(study, data=data, recipe=nas.Recipe(epochs=4, lr=0.05))
        print("finished", finished.reused, finished.metrics, flush=True)
        return
    steps.tune.__defaults__ = (0.4,)  # type: ignore[attr-defined]
    numerics, executor = (*case.split("/"), None)[1:3] if "/" in case else (None, None)
    nas.search(
        data,
        recipe="epochs=3,lr=0.05",
        estimator="train(inherit=True)",
        strategy="evolution(population=4,sample=2)",
        trials=10,
        control=0.2,
        numerics=numerics,
        executor=executor,
        **common,
    )


if __name__ == "__main__":
    words = [*sys.argv[1:], ""]
    main(words[0], words[1], words[2], words[3])
    print("done", flush=True)
