"""A campaign from end to end, and what it leaves."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from potwright.potentials import load_committee
from potwright.uncertainty import Predictions

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

OUTPUTS = {
    "labels.h5",
    "labelled_structures.h5",
    "labelling_report.csv",
    "labelling_summary.csv",
    "committee",
    "training_report.csv",
    "explored_structures.h5",
    "exploration_report.csv",
    "predictions.h5",
    "metrics.csv",
    "threshold_maps.csv",
    "calibration.json",
    "selected_structures.h5",
    "verdict.json",
}


def test_each_iteration_leaves_every_dataset_under_its_own_version(finished):
    versions = [record["run_id"] for record in finished.records()]
    for name in OUTPUTS:
        assert set(versions) <= set(finished.versions(name)), name
    assert versions[0] in finished.versions("augmented_structures.h5")
    assert versions[1] not in finished.versions("augmented_structures.h5")


def test_each_iteration_has_a_record_of_what_it_read_made_and_used(finished):
    first, second = finished.records()
    assert [first["iteration"], second["iteration"]] == [1, 2]
    assert first["status"] == second["status"] == "completed"
    assert first["parent"] is None
    assert second["parent"] == first["run_id"]
    assert second["loaded"]["augmented_structures"] == first["run_id"]
    assert second["loaded"]["selected_structures_previous"] == first["run_id"]
    assert second["loaded"]["labelled_structures_previous"] == first["run_id"]
    assert set(second["saved"].values()) == {second["run_id"]}
    assert len(second["saved"]) == len(OUTPUTS)
    assert second["parameters"]["training"]["members"] == 2
    assert {"mace-torch", "torch", "ase", "kedro"} <= second["packages"].keys()
    stages = {node["stage"] for node in second["nodes"].values()}
    assert stages == {"labelling", "training", "exploration", "evaluation"}
    assert all(node["seconds"] >= 0 for node in second["nodes"].values())


def test_what_was_selected_is_labelled_next_and_nothing_twice(finished):
    first, second = (record["run_id"] for record in finished.records())
    selected = finished.structures("selected_structures.h5", first)
    labels = finished.structures("labels.h5", second)
    labelled = finished.structures("labelled_structures.h5", second)
    assert len(selected)
    assert set(labels.id) <= set(selected.id)
    assert len(set(labelled.id)) == len(labelled)
    assert labelled.has_labels.all()
    assert set(labelled.iteration) == {1, 2}
    before = finished.structures("labelled_structures.h5", first)
    kept = labelled[labelled.index_of(before.id)]
    assert (kept.split == before.split).all()
    np.testing.assert_array_equal(kept.energy, before.energy)


def test_the_engine_is_called_once_for_each_structure(finished):
    last = finished.records()[-1]["run_id"]
    labelled = finished.structures("labelled_structures.h5", last)
    assert finished.calculations == len(labelled)


def test_a_trial_run_never_becomes_the_campaigns_previous(finished):
    first, second = (record["run_id"] for record in finished.records())
    between = [v for v in finished.versions("selected_structures.h5") if first < v < second]
    trial = set(finished.structures("selected_structures.h5", between[0]).id)
    labelled = set(finished.structures("labels.h5", second).id)
    assert labelled <= set(finished.structures("selected_structures.h5", first).id)
    assert labelled != trial
    assert not set(between) & set(finished.records()[1]["loaded"].values())


def test_every_result_can_be_opened(finished):
    for record in finished.records():
        version = record["run_id"]
        committee = load_committee(finished.path("committee", version))
        predictions = Predictions.read(finished.path("predictions.h5", version))
        labelled = finished.structures("labelled_structures.h5", version)
        explored = finished.structures("explored_structures.h5", version)
        assert len(committee) == predictions.energy.shape[0] == 2
        assert set(labelled.id) | set(explored.id) == set(predictions.id)
        for name in (
            "labelling_report",
            "labelling_summary",
            "training_report",
            "exploration_report",
            "metrics",
        ):
            assert len(pd.read_csv(finished.path(f"{name}.csv", version)))


def test_status_tells_of_each_iteration(finished):
    output = finished.succeed("campaign", "status")
    labels = finished.structures("labels.h5", finished.records()[1]["run_id"])
    assert "Campaign tiny" in output
    for title in ("Labels", "Root mean square errors", "Calibration", "Wall time", "Verdict"):
        assert title in output
    row = next(line.split() for line in output.splitlines() if line.split()[:1] == ["2"])
    assert row[1] == str(len(labels))
    assert "stopped" in row
    assert finished.records()[1]["run_id"] in output


def test_a_committee_is_handed_over_with_its_calibration_and_a_card(finished, tmp_path):
    first = finished.records()[0]["run_id"]
    target = str(tmp_path / "first")
    output = finished.succeed("campaign", "export", target, "--iteration", "1", "--potential-only")
    assert "Committee of iteration 1" in output and "packed" not in output
    assert not (tmp_path / "first" / "data").exists()
    card = (tmp_path / "first" / "README.md").read_text()
    labelled = finished.structures("labelled_structures.h5", first)
    training = int((labelled.split == "training").sum())
    for words in (first, "counted.CountedEMT", f"| training | {training} |", "## How good it is"):
        assert words in card, words
    committee = load_committee(tmp_path / "first")
    assert committee.calibration == finished.document("calibration.json", first)
    assert committee.content == load_committee(finished.path("committee", first)).content
    status, output = finished.kedro("campaign", "export", str(tmp_path / "first"))
    assert status == 1 and "is there already" in output and "Traceback" not in output
    status, output = finished.kedro("campaign", "export", str(tmp_path / "x"), "--iteration", "9")
    assert status == 1 and "no iteration 9; it has begun: 1, 2" in output


def test_the_plan_of_a_campaign_under_way_is_what_it_selected(finished_copy):
    """The time follows from the labels that there are; nothing is saved, and no trial run read."""
    second = finished_copy.records()[1]["run_id"]
    selected = finished_copy.structures("selected_structures.h5", second)
    before, calculations = finished_copy.files(), finished_copy.calculations
    output = finished_copy.succeed("campaign", "plan", "--timed-labels", "0")
    assert "Iteration 3 of campaign tiny" in output
    row = next(line.split() for line in output.splitlines() if line.split()[:1] == ["all"])
    assert int(row[1]) == len(selected)
    assert f"Estimated from {calculations} labels" in output
    assert finished_copy.files() == before
    assert finished_copy.calculations == calculations


def test_a_finished_campaign_goes_on_with_as_many_iterations_as_asked(finished_copy):
    (finished_copy.folder / "kill_before.txt").write_text("merge_labels")
    status, _ = finished_copy.kedro("campaign", "run", "--max-iterations", "1")
    *_, second, third = finished_copy.records()
    aim = finished_copy.folder / "data/08_reporting/tiny/campaign.json"
    assert status < 0
    assert third["iteration"] == 3
    assert third["parent"] == second["run_id"]
    assert json.loads(aim.read_text())["target"] == 3


def test_campaigns_share_labels_and_nothing_else(finished_copy):
    calculations = finished_copy.calculations
    folder = finished_copy.folder
    (folder / "conf" / "other").mkdir()
    tiny = (folder / "conf" / "tiny" / "parameters.yml").read_text()
    (folder / "conf" / "other" / "parameters.yml").write_text(tiny)
    (folder / "conf" / "other" / "globals.yml").write_text("campaign: other\n")
    other = type(finished_copy)(folder, env="other")
    assert "has not begun" in other.succeed("campaign", "status")
    other.succeed("run", "--pipelines", "augmentation,labelling")
    (version,) = other.versions("labels.h5")
    first = finished_copy.records()[0]["run_id"]
    own, same = (
        p.structures("labels.h5", v) for p, v in ((other, version), (finished_copy, first))
    )
    assert set(own.id) == set(same.id)  # labelled in tiny, and yet all candidates here
    assert own.energy.tolist() == same.energy.tolist()
    report = pd.read_csv(other.path("labelling_report.csv", version))
    assert set(report.status) == {"from store"}
    assert finished_copy.calculations == calculations


def test_each_stage_runs_alone_on_what_the_catalog_holds(finished_copy):
    before = finished_copy.records()
    finished_copy.succeed("run", "--pipeline", "augmentation")  # the deprecated spelling
    for stage, result in (
        ("labelling", "labels.h5"),
        ("training", "committee"),
        ("exploration", "explored_structures.h5"),
        ("evaluation", "verdict.json"),
    ):
        known = finished_copy.versions(result)
        finished_copy.succeed("run", "--pipelines", stage)
        assert len(finished_copy.versions(result)) == len(known) + 1
    assert finished_copy.records() == before


def test_a_second_process_on_the_same_campaign_is_refused(finished_copy):
    first = finished_copy.start("campaign", "run", "--max-iterations", "1")
    try:
        while len(finished_copy.records()) < 3:
            assert first.poll() is None, first.output
        status, output = finished_copy.kedro("campaign", "run")
    finally:
        first.kill()
    assert status == 1
    assert "campaign 'tiny' is being run by another process" in output
    assert "Traceback" not in output


def test_augmentation_can_be_skipped(project):
    project.configure({"augmentation": {"enabled": False}})
    project.succeed("run", "--pipelines", "augmentation,labelling")
    (version,) = project.versions("labels.h5")
    labels = project.structures("labels.h5", version)
    assert sorted(labels.source) == ["bcc.xyz", "fcc.xyz"]
    assert set(labels.origin) == {"initial"}
    assert labels.has_labels.all()
    assert project.calculations == 2
