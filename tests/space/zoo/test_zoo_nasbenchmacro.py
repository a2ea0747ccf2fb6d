"""NAS-Bench-Macro: 6,561 networks with the published costs."""

from __future__ import annotations

import os
from pathlib import Path
from random import Random

import numpy as np
import pytest

from nasturtium.cost.count import count
from nasturtium.errors import SpaceError
from nasturtium.space.zoo.nasbenchmacro import from_string, nasbenchmacro, to_string


def test_every_network_once():
    size = nasbenchmacro.size(paths=50)
    assert (size.value, size.exact) == (3**8, True)
    records = [nasbenchmacro.sample(Random(seed)) for seed in range(20)]
    assert [from_string(to_string(record)) for record in records] == records


def test_published_costs():
    table = (
        Path(os.environ.get("NASTURTIUM_DATA", "")) / "nasbench_macro/nasbench_macro_cifar10.npz"
    )
    if not table.is_file():
        pytest.skip("NASTURTIUM_DATA has no NAS-Bench-Macro table")
    with np.load(table) as data:
        rows = [0, 6560, *Random(0).sample(range(6561), 20)]
        for row in rows:
            record = from_string("".join(map(str, data["arch"][row])))
            cost = count(nasbenchmacro.skeleton(record), (3, 32, 32))
            assert (cost.params, cost.macs) == (data["params"][row], data["flops"][row])


def test_published_cost_of_the_best_network():
    cost = count(nasbenchmacro.skeleton(from_string("22212220")), (3, 32, 32))
    assert (cost.params, cost.macs) == (1_985_514, 85_164_544)


@pytest.mark.parametrize("text", ["2221222", "22212223", "222122201"])
def test_refuses_other_texts(text):
    with pytest.raises(SpaceError, match="eight digits"):
        from_string(text)
