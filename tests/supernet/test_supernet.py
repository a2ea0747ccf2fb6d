"""The shared network equals the ordinary one, and trains exactly the weights that it uses."""

from __future__ import annotations

import copy
from collections import OrderedDict
from random import Random
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

import nasturtium as nas
from nasturtium.errors import EstimateError
from nasturtium.space.operations import ConvBNReLU
from nasturtium.supernet.supernet import Supernet
from nasturtium.supernet.weight_slicing import parameter_specs


class Gain(nn.Module):
    """A layer of a user: scales each channel; its window is a constant that it computes."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.full((channels, 1, 1), 0.5))
        self.register_buffer("window", torch.hann_window(channels).view(-1, 1, 1) + 1)

    def forward(self, x: Tensor) -> Tensor:
        assert isinstance(self.window, Tensor)
        return x * self.gain * self.window


class Attend(nn.Module):
    """Self-attention over pixels, of elastic width."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(channels, 2, batch_first=True)

    def forward(self, x: Tensor) -> Tensor:
        tokens = x.flatten(2).transpose(1, 2)
        out: Tensor = self.attention(tokens, tokens, tokens, need_weights=False)[0]
        return out.transpose(1, 2).reshape(x.shape)


@nas.space
def elastic(choose: Any, *, inputs: tuple[int, ...], classes: int) -> Any:
    """Elastic in width, depth, kernel and groups; a module question; a join; a layer of its own."""
    width = choose("width", (4, 8, 12))
    blocks = []
    for index in range(choose("depth", (1, 2, 3))):
        with choose.scope(f"block{index}"):
            kernel = choose("kernel", (3, 5))
            groups = choose("groups", (1, 2))
            options = {
                "conv": nas.block(ConvBNReLU, width, width, kernel, 1, groups),
                "gain": nas.block(Gain, width),
                "attend": nas.block(Attend, width),
            }
            blocks.append((f"block{index}", choose.module("op", options)))
    paths = {label: nas.block(nn.Conv2d, width, width, 1) for label in ("a", "b", "c")}
    merge = choose.join("merge", paths, least=1, most=2)

    def build() -> nn.Module:
        return Merged(inputs[0], width, OrderedDict(blocks), merge, classes)

    return build


class Merged(nn.Module):
    def __init__(
        self, inputs: int, width: int, blocks: Any, merge: nas.Block, classes: int
    ) -> None:
        super().__init__()
        self.stem = ConvBNReLU(inputs, width)
        self.body = nas.chain(blocks)()
        self.merge = merge()
        self.head = nas.Classifier(width, classes, 0.1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        y = self.body(x)
        out: Tensor = self.head(self.merge(x, y, x + y))
        return out


NB201 = nas.zoo.nasbench201.bind(cells=1, channels=4, classes=4, inputs=(3, 8, 8))
ELASTIC = elastic.bind(classes=4, inputs=(3, 8, 8))
MOBILENET = nas.zoo.mobilenet.bind(blocks=2, multiplier=0.25, classes=4, inputs=(3, 8, 8)).restrict(
    {"*.depth": (1, 2)}
)
ANYNET = nas.zoo.anynet.bind(stages=2, classes=4, inputs=(3, 8, 8)).restrict(
    {"*.depth": (1, 2), "*.width": (8, 24, 48)}
)
SPACES = {"nasbench201": NB201, "elastic": ELASTIC, "mobilenet": MOBILENET, "anynet": ANYNET}


def batch(seed: int = 0) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(6, 3, 8, 8, generator=generator), torch.randint(4, (6,), generator=generator)


def trained(space: nas.ChoiceSpace, steps: int = 6) -> Supernet:
    """A supernet whose weights and statistics have moved, by an optimiser that was made once."""
    supernet = Supernet(space, seed=1)
    optimiser = torch.optim.SGD(supernet.parameters(), lr=0.02)
    rng = Random(0)
    for step in range(steps):
        x, y = batch(step)
        optimiser.zero_grad()
        functional.cross_entropy(supernet(x, space.sample(rng)), y).backward()
        optimiser.step()
    return supernet


@pytest.fixture(scope="module", params=sorted(SPACES))
def supernet(request: pytest.FixtureRequest) -> Supernet:
    return trained(SPACES[request.param])


def test_an_extracted_network_computes_what_the_shared_one_does(supernet: Supernet) -> None:
    supernet.eval()
    rng = Random(1)
    x, _ = batch(99)
    with torch.no_grad():
        for _ in range(8):
            architecture = supernet.space.sample(rng)
            network = supernet.extract(architecture)
            assert not network.training
            torch.testing.assert_close(network(x), supernet(x, architecture), atol=1e-5, rtol=1e-5)
            ordinary = supernet.space.build(architecture)
            assert [n for n, _ in network.named_parameters()] == [
                n for n, _ in ordinary.named_parameters()
            ]
    statistics = [b for n, b in supernet.named_buffers() if n.endswith("running_mean")]
    assert any(float(b.abs().sum()) > 0 for b in statistics)


def test_an_extracted_network_shares_nothing(supernet: Supernet) -> None:
    supernet.eval()
    architecture = supernet.space.sample(Random(2))
    x, _ = batch()
    before = supernet(x, architecture).detach()
    for parameter in supernet.extract(architecture).parameters():
        parameter.data.zero_()
    assert torch.equal(supernet(x, architecture), before)


def test_gradients_reach_exactly_the_active_weights(supernet: Supernet) -> None:
    supernet.train()
    architecture = supernet.space.sample(Random(3))
    x, y = batch()
    supernet.zero_grad()
    functional.cross_entropy(supernet(x, architecture), y).backward()
    asked = {
        place.piece
        for place in parameter_specs(supernet.space.build(architecture))
        if place.piece.parameter
    }
    store = supernet._store
    counters = store.counters()
    for piece in asked:
        store.tick(piece, counters)
    reached = 0
    for key, uses in counters.items():
        grad = store[key].grad
        if not bool(uses.any()):
            assert grad is None, key
            continue
        if grad is None:
            continue
        assert bool(torch.isfinite(grad).all()), key
        assert float(grad[uses == 0].abs().sum()) == 0.0, key
        reached += float(grad[uses > 0].abs().sum()) > 0
    alone = supernet.extract(architecture)
    supernet.zero_grad()
    functional.cross_entropy(alone.train()(x), y).backward()
    assert reached == sum(
        p.grad is not None and float(p.grad.abs().sum()) > 0 for p in alone.parameters()
    )


def test_shared_gradients_are_those_of_the_extracted_network() -> None:
    """Elastic widths, centred kernels, groups and thirds of attention included."""
    supernet = trained(ELASTIC)
    supernet.eval()  # no dropout
    x, y = batch()
    for seed in range(6):
        architecture = ELASTIC.sample(Random(seed))
        supernet.zero_grad()
        functional.cross_entropy(supernet(x, architecture), y).backward()
        alone = supernet.extract(architecture)
        functional.cross_entropy(alone(x), y).backward()
        for place in parameter_specs(alone):
            grad = place.home[place.name].grad
            if place.piece.parameter and grad is not None:
                part = supernet._store.part(place.piece)
                shared = type(part)(part.func, part.args[0].grad, *part.args[1:])()
                torch.testing.assert_close(shared, grad, atol=1e-5, rtol=1e-4)


def test_two_architectures_share_storage_and_statistics() -> None:
    space = ELASTIC.restrict(width=(4, 12))
    supernet = Supernet(space)
    small = space.repair({"width": 4, "depth": 1, "block0.op": "conv", "merge": ("a",)})
    large = space.repair({"width": 12, "depth": 2, "block0.op": "conv", "merge": ("a", "c")})
    stems = []
    for architecture in (small, large):
        network = supernet._bound(architecture).module
        stems.append(network.get_submodule("stem"))
    first, second = stems
    for a, b in ((first.conv.weight, second.conv.weight), (first.norm.bias, second.norm.bias)):
        assert a.data_ptr() == b.data_ptr()
        assert a.shape[0] == 4
        assert b.shape[0] == 12
    supernet.train()(batch()[0], small)
    mean = supernet.weights.get_buffer("stem.norm.running_mean")
    assert bool((mean[:4] != 0).all())
    assert bool((mean[4:] == 0).all())


def test_module_questions_need_one_network_and_values_one_each() -> None:
    supernet = Supernet(NB201)
    rng = Random(0)
    for _ in range(20):
        supernet(batch()[0], NB201.sample(rng))
    assert len(supernet._networks) == 1
    supernet = Supernet(ELASTIC, cached=3)
    for _ in range(20):
        supernet(batch()[0], ELASTIC.sample(rng))
    assert len(supernet._networks) == 3


def test_parameters_stay_the_same_objects_and_initial_weights_are_the_layers_own() -> None:
    supernet = Supernet(ELASTIC, seed=3)
    before = {name: id(p) for name, p in supernet.named_parameters()}
    rng = Random(5)
    for _ in range(30):
        supernet(batch()[0], ELASTIC.sample(rng))
    assert {name: id(p) for name, p in supernet.named_parameters()} == before
    state = dict(supernet.weights.named_parameters())
    assert bool((state["body.block2.gain.gain"] == 0.5).all())
    assert bool((state["stem.norm.weight"] == 1).all())
    assert float(state["stem.conv.weight"].detach().abs().min()) > 0
    twin = dict(Supernet(ELASTIC, seed=3).weights.named_parameters())
    other = dict(Supernet(ELASTIC, seed=4).weights.named_parameters())
    assert all(torch.equal(state[name], twin[name]) for name in state)
    assert not torch.equal(state["stem.conv.weight"], other["stem.conv.weight"])


def test_state_copies_and_devices(supernet: Supernet) -> None:
    supernet.eval()
    architecture = supernet.space.sample(Random(4))
    x, _ = batch()
    expected = supernet(x, architecture).detach()
    fresh = Supernet(supernet.space, seed=9).eval()
    fresh(x, architecture)
    fresh.load_state_dict(supernet.state_dict())
    assert torch.equal(fresh(x, architecture), expected)
    twin = copy.deepcopy(supernet)
    assert torch.equal(twin(x, architecture), expected)
    twin.double()
    torch.testing.assert_close(
        twin(x.double(), architecture).float(), expected, atol=1e-4, rtol=1e-4
    )
    assert torch.equal(supernet(x, architecture), expected)


def test_recalibrated_statistics_are_the_batches_average() -> None:
    supernet = trained(NB201)
    architecture = NB201.sample(Random(0))
    batches = [batch(seed) for seed in range(3)]
    network = supernet.recalibrate(architecture, batches)
    assert not network.training
    stem = supernet.extract(architecture).get_submodule("stem")
    means = [stem.conv(x).mean((0, 2, 3)) for x, _ in batches]
    norm = network.get_submodule("stem").norm
    torch.testing.assert_close(norm.running_mean, torch.stack(means).mean(0), atol=1e-5, rtol=1e-4)
    assert norm.momentum == 0.1
    shared = supernet.weights.get_buffer("stem.norm.running_mean")
    assert not torch.allclose(shared, norm.running_mean)
    with pytest.raises(EstimateError, match="no batches"):
        supernet.recalibrate(architecture, [])
