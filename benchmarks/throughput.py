"""Candidates a minute: a search against a plain sequential PyTorch loop over the same networks.

Both train the same architectures of the same space on the same examples with the same recipe. The
plain loop is what one writes without a library, kindly: data in memory as tensors, PyTorch's own
threads (all cores), fp32, contiguous memory, one network after the other. The search measures its
workers, threads, precision and memory format first. Rates are taken over training alone
(steady state, as in a search of hours) and over everything (with the measuring and the start of
the workers); accuracies are compared pair by pair.

    python benchmarks/throughput.py [--trials 24] [--repeats 3] [--json]
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import time
from pathlib import Path

import numpy as np
import torch
from torch import nn

import nasturtium as nas
from nasturtium.train.seeds import derive_seed


def fashion(examples: int) -> nas.Task | None:
    """Return the first images of Fashion-MNIST, class-balanced, if the data are available."""
    root = os.environ.get("NASTURTIUM_DATA")
    if not root:
        return None
    from PIL import Image

    folder = Path(root) / "images" / "fashion_mnist"
    mosaic = np.asarray(Image.open(folder / "train_0.webp").convert("RGB"))[..., 0]
    rows, columns = mosaic.shape[0] // 28, mosaic.shape[1] // 28
    tiles = mosaic.reshape(rows, 28, columns, 28).swapaxes(1, 2).reshape(-1, 28, 28)
    labels = np.load(folder / "train_labels.npy")[: len(tiles)]
    return nas.load((tiles[:examples], labels[:examples]), name="fashion")


def plain(task: nas.Task, space: nas.Space, networks, recipe: nas.Recipe, seed: int):
    """Train every network in turn; returns their validation accuracies."""
    mean = torch.tensor(task.mean).view(-1, 1, 1)
    std = torch.tensor(task.std).view(-1, 1, 1)

    def tensors(split):
        x = (torch.from_numpy(np.array(split.inputs)).float() - mean) / std
        return x, torch.from_numpy(np.array(split.labels))

    (x, y), (x_valid, y_valid) = tensors(task.train), tensors(task.valid)
    accuracies = []
    for number, architecture in networks:
        model = space.build(architecture, seed=derive_seed(seed, number, "init"))
        decayed = [p for p in model.parameters() if p.ndim > 1]
        rest = [p for p in model.parameters() if p.ndim <= 1]
        groups = [
            {"params": decayed, "weight_decay": recipe.weight_decay},
            {"params": rest, "weight_decay": 0.0},
        ]
        optimizer = torch.optim.SGD(groups, recipe.lr, recipe.momentum, nesterov=True)
        steps = recipe.epochs * -(-len(x) // recipe.batch_size)
        schedule = torch.optim.lr_scheduler.OneCycleLR(
            optimizer, recipe.lr, total_steps=steps + 1, cycle_momentum=False
        )
        criterion = nn.CrossEntropyLoss(label_smoothing=recipe.label_smoothing)
        for _ in range(recipe.epochs):
            model.train()
            for index in torch.randperm(len(x)).split(recipe.batch_size):
                loss = criterion(model(x[index]), y[index])
                optimizer.zero_grad()
                loss.backward()
                nn.utils.clip_grad_norm_(model.parameters(), recipe.clip)
                optimizer.step()
                schedule.step()
            model.eval()
            with torch.no_grad():
                hits = [
                    (model(a).argmax(1) == b).float().sum()
                    for a, b in zip(x_valid.split(512), y_valid.split(512), strict=True)
                ]
            accuracy = float(sum(hits)) / len(x_valid)
        accuracies.append(accuracy)
    return accuracies


def compare(name: str, task: nas.Task, space: nas.Space, trials: int, epochs: int, seed: int):
    """Run one search, then the plain loop over its networks."""
    recipe = nas.Recipe(epochs=epochs)
    moments: list[float] = []

    def watch(study, stage, trial):
        if stage == "search" and (trial is not None or not moments):
            moments.append(time.perf_counter())

    begin = time.perf_counter()
    study = nas.search(
        task, space=space, strategy="random", trials=trials, recipe=recipe, store=None,
        seed=seed, control=0.0, watch=watch,
    )  # fmt: skip
    whole = time.perf_counter() - begin
    steady = moments[-1] - moments[0]
    networks = [(trial.number, trial.architecture) for trial in study.history.finished]
    ours = [trial.metrics["accuracy"] for trial in study.history.finished]
    begin = time.perf_counter()
    theirs = plain(task, study.space, networks, recipe, seed)
    sequential = time.perf_counter() - begin
    gaps = np.subtract(ours, theirs)
    return {
        "workload": name,
        "seed": seed,
        "chosen": f"{study.manifest['workers']} workers, {study.manifest['numerics']}",
        "ours_per_minute": 60 * len(networks) / steady,
        "ours_per_minute_with_start": 60 * len(networks) / whole,
        "plain_per_minute": 60 * len(networks) / sequential,
        "ratio": sequential / steady,
        "ratio_with_start": sequential / whole,
        "accuracy_gap_mean": float(gaps.mean()),
        "accuracy_gap_error": float(gaps.std(ddof=1) / len(gaps) ** 0.5),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--trials", type=int, default=24)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    workloads = [("digits 8x8, mobilenet, 5 epochs", nas.load("digits"), nas.zoo.mobilenet, 5)]
    images = fashion(2000)
    if images is not None:
        cells = nas.zoo.nasbench201.bind(cells=1)
        name = "fashion 28x28 x 2,000, nasbench201 (1 cell), 2 epochs"
        workloads.append((name, images, cells, 2))
    rows = [
        compare(name, task, space.bind(**task.data_shapes), options.trials, epochs, seed)
        for seed in range(options.repeats)
        for name, task, space, epochs in workloads
    ]
    if options.json:
        print(json.dumps(rows, indent=1))
        return
    for name, *_ in workloads:
        mine = [row for row in rows if row["workload"] == name]
        print(name)
        print(f"  chosen: {mine[0]['chosen']}")
        for key in (
            "ours_per_minute",
            "plain_per_minute",
            "ratio",
            "ratio_with_start",
            "accuracy_gap_mean",
            "accuracy_gap_error",
        ):
            values = [row[key] for row in mine]
            low, high = min(values), max(values)
            print(f"  {key:24s} median {statistics.median(values):9.3f}  ({low:.3f} to {high:.3f})")


if __name__ == "__main__":
    main()
