"""The graph of provenance survives its files, and other programs understand them."""

from __future__ import annotations

import json
import subprocess

import pytest

from potwright.lineage.formats import as_dot, as_prov_json, from_prov_json, write_graph
from potwright.lineage.graph import (
    ACTIVITY,
    AGENT,
    ASSOCIATED,
    ENTITY,
    GENERATED,
    USED,
    Edge,
    Graph,
    Node,
    reduced_graph,
)


def activity(id: str, stage: str, iteration: int = 1) -> Node:
    return Node(ACTIVITY, id, id, {"stage": stage, "iteration": iteration, "run": "v1"})


NODES = [
    Node(ENTITY, 'data/"odd".xyz@12', '"odd".xyz', {"sha256": "12", "matters": True}),
    Node(ENTITY, "data/labels.h5/v1/labels.h5", "labels", {"iteration": 1}),
    Node(ENTITY, "memory/v1/outcomes", "outcomes", {"iteration": 1}),
    activity("compute", "labelling"),
    activity("collect", "labelling"),
    activity("train", "training"),
    Node(AGENT, "software/1", "Potwright 0.1.0", {"git_commit": "abc"}),
]
FULL = Graph(
    {node.id: node for node in NODES},
    (
        Edge(USED, "compute", NODES[0].id),
        Edge(GENERATED, NODES[2].id, "compute"),
        Edge(USED, "collect", NODES[2].id),
        Edge(GENERATED, NODES[1].id, "collect"),
        Edge(USED, "train", NODES[1].id),
        Edge(ASSOCIATED, "train", "software/1"),
    ),
)


def test_prov_json_comes_back_as_it_was():
    document = json.loads(json.dumps(as_prov_json(FULL)))
    assert from_prov_json(document) == FULL
    assert from_prov_json(as_prov_json(reduced_graph(FULL))) == reduced_graph(FULL)


def test_another_implementation_of_prov_reads_it():
    model = pytest.importorskip("prov.model")
    text = json.dumps(as_prov_json(FULL))
    document = model.ProvDocument.deserialize(content=text, format="json")
    records = {
        kind: list(document.get_records(getattr(model, kind)))
        for kind in ("ProvEntity", "ProvActivity", "ProvAgent", "ProvUsage")
    }
    assert {kind: len(found) for kind, found in records.items()} == {
        "ProvEntity": 3,
        "ProvActivity": 3,
        "ProvAgent": 1,
        "ProvUsage": 3,
    }
    assert records["ProvAgent"][0].label == "Potwright 0.1.0"
    users = {str(usage.args[0]) for usage in records["ProvUsage"]}
    assert users == {"potwright:compute", "potwright:collect", "potwright:train"}


def test_the_reduced_graph_keeps_stages_inputs_and_what_flows():
    """What stays inside a stage is not seen; what goes from one to the next is named."""
    reduced = reduced_graph(FULL)
    assert {node.label for node in reduced.nodes.values()} == {
        "labelling 1",
        "training 1",
        '"odd".xyz',
    }
    flows = [(e.effect, e.cause, e.attributes["data"]) for e in reduced.edges if e.attributes]
    assert flows == [("stage/v1/training", "stage/v1/labelling", "labels")]


def test_a_graphviz_file_has_every_node_and_every_arrow_points_forward():
    text = as_dot(FULL)
    assert text.count(" -> ") == len(FULL.edges)
    assert '"data/labels.h5/v1/labels.h5" -> "train";' in text
    assert '"\\"odd\\".xyz"' in text


def test_graphviz_draws_it(tmp_path, program):
    dot = program("dot")
    written = write_graph(FULL, tmp_path / "full")
    assert [path.name for path in written] == ["full.prov.json", "full.dot", "full.svg"]
    done = subprocess.run([dot, "-Tplain", written[1]], check=True, capture_output=True, text=True)
    assert done.stdout.count("\nnode ") == len(FULL.nodes)
    assert done.stdout.count("\nedge ") == len(FULL.edges)
