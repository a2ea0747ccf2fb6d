"""Cutting stored tensors: the rule of every layout, and what the store makes of conflicts."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from nasturtium.errors import SpaceError
from nasturtium.supernet.shared_weights import Store
from nasturtium.supernet.weight_slicing import ParameterSpec, cut, cut_in, parameter_specs


def stored(*shape: int) -> Tensor:
    return torch.arange(float(torch.Size(shape).numel())).view(shape)


def test_leading_channels_and_centred_kernels_are_a_view() -> None:
    whole = stored(8, 6, 7, 7)
    part = cut(whole, (4, 3, 3, 3), centred=True)
    assert torch.equal(part, whole[:4, :3, 2:5, 2:5])
    assert part.untyped_storage().data_ptr() == whole.untyped_storage().data_ptr()
    assert cut(whole, (8, 6, 7, 7)) is whole


def test_sections_give_their_leading_rows() -> None:
    whole = stored(12, 4)  # three matrices of four rows
    part = cut(whole, (6, 2), sections=3)
    assert torch.equal(part, torch.cat([whole[start : start + 2, :2] for start in (0, 4, 8)]))


@pytest.mark.parametrize(
    ("shape", "small", "sections", "centred"),
    [((8, 6, 5, 5), (4, 3, 3, 1), 1, True), ((12, 4), (6, 3), 3, False), ((12,), (6,), 3, False)],
)
def test_what_is_written_in_is_what_is_cut(
    shape: tuple[int, ...], small: tuple[int, ...], sections: int, centred: bool
) -> None:
    whole = torch.zeros(shape)
    part = stored(*small) + 1
    cut_in(whole, part, sections, centred)
    assert torch.equal(cut(whole, small, sections, centred), part)
    assert int((whole != 0).sum()) == part.numel()


def kept(*modules: nn.Module) -> tuple[Store, list[list[ParameterSpec]]]:
    """Return a store for networks with one layer each, called ``layer``."""
    met = [
        [place.piece for place in parameter_specs(nn.Sequential(), "")]
        + [place.piece for place in parameter_specs(module, "layer")]
        for module in modules
    ]
    store = Store()
    store.reserve([piece for network in met for piece in network])
    store.allocate(torch.device("cpu"))
    return store, met


def test_groups_of_one_width_share_leading_groups() -> None:
    """RegNet: the channels per group are fixed, so a narrower layer has the first groups."""
    store, (large, small) = kept(nn.Conv2d(8, 8, 3, groups=4), nn.Conv2d(4, 4, 3, groups=2))
    assert store.key(large[0]) == store.key(small[0]) == "layer.weight"
    assert store.part(small[0])().data_ptr() == store["layer.weight"].data_ptr()


def test_a_fixed_number_of_groups_shares_group_by_group() -> None:
    """ResNeXt: a narrower layer has the first channels of every group, and computes with them."""
    large, small = nn.Conv2d(8, 8, 1, groups=2), nn.Conv2d(4, 4, 1, groups=2)
    store, (_, piece) = kept(large, small)
    with torch.no_grad():
        store["layer.weight"].copy_(stored(8, 4, 1, 1))
    part = store.part(piece[0])()
    assert torch.equal(part[2:], store["layer.weight"][4:6, :2])
    part.sum().backward()
    grad = store["layer.weight"].grad
    assert grad is not None
    used = torch.zeros(8, 4, 1, 1)
    used[[0, 1, 4, 5], :2] = 1
    assert torch.equal(grad, used)


def test_attention_is_cut_by_thirds() -> None:
    large, small = nn.MultiheadAttention(8, 2), nn.MultiheadAttention(4, 2)
    store, (_, piece) = kept(large, small)
    with torch.no_grad():
        store["layer.in_proj_weight"].copy_(stored(24, 8))
    part = store.part(piece[0])()
    assert torch.equal(part[4:8], store["layer.in_proj_weight"][8:12, :4])


def test_tied_weights_are_one_piece() -> None:
    embedding, head = nn.Embedding(10, 4), nn.Linear(4, 10, bias=False)
    head.weight = embedding.weight
    both = [place.piece for place in parameter_specs(nn.Sequential(embedding, head))]
    assert [piece.path for piece in both] == ["0.weight", "0.weight"]
    assert both[0] == both[1]


def test_kinds_at_one_path_are_apart_and_named() -> None:
    store, (norm, conv) = kept(nn.BatchNorm2d(4), nn.Conv2d(4, 4, 3))
    assert store.key(norm[0]) == "layer.weight"
    assert store.key(conv[0]) == "layer.weight~2"
    assert store.conflicts()["layer.weight"] == ("BatchNorm2d 1d float32", "Conv2d 4d float32")


def test_what_is_not_stored_says_what_to_do() -> None:
    store, _ = kept(nn.Linear(4, 4))
    (piece, *_) = [place.piece for place in parameter_specs(nn.Linear(8, 4), "layer")]
    with pytest.raises(SpaceError, match=r"no weights of shape \(4, 8\) at 'layer.weight'.*grow"):
        store.part(piece)
    (piece, *_) = [place.piece for place in parameter_specs(nn.Linear(8, 4), "other")]
    with pytest.raises(SpaceError, match="it has nothing for a Linear"):
        store.part(piece)


def test_a_parameter_where_another_network_has_a_module_is_refused() -> None:
    holder = nn.Module()
    holder.register_parameter("layer", nn.Parameter(torch.zeros(2)))
    store = Store()
    layer = [place.piece for place in parameter_specs(nn.Linear(2, 2), "layer")]
    store.reserve([place.piece for place in parameter_specs(holder)] + layer)
    with pytest.raises(SpaceError, match="give one of the two another name"):
        store.allocate(torch.device("cpu"))
