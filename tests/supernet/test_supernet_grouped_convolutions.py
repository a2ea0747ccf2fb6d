"""Groupings of one convolution share: the same two channels have the same weight under each."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional

import nasturtium as nas
from nasturtium.supernet.shared_weights import Store
from nasturtium.supernet.supernet import Supernet
from nasturtium.supernet.weight_slicing import ParameterSpec, cut, cut_in, parameter_specs


def conv(outputs: int, group: int, kernel: int = 1, inputs: int | None = None) -> nn.Conv2d:
    """Return a convolution with so many input channels in each group."""
    inputs = inputs or outputs
    return nn.Conv2d(inputs, outputs, kernel, bias=False, groups=inputs // group)


def kept(*modules: nn.Module) -> tuple[Store, list[ParameterSpec]]:
    """Return a store for networks with one layer, called ``layer``, and the layers' weights."""
    met = [[place.piece for place in parameter_specs(module, "layer")] for module in modules]
    store = Store()
    store.reserve([piece for network in met for piece in network])
    store.allocate(torch.device("cpu"))
    return store, [network[0] for network in met]


def masked(dense: Tensor, groups: int) -> Tensor:
    """Return the weight of a dense convolution with zeros between different groups."""
    rows, columns = dense.shape[0] // groups, dense.shape[1] // groups
    mask = torch.kron(torch.eye(groups), torch.ones(rows, columns))
    return dense * mask[:, :, None, None]


@pytest.mark.parametrize("group", [1, 2, 4, 8, 16])
@pytest.mark.parametrize("width", [16, 32])
def test_a_grouped_convolution_is_a_dense_one_masked(group: int, width: int) -> None:
    """Widths in powers of two, as AnyNet's: each group is cut from the dense layer exactly."""
    store, (_, piece) = kept(conv(32, 32, 3), conv(width, group, 3))
    dense = torch.randn(32, 32, 3, 3)
    with torch.no_grad():
        store["layer.weight"].copy_(dense)
    x = torch.randn(2, width, 5, 5)
    expected = functional.conv2d(x, masked(dense[:width, :width], width // group))
    out = functional.conv2d(x, store.part(piece)(), groups=width // group)
    torch.testing.assert_close(out, expected, atol=1e-4, rtol=1e-4)


def test_one_pair_of_channels_has_one_weight_under_every_grouping() -> None:
    groups = (1, 2, 4, 8)
    store, met = kept(*(conv(16, group) for group in groups))
    assert {store.key(piece) for piece in met} == {"layer.weight"}
    assert store["layer.weight"].shape == (16, 8, 1, 1)
    with torch.no_grad():
        store["layer.weight"].copy_(torch.arange(128.0).view(16, 8, 1, 1))
    weight: dict[tuple[int, int], float] = {}
    for group, piece in zip(groups, met, strict=True):
        for output, row in enumerate(store.part(piece)().flatten(1).tolist()):
            for place, value in enumerate(row):
                pair = (output, output // group * group + place)
                assert weight.setdefault(pair, value) == value


@given(
    group=st.integers(1, 9),
    number=st.integers(1, 6),
    more=st.integers(0, 7),
    rows=st.integers(0, 5),
    kernel=st.sampled_from([(1, 1), (1, 3), (3, 3)]),
)
@settings(max_examples=60, deadline=None)
def test_what_is_written_in_is_what_is_cut(
    group: int, number: int, more: int, rows: int, kernel: tuple[int, int]
) -> None:
    """Also where widths do not divide one another: no two weights of a network meet."""
    small, large = kernel
    shape = (group * number, group, small, small)
    whole = torch.zeros(group * number + rows, group + more, large, large)
    part = torch.arange(1.0, 1 + group * number * group * small**2).view(shape)
    cut_in(whole, part, 1, True, number)
    assert torch.equal(cut(whole, shape, 1, True, number), part)
    assert int((whole != 0).sum()) == part.numel()


def test_gradients_land_where_the_weights_were_cut() -> None:
    store, (_, _, piece) = kept(conv(8, 4), conv(8, 2), conv(4, 2))
    store.part(piece)().sum().backward()
    grad = store["layer.weight"].grad
    assert grad is not None
    used = torch.zeros(8, 4)
    used[[0, 0, 1, 1], [0, 1, 0, 1]] = 1
    used[[2, 2, 3, 3], [2, 3, 2, 3]] = 1
    assert torch.equal(grad.flatten(1), used)


def test_the_widest_groups_are_views() -> None:
    store, (large, small, narrow) = kept(conv(8, 4), conv(4, 4), conv(8, 2))
    for piece in (large, small):
        assert store.part(piece)().data_ptr() == store["layer.weight"].data_ptr()
    assert store.part(narrow)().shape == (8, 2, 1, 1)


layers = st.lists(
    st.tuples(st.integers(1, 6), st.sampled_from([1, 2, 3, 4, 8])), min_size=1, max_size=6
)


@given(layers)
@settings(max_examples=60, deadline=None)
def test_never_more_room_than_apart_and_never_less_shared(sizes: list[tuple[int, int]]) -> None:
    """Compare with separate weights for each number of channels per group, shared by rows."""
    modules = [conv(number * group, group) for number, group in sizes]
    store, met = kept(*modules)
    apart: dict[tuple[bool, int], int] = {}
    for piece in met:
        kind = (piece.groups == 1, 0 if piece.groups == 1 else piece.shape[1])
        apart[kind] = max(apart.get(kind, 0), piece.shape[0])
    dense = [piece.shape[1] for piece in met if piece.groups == 1]
    room = sum(
        rows * (max(dense) if is_dense else group) for (is_dense, group), rows in apart.items()
    )
    numbers = {p.groups for p in met if p.groups > 1}
    if len(numbers) != 1:  # else they share group by group
        assert store.numel() <= room
    for one in met:
        for other in met:
            if (one.groups == 1, one.shape[1]) == (other.groups == 1, other.shape[1]):
                assert store.key(one) == store.key(other)


def test_a_wide_depthwise_layer_and_a_narrow_grouped_one_stay_apart() -> None:
    """Check two layers for which one tensor would be as wide as one and as deep as the other."""
    store, (wide, narrow) = kept(conv(512, 1), conv(32, 16))
    assert store.key(wide) != store.key(narrow)
    assert store.numel() == 512 + 32 * 16


def test_wider_groups_that_are_met_later_leave_what_was_learnt() -> None:
    store, (large, small) = kept(conv(12, 6), conv(12, 2))
    with torch.no_grad():
        store["layer.weight"].normal_()
    before = [store.part(piece)().clone() for piece in (large, small)]
    (wider,) = [place.piece for place in parameter_specs(conv(16, 8), "layer")]
    assert not store.holds(wider)
    store.reserve([wider])
    store.allocate(torch.device("cpu"))
    assert store.key(wider) == "layer.weight~2"
    for piece, values in zip((large, small), before, strict=True):
        assert torch.equal(store.part(piece)(), values)
    assert store.conflicts()["layer.weight"] == (
        "Conv2d 4d float32 in groups",
        "Conv2d 4d float32 in groups, wider 1",
    )


SMALL: dict[str, Any] = {"*.depth": (1, 2), "*.width": (8, 16, 40, 64)}
SPACES = {
    **{
        name: getattr(nas.zoo, name).bind(stages=2, inputs=(3, 8, 8), classes=4).restrict(SMALL)
        for name in ("anynet", "anynet_b", "anynet_c", "anynet_d", "anynet_e")
    },
    "regnet": nas.zoo.regnet.bind(stages=2, squeeze=0.25, inputs=(3, 8, 8), classes=4).restrict(
        depth=(3, 5), w0=(8, 24), wa=(8.0, 12.0), group=(8, 24)
    ),
}


@pytest.mark.parametrize("name", sorted(SPACES))
def test_every_sampled_network_runs_on_one_store(name: str) -> None:
    space = SPACES[name]
    supernet = Supernet(space)
    found = supernet.audit(30)
    assert found["conflicting"] == found["missing"] == 0.0
    rng = Random(0)
    x = torch.randn(2, 3, 8, 8)
    for _ in range(6):
        architecture = space.sample(rng)
        supernet.zero_grad()
        out = supernet(x, architecture)
        assert out.shape == (2, 4)
        out.sum().backward()
        ordinary = dict(space.skeleton(architecture).named_parameters())
        for place in parameter_specs(supernet._bound(architecture).module):
            if place.piece.parameter:
                tensor = place.home[place.name]
                assert tensor.shape == ordinary[place.piece.path].shape
                stored = supernet.weights.get_parameter(place.piece.path)
                assert stored.grad is not None
                assert tensor is stored or tensor.grad_fn is not None
