"""Kedro-Viz shows the project: a layer for every dataset, a table for structures."""

from __future__ import annotations

from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def viz(viz_server):
    with viz_server(PROJECT, "viz", "run", "--env", "demo") as server:
        yield server


@pytest.mark.slow
def test_every_dataset_has_a_layer_and_layers_are_shown(viz):
    graph = viz.get("main")
    data = [node for node in graph["nodes"] if node["type"] == "data"]
    assert [node["name"] for node in data if not node["layer"]] == []
    assert graph["layers"][-1] == "reporting"
    assert {"raw", "intermediate", "primary", "models", "model_output"} <= set(graph["layers"])


@pytest.mark.slow
def test_structures_are_previewed_as_a_table(viz):
    graph = viz.get("main")
    (node,) = [n["id"] for n in graph["nodes"] if n["name"] == "initial_structures"]
    preview = viz.get(f"nodes/{node}")["preview"]
    assert {"formula", "pbc", "origin", "source"} <= set(preview["columns"])
    assert len(preview["data"]) == 4
