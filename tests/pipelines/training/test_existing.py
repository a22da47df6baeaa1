"""Potentials that a campaign begins with."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from potwright.datasets import PotentialsDataset
from potwright.errors import InputError
from potwright.parameters_campaign import CampaignParameters
from potwright.pes import PESData
from potwright.pipelines.training.nodes import train_committee, training_report
from potwright.pipelines.training.parameters import TrainingParameters
from potwright.potentials import Committee

slow = pytest.mark.slow


@pytest.fixture
def begin(
    labelled: PESData, parameters: Callable[..., TrainingParameters], tmp_path: Path
) -> Callable[..., Committee]:
    """The first iteration of a campaign with these potentials."""

    def run(place: str | Path, pes: PESData = labelled) -> Committee:
        return train_committee(
            pes,
            tmp_path / "workspace",
            parameters(),
            CampaignParameters(),
            7,
            committee_previous=Committee(()),
            initial_committee=PotentialsDataset(filepath=str(place)).load(),
        )

    return run


@slow
def test_model_files_are_the_first_committee_and_nothing_is_trained(
    begin: Callable[..., Committee], trained: Any, labelled: PESData, tmp_path: Path
) -> None:
    for number, member in enumerate(trained.committee.members):
        shutil.copy(member.path, tmp_path / f"mine_{number}.model")
    committee = begin(tmp_path / "*.model")
    assert not (tmp_path / "workspace").exists()
    before = trained.committee.predict(labelled[:3], device="cpu")
    np.testing.assert_array_equal(
        committee.predict(labelled[:3], device="cpu").forces, before.forces
    )
    assert committee.record["trained_on"] == []  # nobody knows
    assert training_report(committee).empty
    committee.save(tmp_path / "committee")


@slow
def test_a_committees_folder_keeps_what_is_known_of_it(
    begin: Callable[..., Committee], trained: Any, tmp_path: Path
) -> None:
    trained.committee.save(tmp_path / "committee")
    record = begin(tmp_path / "committee").record
    assert record["trained_on"] == trained.committee.record["trained_on"]


@slow
def test_later_iterations_train(
    labelled: PESData, parameters: Callable[..., TrainingParameters], trained: Any
) -> None:
    committee = train_committee(
        labelled,
        trained.workspace,
        parameters(),
        CampaignParameters(),
        7,
        committee_previous=trained.committee,
        initial_committee=trained.committee,
    )
    assert committee.record["training"] == trained.committee.record["training"]


@slow
def test_what_does_not_fit_is_refused(
    begin: Callable[..., Committee], trained: Any, labelled: PESData, tmp_path: Path
) -> None:
    shutil.copy(trained.committee.members[0].path, tmp_path / "only.model")
    with pytest.raises(InputError, match="1 potential; a committee needs two"):
        begin(tmp_path / "only.model")
    gold = labelled.replace(numbers=np.full(len(labelled.numbers), 79))
    shutil.copy(trained.committee.members[1].path, tmp_path / "second.model")
    with pytest.raises(InputError, match="does not know Au"):
        begin(tmp_path / "*.model", gold)
    trained.committee.save(tmp_path / "committee")
    with pytest.raises(InputError, match="initial_committee does not know Au"):
        begin(tmp_path / "committee", gold)
    with pytest.raises(InputError, match=r"trained at level of theory emt, .* labels at other"):
        begin(tmp_path / "committee", labelled.replace(level_of_theory="other"))
