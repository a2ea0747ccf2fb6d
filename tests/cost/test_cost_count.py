from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode, flop_registry, register_flop_formula

from nasturtium.cost.count import Cost, breakdown, count, forward_meta
from nasturtium.errors import EstimateError


def conv(inside: int, out: int, kernel: int = 1, stride: int = 1, groups: int = 1) -> list:
    layer = nn.Conv2d(inside, out, kernel, stride, kernel // 2, groups=groups, bias=False)
    return [layer, nn.BatchNorm2d(out)]


class Residual(nn.Module):
    def __init__(self, body: nn.Module, shortcut: nn.Module, after: nn.Module) -> None:
        super().__init__()
        self.body, self.shortcut, self.after = body, shortcut, after

    def forward(self, x: Tensor) -> Tensor:
        return self.after(self.shortcut(x) + self.body(x))


class Squeeze(nn.Module):
    def __init__(self, width: int, inside: int) -> None:
        super().__init__()
        self.gate = nn.Sequential(
            nn.AdaptiveAvgPool2d(1),
            nn.Conv2d(width, inside, 1),
            nn.ReLU(),
            nn.Conv2d(inside, width, 1),
            nn.Sigmoid(),
        )

    def forward(self, x: Tensor) -> Tensor:
        return x * self.gate(x)


class Apply(nn.Module):
    """Any function of (self, x) as a network, with the parts it needs."""

    def __init__(self, function: Callable[[nn.Module, Tensor], Tensor], **parts: object) -> None:
        super().__init__()
        self.function = function
        for name, part in parts.items():
            setattr(self, name, part)

    def forward(self, x: Tensor) -> Tensor:
        return self.function(self, x)


def classifier(width: int) -> list:
    return [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(width, 1000)]


def mobilenet_v2() -> nn.Sequential:
    layers, width = [*conv(3, 32, 3, 2), nn.ReLU6(True)], 32
    plan = ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2))
    for expand, out, depth, first in (*plan, (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1)):
        for stride in (first, *[1] * (depth - 1)):
            inside = width * expand
            body = [*conv(width, inside), nn.ReLU6(True)] if expand > 1 else []
            body += [*conv(inside, inside, 3, stride, inside), nn.ReLU6(True), *conv(inside, out)]
            block = nn.Sequential(*body)
            same = stride == 1 and width == out
            layers.append(Residual(block, nn.Identity(), nn.Identity()) if same else block)
            width = out
    return nn.Sequential(*layers, *conv(320, 1280), nn.ReLU6(True), *classifier(1280))


def regnet(
    widths: tuple[int, ...], depths: tuple[int, ...], group: int, *, squeeze: bool = False
) -> nn.Sequential:
    layers, width = [*conv(3, 32, 3, 2), nn.ReLU(True)], 32
    for out, depth in zip(widths, depths, strict=True):
        for stride in (2, *[1] * (depth - 1)):
            body = [*conv(width, out), nn.ReLU(True)]
            body += [*conv(out, out, 3, stride, out // group), nn.ReLU(True)]
            body += [Squeeze(out, round(width / 4))] if squeeze else []
            same = stride == 1 and width == out
            shortcut = nn.Identity() if same else nn.Sequential(*conv(width, out, 1, stride))
            layers.append(Residual(nn.Sequential(*body, *conv(out, out)), shortcut, nn.ReLU(True)))
            width = out
    return nn.Sequential(*layers, *classifier(width))


IMAGE = (3, 224, 224)


def on_meta(build: Callable[[], nn.Module]) -> nn.Module:
    with torch.device("meta"):
        return build()


def test_mobilenet_v2_as_published() -> None:
    cost = count(on_meta(mobilenet_v2), IMAGE)
    assert (cost.params, cost.macs) == (3_504_872, 300_774_272)
    assert cost.flops == 601_548_544
    assert Cost(**cost.to_json()) == cost


@pytest.mark.parametrize(
    ("network", "published"),
    [
        (lambda: regnet((24, 56, 152, 368), (1, 1, 4, 7), 8), (2684792, 199040872, 2164056)),
        (lambda: regnet((48, 96, 240, 528), (1, 3, 5, 7), 24), (6196040, 600891112, 3975096)),
        (
            lambda: regnet((48, 104, 208, 440), (1, 3, 6, 6), 8, squeeze=True),
            (4344144, 401849056, 3892496),
        ),
    ],
    ids=["X-200MF", "X-600MF", "Y-400MF"],
)
def test_regnet_as_published(
    network: Callable[[], nn.Module], published: tuple[int, int, int]
) -> None:
    net = on_meta(network)
    cost = count(net, IMAGE)
    # pycls adds one operation per biased output, and the classifier's outputs to the activations.
    layers = {part.path: part for part in breakdown(net, IMAGE, depth=9)}
    biased = sum(
        math.prod(layers[path].output_shape or ())
        for path, module in net.named_modules()
        if getattr(module, "bias", None) is not None and not isinstance(module, nn.BatchNorm2d)
    )
    assert (cost.params, cost.macs + biased, cost.activations + 1000) == published


def torch_macs(network: nn.Module, *shape: int) -> int:
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        network.eval()(torch.zeros(1, *shape))
    return counter.get_total_flops() // 2


@pytest.mark.parametrize(
    ("network", "inputs"),
    [
        (nn.Sequential(nn.Conv2d(3, 8, 3, 2), nn.ConvTranspose2d(8, 6, 3, 2, groups=2)), (3, 9, 9)),
        (nn.Sequential(nn.Conv1d(3, 8, 3, dilation=2), nn.GELU(), nn.GroupNorm(2, 8)), (3, 16)),
        (nn.Sequential(nn.Conv3d(3, 8, 3, padding="same"), nn.InstanceNorm3d(8)), (3, 5, 6, 7)),
        (nn.Sequential(nn.LayerNorm(8), nn.GRU(8, 4, bidirectional=True)), (5, 8)),
        (Apply(lambda s, x: torch.einsum("bchw,cd->bdhw", x, s.w), w=torch.ones(3, 5)), (3, 4, 4)),
        (nn.utils.parametrizations.weight_norm(nn.Conv2d(3, 4, 3)), (3, 8, 8)),
        (Apply(lambda s, x: nn.functional.conv2d(x, s.w), w=torch.ones(5, 3, 2, 2)), (3, 4, 4)),
        (torch.jit.script(nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU())), (3, 8, 8)),
    ],
    ids=[
        "transposed",
        "1d",
        "3d",
        "gru",
        "einsum",
        "parametrised",
        "functional",
        "scripted",
    ],
)
def test_agrees_with_the_counter_of_torch(network: nn.Module, inputs: tuple[int, ...]) -> None:
    assert count(network, inputs).macs == torch_macs(network, *inputs) > 0


@pytest.mark.parametrize("norm_first", [False, True])
def test_attention_counts_whatever_kernel_the_device_would_take(norm_first: bool) -> None:
    layer = nn.TransformerEncoderLayer(16, 2, 32, batch_first=True, norm_first=norm_first)
    projections, products, mlp = 4 * 5 * 16 * 16, 2 * 5 * 5 * 16, 2 * 5 * 16 * 32
    assert count(layer, (5, 16)).macs == projections + products + mlp


@settings(max_examples=25, deadline=None)
@given(
    st.integers(1, 4),
    st.integers(1, 3),
    st.integers(1, 4),
    st.sampled_from((1, 3, 5)),
    st.integers(1, 2),
    st.integers(1, 3),
)
def test_a_grouped_convolution_by_its_formula(
    inside: int, out: int, groups: int, kernel: int, stride: int, batch: int
) -> None:
    width = out * groups
    net = nn.Conv2d(inside * groups, width, kernel, stride, kernel // 2, groups=groups)
    size = -(-11 // stride)
    outputs = width * size * size
    expected = Cost(
        width * inside * kernel**2 + width, outputs * inside * kernel**2, activations=outputs
    )
    assert count(net, (inside * groups, 11, 11), batch=batch) == expected


def test_shared_parameters_count_once_and_shared_work_twice() -> None:
    layer = nn.Linear(4, 4, bias=False)
    assert count(nn.Sequential(layer, layer), (4,)) == Cost(16, 32, 0)


def test_the_network_is_left_as_it_was() -> None:
    counter = torch.zeros(1)
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Dropout())

    def forward(self: nn.Module, x: Tensor) -> Tensor:
        self.seen.append(x)
        self.last = x
        counter.add_(1)
        return self.net(x) + torch.ones(1)

    net = Apply(forward, net=net, seen=[])
    net.net[1].eval()
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    flags = [module.training for module in net.modules()]
    count(net, (3, 8, 8))
    breakdown(net, (3, 8, 8))
    with pytest.raises(EstimateError):
        forward_meta(net, (4, 8, 8))
    assert flags == [module.training for module in net.modules()]
    assert all(torch.equal(before[name], tensor) for name, tensor in net.state_dict().items())
    assert net.seen == []
    assert not hasattr(net, "last")
    assert counter.item() == 0
    assert not any(module._forward_hooks for module in net.modules())


def test_a_method_kept_as_an_attribute_runs_on_the_copy() -> None:
    class Chosen(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.norm = nn.BatchNorm2d(3)
            self.chosen = self._forward

        def _forward(self, x: Tensor) -> Tensor:
            return self.norm(x)

        def forward(self, x: Tensor) -> Tensor:
            return self.chosen(x)

    net = Chosen()
    count(net, (3, 4, 4))
    assert net.norm.num_batches_tracked.item() == 0


def test_input_types_follow_the_parameters_or_the_caller() -> None:
    assert count(nn.Linear(4, 3).double(), (4,)).macs == 12
    tokens = nn.Sequential(nn.Embedding(10, 4), nn.Linear(4, 3))
    assert count(tokens, (5,), dtype=torch.long).macs == 60
    with torch.inference_mode():
        assert count(nn.Linear(4, 3), (4,)).macs == 12


def test_parts_sum_to_the_whole() -> None:
    net = regnet((8, 16), (1, 2), 4, squeeze=True)
    net.add_module("unused", nn.Sequential(nn.Linear(3, 3)))
    net = Apply(lambda s, x: F.linear(s.body[:-1](x), s.weight), body=net)
    net.weight = nn.Parameter(torch.ones(2, 1000))
    whole = count(net, (3, 32, 32))
    for depth in range(1, 7):
        parts = breakdown(net, (3, 32, 32), depth)
        assert sum(part.params for part in parts) == whole.params
        assert sum(part.macs for part in parts) == whole.macs
        assert sum(part.activations for part in parts) == whole.activations


def test_parts_are_named_in_order_of_execution() -> None:
    body = nn.Sequential(*conv(3, 4, 3), nn.ReLU())
    net = Apply(lambda s, x: s.head(s.body(x)), head=nn.Sequential(*classifier(4)), body=body)
    net.unused = nn.Linear(3, 3)
    parts = breakdown(net, (3, 8, 8), depth=1)
    assert [part.path for part in parts] == ["body", "head", "unused"]
    assert [part.output_shape for part in parts] == [(4, 8, 8), (1000,), None]
    assert [part.macs for part in parts] == [64 * 4 * 27, 4000, 0]
    with pytest.raises(EstimateError, match=r"from 1; got 0"):
        breakdown(net, (3, 8, 8), depth=0)


def test_forward_meta_gives_the_output_shape() -> None:
    assert forward_meta(nn.Sequential(*conv(3, 5, 3, 2), *classifier(5)), (3, 8, 8)) == (2, 1000)
    with pytest.raises(EstimateError, match="NoneType, which holds no tensor"):
        forward_meta(Apply(lambda s, x: None), (3,))


@pytest.mark.parametrize(
    ("network", "message"),
    [
        (
            nn.Sequential(nn.Conv2d(3, 8, 3), nn.Sequential(nn.ReLU(), nn.Conv2d(9, 4, 1))),
            r"layer '1\.1' \(Conv2d: 9, 4, .*\) fails on an input of shape \(2, 8, 6, 6\): ",
        ),
        (
            nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(9)),
            r"layer '1' \(BatchNorm2d: 9, .*\(2, 8, 6, 6\): running_mean should contain 8",
        ),
        (
            nn.Sequential(nn.LayerNorm(4)),
            r"layer '0' \(LayerNorm: .*Given normalized_shape=\[4\]",
        ),
        (
            nn.Sequential(Apply(lambda s, x: torch.cat([x, x[:, :, 1:]], 1))),
            r"layer '0' \(Apply\) fails .*\(2, 3, 8, 8\): Sizes of tensors must match",
        ),
        (
            nn.Sequential(Apply(lambda s, x: x if x.sum().item() > 0 else -x)),
            r"layer '0' .*reads values of tensors.*make the shapes independent of the data",
        ),
        (Apply(lambda s, x: x[x > 0]), r"the network \(Apply\) fails .*reads values of tensors"),
        (nn.Sequential(nn.LazyConv2d(3, 3)), r"'0\.weight' has no shape yet; run the network once"),
    ],
    ids=["conv", "batch norm", "layer norm", "cat", "item", "mask", "lazy"],
)
def test_a_network_that_does_not_fit_is_named(network: nn.Module, message: str) -> None:
    with pytest.raises(EstimateError, match=message) as raised:
        forward_meta(network, (3, 8, 8))
    assert "\n" not in str(raised.value)


def test_a_failure_that_does_not_repeat_is_reported() -> None:
    failures = [RuntimeError("the first call")]

    def forward(self: nn.Module, x: Tensor) -> Tensor:
        if failures:
            raise failures.pop()
        return x

    with pytest.raises(EstimateError, match=r"\(Apply\) fails intermittently: the first call"):
        count(Apply(forward), (3,))


@pytest.mark.parametrize(("inputs", "batch"), [((3, 0), 1), ((3, 8), 0), ((3, 2.5), 1)])
def test_impossible_inputs_are_refused(inputs: tuple[int, ...], batch: int) -> None:
    with pytest.raises(EstimateError, match="inputs is the shape of one example"):
        count(nn.Identity(), inputs, batch=batch)


PRODUCTS = [
    (lambda self, x: self.layer(x, x), (10,), {"layer": nn.Bilinear(10, 10, 30)}, 3000),
    (lambda self, x: torch.addbmm(x.new_zeros(4, 4), x, x.mT), (4, 5), {}, 80),
    (lambda self, x: torch.baddbmm(x.new_zeros(1, 4, 4), x, x.mT), (4, 5), {}, 80),
    (lambda self, x: x.new_zeros(1, 4, 4).baddbmm_(x, x.mT), (4, 5), {}, 80),
    (lambda self, x: self.cell(x)[0], (5, 8), {"cell": nn.LSTM(8, 4, num_layers=2)}, 1600),
    (lambda self, x: torch.cdist(x, x), (4, 5), {}, 80),
    (lambda self, x: torch.fft.fft(x).real, (16,), {}, 64),
    (lambda self, x: torch.outer(x[0], x[0]), (5,), {}, 0),
    (lambda self, x: torch.linalg.multi_dot([x[0], x[0].T, x[0]]), (4, 5), {}, 160),
    (lambda self, x: torch.einsum("bij,bjk,bkl->bil", x, x, x), (4, 4), {}, 128),
]


@pytest.mark.parametrize(("function", "shape", "parts", "macs"), PRODUCTS)
def test_work_that_was_done_counts(function, shape, parts, macs) -> None:
    assert count(Apply(function, **parts), shape).macs == macs


def test_products_without_a_formula_are_refused_until_they_have_one() -> None:
    network = Apply(lambda self, x: torch.linalg.inv(x))
    with pytest.raises(
        EstimateError, match="operator aten::linalg_inv_ex multiplies, and has no form"
    ):
        count(network, (5, 5))
    assert forward_meta(network, (5, 5)) == (2, 5, 5)  # shapes need no formula
    packet = torch.ops.aten.linalg_inv_ex
    register_flop_formula(packet)(lambda shape, *args, **kwargs: 2 * shape[-1] ** 3)
    try:
        assert count(network, (5, 5)).macs == 125
    finally:
        del flop_registry[packet]


@pytest.mark.parametrize("kind", [list, dict])
def test_layers_that_are_not_registered_are_named(kind) -> None:
    layers = [nn.Linear(4, 4), nn.Linear(4, 4)]
    held = layers if kind is list else dict(enumerate(layers))

    def forward(self: nn.Module, x: Tensor) -> Tensor:
        return self.held[1](self.held[0](x))

    for measure in (count, forward_meta):
        with pytest.raises(
            EstimateError, match=rf"layers in 'held' \(Apply\).*plain {kind.__name__}"
        ):
            measure(Apply(forward, held=held), (4,))
    with pytest.raises(EstimateError, match=r"2 parameters that are not among its own"):
        count(Apply(lambda self, x: layers[0](x)), (4,))
    assert count(Apply(forward, held=nn.ModuleList(layers)), (4,)).macs == 32
    both = Apply(forward, held=layers, also=nn.ModuleList(layers))  # a list beside is no fault
    assert count(both, (4,)).macs == 32
