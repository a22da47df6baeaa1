"""Kedro-Viz on an iteration of a finished campaign: everything on disk can be looked at."""

from __future__ import annotations

import inspect
import json
from pathlib import Path
from typing import Any

import pytest

from potwright.pipelines.training import nodes

NO_PREVIEW = {
    "MemoryDataset",  # nothing is kept
    "WorkspaceDataset",  # work in progress, not data
    "PotentialsDataset",  # there is none here
    "PageDataset",  # a page for a browser of its own
    "HistoryDataset",  # all reports, which have previews
}


@pytest.fixture(scope="module")
def viz(viz_server, finished):
    """Kedro-Viz on the first of two iterations."""
    command = ["campaign", "viz", "--iteration", "1", "--env", finished.env]
    with viz_server(finished.folder, *command) as server:
        yield server


@pytest.fixture(scope="module")
def shown(viz) -> dict[str, dict[str, Any]]:
    """What Kedro-Viz says of each node and dataset, by name."""
    graph = viz.get("main")
    graph["nodes"] += viz.get("pipelines/reporting")["nodes"]
    return {n["name"]: viz.get(f"nodes/{n['id']}") | n for n in graph["nodes"]}


@pytest.mark.slow
def test_all_that_is_on_disk_has_a_preview(shown, finished):
    """A figure that was not made in the iteration is not on disk, and has none."""
    first = finished.records()[0]["run_id"]
    data = {name: n for name, n in shown.items() if n["type"] == "data"}
    without = {name for name, n in data.items() if not n.get("preview")}
    figures = {name for name in without if data[name]["dataset_type"].endswith("FigureDataset")}
    assert not [name for name in figures if (Path(data[name]["filepath"]) / first).exists()]
    without -= figures
    kinds = {data[name]["dataset_type"].rpartition(".")[2] for name in without}
    assert kinds <= NO_PREVIEW, without
    of_structures = {n for n, one in data.items() if one["dataset_type"].endswith("PESDataset")}
    assert {"augmented_structures", "labels", "explored_structures"} <= of_structures
    for name in of_structures:
        assert "formula" in data[name]["preview"]["columns"], name


@pytest.mark.slow
def test_previews_are_of_the_iteration_that_was_asked_for(shown, finished):
    first = finished.records()[0]["run_id"]
    assert json.loads(shown["verdict"]["preview"]) == finished.document("verdict.json", first)
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
