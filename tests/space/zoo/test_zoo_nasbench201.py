"""NAS-Bench-201: its size, both grains of equality, its strings and its published costs."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from random import Random

import numpy as np
import pytest

import nasturtium as nas
from nasturtium.cost.count import count
from nasturtium.errors import SpaceError
from nasturtium.space.zoo.nasbench201 import (
    EDGES,
    NAMES,
    OPS,
    canonical,
    from_string,
    same_graph,
    to_string,
)

SPACE = nas.zoo.nasbench201


@pytest.fixture(scope="module")
def every() -> list[nas.Architecture]:
    return list(SPACE.every())


@pytest.fixture(scope="module")
def table() -> Mapping[str, np.ndarray]:
    path = Path(os.environ.get("NASTURTIUM_DATA", ".")) / "nb201" / "nasbench201_tss.npz"
    if not path.is_file():
        pytest.skip("needs nb201/nasbench201_tss.npz in the folder that NASTURTIUM_DATA names")
    return np.load(path, allow_pickle=False)


def row(ops: np.ndarray) -> nas.Architecture:
    return nas.Architecture("nasbench201", {n: OPS[i] for n, i in zip(NAMES, ops, strict=True)})


def test_sizes(every: list[nas.Architecture]) -> None:
    assert len(set(every)) == SPACE.size().value == 5**6 == 15_625
    assert len({canonical(architecture) for architecture in every}) == 6_466
    assert len({same_graph(architecture) for architecture in every}) == 4_930


def test_equal_graphs_are_a_coarser_grain(every: list[nas.Architecture]) -> None:
    forms: dict[str, set[tuple[str, ...]]] = {}
    for architecture in every:
        forms.setdefault(canonical(architecture), set()).add(same_graph(architecture))
    assert all(len(graphs) == 1 for graphs in forms.values())
    assert SPACE.canonical(every[7]) == canonical(every[7])


def test_strings(every: list[nas.Architecture]) -> None:
    assert all(from_string(to_string(architecture)) == architecture for architecture in every[::37])
    text = "|nor_conv_3x3~0|+|none~0|skip_connect~1|+|avg_pool_3x3~0|nor_conv_1x1~1|none~2|"
    assert to_string(from_string(text)) == text
    assert from_string(text)["edge1_2"] == "skip_connect"
    for wrong in ("", text.replace("none", "nothing"), text.replace("~2", "~1"), text + "|a~3|"):
        with pytest.raises(SpaceError, match="not a NAS-Bench-201 architecture"):
            from_string(wrong)


def test_forms_are_the_published_classes(table: Mapping[str, np.ndarray]) -> None:
    assert EDGES == ((0, 1), (0, 2), (1, 2), (0, 3), (1, 3), (2, 3))  # as the table's columns
    forms = [canonical(row(ops)) for ops in table["ops"]]
    pairs = set(zip(forms, table["iso_class"].tolist(), strict=True))
    assert len(pairs) == len(set(forms)) == len({number for _, number in pairs}) == 6_466


def test_costs_are_the_published_ones(table: Mapping[str, np.ndarray]) -> None:
    published = zip(table["ops"], table["cifar10_params_M"], table["cifar10_flops_M"], strict=True)
    rows = list(published)
    for ops, params, macs in [rows[0], rows[-1], *Random(0).sample(rows, 28)]:
        cost = count(SPACE.skeleton(row(ops)), (3, 32, 32))
        assert cost.params == round(float(params) * 1e6)
        # The table has single precision, and counts one operation for each biased output.
        assert np.float32((cost.macs + 10) / 1e6) == macs
