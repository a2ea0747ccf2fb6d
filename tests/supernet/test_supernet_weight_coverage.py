"""Tests of the coverage sample of a supernet, its audit and its limits."""

from __future__ import annotations

from collections import OrderedDict
from random import Random
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import nasturtium as nas
from nasturtium.errors import SpaceError
from nasturtium.supernet.supernet import Supernet

NB201 = nas.zoo.nasbench201.bind(cells=1, channels=4, classes=4, inputs=(3, 8, 8))


@nas.space
def told(choose: Any, *, inputs: tuple[int, ...], classes: int) -> Any:
    """Ask only for the operations of the inputs that are joined."""
    labels = ("a", "b", "c")
    ops = {"conv": nas.block(nn.Conv2d, 3, 3, 1), "skip": nas.block(nn.Identity)}
    joined = choose.subset("merge", labels, least=1, most=2)
    edges = {
        label: choose.module(f"op_{label}", ops) if label in joined else nas.block(absent)
        for label in labels
    }
    merge = choose.join("merge", edges, least=1, most=2)
    return nas.block(Thrice, merge, classes)


def absent() -> nn.Module:
    raise AssertionError("an input that is not joined is built")


class Thrice(nn.Module):
    def __init__(self, merge: nas.Block, classes: int) -> None:
        super().__init__()
        self.merge = merge()
        self.head = nas.Classifier(3, classes)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.head(self.merge(x, 2 * x, 3 * x))
        return out


def test_a_builder_may_be_told_what_is_joined() -> None:
    supernet = Supernet(told).eval()
    x = torch.randn(6, 3, 8, 8)
    for architecture in told.every():
        assert torch.equal(supernet(x, architecture), supernet.extract(architecture)(x))


def test_audit_adds_up_and_says_why() -> None:
    found = Supernet(NB201).audit(30)
    assert found["shared"] == pytest.approx(1.0)
    assert found["conflicting"] == found["missing"] == 0.0

    @nas.space
    def unnamed(choose: Any, *, inputs: tuple[int, ...], classes: int) -> Any:
        deep = choose("deep", (False, True))

        def build() -> nn.Module:
            parts = [nn.Conv2d(inputs[0], 8, 3), *([nn.BatchNorm2d(8)] if deep else [])]
            return nn.Sequential(*parts, nn.Conv2d(8, 8, 3), nas.Classifier(8, classes))

        return build

    found = Supernet(unnamed).audit(20)
    parts = sum(found[name] for name in ("shared", "alone", "conflicting", "missing"))
    assert parts == pytest.approx(1.0)
    assert 0.2 < found["conflicting"] < 0.5
    reasons = [name for name in found if name.startswith("conflict at 1.weight")]
    assert len(reasons) == 1
    assert "Conv2d 4d" in reasons[0] and "BatchNorm2d 1d" in reasons[0]


@nas.space
def rare(choose: Any, *, inputs: tuple[int, ...], classes: int) -> Any:
    """Build a wider layer for one conjunction of eight decisions in 4^8."""
    answers = [choose(f"q{index}", ("a", "b", "c", "d")) for index in range(8)]
    width = 16 if "".join(answers) == "bcbdbcba" else 8

    def build() -> nn.Module:
        return nn.Sequential(
            OrderedDict(conv=nn.Conv2d(inputs[0], width, 3), head=nas.Classifier(width, classes))
        )

    return build


def test_growing_is_asked_for_and_keeps_what_was_learnt() -> None:
    supernet = Supernet(rare)
    unmet = nas.Architecture("rare", {f"q{i}": label for i, label in enumerate("bcbdbcba")})
    x = torch.randn(2, 3, 32, 32)
    with pytest.raises(SpaceError, match=r"no weights of shape \(16, 3, 3, 3\).*grow"):
        supernet(x, unmet)
    usual = rare.sample(Random(0))
    before = supernet(x, usual).detach()
    assert set(supernet.grow(unmet)) == {"conv.weight", "conv.bias", "head.linear.weight"}
    assert torch.equal(supernet(x, usual), before)
    assert float(supernet.weights.get_parameter("conv.weight").detach().abs().min()) > 0
    supernet(x, unmet)
    assert supernet.grow(unmet) == ()


def test_what_a_supernet_refuses() -> None:
    with pytest.raises(SpaceError, match=r"needs a space made by @nas\.space"):
        Supernet("mobilenet")  # type: ignore[arg-type]

    @nas.space
    def joint(choose: Any, *, inputs: tuple[int, ...], classes: int) -> Any:
        choose("recipe.lr", (0.1, 0.2))
        return nas.block(nas.Classifier, inputs[0], classes)

    with pytest.raises(SpaceError, match=r"also asks for training settings \(recipe\.lr\)"):
        Supernet(joint)
    with pytest.raises(SpaceError, match=r"needs [\d,]+ parameters.*limit=1,000; restrict"):
        Supernet(NB201, limit=1000)
    supernet = Supernet(NB201)
    other = NB201.sample(Random(0))
    with pytest.raises(SpaceError, match=r"answers \['width'\].*space\.repair"):
        supernet(torch.randn(2, 3, 8, 8), nas.Architecture("nasbench201", {**other, "width": 3}))


def test_a_constructor_that_reads_its_own_numbers_is_built_for_real() -> None:
    class Dropping(nn.Module):
        def __init__(self, width: int) -> None:
            super().__init__()
            self.rate = torch.linspace(0, 0.1, width)[-1].item()
            self.linear = nn.Linear(3, width)

        def forward(self, x: Tensor) -> Tensor:
            out: Tensor = self.linear(x) * self.rate
            return out

    @nas.space
    def reading(choose: Any) -> Any:
        return nas.block(Dropping, choose("width", (4, 8)))

    supernet = Supernet(reading).eval()
    architecture = nas.Architecture("reading", {"width": 4})
    x = torch.randn(2, 3)
    assert torch.equal(supernet(x, architecture), supernet.extract(architecture)(x))
