"""Compute zero-cost proxies of all 15,625 networks of NAS-Bench-201, and correlate them.

*fill*: every score of ``nasturtium.proxy.zero_cost_scores`` for each of the 6,466 distinct cells.
naswot also depends on operations whose output is not used, so it is computed for each cell.
Networks are those of the benchmark (16 channels, five cells a stage), one draw of weights, 32
training images of CIFAR-10. An interrupted run resumes; about 0.5 s of one core a network, an hour
in all.
*correlate*: Spearman's correlation with the test accuracies of the table, the same for parameters
and multiply-accumulates, and the correlation with the published scores of the same name for 725 of
the networks (Krishnakumar et al. 2022, "NAS-Bench-Suite-Zero").

    NASTURTIUM_DATA=... OMP_NUM_THREADS=1 python scripts/reproduce/proxies.py fill
    NASTURTIUM_DATA=... python scripts/reproduce/proxies.py correlate
"""

from __future__ import annotations

import argparse
import io
import os
import sys
import time
from pathlib import Path
from random import Random

import numpy as np
import torch
from PIL import Image
from scipy.stats import spearmanr

import nasturtium as nas
from nasturtium.atomic_write import replace_file
from nasturtium.bench.nasbench201 import NAMES as EDGES
from nasturtium.bench.nasbench201 import PROXIES, ROWS
from nasturtium.bench.table_files import load_table
from nasturtium.proxy.zero_cost_scores import NAMES
from nasturtium.space.zoo.nasbench201 import OPS
from nasturtium.strategy.surrogate.zero_cost import ZeroCostProxies

EXAMPLES = 32
EVERY = 100  # networks between savings
PUBLISHED = {"grad_norm": "grad_norm", "snip": "snip", "synflow": "synflow", "jacov": "jacov",
             "naswot": "nwot"}  # fmt: skip


def batch() -> tuple[torch.Tensor, torch.Tensor]:
    """Return the first images of CIFAR-10, standardised by their own statistics."""
    folder = Path(os.environ["NASTURTIUM_DATA"]) / "images" / "cifar10"
    labels = np.load(folder / "train_labels.npy")[:EXAMPLES].astype(np.int64)
    mosaic = np.asarray(Image.open(folder / "train_0.webp").convert("RGB"))
    across = mosaic.shape[1] // 32
    tiles = mosaic.reshape(-1, 32, across, 32, 3).swapaxes(1, 2).reshape(-1, 32, 32, 3)[:EXAMPLES]
    x = torch.tensor(tiles).permute(0, 3, 1, 2).float() / 255.0
    x = (x - x.mean((0, 2, 3), keepdim=True)) / x.std((0, 2, 3), keepdim=True)
    return x, torch.from_numpy(labels)


def cells() -> list[nas.Architecture]:
    """Return all cells in the order of the table."""
    held = load_table("nb201/nasbench201_tss.npz", None, {"ops": (ROWS, 6)})["ops"]
    return [
        nas.Architecture("nasbench201", {e: OPS[op] for e, op in zip(EDGES, row, strict=True)})
        for row in held.astype(int)
    ]


def fill(out: Path) -> None:
    torch.set_num_threads(1)
    space = nas.zoo.nasbench201.bind(inputs=(3, 32, 32), classes=10)
    everything = cells()
    forms: dict[object, list[int]] = {}
    for row, cell in enumerate(everything):
        forms.setdefault(space.canonical(cell), []).append(row)
    order = list(forms.values())
    Random(0).shuffle(order)  # so that an interrupted run has a fair sample
    made = {name: np.full(ROWS, np.nan, np.float32) for name in NAMES}
    done = np.zeros(ROWS, bool)
    if out.exists():
        with np.load(out) as held:
            made = {name: held[name].copy() for name in NAMES}
            done = held["done"].copy()
    every = ZeroCostProxies(*batch()).on(space)
    heard = every.only(("naswot",))
    start, count = time.monotonic(), 0
    for place, rows in enumerate(order):
        for row in rows:
            if done[row]:
                continue
            # An operation that leads nowhere has no gradient, but its rectifiers are recorded.
            look = every if row == rows[0] else heard
            for name in NAMES:
                made[name][row] = made[name][rows[0]]
            for name, value in zip(look.names, look(everything[row]), strict=True):
                made[name][row] = value
            done[row] = True
            count += 1
        if count and (place % EVERY == 0 or place == len(order) - 1):
            save(out, {**made, "done": done})
            left = (time.monotonic() - start) / count * int((~done).sum())
            print(f"{place + 1} of {len(order)}, {left / 60:.0f} min left", flush=True)


def save(out: Path, arrays) -> None:
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)
    replace_file(out, buffer.getvalue())


def correlate(out: Path) -> None:
    with np.load(out) as held:
        made = {name: held[name].astype(float) for name in NAMES}
        done = held["done"]
    sets = ("cifar10", "cifar100", "in16")
    wanted = {f"{name}_test_acc_200_mean": (ROWS,) for name in sets}
    wanted |= {"cifar10_params_M": (ROWS,), "cifar10_flops_M": (ROWS,)}
    truth = load_table("nb201/nasbench201_tss.npz", None, wanted)
    columns = {f"sub_cifar10_{name}": (-1,) for name in (*PUBLISHED.values(), "index")}
    others = load_table("nb201/nasbench201_zerocost.npz", None, columns)
    index = others["sub_cifar10_index"]
    print(f"{int(done.sum()):,} networks; networks without a defined score rank last")
    print("| score | defined | CIFAR-10 | CIFAR-100 | ImageNet16-120 | its best tenth, CIFAR-10 "
          "| with the published |\n|---|---|---|---|---|---|---|")  # fmt: skip
    best = truth["cifar10_test_acc_200_mean"] >= np.quantile(
        truth["cifar10_test_acc_200_mean"], 0.9
    )
    made |= {"parameters": truth["cifar10_params_M"], "MACs": truth["cifar10_flops_M"]}
    for name, values in made.items():
        here = np.isfinite(values)
        ranked = np.where(here, values, np.nanmin(np.where(here, values, np.nan)) - 1.0)
        row = [f"{spearmanr(ranked[done], truth[f'{part}_test_acc_200_mean'][done])[0]:.3f}"
               for part in sets]  # fmt: skip
        top = spearmanr(ranked[done & best], truth["cifar10_test_acc_200_mean"][done & best])[0]
        same = "–"
        if name in PUBLISHED:
            theirs = others[f"sub_cifar10_{PUBLISHED[name]}"]
            both = done[index] & here[index] & np.isfinite(theirs)
            same = f"{spearmanr(values[index][both], theirs[both])[0]:.3f} ({int(both.sum())})"
        print(f"| {name} | {int(here.sum()):,} | {' | '.join(row)} | {top:.3f} | {same} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("part", choices=["fill", "correlate"])
    parser.add_argument("--out", type=Path, default=PROXIES)
    given = parser.parse_args()
    if "NASTURTIUM_DATA" not in os.environ:
        sys.exit("error: NASTURTIUM_DATA names no folder of tables")
    {"fill": fill, "correlate": correlate}[given.part](given.out)


if __name__ == "__main__":
    main()
