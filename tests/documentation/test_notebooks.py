"""Notebooks run from top to bottom on a campaign, and say what to do if there is none."""

from __future__ import annotations

from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

PROJECT = Path(__file__).parents[2]
NOTEBOOKS = sorted((PROJECT / "notebooks").glob("*.ipynb"))
FIGURES = {"look_at_a_campaign": 4, "use_the_potential": 3}


def run(notebook: Path) -> nbformat.NotebookNode:
    """The notebook with its outputs, run beside its own copy of the data."""
    content = nbformat.read(notebook, as_version=4)
    resources = {"metadata": {"path": str(notebook.parent)}}
    return NotebookClient(
        content, timeout=120, kernel_name="python3", resources=resources
    ).execute()


def results(content: nbformat.NotebookNode) -> list[str]:
    """Kinds of all results, and what was printed."""
    outputs = [out for cell in content.cells for out in cell.get("outputs", [])]
    kinds = [kind for out in outputs for kind in out.get("data", {})]
    return kinds + [out["text"] for out in outputs if out["output_type"] == "stream"]


@pytest.mark.slow
@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_runs_on_a_finished_campaign(notebook, finished):
    seen = results(run(finished.folder / "notebooks" / notebook.name))
    assert seen.count("application/vnd.plotly.v1+json") == FIGURES[notebook.stem]
    assert any("2 members" in text for text in seen)


@pytest.mark.slow
@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_says_what_to_run_first(notebook, fresh, monkeypatch):
    monkeypatch.setenv("POTWRIGHT_CAMPAIGN", "never-run")
    with pytest.raises(CellExecutionError, match="make demo"):
        run(fresh.folder / "notebooks" / notebook.name)


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_is_kept_without_outputs(notebook):
    """Numbers in a repository that no run of that commit has made mislead."""
    cells = nbformat.read(notebook, as_version=4).cells
    assert not any(cell.get("outputs") or cell.get("execution_count") for cell in cells)
