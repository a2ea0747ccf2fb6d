"""Measure every search space: sizes, speeds, and whether costs from blocks equal those of networks.

For random networks of every space it compares, without any difference allowed,

* parameters, multiply-accumulates and activations from the network's blocks (where the space has
  them) and of the whole network, on the meta device;
* multiply-accumulates and ``torch.utils.flop_counter``, for as many networks as ``--flops`` says.

It times sampling, mutating and counting, in processor time. Networks take images of 3 x 32 x 32
and have 10 classes by default.

    python scripts/reproduce/spaces.py --samples 1000 --out docs/methods/search_spaces.md
"""

from __future__ import annotations

import argparse
import gc
import time
from pathlib import Path
from random import Random
from statistics import median

import torch
from torch.utils.flop_counter import FlopCounterMode

import nasturtium as nas
from nasturtium.cost.block_costs import BlockCounter
from nasturtium.cost.count import count
from nasturtium.run.names import NAMES
from nasturtium.space.choice_space import ChoiceSpace

HEAD = (
    "| space | architectures | decisions | parameters: least, median, most | sampling | mutation "
    "| cost from blocks | cost of the network |\n|---|---|---|---|---|---|---|---|"
)


def seconds(work, items):
    """Processor seconds for one item, and what was made."""
    gc.collect()  # garbage of earlier items is not charged to this one
    start = time.process_time()
    made = [work(item) for item in items]
    return (time.process_time() - start) / max(1, len(made)), made


def flops_of(space, architecture, inputs):
    with torch.device("meta"):
        model, x = space.build(architecture).eval(), torch.empty(1, *inputs)
        with FlopCounterMode(display=False) as counter, torch.no_grad():
            model(x)
    return counter.get_total_flops()


def tried(name, samples, flops, inputs, classes):
    space = getattr(nas.zoo, name).bind_known(inputs=inputs, classes=classes)
    rng = Random(0)
    decides = isinstance(space, ChoiceSpace)
    size = space.size(paths=10_000) if decides else None
    space.sample(rng)
    sampling, drawn = seconds(lambda _: space.sample(rng), range(samples))
    mutation, _ = seconds(lambda one: space.mutate(one, rng), drawn)

    def whole(architecture):
        with torch.device("meta"):
            return count(space.build(architecture), inputs)

    counting, costs = seconds(whole, drawn)
    blocks = None
    if decides and space.plan(drawn[0]) is not None:
        counter = BlockCounter()
        blocks, counted = seconds(lambda one: counter.count(space.plan(one), inputs), drawn)
        for architecture, one, other in zip(drawn, counted, costs, strict=True):
            if one != other:
                raise SystemExit(f"{architecture!r} costs {one} from its blocks, and {other}")
    for architecture, cost in list(zip(drawn, costs, strict=True))[:flops]:
        found = flops_of(space, architecture, inputs)
        if found != cost.flops:
            raise SystemExit(f"{architecture!r}: {cost.flops} flops, {found} by torch's counter")
    params = sorted(cost.params for cost in costs)
    return {
        "space": name,
        "architectures": "without bound" if size is None else str(size),
        "decisions": str(len(space.discover())) if decides else "grown",
        "parameters": ", ".join(f"{n:,.0f}" for n in (params[0], median(params), params[-1])),
        "sampling": f"{1e6 * sampling:.0f} µs",
        "mutation": f"{1e6 * mutation:.0f} µs",
        "blocks": "no blocks" if blocks is None else f"{1e6 * blocks:.0f} µs",
        "network": f"{1e3 * counting:.1f} ms",
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--samples", type=int, default=1000)
    parser.add_argument("--flops", type=int, default=50, help="compared with torch's flop counter")
    parser.add_argument("--inputs", type=int, nargs=3, default=(3, 32, 32))
    parser.add_argument("--classes", type=int, default=10)
    parser.add_argument("--spaces", nargs="*", default=sorted(NAMES["space"]))
    parser.add_argument("--out", type=Path, help="a page whose table is replaced by this one")
    given = parser.parse_args()
    torch.set_num_threads(1)
    print(HEAD, flush=True)
    rows = []
    for name in given.spaces:
        told = tried(name, given.samples, given.flops, tuple(given.inputs), given.classes)
        rows.append("| " + " | ".join(told.values()) + " |")
        print(rows[-1], flush=True)
    if given.out is not None:
        text = given.out.read_text()
        before, _, rest = text.partition("<!-- table -->\n")
        _, _, after = rest.partition("<!-- end -->\n")
        table = "\n".join([HEAD, *rows])
        made = f"{before}<!-- table -->\n{table}\n<!-- end -->\n{after}"
        given.out.write_text(made)


if __name__ == "__main__":
    main()
