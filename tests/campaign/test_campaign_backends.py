"""Campaigns with the other backend, with warm starts, and with potentials that were there."""

from __future__ import annotations

import json

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

SOAP_BPNN = {
    "soap": {"max_angular": 1, "max_radial": 1, "cutoff": {"radius": 3.2, "width": 0.5}},
    "bpnn": {"num_hidden_layers": 1, "num_neurons_per_layer": 4},
}
PET = {
    "cutoff": 3.2,
    "d_pet": 4,
    "d_head": 4,
    "d_node": 4,
    "d_feedforward": 4,
    "num_heads": 1,
    "num_attention_layers": 1,
    "num_gnn_layers": 1,
}


def use(project, architecture, model, **training):
    trainer = {
        "type": "metatrain",
        "architecture": architecture,
        "optimiser_steps": 12,
        "settings": {"model": model, "training": {"batch_size": 4, "learning_rate": 0.01}},
    }
    project.configure({"training": {"trainer": trainer, **training}})


def committees(project):
    return [
        json.loads((project.path("committee", version) / "committee.json").read_text())
        for version in project.versions("committee")
    ]


def test_a_campaign_with_metatrain_whose_members_go_on_from_their_last_iteration(project):
    use(project, "soap_bpnn", SOAP_BPNN, start={"type": "warm"})
    project.succeed("campaign", "run", "--max-iterations", "2")
    first, second = committees(project)
    assert first["backend"] == second["backend"] == "metatrain"
    assert [m["started_from"] for m in first["training"]] == ["scratch"] * 2
    for number, member in enumerate(second["training"]):
        begun = f"{project.versions('committee')[0]}/committee/member_{number}.ckpt"
        assert member["started_from"].endswith(begun)
    assert project.records()[1]["loaded"]["committee_previous"] == project.records()[0]["run_id"]
    project.open_everything()


def test_a_campaign_with_pet(project):
    use(project, "pet", PET)
    project.succeed("campaign", "run", "--max-iterations", "1")
    (record,) = committees(project)
    assert record["trainer"]["architecture"] == "pet" and len(record["members"]) == 2


def test_a_campaign_that_begins_with_potentials_trains_none_in_its_first_iteration(
    finished, finished_copy
):
    """They come from another campaign, by its folder's model files."""
    other = finished.path("committee", finished.versions("committee")[0])
    project = finished_copy
    project.configure({"campaign": "mine"}, name="globals")
    project.configure(
        {
            "initial_committee": {
                "type": "potwright.datasets.PotentialsDataset",
                "filepath": f"{other}/*.model",
            }
        },
        name="catalog",
    )
    project.succeed("campaign", "run", "--max-iterations", "1")
    assert not project.members()
    (record,) = committees(project)
    assert record["trained_on"] == [] and record["training"] == []
    project.succeed("campaign", "run", "--max-iterations", "1")
    assert len(project.members()) == 2
