"""Encodings: injective, stable, and growing where a rare decision is met late."""

from __future__ import annotations

from random import Random
from typing import Any

import numpy as np
import pytest
from small_spaces import ALL, SMALL, conditional, continuous, ranges, subsets
from torch import nn

import nasturtium as nas
from nasturtium.errors import SpaceError
from nasturtium.predict.mlp import MLPEnsemble
from nasturtium.run.names import NAMES, build_part
from nasturtium.study.study import Study


@pytest.mark.parametrize("name", SMALL)
def test_small_spaces_are_told_apart(name: str) -> None:
    space = SMALL[name]
    rows = np.stack([space.encode(architecture) for architecture in space.every()])
    assert rows.dtype == np.float32
    assert len(np.unique(rows, axis=0)) == len(rows)
    assert rows.min() >= 0
    assert rows.max() <= 1


@pytest.mark.parametrize("name", ALL)
def test_two_discoveries_agree_and_find_what_samples_ask(name: str) -> None:
    space = ALL[name]
    first, second = space.encoder(), space.derived().encoder()
    assert first.columns == second.columns
    assert len(first.columns) == len(set(first.columns))
    rng = Random(99)
    samples = [space.sample(rng) for _ in range(30)]
    assert np.array_equal(first.encode_all(samples), second.encode_all(samples))
    assert first.columns == second.columns
    for decision in space.discover():
        assert decision.name in first.context(decision.name)


def test_columns_say_what_they_mean() -> None:
    encoder = conditional.encoder()
    assert encoder.columns[:3] == ("depth=1", "depth=2", "depth=3")
    architecture = conditional.repair({"depth": 1, "block0.op": "skip"})
    hot = [c for c, v in zip(encoder.columns, encoder.encode(architecture), strict=True) if v]
    assert hot == ["depth=1", "block0.op=skip"]
    assert [d.name for d in encoder.discovered[:3]] == ["depth", "block0.op", "block0.bias"]


def test_subsets_and_ranges() -> None:
    columns = dict.fromkeys(subsets.encoder().columns)
    row = subsets.encode(nas.Architecture("subsets", {"some": (1, 4), "anything": ("q",)}))
    assert [c for c, v in zip(columns, row, strict=True) if v] == ["some=1", "some=4", "anything=q"]
    row = ranges.encode(nas.Architecture("ranges", {"whole": 6, "grid": 0.5, "octave": 4}))
    assert row == pytest.approx([1, 1, 1, 0.5, 1, 1 / 3])
    row = continuous.encode(nas.Architecture("continuous", {"rate": 1e-2, "shift": -1.0}))
    assert row == pytest.approx([1, 0.5, 1, 0])


@nas.space
def contextual(choose: Any) -> Any:
    """Ends and options that depend on an earlier answer, and None."""
    deep = choose("deep", (False, True))
    choose.range("width", 5, 8) if deep else choose.range("width", 1, 4)
    choose("heads", (2, 4) if deep else (2, 3))
    choose("dropout", (None, 0.1) if deep else (0.1, None, 0.5))
    return nas.block(nn.Linear, 2, 3)


def test_columns_settle_where_options_depend_on_answers() -> None:
    encoder = contextual.encoder()
    columns = encoder.columns
    every = list(contextual.every())
    assert len(np.unique(np.stack([contextual.encode(a) for a in every]), axis=0)) == len(every)
    encoder.encode_all(every)
    assert encoder.columns == columns
    found = {decision.name: decision.options_text() for decision in encoder.discovered}
    assert found["width"] == "int from 1 to 8 in steps of 1"
    assert found["heads"] == "one of (2, 3, 4)"


QUICK = MLPEnsemble(members=2, epochs=3)
LEARNING = {
    "bananas": nas.BANANAS(mutants=10, predictor=QUICK),
    "npenas": nas.NPENAS(mutants=10, predictor=QUICK),
}


@pytest.mark.parametrize("strategy", sorted(set(NAMES["strategy"]) - {"lemonade"}))
def test_every_strategy_searches_where_options_depend_on_answers(strategy: str) -> None:
    given = LEARNING.get(strategy) or build_part("strategy", strategy)
    study = Study(contextual, given, objectives=("accuracy", "min:cost"))
    for _ in range(22):
        trial = study.ask()
        if trial is None:
            break
        assert contextual.decide(contextual.replay(trial.architecture)) == trial.architecture
        worth = float(trial.architecture["width"])  # type: ignore[arg-type]
        study.tell(trial, {"accuracy": worth, "cost": worth * trial.architecture["heads"]})  # type: ignore[operator]


@nas.space
def rare(choose: Any) -> Any:
    """A question that one in 4^6 asks."""
    answers = "".join(choose(f"q{index}", ("a", "b", "c", "d")) for index in range(6))
    if answers == "bcbdac":
        choose("secret", (1, 2))
    return nas.block(nn.Identity)


def test_what_is_met_late_appends_columns() -> None:
    usual = rare.sample(Random(0))
    letters = {f"q{index}": letter for index, letter in enumerate("bcbdac")}
    unmet = nas.Architecture("rare", {**letters, "secret": 2})
    encoder, other = rare.encoder(), rare.encoder()
    before = encoder.encode(usual)
    after = encoder.encode(unmet)
    assert len(after) == len(before) + 2
    assert encoder.columns[-2:] == ("secret=1", "secret=2")
    assert np.array_equal(encoder.encode(usual)[: len(before)], before)
    assert len(other.encode(usual)) == len(before)  # encoders grow apart
    rows = other.encode_all([usual, unmet])
    assert rows.shape == (2, len(after))
    with pytest.raises(SpaceError, match=r"'secret'=2, which discovery did not find"):
        rare.encode(unmet)
    with pytest.raises(SpaceError, match="has no answer for decision 'q0' of space 'rare'"):
        encoder.encode({"other": 1})
