"""Cells of the DARTS space as the field publishes them, and five well-known ones.

A genotype lists, for each of the four nodes of a cell in turn, two pairs of an operation and the
number of the state that it is applied to: 0 and 1 are the cell's inputs, 2 to 5 its nodes.

The cells are those that Liu et al. (2019, first and second order), Chen et al. (2019, "Progressive
Differentiable Architecture Search") and Xu et al. (2020, "PC-DARTS") found on CIFAR-10, and the
latter on ImageNet, as the authors' repositories list them (``genotypes.py`` of quark0/darts,
chenxin061/pdarts and yuhuixu1993/PC-DARTS).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from nasturtium.architecture import Architecture, Value
from nasturtium.errors import SpaceError

__all__ = ["CELLS", "OPS", "from_genotype", "to_genotype"]

NODES = 4
STATES = ("input0", "input1", *(f"node{index}" for index in range(NODES)))
KINDS = ("normal", "reduce")
OPS = (
    "max_pool_3x3",
    "avg_pool_3x3",
    "skip_connect",
    "sep_conv_3x3",
    "sep_conv_5x5",
    "dil_conv_3x3",
    "dil_conv_5x5",
)
Genes = Sequence[tuple[str, int]]


def from_genotype(normal: Genes, reduce: Genes) -> Architecture:
    """Return the architecture of a published genotype.

    Args:
        normal: eight pairs (operation, state), two for each node; states 0 and 1 are the inputs.
        reduce: the same for the reduction cell.

    Raises:
        SpaceError: not eight pairs, an unknown operation, or a node that joins one state twice.
    """
    record: dict[str, Value] = {}
    for kind, genes in zip(KINDS, (normal, reduce), strict=True):
        for node in range(NODES):
            pair = sorted(genes[2 * node : 2 * node + 2], key=lambda gene: gene[1])
            states = [state for _, state in pair]
            known = all(op in OPS for op, _ in pair) and len(genes) == 2 * NODES
            if not known or len(set(states)) != 2 or not 0 <= states[0] < states[1] < node + 2:
                raise SpaceError(
                    f"not a DARTS cell: node {node} of the {kind} cell joins {pair!r}; expected "
                    f"{2 * NODES} pairs (operation, state), for each node two different earlier "
                    f"states, and operations of {OPS}"
                )
            record[f"{kind}.node{node}"] = tuple(STATES[state] for state in states)
            for op, state in pair:
                record[f"{kind}.node{node}.{STATES[state]}"] = op
    return Architecture("darts", record)


def to_genotype(architecture: Architecture) -> dict[str, list[tuple[str, int]]]:
    """Return the genotype of an architecture: ``{"normal": [(operation, state), ...], ...}``."""
    return {
        kind: [
            (str(architecture[f"{kind}.node{node}.{state}"]), STATES.index(str(state)))
            for node in range(NODES)
            for state in architecture[f"{kind}.node{node}"]  # type: ignore[union-attr]
        ]
        for kind in KINDS
    }


def _cell(text: str) -> list[tuple[str, int]]:
    """Pairs from a text such as ``sep_conv_3x3 0, skip_connect 1``."""
    words = [word.split() for word in text.split(",")]
    return [(op, int(state)) for op, state in words]


CELLS: Mapping[str, Architecture] = MappingProxyType(
    {
        "DARTS-V1": from_genotype(
            _cell(
                "sep_conv_3x3 1, sep_conv_3x3 0, skip_connect 0, sep_conv_3x3 1, "
                "skip_connect 0, sep_conv_3x3 1, sep_conv_3x3 0, skip_connect 2"
            ),
            _cell(
                "max_pool_3x3 0, max_pool_3x3 1, skip_connect 2, max_pool_3x3 0, "
                "max_pool_3x3 0, skip_connect 2, skip_connect 2, avg_pool_3x3 0"
            ),
        ),
        "DARTS-V2": from_genotype(
            _cell(
                "sep_conv_3x3 0, sep_conv_3x3 1, sep_conv_3x3 0, sep_conv_3x3 1, "
                "sep_conv_3x3 1, skip_connect 0, skip_connect 0, dil_conv_3x3 2"
            ),
            _cell(
                "max_pool_3x3 0, max_pool_3x3 1, skip_connect 2, max_pool_3x3 1, "
                "max_pool_3x3 0, skip_connect 2, skip_connect 2, max_pool_3x3 1"
            ),
        ),
        "P-DARTS": from_genotype(
            _cell(
                "skip_connect 0, dil_conv_3x3 1, skip_connect 0, sep_conv_3x3 1, "
                "sep_conv_3x3 1, sep_conv_3x3 3, sep_conv_3x3 0, dil_conv_5x5 4"
            ),
            _cell(
                "avg_pool_3x3 0, sep_conv_5x5 1, sep_conv_3x3 0, dil_conv_5x5 2, "
                "max_pool_3x3 0, dil_conv_3x3 1, dil_conv_3x3 1, dil_conv_5x5 3"
            ),
        ),
        "PC-DARTS": from_genotype(
            _cell(
                "sep_conv_3x3 1, skip_connect 0, sep_conv_3x3 0, dil_conv_3x3 1, "
                "sep_conv_5x5 0, sep_conv_3x3 1, avg_pool_3x3 0, dil_conv_3x3 1"
            ),
            _cell(
                "sep_conv_5x5 1, max_pool_3x3 0, sep_conv_5x5 1, sep_conv_5x5 2, "
                "sep_conv_3x3 0, sep_conv_3x3 3, sep_conv_3x3 1, sep_conv_3x3 2"
            ),
        ),
        "PC-DARTS-ImageNet": from_genotype(
            _cell(
                "skip_connect 1, sep_conv_3x3 0, sep_conv_3x3 0, skip_connect 1, "
                "sep_conv_3x3 1, sep_conv_3x3 3, sep_conv_3x3 1, dil_conv_5x5 4"
            ),
            _cell(
                "sep_conv_3x3 0, skip_connect 1, dil_conv_5x5 2, max_pool_3x3 1, "
                "sep_conv_3x3 2, sep_conv_3x3 1, sep_conv_5x5 0, sep_conv_3x3 3"
            ),
        ),
    }
)
"""Published cells, the last searched on ImageNet, the others on CIFAR-10."""
