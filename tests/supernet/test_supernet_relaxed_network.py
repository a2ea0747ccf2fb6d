"""Relaxed networks: one-hot weights give the chosen network; alpha learns; derivation builds."""

from __future__ import annotations

import copy
from random import Random
from typing import Any, final

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

import nasturtium as nas
from nasturtium.errors import SpaceError
from nasturtium.space.operations import ConvBNReLU
from nasturtium.supernet.relaxation import Relaxation, Softmax
from nasturtium.supernet.relaxed_network import Mixture, relax

NB201 = nas.zoo.nasbench201.bind(cells=1, channels=4, classes=4, inputs=(3, 8, 8))


class Net(nn.Module):
    def __init__(self, inputs: int, width: int, op: nas.Block, merge: nas.Block) -> None:
        super().__init__()
        self.stem = ConvBNReLU(inputs, width)
        self.op = op(width)
        self.merge = merge()
        self.head = nas.Classifier(width, 4)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        y = self.op(x)
        out: Tensor = self.head(self.merge([x, y, x * y]))
        return out


def conv(width: int) -> nn.Module:
    return ConvBNReLU(width, width)


def skip(width: int) -> nn.Module:
    return nn.Identity()


@nas.space
def mixed(choose: Any, *, inputs: tuple[int, ...], classes: int) -> Any:
    """Ask for a value, a module in a scope, and a join."""
    width = choose("width", (4, 8))
    with choose.scope("cell"):
        op = choose.module("op", {"conv": nas.block(conv), "skip": nas.block(skip)})
        paths = {label: nas.block(nn.Conv2d, width, width, 1) for label in ("x", "y", "xy")}
        merge = choose.join("merge", paths, least=1, most=2)
    return nas.block(Net, inputs[0], width, op, merge)


@final
class OneHot(Relaxation):
    """Weights of one architecture: one for what it chose, zero for the rest."""

    def __init__(self, architecture: nas.Architecture) -> None:
        super().__init__()
        self.architecture = architecture

    def weights(self, decision: nas.OneOf | nas.Subset) -> Tensor:
        value = self.architecture[decision.name]
        chosen = value if isinstance(value, tuple) else (value,)
        return torch.tensor([float(option in chosen) for option in decision.options])


def batch() -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    return torch.randn(6, 3, 8, 8, generator=generator), torch.arange(6) % 4


@pytest.mark.parametrize("space", [NB201, mixed], ids=["nasbench201", "mixed"])
def test_one_hot_mixtures_are_the_chosen_network(space: nas.ChoiceSpace) -> None:
    x, _ = batch()
    for seed in range(5):
        architecture = space.sample(Random(seed))
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            network = relax(space, OneHot(architecture), architecture)
        network.train()(x)  # statistics that are not the initial ones
        state = network.state_dict()
        alone = space.build(architecture)
        alone.load_state_dict({name: state[name] for name in alone.state_dict()})  # same paths
        with torch.no_grad():
            torch.testing.assert_close(network.eval()(x), alone.eval()(x), atol=1e-5, rtol=1e-5)


def test_alpha_and_weights_learn_and_are_apart() -> None:
    relaxation = Softmax()
    network = relax(mixed, relaxation, nas.Architecture("mixed", {"width": 4}))
    x, y = batch()
    functional.cross_entropy(network(x), y).backward()
    names = [name for name, _ in relaxation.named_parameters()]
    assert names == ["alpha.cell/op", "alpha.cell/merge"]
    for parameter in relaxation.parameters():
        assert parameter.grad is not None
        assert float(parameter.grad.abs().sum()) > 0
        assert float(parameter.grad.sum()) == pytest.approx(0, abs=1e-6)  # softmax ignores shifts
    assert not {id(p) for p in network.parameters()} & {id(p) for p in relaxation.parameters()}
    assert all(p.grad is not None for p in network.parameters())
    before = relaxation.alpha["cell/op"].detach().clone()
    torch.optim.SGD(relaxation.parameters(), lr=1.0).step()
    assert not torch.equal(before, relaxation.alpha["cell/op"])


def test_cells_share_alpha_and_options_keep_their_paths() -> None:
    relaxation = Softmax(seed=1)
    network = relax(NB201.bind(cells=2), relaxation)
    assert [p.shape for p in relaxation.parameters()] == [(5,)] * 6
    assert sum(isinstance(m, Mixture) for m in network.modules()) == 36
    ordinary = NB201.build(NB201.sample(Random(0)))
    assert set(ordinary.state_dict()) <= set(network.state_dict())
    relax(NB201, relaxation)  # the same alpha in another network
    assert len(list(relaxation.parameters())) == 6
    again = Softmax(seed=1)
    relax(NB201, again)
    assert all(map(torch.equal, relaxation.parameters(), again.parameters()))


def test_a_builder_that_is_told_what_is_joined_is_asked_for_everything() -> None:
    """DARTS: operations are asked of joined states only, and all of them are mixed."""
    space = nas.zoo.darts.bind(channels=4, layers=3, relaxed=True, classes=4, inputs=(3, 8, 8))
    relaxation = Softmax()
    network = relax(space, relaxation, space.sample(Random(0)))
    assert sum(p.shape == (8,) for p in relaxation.parameters()) == 2 * 14
    x, y = batch()
    functional.cross_entropy(network(x), y).backward()
    # The first node joins all of its states, which leaves its edges nothing to choose.
    without = [name for name, p in relaxation.named_parameters() if p.grad is None]
    assert without == ["alpha.normal/node0", "alpha.reduce/node0"]
    derived = relaxation.derive(space)
    space.build(derived)(x)
    assert all(len(derived[f"normal.node{i}"]) == 2 for i in range(4))  # type: ignore[arg-type]


def test_the_strongest_are_derived() -> None:
    relaxation = Softmax()
    base = nas.Architecture("mixed", {"width": 8})
    relax(mixed, relaxation, base)
    with torch.no_grad():
        relaxation.alpha["cell/op"].copy_(torch.tensor([0.0, 1.0]))
        relaxation.alpha["cell/merge"].copy_(torch.tensor([3.0, 0.0, 2.9]))
    derived = relaxation.derive(mixed, base)
    assert dict(derived) == {"width": 8, "cell.op": "skip", "cell.merge": ("x", "xy")}
    mixed.build(derived)(batch()[0])
    with torch.no_grad():
        relaxation.alpha["cell/merge"].copy_(torch.tensor([0.0, 9.0, 0.0]))
    assert relaxation.derive(mixed, base)["cell.merge"] == ("y",)
    only = mixed.restrict({"cell.op": "conv"})
    assert relaxation.derive(only, base)["cell.op"] == "conv"


def test_restricted_and_tied_spaces() -> None:
    """Check that a restricted join takes its own tensors, a tied decision its leader's alpha."""
    narrow = mixed.restrict({"cell.merge": ("x", "xy"), "width": 4})
    network = relax(narrow, Softmax())
    network(batch()[0])
    assert [n for n, _ in network.get_submodule("merge").named_children()] == ["x", "xy"]
    tied = NB201.tie("edge*_3")
    relaxation = Softmax()
    relax(tied, relaxation)(batch()[0])
    assert sorted(relaxation.alpha) == ["edge0_1", "edge0_2", "edge0_3", "edge1_2"]
    derived = relaxation.derive(tied)
    assert derived["edge0_3"] == derived["edge1_3"] == derived["edge2_3"]
    tied.build(derived)


def test_a_method_can_sample_skip_options_and_build_them_differently() -> None:
    """Check the hooks that sampling methods (GDAS) and partial channels (PC-DARTS) need."""

    @final
    class Sampled(Relaxation):
        drawn = 0

        def weights(self, decision: nas.OneOf | nas.Subset) -> Tensor:
            return self.logits(decision).softmax(0)

        def begin(self) -> None:
            self.drawn += 1

        def option(
            self, decision: nas.OneOf, label: str, block: nas.Block, *late: Any, **named: Any
        ) -> nn.Module:
            return block(late[0] // 4, **named)

        def mix(self, decision: nas.OneOf, ops: Any, *inputs: Tensor) -> Tensor:
            (x,) = inputs
            quarter = x.shape[1] // 4
            weights = self.weights(decision)
            place = int(weights.argmax())
            out = weights[place] * list(ops.values())[place](x[:, :quarter])
            return torch.cat([out, x[:, quarter:]], 1)

    relaxation = Sampled()
    network = relax(NB201, relaxation)
    network(batch()[0])
    copy.deepcopy(network)(batch()[0])
    assert relaxation.drawn == 1
    first = network.get_parameter("stage0.cell0.edge0_1.nor_conv_3x3.conv.weight")
    assert first.shape == (1, 1, 3, 3)


def test_errors_name_the_question() -> None:
    with pytest.raises(SpaceError, match=r"decision 'width' of space 'mixed'.*no base archit"):
        relax(mixed, Softmax())
    with pytest.raises(SpaceError, match=r"'width'.*the base says 6.*give an architecture"):
        relax(mixed, Softmax(), nas.Architecture("mixed", {"width": 6}))
    relaxation = Softmax()
    with pytest.raises(SpaceError, match=r"Softmax has no alpha for decision 'cell.op'"):
        relaxation.weights(nas.OneOf("cell.op", ("conv", "skip")))
    base = nas.Architecture("mixed", {"width": 4})
    relax(mixed.restrict({"cell.op": "conv"}), relaxation, base)
    with pytest.raises(SpaceError, match="use a new relaxation for a restricted space"):
        relax(mixed, relaxation, base)
    with pytest.raises(SpaceError, match=r"without \['skip'\]"):
        relaxation.derive(mixed, base)
    with pytest.raises(SpaceError, match="'width'"):
        relaxation.derive(mixed)


def test_tied_questions_with_other_options_cannot_share_weights() -> None:
    @nas.space
    def net(choose: Any, *, inputs: Any, classes: Any) -> Any:
        blocks = {name: nas.block(nn.Linear, 4, 4, bias) for name, bias in (("a", 1), ("b", 0))}
        first = choose.module("first", blocks)
        second = choose.module("second", {"a": blocks["a"]})
        return lambda: nn.Sequential(first(), second())

    space = net.bind(inputs=(4,), classes=4).tie(["first", "second"])
    with pytest.raises(SpaceError, match=r"'second' has the options a .* cannot be mixed"):
        nas.relax(space, nas.Softmax(), None)
