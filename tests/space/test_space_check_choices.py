"""check(): every option is tried, and what does not fit is named."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from small_spaces import SMALL
from torch import Tensor, nn

import nasturtium as nas
from nasturtium.errors import SpaceError
from nasturtium.space.operations import ConvBNReLU


@nas.space
def sound(choose: Any, *, inputs: tuple[int, ...], classes: int) -> Any:
    width = choose("width", (4, 8, 16))
    parts = {"stem": nas.block(ConvBNReLU, inputs[0], width)}
    for index in range(choose("depth", (1, 2, 3))):
        op = {"conv": nas.block(ConvBNReLU, width, width), "skip": nas.block(nn.Identity)}
        parts[f"block{index}"] = choose.module(f"op{index}", op)
    return nas.chain(parts, head=nas.block(nas.Classifier, width, classes))


def test_a_sound_space_is_reported() -> None:
    report = sound.check(samples=5)
    assert report.size.value == 3 * (2 + 4 + 8)
    assert report.options == 3 + 3 + 2 * 3
    assert report.networks >= 6
    assert len(report.decisions) == 5
    least, middle, most = report.parameters
    assert 0 < least <= middle <= most
    assert "space sound: 42 architectures, 5 decisions" in str(report)
    assert sound.check((1, 8, 8), 7, samples=1).networks > 0


@nas.space
def mismatched(choose: Any, *, inputs: tuple[int, ...], classes: int) -> Any:
    """The last option of the width of the second layer does not fit the third."""
    first = choose("first", (4, 8))
    second = choose("second", (4, 8, 13))
    parts = {
        "a": nas.block(ConvBNReLU, inputs[0], first),
        "b": nas.block(ConvBNReLU, first, second),
        "c": nas.block(ConvBNReLU, second // 4 * 4, 8),
    }
    return nas.chain(parts, head=nas.block(nas.Classifier, 8, classes))


def test_a_width_that_does_not_fit_is_named_with_its_shapes() -> None:
    with pytest.raises(SpaceError, match=r"decision 'second' = 13 does not fit") as caught:
        mismatched.check()
    message = str(caught.value)
    assert "'mismatched' with inputs (3, 32, 32) and 10 classes" in message
    assert "13" in message and "12" in message  # channels given and expected
    assert "second=13" in message


class Failing(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        raise RuntimeError("only on Tuesdays")


@nas.space
def failing(choose: Any, *, inputs: tuple[int, ...], classes: int) -> Any:
    ops = {"good": nas.block(nn.Identity), "bad": nas.block(Failing)}
    head = nas.block(nas.Classifier, inputs[0], classes)
    return nas.chain(op=choose.module("op", ops), head=head)


def test_an_option_that_fails_is_named() -> None:
    with pytest.raises(SpaceError, match=r"decision 'op' = 'bad' does not fit.*only on Tuesdays"):
        failing.check()


def test_outputs_are_compared_with_the_classes() -> None:
    @nas.space
    def wrong(choose: Any, *, inputs: tuple[int, ...], classes: int) -> Any:
        choose("width", (4, 8))
        return nas.block(nas.Classifier, inputs[0], 5)

    with pytest.raises(
        SpaceError, match=r"no single decision is to blame.*shape \(2, 5\).*expected \(2, 10\)"
    ):
        wrong.check()
    with pytest.raises(SpaceError, match=r"give check\(\) the shape of one example"):
        SMALL["flat"].check()


def test_a_check_touches_no_generator() -> None:
    torch.manual_seed(0)
    before = torch.random.get_rng_state()
    sound.check(samples=2)
    assert torch.equal(torch.random.get_rng_state(), before)


@nas.space
def particular(choose: Any, *, inputs: tuple[int, ...], classes: int) -> Any:
    """A kernel that goes with one width only, which is not the first."""
    width = choose("width", (4, 8, 16))
    kernel = choose("kernel", (1, 3, 5))
    if kernel == 5 and width != 8:
        choose.reject("kernels of 5 go with a width of 8")
    stem = nas.block(ConvBNReLU, inputs[0], width, kernel)
    return nas.chain(stem=stem, head=nas.block(nas.Classifier, width, classes))


def test_an_option_that_one_context_rejects_is_tried_in_others() -> None:
    report = particular.check(samples=1)
    assert report.rejected > 0
    assert report.options == 6
