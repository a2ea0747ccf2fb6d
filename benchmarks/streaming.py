"""Training from mapped files, batches read ahead by a thread, against training from memory.

The same network is trained on the 60,000 images of Fashion-MNIST twice, from equal weights and in
equal order: once with all images in memory, once streamed from a mapped file. Epochs alternate, so
that whatever else the machine does slows both down; the ratio of each pair is taken, and the median
printed. At the end the weights have to be equal bit for bit. Two networks show two ends: a small
convolutional one, and a single linear layer, for which reading is most of the work.

    python benchmarks/streaming.py [--epochs 5] [--examples 60000] [--json]
"""

from __future__ import annotations

import argparse
import json
import math
import os
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import nn

import nasturtium as nas
from nasturtium.train.loop import Loop
from nasturtium.train.numerics import Numerics


def fashion(examples: int) -> tuple[np.ndarray, np.ndarray]:
    """Images (N, 28, 28) and labels; noise of the same size where the data are absent."""
    root = os.environ.get("NASTURTIUM_DATA")
    if not root:
        rng = np.random.default_rng(0)
        return rng.integers(0, 256, (examples, 28, 28)).astype(np.uint8), np.arange(examples) % 10
    folder = Path(root) / "images" / "fashion_mnist"
    tiles = []
    for number in range(math.ceil(examples / 10_000)):
        mosaic = np.asarray(Image.open(folder / f"train_{number}.webp").convert("RGB"))[..., 0]
        rows, columns = mosaic.shape[0] // 28, mosaic.shape[1] // 28
        tiles.append(mosaic.reshape(rows, 28, columns, 28).swapaxes(1, 2).reshape(-1, 28, 28))
    images = np.concatenate(tiles)[:examples]
    return images, np.load(folder / "train_labels.npy")[: len(images)]


def convolutional() -> nn.Module:
    body = [nn.Conv2d(1, 8, 3, 2, 1), nn.BatchNorm2d(8), nn.ReLU()]
    body += [nn.Conv2d(8, 16, 3, 2, 1), nn.BatchNorm2d(16), nn.ReLU()]
    return nn.Sequential(*body, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(16, 10))


def linear() -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.Linear(784, 10))


def compared(build, held: nas.Task, mapped: nas.Task, epochs: int) -> dict[str, object]:
    numerics, recipe = Numerics(threads=1), nas.Recipe(epochs=epochs + 1)
    loops = {}
    for name, task, memory in (("memory", held, None), ("streamed", mapped, 0)):
        torch.manual_seed(0)
        place = (numerics, torch.device("cpu"), 0, 1.0, 1.0, memory)
        loops[name] = Loop(build(), task, recipe, *place)
    seconds: dict[str, list[float]] = {name: [] for name in loops}
    for epoch in range(epochs + 1):
        for name in sorted(loops, reverse=bool(epoch % 2)):
            start = time.perf_counter()
            loops[name].epoch(epoch, epochs + 1, math.inf)
            loops[name].score()
            seconds[name].append(time.perf_counter() - start)
    states = [loop.model.state_dict() for loop in loops.values()]
    equal = all(torch.equal(tensor, states[1][name]) for name, tensor in states[0].items())
    # The first epoch warms up: pages of the map, buffers of the operators.
    pairs = [s / m for m, s in zip(*(seconds[n][1:] for n in loops), strict=True)]
    return {
        "memory_seconds": round(statistics.median(seconds["memory"][1:]), 3),
        "streamed_seconds": round(statistics.median(seconds["streamed"][1:]), 3),
        "ratio": round(statistics.median(pairs), 3),
        "ratios": [round(pair, 3) for pair in pairs],
        "equal_weights": equal,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--examples", type=int, default=60_000)
    parser.add_argument("--json", action="store_true")
    told = parser.parse_args()
    torch.set_num_threads(1)
    images, labels = fashion(told.examples)
    held = nas.load((images, labels), name="fashion")
    results = {}
    with tempfile.TemporaryDirectory() as folder:
        held.save(Path(folder, "fashion"))
        mapped = nas.Task.load(Path(folder, "fashion"))
        for build in (convolutional, linear):
            results[build.__name__] = compared(build, held, mapped, told.epochs)
    if told.json:
        print(json.dumps(results, indent=1))
        return
    for name, found in results.items():
        print(
            f"{name}: an epoch takes {found['memory_seconds']} s from memory and "
            f"{found['streamed_seconds']} s streamed, ratio {found['ratio']} "
            f"({', '.join(map(str, found['ratios']))}); equal weights: {found['equal_weights']}"
        )


if __name__ == "__main__":
    main()
