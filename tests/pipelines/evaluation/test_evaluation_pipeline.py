"""The stage as Kedro runs it, two iterations of it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from kedro.io import DataCatalog, MemoryDataset
from kedro.runner import SequentialRunner

from potwright.parameters_campaign import CampaignParameters
from potwright.pes import PESData
from potwright.pipelines.evaluation.pipeline import create_pipeline
from potwright.uncertainty.measurement import audited

OUTPUTS = ("predictions", "metrics", "calibration", "selected_structures", "verdict")
CATALOG = Path(__file__).parents[3] / "conf" / "base" / "catalog_evaluation.yml"


@pytest.fixture
def evaluate(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, parameters: Any
) -> Callable[..., dict[str, Any]]:
    """Run the stage with its real catalog, as the version of an iteration."""
    monkeypatch.chdir(tmp_path)

    def run(
        committee: Any,
        labelled: PESData,
        explored: PESData,
        *,
        iteration: int = 1,
        place: str = "campaign",
    ) -> dict[str, Any]:
        entries = yaml.safe_load(CATALOG.read_text().replace("${globals:campaign}", place))
        given = {
            "committee": committee,
            "labelled_structures": labelled,
            "explored_structures": explored,
            "params:evaluation": parameters(),
            "params:campaign": CampaignParameters(),
            "params:seed": 1,
        }
        catalog = DataCatalog.from_config(entries, save_version=f"2026-01-0{iteration}T00.00.00")
        for name, value in given.items():
            catalog[name] = MemoryDataset(value, copy_mode="assign")
        SequentialRunner().run(create_pipeline(), catalog)
        return {name: catalog.load(name) for name in OUTPUTS}

    return run


def test_the_nodes_are_named_and_say_what_they_do() -> None:
    for node in create_pipeline().nodes:
        assert node.name == node.func.__name__
        assert node.func.__doc__


def test_what_one_iteration_audits_is_the_evidence_of_the_next(
    committee_type: Any, structures: Any, labelled: PESData, explored: PESData, evaluate: Any
) -> None:
    first = evaluate(committee_type(seed=1), labelled, explored)
    assert first["verdict"]["verdict"] == "continue"
    assert first["calibration"]["properties"]["forces"]["audit"] is None

    bought = first["selected_structures"]
    bought = bought.replace(iteration=2, split="training", energy=0.0, forces=0.0, stress=0.0)
    merged = PESData.concatenate([labelled, bought])
    frames = structures(100, seed=8, labelled=False, origin="md")
    second = evaluate(committee_type(seed=2), merged, frames, iteration=2)

    assert second["verdict"]["iteration"] == 2
    audit = second["calibration"]["properties"]["forces"]["audit"]
    assert audit["structures"] == audited(bought).sum() == 10
    assert audit["tau_in_force"] == first["calibration"]["properties"]["forces"]["tau"]
    assert audit["true_positive_rate"]["trials"] > 0
    assert "audit" in set(second["metrics"]["set"])


def test_a_frame_that_is_already_labelled_is_predicted_once(
    committee: Any, labelled: PESData, explored: PESData, evaluate: Any
) -> None:
    frames = PESData.concatenate([explored, labelled[:7]])
    result = evaluate(committee, labelled, frames)
    assert committee.asked == [len(labelled) + len(explored)]
    assert len(np.unique(result["predictions"].id)) == len(result["predictions"])


def test_no_explored_frame_ends_cleanly(committee: Any, labelled: PESData, evaluate: Any) -> None:
    result = evaluate(committee, labelled, PESData.empty())
    assert len(result["selected_structures"]) == 0
    assert result["verdict"]["verdict"] == "nothing to label, not verified"


def test_the_same_seed_gives_the_same_of_everything(
    committee: Any, labelled: PESData, explored: PESData, evaluate: Any
) -> None:
    one, two = (evaluate(committee, labelled, explored, place=place) for place in ("a", "b"))
    assert one["calibration"] == two["calibration"]
    assert one["verdict"] == two["verdict"]
    assert one["selected_structures"].id.tolist() == two["selected_structures"].id.tolist()
