from __future__ import annotations

import numpy as np
import pytest

from nasturtium.task.duplicates import count_duplicates
from nasturtium.task.make_task import make_task


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_copies_of_training_examples_are_counted_by_split(dtype: type) -> None:
    rng = np.random.default_rng(0)
    train, valid, test = (rng.integers(0, 255, (n, 1, 8, 8)).astype(dtype) for n in (30, 10, 12))
    valid[:4] = train[:4]
    test[:2], test[2], test[3] = train[5], train[0], valid[9]  # twice the same one counts twice
    labels = [np.arange(len(x)) % 2 for x in (train, valid, test)]
    task = make_task(
        train, labels[0], name="copies", valid=(valid, labels[1]), test=(test, labels[2])
    )
    assert count_duplicates(task) == {"valid": 4, "test": 4}
    assert count_duplicates(make_task(train, labels[0], name="none")) == {"valid": 0, "test": 0}
