"""Zero-cost scores against closed forms on tiny networks."""

from __future__ import annotations

import math
from random import Random

import pytest
import torch
from scipy.stats import spearmanr
from torch import nn
from torch.nn.functional import mse_loss

import nasturtium as nas
from nasturtium.errors import EstimateError
from nasturtium.proxy.zero_cost_scores import (
    compute_scores,
    grad_norm,
    jacov,
    naswot,
    snip,
    synflow,
)

DATA_FREE = {"synflow": synflow, "jacov": jacov, "naswot": naswot}
EDGES = ("edge0_1", "edge0_2", "edge1_2", "edge0_3", "edge1_3", "edge2_3")
LABELLED = {"grad_norm": grad_norm, "snip": snip}


def drawn(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def linear(weight, bias=None):
    layer = nn.Linear(weight.shape[1], weight.shape[0], bias=bias is not None)
    with torch.no_grad():
        layer.weight.copy_(weight)
        if bias is not None:
            layer.bias.copy_(bias)
    return layer


def test_gradients_of_a_linear_layer():
    w, x, y = drawn(2, 3), drawn(5, 3, seed=1), drawn(5, 2, seed=2)
    slope = 2 * (x @ w.T - y).T @ x / (5 * 2)
    assert grad_norm(linear(w), x, y, mse_loss) == pytest.approx(float(slope.norm()), rel=1e-5)
    expected = float((w * slope).abs().sum())
    assert snip(linear(w), x, y, mse_loss) == pytest.approx(expected, rel=1e-5)


def test_gradients_are_summed_over_layers():
    a, b, x, y = drawn(3, 3), drawn(1, 3, seed=1), drawn(6, 3, seed=2), drawn(6, 1, seed=3)
    error = 2 * ((x @ a.T) @ b.T - y) / 6
    slopes = (b.T @ error.T @ x, error.T @ (x @ a.T))
    net = nn.Sequential(linear(a), linear(b))
    expected = sum(float(slope.norm()) for slope in slopes)
    assert grad_norm(net, x, y, mse_loss) == pytest.approx(expected, rel=1e-5)


def test_synflow_is_the_flow_once_for_each_layer():
    a, b = drawn(4, 3), drawn(2, 4, seed=1)
    net = nn.Sequential(linear(a), nn.BatchNorm1d(4), nn.ReLU(), linear(b))
    flow = float((b.double().abs() @ a.double().abs()).sum())  # without batch normalisation
    assert synflow(net, torch.zeros(7, 3)) == pytest.approx(math.log(2 * flow), rel=1e-9)


def test_jacov_of_equal_and_of_uncorrelated_responses():
    k = 1e-5
    # A linear network has one Jacobian: all correlations are 1, and one eigenvalue is not zero.
    equal = -(math.log(4 + k) + 1 / (4 + k)) - 3 * (math.log(k) + 1 / k)
    assert jacov(linear(drawn(2, 6)), drawn(4, 6)) == pytest.approx(equal, rel=1e-3)

    class Square(nn.Module):
        def forward(self, x):
            return (x**2).sum(1) / 2  # its gradient is the input itself

    apart = torch.tensor([[1.0, -1, 0, 0], [0, 0, 1, -1], [1, 1, -1, -1]])
    expected = -3 * (math.log(1 + k) + 1 / (1 + k))
    assert jacov(Square(), apart) == pytest.approx(expected, rel=1e-5)


def test_naswot_by_hand():
    net = nn.Sequential(linear(torch.eye(3)), nn.ReLU())
    x = torch.tensor([[1.0, 1, -1], [1, -1, -1], [-1, -1, 1]])
    agree = torch.tensor([[3.0, 2, 0], [2, 3, 1], [0, 1, 3]])
    assert naswot(net, x) == pytest.approx(float(agree.det().log()), rel=1e-6)
    assert naswot(net, torch.ones(2, 3)) == -math.inf  # equal examples


def network():
    return nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(inplace=True), nn.Dropout(0.5),
        nn.Flatten(), nn.Linear(4 * 6 * 6, 5),
    )  # fmt: skip


@pytest.mark.parametrize("name", [*DATA_FREE, *LABELLED])
def test_the_module_is_left_as_it_is_and_the_score_is_the_same_again(name):
    net, x, y = network().eval(), drawn(6, 3, 8, 8), torch.arange(6) % 5
    before = {key: tensor.clone() for key, tensor in net.state_dict().items()}
    given = (net, x) if name in DATA_FREE else (net, x, y)
    score = {**DATA_FREE, **LABELLED}[name]
    assert score(*given) == score(*given)
    assert not net.training and all(p.grad is None for p in net.parameters())
    assert all(torch.equal(before[key], tensor) for key, tensor in net.state_dict().items())
    assert not any(part._forward_hooks for part in net.modules()) and x.grad is None


def test_synflow_prefers_larger_cells():
    space = nas.zoo.nasbench201.bind(inputs=(3, 8, 8), classes=4, cells=1, channels=4)
    cells = [space.sample(Random(seed)) for seed in range(40)]
    x = torch.zeros(1, 3, 8, 8)
    scores, sizes = [], []
    for seed, cell in enumerate(cells):
        try:
            scores.append(synflow(space.build(cell, seed=seed), x))
        except EstimateError:
            continue
        sizes.append(sum({"nor_conv_3x3": 9, "nor_conv_1x1": 1}.get(op, 0) for op in cell.values()))
    assert spearmanr(scores, sizes)[0] > 0.5


def test_messages():
    with pytest.raises(EstimateError, match="naswot found no activation"):
        naswot(linear(drawn(2, 3)), drawn(4, 3))
    with pytest.raises(EstimateError, match=r"naswot compares examples; got .*\(1, 3\)"):
        naswot(nn.ReLU(), drawn(1, 3))
    with pytest.raises(EstimateError, match="no weight matrix of this ReLU"):
        snip(nn.ReLU(), drawn(2, 3).requires_grad_(), torch.tensor([0, 1]))
    with pytest.raises(EstimateError, match="no path of weights"):
        synflow(linear(torch.zeros(2, 3)), drawn(1, 3))
    with pytest.raises(EstimateError, match="grad_norm is nan"):
        grad_norm(linear(torch.full((2, 3), math.nan)), drawn(2, 3), torch.tensor([0, 1]))


def test_scores_together_are_the_scores_alone():
    net = nas.zoo.nasbench201.bind(cells=1, inputs=(3, 8, 8), classes=2).build(
        nas.Architecture("nasbench201", dict.fromkeys(EDGES, "nor_conv_3x3")), seed=0
    )
    x, y = drawn(6, 3, 8, 8), torch.tensor([0, 1, 0, 1, 0, 1])
    alone = {name: score(net, x, y) for name, score in LABELLED.items()}
    alone |= {name: score(net, x) for name, score in DATA_FREE.items()}
    assert compute_scores(net, x, y) == pytest.approx(alone, rel=1e-6)
    assert set(compute_scores(net, x)) == set(DATA_FREE)
    assert list(compute_scores(net, x, names=("jacov", "synflow"))) == ["jacov", "synflow"]


def test_undefined_scores_are_refused():
    net, x = nn.Sequential(nn.Linear(3, 2), nn.ReLU()), drawn(4, 3)
    with pytest.raises(EstimateError, match=r"no score is called 'synflo'.*did you mean 'synflow'"):
        compute_scores(net, x, names=("synflo",))
    with pytest.raises(
        EstimateError, match="snip needs targets; without them the scores are synflow"
    ):
        compute_scores(net, x, names=("snip",))


class Attended(torch.nn.Module):
    """Attention, whose first product has a weight outside any layer, and a function of ReLU."""

    def __init__(self, split: bool) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.attention = torch.nn.MultiheadAttention(4, 2, batch_first=True)
        self.token = torch.nn.Parameter(torch.randn(1, 3, 4))  # added, never multiplied
        self.head = torch.nn.Linear(4, 2)
        self.split = split

    def forward(self, x):
        x = x + self.token
        if self.split:  # the same by a linear layer's function
            x = torch.nn.functional.linear(x, self.attention.in_proj_weight)[..., :4]
        else:
            x = self.attention(x, x, x, need_weights=False)[0]
        return self.head(torch.relu(x).mean(1))


def test_all_multiplied_matrices_and_functions_count():
    torch.manual_seed(0)
    x, y = torch.randn(4, 3, 4), torch.tensor([0, 1, 0, 1])
    for split in (False, True):
        network = Attended(split)
        found = compute_scores(network, x, y)
        loss = torch.nn.functional.cross_entropy(network(x), y)
        used = [network.attention.in_proj_weight, network.head.weight]
        used += [] if split else [network.attention.out_proj.weight]
        slopes = torch.autograd.grad(loss, used)
        wanted = sum(float((w.detach() * g).abs().sum()) for w, g in zip(used, slopes, strict=True))
        assert found["snip"] == pytest.approx(wanted, rel=1e-4)
        assert math.isfinite(found["naswot"])
    layer = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.ReLU(), torch.nn.Linear(8, 2))

    class Function(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = layer

        def forward(self, x):
            return self.layer[2](torch.relu(self.layer[0](x)))

    x = torch.randn(6, 4)
    assert naswot(Function(), x) == naswot(layer, x)
