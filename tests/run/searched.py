"""A driver of ``nas.search`` and ``nas.retrain`` that is there to be killed, with real training.

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
from nasturtium import atomic_write
from nasturtium.execute.measure_throughput import tune
from nasturtium.study.stores.sql import SqlStore
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

    def half_written(folder: Path) -> None:
        if "checkpoints" in str(folder):
            death("half", own)

    around(atomic_write.os, "replace", lambda source, target: half_written(target), nothing)
    around(SqlStore, "append", lambda store, name, events: death(events[0].kind, own), nothing)


def main(case: str, store: str, side: str, point: str) -> None:
    death = Death(side, point)
    armed(side, death)
    labels = np.arange(240) % 6
    noise = np.random.default_rng(0).integers(0, 120, (240, 6, 6))
    data = ((noise + 80 * np.eye(6, dtype=int)[labels][:, None]).astype(np.uint8), labels)
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
            strategy="random",
            recipe="epochs=3,lr=0.05",
            trials=2,
            executor="here",
            numerics="threads=1",
            estimator=nas.Train(nas.Recipe(epochs=3, lr=0.05), keep=True),
            **common,
        )
        finished = nas.retrain(study, data=data, recipe=nas.Recipe(epochs=4, lr=0.05))
        print("finished", finished.reused, finished.metrics, flush=True)
        return
    tune.__defaults__ = (0.4,)
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
