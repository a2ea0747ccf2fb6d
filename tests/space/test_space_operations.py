"""Primitive operations: what they refuse."""

from __future__ import annotations

from typing import Any

import pytest

import nasturtium as nas
from nasturtium.errors import SpaceError
from nasturtium.space.operations import ConvBN, ConvBNReLU


@pytest.mark.parametrize("kind", [ConvBN, ConvBNReLU])
@pytest.mark.parametrize(
    ("channels", "groups", "fitting"),
    [((24, 24), 16, "1, 2, 3, 4, 6, 8, 12, 24"), ((8, 12), 8, "1, 2, 4"), ((4, 8), 0, "1, 2, 4")],
)
def test_groups_that_do_not_divide_are_named_with_those_that_do(
    kind: Any, channels: tuple[int, int], groups: int, fitting: str
) -> None:
    inputs, outputs = channels
    message = (
        f"a convolution of {inputs} to {outputs} channels cannot have {groups} groups: they have "
        f"to divide both; {fitting} do"
    )
    with pytest.raises(SpaceError, match=message):
        kind(inputs, outputs, groups=groups)
    with pytest.raises(SpaceError, match=message):  # also where nothing is built
        kind.cost((inputs, 8, 8), inputs, outputs, groups=groups)


def test_the_check_of_a_space_names_the_option() -> None:
    @nas.space
    def grouped(choose: Any, *, inputs: tuple[int, ...], classes: int) -> Any:
        groups = choose("groups", (1, 2, 5))
        parts = {
            "stem": nas.block(ConvBNReLU, inputs[0], 8),
            "body": nas.block(ConvBNReLU, 8, 8, groups=groups),
        }
        return nas.chain(parts, head=nas.block(nas.Classifier, 8, classes))

    with pytest.raises(SpaceError, match="decision 'groups' = 5 does not fit") as caught:
        grouped.check()
    assert "a convolution of 8 to 8 channels cannot have 5 groups" in str(caught.value)
