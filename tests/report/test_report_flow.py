"""The traced data flow: every parameter and every product lies in exactly one drawn box."""

from __future__ import annotations

from random import Random

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

import nasturtium as nas
from nasturtium.cost.count import count
from nasturtium.errors import EstimateError
from nasturtium.report.boxes import Box
from nasturtium.report.draw import picture, rows
from nasturtium.report.flow import trace_flow
from nasturtium.report.graph import Graph, graph, graph_of
from nasturtium.report.text.network_tree import draw_tree
from nasturtium.run.names import NAMES

ALL = 10_000
VECTORS = frozenset({"mlp"})  # spaces of networks on vectors


class Block(nn.Module):
    """A block of a vision transformer."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attention = nn.MultiheadAttention(width, 4, batch_first=True)
        self.mlp = nn.Sequential(
            nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width)
        )

    def forward(self, x: Tensor) -> Tensor:
        y = self.norm1(x)
        x = x + self.attention(y, y, y, need_weights=False)[0]
        return x + self.mlp(self.norm2(x))


class VisionTransformer(nn.Module):
    def __init__(self, width: int = 32, depth: int = 3) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, width, 8, 8)
        self.token = nn.Parameter(torch.zeros(1, 1, width))
        self.position = nn.Parameter(torch.zeros(1, 17, width))
        self.blocks = nn.ModuleList(Block(width) for _ in range(depth))
        self.head = nn.Linear(width, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = self.patches(x).flatten(2).transpose(1, 2)
        x = torch.cat([self.token.expand(len(x), -1, -1), x], 1) + self.position
        for block in self.blocks:
            x = block(x)
        return self.head(x[:, 0])


class Recurrent(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.lstm = nn.LSTM(8, 16, 2, batch_first=True, bidirectional=True)
        self.head = nn.Linear(32, 4)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.lstm(x)[0][:, -1])


class Functional(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(8, 3, 3, 3))
        self.scale = nn.Parameter(torch.zeros(8, 1, 1))
        self.conv = nn.Conv2d(8, 8, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        x = F.max_pool2d(F.relu(F.conv2d(x, self.weight)), 2)
        y = self.conv.forward(x)  # no hook of the layer sees this call
        y += x * self.scale
        return y.mean((2, 3)).softmax(1)


class Tied(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(10, 8)
        self.layer = nn.Linear(8, 8)
        self.out = nn.Linear(8, 10, bias=False)
        self.out.weight = self.embed.weight
        self.auxiliary = nn.Sequential(nn.Linear(8, 3), nn.ReLU())
        self.unread = nn.Parameter(torch.zeros(5))

    def forward(self, x: Tensor) -> Tensor:
        return self.out(self.layer(F.relu(self.layer(self.embed(x.long())))))


class Weights(nn.Module):
    """Weights that are computed of parameters, and two outputs."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.utils.parametrizations.spectral_norm(nn.Conv2d(3, 8, 3))
        self.second = nn.utils.parametrizations.weight_norm(nn.Conv2d(8, 8, 3))

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        x = self.first(x)
        return {"x": x, "y": self.second(x)}


class Deciding(nn.Module):
    """Computes what the values of tensors say."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Linear(8, 8)
        self.experts = nn.ModuleList(nn.Linear(8, 8) for _ in range(3))
        self.head = nn.Linear(8, 2)

    def forward(self, x: Tensor) -> Tensor:
        x = self.body(x)
        return self.head(self.experts[int(x.argmax()) % 3](x))


def check_sums(network: nn.Module, inputs: tuple[int, ...]) -> None:
    cost, flow = count(network, inputs), trace_flow(network, inputs)
    for drawn in (graph_of(flow), graph_of(flow, ALL), graph_of(flow, 3)):
        assert sum(box.params * box.copies for box in drawn.boxes) == cost.params
        assert sum(box.macs * box.copies for box in drawn.boxes) == cost.macs
        assert sum(row[3] for row in rows(drawn)) == cost.params
        numbers = [box.number for box in drawn.boxes]
        assert numbers == sorted(numbers)
        assert all(a < b and {a, b} <= set(numbers) for a, b in drawn.edges)
    assert not flow.missing


def named(drawn: Graph, name: str) -> Box:
    (box,) = (box for box in drawn.boxes if box.name == name)
    return box


@pytest.mark.parametrize("name", sorted(NAMES["space"]))
def test_boxes_of_every_space_add_up_to_the_network(name: str) -> None:
    inputs = (8,) if name in VECTORS else (3, 32, 32)
    space = getattr(nas.zoo, name).bind(inputs=inputs)
    with torch.device("meta"):
        network = space.build(space.sample(Random(1)))
    check_sums(network, inputs)
    drawn = graph(network, inputs)
    assert all(any(b == box.number for _, b in drawn.edges) for box in drawn.boxes[1:])


@pytest.mark.parametrize(
    ("network", "inputs"),
    [
        (VisionTransformer(), (3, 32, 32)),
        (nn.TransformerEncoderLayer(8, 2, batch_first=True), (4, 8)),
        (nn.TransformerEncoderLayer(8, 2), (4, 8)),
        (Recurrent(), (6, 8)),
        (nn.LSTM(8, 4), (5, 8)),
        (Functional(), (3, 8, 8)),
        (Tied(), (5,)),
        (Weights(), (3, 8, 8)),
        (nn.Linear(4, 2), (4,)),
        (nn.Identity(), (4,)),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, nn.Module) else "",
)
def test_boxes_of_any_network_add_up_to_it(network: nn.Module, inputs: tuple[int, ...]) -> None:
    check_sums(network, inputs)


def test_attention_and_bare_parameters_are_boxes() -> None:
    network = VisionTransformer()
    drawn = graph(network, (3, 32, 32))
    attention = named(drawn, "blocks.0.attention")
    assert attention.type == "MultiheadAttention" and attention.copies == 3
    assert attention.shape == (17, 32)
    assert attention.params == sum(p.numel() for p in network.blocks[0].attention.parameters())
    assert attention.macs > 0
    assert named(drawn, "token").type == "cat" and named(drawn, "token").params == 32
    assert named(drawn, "position").type == "add" and named(drawn, "position").params == 17 * 32
    assert [(frame.name, frame.copies) for frame in drawn.frames] == [("blocks.0", 3)]
    first, second = (box for box in drawn.boxes if box.kind == "sum")
    readers = {(a, b) for a, b in drawn.edges}
    assert (attention.number, first.number) in readers and (first.number, second.number) in readers
    lines = draw_tree(trace_flow(network, (3, 32, 32)))
    assert any("0 to 2, each" in line and "Block" in line for line in lines)


def test_functions_are_boxes() -> None:
    drawn = graph(Functional(), (3, 8, 8))
    kinds = [(box.name, box.type, box.params) for box in drawn.boxes if box.kind == "block"]
    assert kinds == [
        ("weight", "conv2d, relu", 216),
        ("max_pool2d", "max_pool2d", 0),
        ("conv", "conv2d", 584),
        ("scale", "mul", 8),
        ("mean", "mean, softmax", 0),
    ]
    (total,) = (box for box in drawn.boxes if box.kind == "sum")
    sources = {a for a, b in drawn.edges if b == total.number}
    assert sources == {named(drawn, "conv").number, named(drawn, "scale").number}


def test_scaled_dot_product_attention_is_a_box() -> None:
    class Attention(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.qkv = nn.Linear(8, 24)

        def forward(self, x: Tensor) -> Tensor:
            q, k, v = self.qkv(x).chunk(3, -1)
            return x + F.scaled_dot_product_attention(q, k, v)

    drawn = graph(Attention(), (6, 8))
    box = named(drawn, "scaled_dot_product_attention")
    assert box.macs == 2 * 6 * 6 * 8 and box.shape == (6, 8)
    assert [a for a, b in drawn.edges if b == box.number] == [named(drawn, "qkv").number]


def test_shared_parameters_count_once() -> None:
    drawn = graph(Tied(), (5,))
    layers = [box for box in drawn.boxes if box.name == "layer"]
    assert [(box.params, box.shared) for box in layers] == [(72, False), (0, True)]
    assert named(drawn, "out").shared and not named(drawn, "embed").shared
    assert "shared" in picture(drawn)


def test_parameters_that_nothing_reads_are_drawn() -> None:
    drawn = graph(Tied(), (5,))
    unused = {box.name: (box.type, box.params) for box in drawn.boxes if box.kind == "unused"}
    assert unused == {
        "unread": ("parameter, not read", 5),
        "auxiliary": ("Sequential, not run", 27),
    }


def test_many_modules_that_do_not_run_are_one_box() -> None:
    class Mixture(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.experts = nn.ModuleList(nn.Linear(4, 4) for _ in range(9))

        def forward(self, x: Tensor) -> Tensor:
            return self.experts[2](x)

    drawn = graph(Mixture(), (4,))
    (unused,) = (box for box in drawn.boxes if box.kind == "unused")
    assert (unused.type, unused.params) == ("8 parts, not used", 160)


def test_what_depends_on_values_is_drawn_as_far_as_it_is_known() -> None:
    network = Deciding()
    drawn = graph(network, (8,))
    assert "reads values of tensors" in drawn.missing
    assert named(drawn, "body").macs == 64
    assert {box.name for box in drawn.boxes if box.kind == "unused"} == {"experts", "head"}
    total = sum(parameter.numel() for parameter in network.parameters())
    assert sum(box.params for box in drawn.boxes) == total
    assert "without data" in picture(drawn)
    assert "reads values of tensors" in draw_tree(trace_flow(network, (8,)))[-1]


def test_tensors_in_objects_are_followed() -> None:
    class Result:
        def __init__(self, scores: Tensor) -> None:
            self.scores = scores

    class Wrapping(nn.Sequential):
        def forward(self, x: Tensor) -> Result:
            return Result(super().forward(x))

    drawn = graph(Wrapping(nn.Linear(4, 2), nn.Linear(2, 3)), (4,))
    assert drawn.boxes[-1].shape == (3,)
    assert drawn.edges == ((0, 1), (1, 2), (2, 3))


def test_a_network_that_does_not_fit_is_still_refused() -> None:
    with pytest.raises(EstimateError, match=r"layer 'body' \(Linear.*\(1, 5\)"):
        trace_flow(Deciding(), (5,))


def test_inputs_without_a_size_are_refused() -> None:
    with pytest.raises(EstimateError, match="inputs is the shape of one example"):
        trace_flow(Deciding(), (-8,))


def test_the_network_is_not_changed() -> None:
    network = VisionTransformer()
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    trace_flow(network, (3, 32, 32))
    assert network.training and all(p.device.type == "cpu" for p in network.parameters())
    assert all(torch.equal(before[name], tensor) for name, tensor in network.state_dict().items())
    assert not any(module._forward_hooks for module in network.modules())
