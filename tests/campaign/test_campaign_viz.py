"""Kedro-Viz on an iteration of a finished campaign: everything on disk can be looked at."""

from __future__ import annotations

import inspect
import json
from pathlib import Path
from typing import Any

import pytest

from potwright.pes import PESData
from potwright.pipelines.reporting.page import SECTIONS
from potwright.pipelines.training import nodes

NO_PREVIEW = {
    "MemoryDataset",  # nothing is kept
    "WorkspaceDataset",  # work in progress, not data
    "PotentialsDataset",  # there is none here
    "PageDataset",  # a page for a browser of its own
    "HistoryDataset",  # all reports, which have previews
}


@pytest.fixture(scope="module")
def reported(finished, tmp_path_factory):
    """The first of two iterations, run without a report, gets one with all its figures."""
    project = finished.copy(tmp_path_factory.mktemp("viz") / "project")
    maps = {
        name: {"enabled": True, "max_structures": 6} for name in ("descriptor_map", "sorep_map")
    }
    project.configure({"reporting": maps})
    project.succeed("campaign", "report", "--iteration", "1", "--no-open")
    return project


@pytest.fixture(scope="module")
def viz(viz_server, reported):
    """Kedro-Viz on the first of two iterations."""
    command = ["campaign", "viz", "--iteration", "1", "--env", reported.env]
    with viz_server(reported.folder, *command) as server:
        yield server


@pytest.fixture(scope="module")
def shown(viz) -> dict[str, dict[str, Any]]:
    """What Kedro-Viz says of each node and dataset, by name."""
    graph = viz.get("main")
    graph["nodes"] += viz.get("pipelines/reporting")["nodes"]
    return {n["name"]: viz.get(f"nodes/{n['id']}") | n for n in graph["nodes"]}


def of_type(shown: dict[str, dict[str, Any]], kind: str) -> dict[str, dict[str, Any]]:
    """The datasets of a type."""
    data = {name: n for name, n in shown.items() if n["type"] == "data"}
    return {name: n for name, n in data.items() if n["dataset_type"].endswith(f".{kind}")}


@pytest.mark.slow
def test_all_that_is_on_disk_has_a_preview(shown):
    data = {name: n for name, n in shown.items() if n["type"] == "data"}
    without = {name for name, n in data.items() if not n.get("preview")}
    kinds = {data[name]["dataset_type"].rpartition(".")[2] for name in without}
    assert kinds <= NO_PREVIEW, without


@pytest.mark.slow
def test_every_figure_of_the_report_is_previewed_as_it_was_drawn(shown, reported):
    first = reported.records()[0]["run_id"]
    figures = of_type(shown, "FigureDataset")
    assert set(figures) == {f"{name}_figure" for name in SECTIONS}
    for name, figure in figures.items():
        place = Path(figure["filepath"])
        drawn = json.loads((place / first / place.name).read_text())
        assert drawn["data"], (name, drawn["layout"])
        assert figure["preview"] == drawn, name


@pytest.mark.slow
def test_all_structures_are_previewed_as_a_table_of_the_first_ones(shown, reported):
    first = reported.records()[0]["run_id"]
    tables = of_type(shown, "PESDataset")
    assert {"augmented_structures", "labels", "labelled_structures"} <= set(tables)
    filled = 0
    for name, table in tables.items():
        place = Path(table["filepath"])
        file = place / first / place.name
        ids = PESData.read(file).id.tolist() if file.exists() else []
        preview = table["preview"]
        column = preview["columns"].index("id")
        if not name.endswith("_previous"):  # which lie where an older iteration left them
            assert [row[column] for row in preview["data"]] == ids[:20], name
        filled += bool(ids)
    assert filled >= 4


@pytest.mark.slow
def test_previews_are_of_the_iteration_that_was_asked_for(shown, reported):
    first = reported.records()[0]["run_id"]
    assert json.loads(shown["verdict"]["preview"]) == reported.document("verdict.json", first)
    table = shown["labelled_structures"]["preview"]
    column = table["columns"].index("iteration")
    assert {row[column] for row in table["data"]} == {1}
    assert shown["selected_structures_previous"]["preview"]["data"] == []


@pytest.mark.slow
def test_a_node_shows_its_code_with_its_docstring_and_its_parameters(shown):
    node = shown["merge_labels"]
    assert inspect.getdoc(nodes.merge_labels) in node["code"]
    assert node["parameters"]["training"]["members"] == 2


@pytest.mark.slow
def test_an_iteration_that_is_not_there_is_refused(finished):
    status, output = finished.kedro("campaign", "viz", "--iteration", "9")
    assert status == 1 and "no iteration 9; it has begun: 1, 2" in output
