"""The provenance graph as files: PROV-JSON for programs, Graphviz DOT and SVG for eyes.

PROV-JSON is the W3C member submission of 2013 (https://www.w3.org/submissions/prov-json/).
"""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

from potwright.lineage.graph import (
    ACTIVITY,
    AGENT,
    ASSOCIATED,
    ENTITY,
    GENERATED,
    INFORMED,
    USED,
    Edge,
    Graph,
    Node,
)

NAMESPACE = "urn:potwright:"
PREFIX = "potwright:"
ENDS = {
    USED: ("prov:activity", "prov:entity"),
    GENERATED: ("prov:entity", "prov:activity"),
    INFORMED: ("prov:informed", "prov:informant"),
    ASSOCIATED: ("prov:activity", "prov:agent"),
}
"""Names of effect and cause in each relation."""

STYLES = {
    ENTITY: 'shape=ellipse, style=filled, fillcolor="#fffbd6"',
    ACTIVITY: 'shape=box, style=filled, fillcolor="#cfd9ff"',
    AGENT: 'shape=house, style=filled, fillcolor="#ffdcb8"',
}
FONTS = ('  node [fontname="sans-serif"];', '  edge [fontname="sans-serif", fontsize=10];')
SECONDS_TO_DRAW = 120


def write_graph(graph: Graph, stem: Path) -> list[Path]:
    """Write ``stem``.prov.json and .dot, and .svg where Graphviz is installed; what was written."""
    json_file, dot_file = stem.with_suffix(".prov.json"), stem.with_suffix(".dot")
    json_file.write_text(json.dumps(as_prov_json(graph), indent=1, ensure_ascii=False) + "\n")
    dot_file.write_text(as_dot(graph))
    written = [json_file, dot_file]
    if program := shutil.which("dot"):
        svg_file = stem.with_suffix(".svg")
        command = [program, "-Tsvg", str(dot_file), "-o", str(svg_file)]
        done = subprocess.run(command, check=False, timeout=SECONDS_TO_DRAW, capture_output=True)
        if done.returncode == 0:
            written.append(svg_file)
    return written


def as_prov_json(graph: Graph) -> dict[str, Any]:
    """The graph as PROV-JSON."""
    document: dict[str, Any] = {"prefix": {PREFIX[:-1]: NAMESPACE}}
    for node in graph.nodes.values():
        attributes = {"prov:label": node.label, **_prefixed(node.attributes)}
        if node.kind == AGENT:
            attributes["prov:type"] = {"$": "prov:SoftwareAgent", "type": "prov:QUALIFIED_NAME"}
        document.setdefault(node.kind, {})[_qualified(node.id)] = attributes
    for number, edge in enumerate(graph.edges):
        effect, cause = ENDS[edge.kind]
        ends = {effect: _qualified(edge.effect), cause: _qualified(edge.cause)}
        document.setdefault(edge.kind, {})[f"_:e{number}"] = ends | _prefixed(edge.attributes)
    return document


def from_prov_json(document: dict[str, Any]) -> Graph:
    """The graph that :func:`as_prov_json` wrote."""
    nodes = {}
    for kind in (ENTITY, ACTIVITY, AGENT):
        for name, attributes in document.get(kind, {}).items():
            id = _local(name)
            nodes[id] = Node(kind, id, attributes["prov:label"], _bare(attributes))
    edges = {}
    for kind, (effect, cause) in ENDS.items():
        for name, given in document.get(kind, {}).items():
            later, earlier = (_local(given[end]) for end in (effect, cause))
            edges[int(name.removeprefix("_:e"))] = Edge(kind, later, earlier, _bare(given))
    return Graph(nodes, tuple(edges[number] for number in sorted(edges)))


def as_dot(graph: Graph) -> str:
    """The graph for Graphviz, arrows along the flow of data; a box around each iteration."""
    lines = [
        "digraph provenance {",
        "  rankdir=LR;",
        '  node [fontname="sans-serif"];',
        '  edge [fontname="sans-serif", fontsize=10];',
    ]
    inside: dict[int, list[str]] = {}
    for node in graph.nodes.values():
        line = f"{_quoted(node.id)} [label={_quoted(node.label)}, {STYLES[node.kind]}];"
        inside.setdefault(int(node.attributes.get("iteration", 0)), []).append(line)
    for iteration, nodes in sorted(inside.items()):
        if not iteration:
            lines += [f"  {line}" for line in nodes]
            continue
        lines += [f"  subgraph cluster_{iteration} {{", f'    label="iteration {iteration}";']
        lines += [*(f"    {line}" for line in nodes), "  }"]
    for edge in graph.edges:
        said = f" [label={_quoted(edge.attributes['data'])}]" if "data" in edge.attributes else ""
        lines.append(f"  {_quoted(edge.cause)} -> {_quoted(edge.effect)}{said};")
    return "\n".join([*lines, "}", ""])


def _qualified(id: str) -> str:
    """A qualified name of PROV, which has no room for quotes, blanks or colons."""
    return PREFIX + quote(id, safe="/@~")


def _local(name: str) -> str:
    return unquote(name.removeprefix(PREFIX))


def _prefixed(attributes: dict[str, Any]) -> dict[str, Any]:
    return {PREFIX + key: value for key, value in attributes.items()}


def _bare(attributes: dict[str, Any]) -> dict[str, Any]:
    """Our attributes, without those that PROV itself names."""
    ours = {key: value for key, value in attributes.items() if key.startswith(PREFIX)}
    return {key.removeprefix(PREFIX): value for key, value in ours.items()}


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
