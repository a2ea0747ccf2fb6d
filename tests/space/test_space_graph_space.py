"""Graphs as records and up to names, and spaces that grow them."""

from __future__ import annotations

import json
from random import Random

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import nasturtium as nas
from nasturtium.architecture import Architecture
from nasturtium.contracts.spaces import check_space
from nasturtium.errors import Rejected, SpaceError, StrategyError
from nasturtium.space.graph_space import GraphSpace
from nasturtium.space.node_graph import Graph, Node
from nasturtium.strategy.local_search import LocalSearch
from nasturtium.strategy.surrogate.bananas import BANANAS
from nasturtium.study.stores.memory import MemoryStore
from nasturtium.study.study import Study
from nasturtium.supernet.relaxation import Softmax
from nasturtium.supernet.relaxed_network import relax


def out(*sources):
    return Node("output", sources)


def renamed(graph, rng):
    names = [name for name in graph if name != "output"]
    others = rng.sample([f"other{n}" for n in range(100)], len(names))
    to = {"input": "input", "output": "output", **dict(zip(names, others, strict=True))}
    nodes = list(graph.items())
    rng.shuffle(nodes)
    return Graph(
        {
            to[name]: node._replace(
                sources=(
                    to[node.sources[0]],
                    *rng.sample([to[s] for s in node.sources[1:]], len(node.sources) - 1),
                )
            )
            for name, node in nodes
        }
    )


@given(seed=st.integers(0, 10_000))
@settings(max_examples=25, deadline=None)
def test_isomorphic_graphs_have_one_form(seed):
    rng = Random(seed)
    space = nas.zoo.evonet.growing(0, 14)
    record = space.sample(rng)
    graph = Graph.of(record)
    other = renamed(graph, rng)
    assert other.canonical() == graph.canonical()
    assert space.canonical(other.architecture("evonet")) == space.canonical(record)
    assert Graph.of(Architecture.from_json(json.loads(json.dumps(record.to_json())))) == graph
    child = space.mutate(record, rng)
    assert space.canonical(child) != space.canonical(record)


def test_a_node_read_twice_is_not_two_nodes_that_are_alike():
    """By what each node computes the two are one; as graphs they are not."""
    one = Graph({"a": Node("f", ("input",)), "b": Node("g", ("a", "input")), "output": out("b")})
    shared = one.put("c", Node("g", ("a", "b"))).put("output", out("c"))
    apart = shared.put("d", Node("f", ("input",))).put("c", Node("g", ("d", "b")))
    assert shared.canonical() != apart.canonical()
    # Nodes that nothing tells apart: a wheel of them, begun anywhere.
    alike = Graph({n: Node("f", ("input",)) for n in "abcd"} | {"output": out("a", *"bcd")})
    turned = alike.put("output", out("c", *"dba"))
    assert alike.canonical() == turned.canonical()
    assert alike.canonical() != alike.put("output", out("a", *"bc")).canonical()


def test_nodes_that_nothing_reads_do_not_count():
    graph = Graph({"a": Node("f", ("input",)), "output": out("a")})
    assert graph.put("b", Node("g", ("a",))).canonical() == graph.canonical()
    assert graph.put("a", Node("g", ("input",))).canonical() != graph.canonical()


def test_a_node_that_goes_is_read_no_more():
    graph = Graph(
        {
            "a": Node("f", ("input",)),
            "b": Node("f", ("a",)),
            "c": Node("f", ("b", "a", "input")),
            "output": out("c"),
        }
    )
    assert graph.without("b")["c"].sources == ("a", "input")
    assert graph.without("a")["c"].sources == ("b", "input")
    assert graph.fresh("vertex") == "vertex0"
    assert graph.put("vertex7", Node("f", ("a",))).fresh("vertex") == "vertex8"
    assert graph.before("c") == {"a", "b", "input"}
    assert hash(graph) == hash(Graph(dict(reversed(list(graph.items())))))


@pytest.mark.parametrize(
    ("nodes", "message"),
    [
        ({"a": Node("f", ("input",))}, "needs a node 'output'"),
        ({"output": out("a")}, "'output' reads 'a', which it cannot read"),
        (
            {"a": Node("f", ("b",)), "b": Node("f", ("a",)), "output": out("a")},
            "a, b, output read one another in a circle",
        ),
    ],
)
def test_what_is_no_graph_is_refused(nodes, message):
    with pytest.raises(SpaceError, match=message):
        Graph(nodes)


def build(graph, *, inputs, classes, most=4):
    if len(graph) > most:
        from nasturtium.errors import Rejected

        raise Rejected(f"more than {most} nodes")
    return lambda: nas.Classifier(inputs[0], classes)


def longer(graph, rng, facts):
    name = graph.fresh("n")
    grown = graph.put(name, Node("f", graph["output"].sources, (rng.randint(0, 9),)))
    return grown.put("output", out(name))


CHAINS = GraphSpace(build, "chains", Graph({"output": out("input")}), (longer,), steps=(0, 2))


def test_a_graph_space_keeps_the_laws_of_spaces():
    check_space(CHAINS)
    assert CHAINS.describe()["mutations"] == ["longer"]


def test_crossing_takes_settings_of_nodes_that_both_have():
    mother, father = (CHAINS.growing(3, 3).sample(Random(seed)) for seed in (1, 2))
    child = CHAINS.cross(mother, father, Random(0))
    parts = {child[name] == mother[name] for name in ("n0", "n1", "n2")}
    assert parts == {True, False}
    assert all(child[name] in (mother[name], father[name]) for name in child)


def test_a_space_that_cannot_grow_says_why():
    with pytest.raises(SpaceError, match=r"none of 1000 mutations applies .*more than 4 nodes"):
        CHAINS.growing(4, 4).sample(Random(0))
    with pytest.raises(SpaceError, match="no argument 'mots'; did you mean 'most'"):
        CHAINS.bind(mots=3)
    with pytest.raises(SpaceError, match="at least one mutation, and the least and most steps"):
        CHAINS.growing(3, 2)
    with pytest.raises(SpaceError, match=r"not the record of a graph: 'n0' is 3; expected"):
        CHAINS.build(Architecture("chains", {"n0": 3, "output": ("output", ("n0",), ())}))


@pytest.mark.parametrize(
    ("strategy", "message"),
    [
        (LocalSearch(starts=1), "has no neighbours"),
        (BANANAS(), "surrogates learn from a builder's decisions; GraphSpace 'chains' asks none"),
    ],
)
def test_strategies_that_need_decisions_say_so(strategy, message):
    study = Study(CHAINS, strategy, objectives=("accuracy",), store=MemoryStore(), name="s")

    def run_trials():
        for _ in range(40):
            study.tell(study.ask(), {"accuracy": 0.5})

    with pytest.raises(StrategyError, match=message):
        run_trials()


def test_a_supernet_and_a_relaxation_need_decisions():
    with pytest.raises(SpaceError, match=r"@nas.space"):
        nas.Supernet(CHAINS)
    with pytest.raises(SpaceError, match="GraphSpace 'chains' asks none"):
        relax(CHAINS, Softmax())


@pytest.mark.parametrize("side", [8, 28, 32, 224])
def test_every_mutation_is_tried_at_every_size(side):
    report = nas.zoo.evonet.check((3, side, side), 7, samples=10)
    assert set(report.applied.values()) == {5}
    assert report.networks == 1 + 10 + 5 * 8
    assert "space evonet: 8 mutations and 51 networks built and run" in str(report)
    assert 0 < report.parameters[0] <= report.parameters[1] <= report.parameters[2]


def lengthen(graph, rng, facts):
    return graph.put(name := graph.fresh("v"), Node("linear", ("input",))).put(
        "output", Node("output", (name,))
    )


def never(graph, rng, facts):
    raise Rejected("nothing is left")


def flat(graph, *, inputs, classes):
    width = 5 if len(graph) > 1 else inputs[0]
    return nas.block(torch.nn.Linear, width, classes)


def wide(graph, *, inputs):
    return nas.block(torch.nn.Linear, 5, 4)


def test_a_mutation_that_breaks_the_network_is_named():
    space = GraphSpace(flat, "flat", Graph({"output": out("input")}), (never, lengthen), (0, 0))
    words = (
        r"'flat' with inputs \(4,\) and 3 classes: mutation 'lengthen' leads to a network that "
        r"does not fit: .*\(found in"
    )
    with pytest.raises(SpaceError, match=words):
        space.check((4,), 3)
    assert "never applied: never" in str(space.check((5,), 3))
    with pytest.raises(SpaceError, match=r"its seed leads to .*shape \(2, 4\).*expected \(2, 3\)"):
        GraphSpace(wide, "wide", space.seed, (never,), (0, 0)).check((5,), 3)
