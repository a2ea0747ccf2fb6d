"""List every cell of NAS-Bench-101 up to isomorphism, and compare the list with the published one.

Ying et al. (2019) state 423,624. The cells are enumerated without a hash (each is the least of its
isomorphic forms); then the authors' hash of each is computed, to show that all
hashes differ; then the set of hashes is compared with that of the published cells, if
NASTURTIUM_DATA has them.

    NASTURTIUM_DATA=... python scripts/reproduce/enumerate_nasbench101.py
"""

from __future__ import annotations

import argparse
import os
import resource
import time
from pathlib import Path

import numpy as np

from nasturtium.space.zoo.nasbench101 import OPS, PAIRS, Graph, canonical, module_hash
from nasturtium.space.zoo.nasbench101_enumeration import distinct, number

PUBLISHED = 423_624


def published(path: Path) -> set[str]:
    """Return the hashes of the cells of the table, from their edges and operations."""
    with np.load(path) as data:
        rows = [data[name].tolist() for name in ("num_vertices", "adj_bits", "ops")]
    pairs = [pair for _, pair in PAIRS[7]]
    found = set()
    for size, code, ops in zip(*rows, strict=True):
        edges = tuple(sorted(pair for bit, pair in enumerate(pairs) if code >> bit & 1))
        graph = Graph(tuple(range(size)), edges)
        found.add(module_hash(graph, [OPS[op] for op in ops[: size - 2]]))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--vertices", type=int, default=7, help="of the largest cells, 2 to 7")
    given = parser.parse_args()
    start = time.perf_counter()
    count = number(given.vertices)
    print(f"{count:,} cells of up to {given.vertices} vertices, counted in ", end="")
    print(f"{time.perf_counter() - start:.2f} s", flush=True)
    start = time.perf_counter()
    hashes = [canonical(cell) for cell in distinct(given.vertices)]
    print(f"{len(hashes):,} listed, with {len(set(hashes)):,} different hashes, in ", end="")
    print(f"{time.perf_counter() - start:.1f} s", flush=True)
    if not count == len(hashes) == len(set(hashes)):
        raise SystemExit("the hash does not tell all cells apart, or one was listed twice")
    if given.vertices == 7 and count != PUBLISHED:
        raise SystemExit(f"{PUBLISHED:,} are published")
    table = Path(os.environ.get("NASTURTIUM_DATA", "")) / "nb101/nasbench101_partial.npz"
    if given.vertices == 7 and table.is_file():
        start = time.perf_counter()
        other = published(table)
        print(f"{len(other):,} published hashes, read in {time.perf_counter() - start:.1f} s; ")
        missing, extra = len(other - set(hashes)), len(set(hashes) - other)
        print(f"{missing:,} of them are not listed; {extra:,} listed are not published")
        if missing or extra:
            raise SystemExit("the lists differ")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"peak memory {peak:.0f} MiB")


if __name__ == "__main__":
    main()
