"""The provenance of a campaign as a graph, in the terms of W3C PROV.

Entities are dataset versions, input files, stores and parameters; activities are nodes of the
pipelines, each run once an iteration; agents are the versions of the software that ran them. Edges
point from what came later to what it came from, as PROV's do.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from potwright.lineage.holdings import Holdings

if TYPE_CHECKING:
    from potwright.campaign import Iteration

ENTITY, ACTIVITY, AGENT = "entity", "activity", "agent"
USED, GENERATED, INFORMED, ASSOCIATED = (
    "used",
    "wasGeneratedBy",
    "wasInformedBy",
    "wasAssociatedWith",
)


@dataclass(frozen=True)
class Node:
    """A node of the graph.

    Attributes
    ----------
    kind
        entity, activity or agent.
    id
        Unique: the path of a dataset version, for instance.
    label
        What a picture says.
    attributes
        Text and numbers.
    """

    kind: str
    id: str
    label: str
    attributes: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Edge:
    """A relation of PROV, from ``effect`` to ``cause``."""

    kind: str
    effect: str
    cause: str
    attributes: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Graph:
    """Nodes by id, and edges, each once."""

    nodes: dict[str, Node]
    edges: tuple[Edge, ...]


def full_graph(holdings: Holdings) -> Graph:
    """Every node that ran, and every dataset version, parameter and file that it read or made."""
    nodes: dict[str, Node] = {}
    edges: dict[tuple[str, str, str], Edge] = {}

    def link(kind: str, effect: Node, cause: Node) -> None:
        for node in (effect, cause):
            nodes.setdefault(node.id, node)
        edges.setdefault((kind, effect.id, cause.id), Edge(kind, effect.id, cause.id))

    for iteration in holdings.iterations:
        agent = _agent(iteration)
        for name, ran in iteration.record.get("nodes", {}).items():
            activity = _activity(iteration, name, ran)
            inputs, outputs = _ends(name, ran)
            link(ASSOCIATED, activity, agent)
            for dataset in inputs:
                for entity in _entities(holdings, iteration, dataset, "loaded"):
                    link(USED, activity, entity)
            for dataset in outputs:
                for entity in _entities(holdings, iteration, dataset, "saved"):
                    link(GENERATED, entity, activity)
    return Graph(nodes, tuple(edges.values()))


def reduced_graph(full: Graph) -> Graph:
    """One node a stage and iteration, who informed whom by which data, and what matters most.

    Of the entities there remain input files, the label store and the committees.
    """
    stage_of = {id: _stage(node) for id, node in full.nodes.items() if node.kind == ACTIVITY}
    nodes = {stage.id: stage for stage in stage_of.values()}
    maker = {e.effect: e.cause for e in full.edges if e.kind == GENERATED}
    kept: dict[tuple[str, str, str], Edge] = {}
    flows: dict[tuple[str, str], set[str]] = {}
    for edge in full.edges:
        ends = (edge.effect, edge.cause) if edge.kind == USED else (edge.cause, edge.effect)
        activity, other = ends
        if edge.kind == USED and edge.cause in maker:
            later, earlier = stage_of[edge.effect].id, stage_of[maker[edge.cause]].id
            told = full.nodes[edge.cause].attributes.get("matters")  # drawn itself
            if later != earlier and not told:
                flows.setdefault((later, earlier), set()).add(full.nodes[edge.cause].label)
        if edge.kind in (USED, GENERATED) and full.nodes[other].attributes.get("matters"):
            nodes[other] = full.nodes[other]
            stage = stage_of[activity].id
            if edge.kind == USED and other in maker and stage_of[maker[other]].id == stage:
                continue  # PROV has no loops
            effect, cause = (stage, other) if edge.kind == USED else (other, stage)
            kept.setdefault((edge.kind, effect, cause), Edge(edge.kind, effect, cause))
    informed = [
        Edge(INFORMED, later, earlier, {"data": ", ".join(sorted(names))})
        for (later, earlier), names in flows.items()
    ]
    return Graph(nodes, (*kept.values(), *informed))


def _ends(name: str, ran: dict[str, Any]) -> tuple[list[str], list[str]]:
    """Inputs and outputs of a node, as recorded; of older records as the pipelines have it now."""
    if "inputs" in ran:
        return ran["inputs"], ran["outputs"]
    from potwright.pipeline_registry import register_pipelines

    known = {node.name: node for node in register_pipelines()["__default__"].nodes}
    return (known[name].inputs, known[name].outputs) if name in known else ([], [])


def _activity(iteration: Iteration, name: str, ran: dict[str, Any]) -> Node:
    attributes = {
        "node": name,
        "stage": ran.get("stage", ""),
        "iteration": iteration.number,
        "run": iteration.version,
        "seconds": ran.get("seconds", 0.0),
    }
    return Node(ACTIVITY, f"run/{iteration.version}/{name}", name, attributes)


def _stage(node: Node) -> Node:
    """The node of the reduced graph that stands for an activity."""
    own = {key: node.attributes[key] for key in ("stage", "iteration", "run")}
    id = f"stage/{own['run']}/{own['stage']}"
    return Node(ACTIVITY, id, f"{own['stage']} {own['iteration']}", own)


def _agent(iteration: Iteration) -> Node:
    record = iteration.record
    attributes = {
        "git_commit": record.get("git_commit") or "unknown",
        **{f"version_of_{name}": v for name, v in record.get("packages", {}).items()},
    }
    digest = _digest(attributes)
    version = record.get("packages", {}).get("potwright", "")
    return Node(AGENT, f"software/{digest}", f"Potwright {version}".strip(), attributes)


def _entities(holdings: Holdings, iteration: Iteration, name: str, what: str) -> Iterator[Node]:
    """What a node read or made under a name; nothing where there was nothing."""
    record, run = iteration.record, iteration.version
    own = {"iteration": iteration.number}
    if name.startswith("params:") or name == "parameters":
        key = name.partition(":")[2]
        value = record.get("parameters", {}).get(key)
        value = value if key else record.get("parameters", {})
        digest = {"blake2b": _digest(value)}
        yield Node(ENTITY, f"parameters/{run}/{key}", name, {"kind": "parameters", **own, **digest})
        return
    entry = holdings.campaign.catalog.get(name, {})
    place = entry.get("filepath")
    if "filepath" in entry and place is None:  # an entry point that is not used
        return
    if place is None and name != "label_store":
        yield Node(ENTITY, f"memory/{run}/{name}", name, {"kind": "in memory", **own})
    elif not entry.get("versioned"):
        yield from _unversioned(record, name, place)
    elif version := record.get(what, {}).get(name):
        path = f"{place}/{version}/{str(place).rpartition('/')[2]}"
        label = str(place).rpartition("/")[2].partition(".")[0]
        of = next((i.number for i in holdings.iterations if i.version == version), 0)
        attributes: dict[str, Any] = {"kind": "dataset", "iteration": of, "version": version}
        if label == "committee":
            attributes["matters"] = True
        yield Node(ENTITY, path, label, {"path": path, **attributes})


def _unversioned(record: dict[str, Any], name: str, place: Any) -> Iterator[Node]:
    """Input files, each with the checksum that it had, or a place such as the label store."""
    files = record.get("inputs", {}).get(name)
    if files is None:
        is_input = name.startswith("initial_") or name == "label_store"
        attributes = {"kind": "place", "matters": True} if is_input else {"kind": "place"}
        yield Node(ENTITY, f"place/{name}", name, attributes)
        return
    for path, checksum in files.items():
        attributes = {"kind": "file", "path": path, "sha256": checksum, "matters": True}
        yield Node(ENTITY, f"{path}@{checksum[:12]}", path.rpartition("/")[2], attributes)


def _digest(value: Any) -> str:
    text = json.dumps(value, sort_keys=True, default=str)
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()
