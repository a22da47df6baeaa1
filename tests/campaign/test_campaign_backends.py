"""Campaigns with the other backend, with warm starts, and with potentials that were there."""

from __future__ import annotations

import json

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

SOAP_BPNN = {
    "soap": {"max_angular": 1, "max_radial": 1, "cutoff": {"radius": 3.2, "width": 0.5}},
    "bpnn": {"num_hidden_layers": 1, "num_neurons_per_layer": 4},
}

TRAINER = {
    "type": "metatrain",
    "architecture": "soap_bpnn",
    "optimiser_steps": 12,
    "settings": {"model": SOAP_BPNN, "training": {"batch_size": 4, "learning_rate": 0.01}},
}


def committees(project):
    return [
        json.loads((project.path("committee", version) / "committee.json").read_text())
        for version in project.versions("committee")
    ]


def test_members_go_on_from_their_last_iteration(finished):
    first, second = committees(finished)
    assert [m["started_from"] for m in first["training"]] == ["scratch"] * 2
    version = finished.versions("committee")[0]
    for number, member in enumerate(second["training"]):
        assert member["started_from"].endswith(f"{version}/committee/member_{number}.model")
    assert finished.records()[1]["loaded"]["committee_previous"] == version


def test_a_campaign_with_metatrain_is_like_any_other(project):
    project.configure({"training": {"trainer": TRAINER}})
    project.succeed("campaign", "run", "--max-iterations", "1")
    (committee,) = committees(project)
    assert committee["backend"] == "metatrain"
    project.open_everything()


STAGES = "augmentation,labelling,training,exploration,evaluation"


@pytest.mark.parametrize(
    "command",
    [("campaign", "run", "--max-iterations", "1"), ("run", "--pipelines", STAGES)],
    ids=["campaign", "stages"],
)
def test_who_begins_with_potentials_trains_none_in_the_first_iteration(
    finished, finished_copy, command
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
    project.succeed(*command)
    assert not project.members()
    (record,) = committees(project)
    assert record["trained_on"] == [] and record["training"] == []
