"""Networks that grow: what mutations leave as it was, and a search of them."""

from __future__ import annotations

from random import Random

import pytest
import torch

import nasturtium as nas
from nasturtium.contracts.spaces import check_space
from nasturtium.errors import SpaceError
from nasturtium.space.node_graph import INPUT, Graph, Node
from nasturtium.space.zoo.evonet import MUTATIONS, SEED, evonet, fitted
from nasturtium.train.weights import inherit

SPACE = evonet.bind(inputs=(3, 12, 12), classes=5)


def trained(space, architecture):
    """A network whose statistics and gates are not those of a fresh one."""
    network = space.build(architecture, seed=0)
    network.train()
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(torch.randn(parameter.shape, generator=generator), alpha=0.05)
        network(torch.randn(16, 3, 12, 12, generator=generator))
    return network.eval()


def difference(parent, child, **how):
    network = trained(SPACE, parent)
    other = SPACE.build(child, seed=7).eval()
    inherit(other, network.state_dict(), **how)
    x = torch.randn(4, 3, 12, 12, generator=torch.Generator().manual_seed(2))
    with torch.no_grad():
        return float((network(x) - other(x)).abs().max())


def rectified(graph, name):
    """Whether a vertex gives no negative numbers (the stem's are rectified)."""
    if name == INPUT:
        return True
    node = graph[name]
    if node.op == "conv":
        return bool(node.settings[4])
    return len(node.sources) == 1 and rectified(graph, node.sources[0])


def preserves(parent, child):
    """What the module says about a mutation, from the two graphs."""
    new = [name for name in child if name not in parent]
    if new:
        node = child[new[0]]
        if node.op == "identity":
            return True
        stride, active = node.settings[3:]
        return stride == 1 and (not active or rectified(child, node.sources[0]))
    more = [n for n in child if n in parent and len(child[n].sources) > len(parent[n].sources)]
    return len(parent) == len(child) and bool(more)


def test_children_compute_what_their_parents_do_where_they_can():
    rng, seen = Random(0), {True: set(), False: 0}
    for _ in range(60):
        parent = SPACE.growing(2, 8).sample(rng)
        graph = Graph.of(parent)
        child = SPACE.mutate(parent, rng)
        grown = Graph.of(child)
        if preserves(graph, grown):
            assert difference(parent, child) < 1e-5, (parent, child)
            new = [name for name in grown if name not in graph]
            seen[True].add(grown[new[0]].op if new else "skip")
        else:
            seen[False] += difference(parent, child) > 1e-3
    assert seen[True] == {"conv", "identity", "skip"}
    assert seen[False] > 10  # the others do change something


def test_a_larger_kernel_begins_as_the_smaller_one():
    conv = Node("conv", (INPUT,), (3, 3, 8, 1, True))
    graph = Graph({"vertex0": conv, "output": Node("output", ("vertex0",))})
    wider = graph.put("vertex0", conv._replace(settings=(3, 7, 8, 1, True)))
    records = [g.architecture("evonet") for g in (graph, wider)]
    assert difference(*records, crop_kernels=True) < 1e-5 < difference(*records)


def test_the_seed_is_a_linear_classifier():
    network = evonet.bind(stem=0).growing(0, 0)
    record = network.sample(Random(0))
    assert Graph.of(record) == SEED
    assert [type(part).__name__ for part in network.build(record)] == ["Classifier"]
    first = evonet.bind(stem=0, inputs=(3, 8, 8)).growing(1, 1)
    records = [first.sample(Random(seed)) for seed in range(20)]
    made = [node for r in records for node in Graph.of(r).values() if node.op == "conv"]
    assert made and all(node.settings[:3] == (3, 3, 3) for node in made)  # as the image has


def test_every_mutation_applies_somewhere_and_none_leaves_the_map():
    rng, facts = Random(5), SPACE.builder_arguments
    done = set()
    record = SPACE.sample(rng)
    for _ in range(150):
        graph = Graph.of(record)
        for mutation in MUTATIONS:
            try:
                done.add((mutation.__name__, mutation(graph, rng, facts) != graph))
            except nas.SpaceError as reason:
                assert "there is no" in str(reason)  # noqa: PT017
        record = SPACE.mutate(record, rng)
        if len(record) > 12:
            record = SPACE.sample(rng)
    assert {name for name, changed in done if changed} == {m.__name__ for m in MUTATIONS}
    with torch.device("meta"):
        shape = SPACE.build(record)(torch.empty(2, 3, 12, 12)).shape
    assert shape == (2, 5)


def test_skips_of_other_shapes_are_fitted():
    like = torch.zeros(1, 4, 3, 3)
    x = torch.arange(2 * 36, dtype=torch.float32).reshape(1, 2, 6, 6)
    fit = fitted(x, like)
    assert torch.equal(fit[:, :2], x[..., ::2, ::2]) and not fit[:, 2:].any()
    assert torch.equal(fitted(fit, x[:, :1, :3, :3]), x[:, :1, ::2, ::2])  # fewer channels


@pytest.mark.parametrize(
    ("node", "message"),
    [
        (Node("pool", (INPUT,)), "operation 'pool'; expected 'conv' or 'identity'"),
        (Node("conv", (INPUT,), (2, 3, 8, 1, True)), "expected the kernel's odd height"),
        (Node("conv", (INPUT,), (3, 3, 8, 1)), "has the settings"),
        (Node("conv", (INPUT,), (27, 3, 8, 1, True)), "kernel of 27x3 and stride 1 on 12 pixels"),
    ],
)
def test_records_of_other_networks_are_refused(node, message):
    graph = Graph({"vertex0": node, "output": Node("output", ("vertex0",))})
    with pytest.raises(SpaceError, match=message):
        SPACE.build(graph.architecture("evonet"))


def test_laws():
    check_space(SPACE, samples=10)


def test_evolution_with_inherited_weights(tmp_path):
    study = nas.search(
        "digits",
        space="evonet(stem=4)",
        strategy="evolution(population=3, sample=2)",
        estimator="train(inherit=True)",
        recipe="epochs=1",
        trials=6,
        executor="here",
        numerics="threads=1",
        store=tmp_path / "study.db",
        control=0,
    )
    done = study.history.finished
    assert len(done) == 6
    children = [trial for trial in done if trial.proposal.parent is not None]
    assert len(children) == 3
    assert all(trial.metrics["params"] > 0 for trial in done)
    again = nas.resume(tmp_path / "study.db", trials=7)
    assert [t.architecture for t in again.history.finished[:6]] == [t.architecture for t in done]
