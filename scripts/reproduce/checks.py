"""Check every search space at several image sizes: build and run each option.

A space passes at a size if every option that discovery found is part of a network that was built
and run on the meta device and gives one number for each class, and if so do random networks.
Spaces that grow are tested with every mutation. A network that does not fit is an error that names
the decision or the mutation; the script prints it and ends with exit code 1.

    python scripts/reproduce/checks.py --sizes 8 28 32 224
"""

from __future__ import annotations

import argparse
import time

import torch

import nasturtium as nas
from nasturtium.errors import SpaceError
from nasturtium.run.names import NAMES
from nasturtium.space.choice_space import ChoiceSpace

HEAD = "| space | pixels | options | networks | seconds |\n|---|---|---|---|---|"


def tried(name: str, inputs: tuple[int, ...], classes: int, samples: int) -> tuple[str, int]:
    """Build and run the options and networks of one space at one size, and count them."""
    space = getattr(nas.zoo, name).bind(inputs=inputs, classes=classes)
    report = space.check(samples=samples)
    if isinstance(space, ChoiceSpace):
        return str(report.options), report.networks
    idle = [mutation for mutation, times in report.applied.items() if not times]
    if idle:
        raise SpaceError(f"mutations that never applied: {', '.join(idle)}")
    return f"{len(report.applied)} mutations", report.networks


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--spaces", nargs="*", default=sorted(NAMES["space"]))
    parser.add_argument("--sizes", type=int, nargs="*", default=[8, 28, 32, 224])
    parser.add_argument("--samples", type=int, default=20, help="random networks besides")
    given = parser.parse_args()
    torch.set_num_threads(1)
    print(HEAD, flush=True)
    failed = []
    for name in given.spaces:
        for side in given.sizes:
            start = time.perf_counter()
            inputs = (1 if side == 28 else 3, side, side)
            try:
                options, networks = tried(name, inputs, 10, given.samples)
            except SpaceError as error:
                failed.append(f"{name} at {side} pixels: {error}")
                options, networks = "refused", 0
            took = time.perf_counter() - start
            print(f"| {name} | {side} | {options} | {networks} | {took:.1f} |", flush=True)
    if failed:
        raise SystemExit("\n".join(failed))


if __name__ == "__main__":
    main()
