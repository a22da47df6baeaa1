"""What is exported can be verified, tells where everything comes from, and works elsewhere."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
from pathlib import Path

import networkx as nx
import pytest

from potwright.lineage.formats import from_prov_json
from potwright.lineage.graph import ACTIVITY, ENTITY, GENERATED, INFORMED, USED, Graph


def verified(folder: Path) -> subprocess.CompletedProcess[str]:
    command = ["sha256sum", "--check", "--strict", "SHA256SUMS"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def graph(folder: Path, name: str) -> Graph:
    path = folder / "provenance" / f"{name}.prov.json"
    return from_prov_json(json.loads(path.read_text()))


def forward(provenance: Graph) -> nx.DiGraph:
    """From causes to effects."""
    return nx.DiGraph([(edge.cause, edge.effect) for edge in provenance.edges])


@pytest.fixture(scope="module")
def packed(finished, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("export") / "tiny"
    output = finished.succeed("campaign", "export", str(folder))
    assert "Committee of iteration 2" in output and "sha256sum -c" in output
    assert "Note" not in output
    return folder


@pytest.mark.slow
def test_checksums_cover_every_file_and_find_a_changed_byte(packed, tmp_path):
    files = {str(p.relative_to(packed)) for p in packed.rglob("*") if p.is_file()}
    listed = {line.split("  ", 1)[1] for line in (packed / "SHA256SUMS").read_text().splitlines()}
    assert listed == files - {"SHA256SUMS"}
    assert verified(packed).returncode == 0
    changed = shutil.copytree(packed, tmp_path / "changed")
    victim = next((changed / "data").rglob("labelled_structures.h5/*/*.h5"))
    content = bytearray(victim.read_bytes())
    content[-1] ^= 1
    victim.write_bytes(content)
    done = verified(changed)
    assert done.returncode == 1 and f"{victim.relative_to(changed)}: FAILED" in done.stdout


@pytest.mark.slow
def test_the_full_graph_has_every_node_that_ran_and_every_version_with_one_maker(finished, packed):
    full, records = graph(packed, "full"), finished.records()
    ran = [(r["run_id"], name) for r in records for name in r["nodes"]]
    known = [n.attributes for n in full.nodes.values() if n.kind == ACTIVITY]
    assert sorted((n["run"], n["node"]) for n in known) == sorted(ran)
    saved = {(name, v) for r in records for name, v in r["saved"].items()}
    made = [e.effect for e in full.edges if e.kind == GENERATED]
    assert len(made) == len(set(made))
    versions = {full.nodes[id].attributes.get("path") for id in made} - {None}
    assert len(versions) == len(saved)
    assert all((packed / path).exists() for path in versions)
    assert nx.is_directed_acyclic_graph(forward(full))


@pytest.mark.slow
def test_the_last_committee_descends_from_the_input_files(finished, packed):
    full, last = graph(packed, "full"), finished.records()[-1]["run_id"]
    (committee,) = (id for id in full.nodes if id.endswith(f"committee/{last}/committee"))
    causes = [full.nodes[id] for id in nx.ancestors(forward(full), committee)]
    files = {n.attributes["path"]: n for n in causes if n.attributes.get("kind") == "file"}
    inputs = finished.folder / "data/01_raw/structures"
    assert set(files) == {f"data/01_raw/structures/{p.name}" for p in inputs.iterdir()}
    for path, node in files.items():
        content = (packed / path).read_bytes()
        assert node.attributes["sha256"] == hashlib.sha256(content).hexdigest()
    labels = {n.attributes["iteration"] for n in causes if n.label == "labels"}
    assert labels == {1, 2}


@pytest.mark.slow
def test_the_reduced_graph_has_a_node_a_stage(finished, packed):
    reduced = graph(packed, "reduced")
    stages = [n.label for n in reduced.nodes.values() if n.kind == ACTIVITY]
    later = ["labelling", "training", "exploration", "evaluation"]
    assert sorted(stages) == sorted(
        [*(f"{stage} 1" for stage in ("augmentation", *later)), *(f"{stage} 2" for stage in later)]
    )
    entities = {n.label for n in reduced.nodes.values() if n.kind == ENTITY}
    assert entities == {"fcc.xyz", "bcc.xyz", "label_store", "committee"}
    assert nx.is_directed_acyclic_graph(forward(reduced))
    (flow,) = (
        e.attributes["data"]
        for e in reduced.edges
        if e.kind == INFORMED
        and reduced.nodes[e.effect].label == "labelling 2"
        and reduced.nodes[e.cause].label == "evaluation 1"
    )
    assert flow == "selected_structures"
    used = {e.cause for e in reduced.edges if e.kind == USED}
    assert any("committee" in id for id in used)


@pytest.mark.slow
def test_elsewhere_the_data_tell_the_same(finished, packed, make, tmp_path):
    """Status, the history of a structure and its label are the same in another project."""
    other = make(tmp_path / "elsewhere")
    shutil.rmtree(other.folder / "data")
    shutil.copytree(packed / "data", other.folder / "data")
    assert other.succeed("campaign", "status") == finished.succeed("campaign", "status")
    last = finished.records()[-1]["run_id"]
    id = str(finished.structures("labels.h5", last).id[0])
    here, there = (
        json.loads(project.succeed("campaign", "trace", id, "--json"))
        for project in (finished, other)
    )
    for history in (here, there):
        for calculation in history["calculations"]:
            del calculation["row"]
    assert there == here and len(here["calculations"]) == 1
