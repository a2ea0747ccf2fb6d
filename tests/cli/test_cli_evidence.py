"""What ``nasturtium evidence`` says while it trains."""

from __future__ import annotations

import pytest

from nasturtium.analyse.comparison.retrained import Training
from nasturtium.run.progress_text import format_training


@pytest.mark.parametrize(
    ("training", "said"),
    [
        (
            Training("46245c", 2, 13, {"accuracy": 0.9944, "params": 10.0}, 1.84),
            "trial 13, seed 2: accuracy 99.44 % on the test examples, 1.8 s",
        ),
        (Training("resnet", 0, None, {}, 2.0), "resnet, seed 0: no accuracy on the test"),
        (Training("resnet", 0, error="it fell"), "resnet, seed 0: failed, it fell"),
    ],
)
def test_a_training_in_a_line(training, said):
    assert format_training(training).startswith(said)
