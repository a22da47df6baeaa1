from __future__ import annotations

import logging
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from potwright.errors import InputError
from potwright.parameters_campaign import CampaignParameters
from potwright.pes import PESData
from potwright.pipelines.training.members import member_task, train_members
from potwright.pipelines.training.nodes import train_committee, training_report
from potwright.pipelines.training.parameters import TrainingParameters
from potwright.pipelines.training.training_set import training_set
from potwright.randomness import derived_seed

Make = Callable[..., TrainingParameters]


def test_isolated_atoms_that_give_the_energies_are_not_trained_on(labelled: PESData) -> None:
    data = training_set(labelled)
    assert data.energies.source == "isolated atoms"
    assert data.energies.by_species == {29: labelled.energy[-1]}
    assert (len(data.training), len(data.validation)) == (12, 3)
    assert data.training.id.tolist() == labelled.id[:12].tolist()


def test_without_labels_a_structure_is_not_used(labelled: PESData) -> None:
    energy = labelled.energy.copy()
    energy[:2] = np.nan
    assert len(training_set(labelled.replace(energy=energy)).training) == 10


@pytest.mark.slow
def test_an_imported_pool_without_isolated_atoms_trains_with_fitted_energies(
    labelled: PESData, parameters: Make, train: Any, tmp_path: Path
) -> None:
    """One species: least squares is the training structures' mean energy per atom."""
    from potwright.pipelines.training.mace.start import load

    pool = labelled[:-1]
    data = training_set(pool)
    assert data.energies.source == "least squares over 12 training structures"
    mean = (pool[:12].energy * 4).sum() / (16 * 12)
    assert data.energies.by_species == pytest.approx({29: mean})
    model = load(train(member_task(data, tmp_path, parameters(steps=3), 1, 0)).model)
    assert float(model.atomic_energies_fn.atomic_energies) == pytest.approx(mean)


@pytest.mark.parametrize("missing", ["training", "validation"])
def test_an_empty_set_is_an_error_that_says_what_to_do(labelled: PESData, missing: str) -> None:
    atoms_and_rest = (labelled.split != missing) | (labelled.origin == "isolated_atom")
    with pytest.raises(InputError, match=rf"the {missing} set is empty: .*label more"):
        training_set(labelled[atoms_and_rest])


def test_each_member_has_a_seed_of_its_own_in_each_iteration() -> None:
    seeds = {derived_seed(7, "training", i, member) for i in range(20) for member in range(20)}
    assert len(seeds) == 400


def folder(
    labelled: PESData, parameters: TrainingParameters, seed: int = 1, member: int = 0
) -> Path:
    return member_task(training_set(labelled), Path("w"), parameters, seed, member).folder


def shifted(pes: PESData, column: str) -> PESData:
    return pes.replace(**{column: getattr(pes, column) + 1e-3})


def test_what_decides_a_member_names_its_folder(labelled: PESData, parameters: Make) -> None:
    known = folder(labelled, parameters())
    assert folder(labelled, parameters()) == known
    others = [
        folder(labelled, parameters(), seed=2),
        folder(labelled, parameters(), member=1),
        folder(labelled, parameters(lr=0.03)),
        folder(labelled, parameters(loss="universal")),
        folder(labelled, parameters(steps=24)),
        folder(labelled[1:], parameters()),
        *(
            folder(shifted(labelled, column), parameters())
            for column in ("positions", "energy", "forces", "stress")
        ),
        folder(
            labelled.replace(split=[*np.roll(labelled.split[:-1], 1).tolist(), "training"]),
            parameters(),
        ),
    ]
    assert len({known, *others}) == 1 + len(others)


def test_what_does_not_matter_does_not_name_the_folder(labelled: PESData, parameters: Make) -> None:
    known = folder(labelled, parameters())
    assert folder(labelled, parameters(members=5)) == known
    assert folder(labelled.replace(source="elsewhere"), parameters()) == known


@pytest.mark.slow
def test_the_record_says_what_the_committee_is(labelled: PESData, trained: Any) -> None:
    committee = trained.committee
    assert len(committee) == 3
    record = committee.record
    assert record["backend"] == "mace"
    assert record["species"] == [29] and record["level_of_theory"] == ["emt"]
    assert record["reference_energies_source"] == "isolated atoms"
    assert record["reference_energies_ev"] == {"29": labelled.energy[-1]}
    assert (record["training_structures"], record["validation_structures"]) == (12, 3)
    assert record["trained_on"] == labelled.id[:12].tolist()
    assert record["failures"] == []
    assert [(m["epochs"], m["optimiser_steps"]) for m in record["training"]] == [(4, 12)] * 3
    seeds = [derived_seed(7, "training", 1, member) for member in range(3)]
    assert [m["seed"] for m in record["training"]] == seeds


@pytest.mark.slow
def test_the_report_holds_every_members_learning_curve(trained: Any) -> None:
    report = training_report(trained.committee)
    assert report.groupby("member")["epoch"].apply(list).tolist() == [[0.0, 1.0, 2.0, 3.0]] * 3
    assert {"seed", "loss", "rmse_e_per_atom", "rmse_f", "rmse_stress"} <= set(report.columns)
    assert (report["rmse_f"] > 0).all()


@pytest.mark.slow
def test_members_differ_only_in_their_seed_and_hence_disagree(
    labelled: PESData, trained: Any
) -> None:
    forces = trained.committee.predict(labelled).forces
    assert forces.std(axis=0).max() > 1e-3


@pytest.mark.slow
def test_finished_members_are_found_again(
    labelled: PESData, parameters: Make, trained: Any
) -> None:
    def written() -> dict[str, int]:
        return {f.name: f.stat().st_mtime_ns for f in trained.workspace.glob("*/member.model")}

    before = written()
    again = train_committee(labelled, trained.workspace, parameters(), CampaignParameters(), 7)
    assert written() == before
    assert again == trained.committee


@pytest.mark.slow
def test_a_member_that_fails_is_reported_and_the_others_go_on(
    labelled: PESData,
    parameters: Make,
    trained: Any,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    for member in trained.committee.members:
        shutil.copytree(member.path.parent, tmp_path / member.path.parent.name)
    (lost,), (again,) = tmp_path.glob("member_1-*"), tmp_path.glob("member_2-*")
    shutil.rmtree(lost)
    shutil.rmtree(again)
    lost.write_text("in the way of the member's folder")
    with caplog.at_level(logging.ERROR):
        committee = train_members(labelled, tmp_path, parameters(), 7, 1)
    assert [member.path.parent.name[:8] for member in committee.members] == ["member_0", "member_2"]
    (failure,) = committee.record["failures"]
    assert failure.startswith("member 1: ") and lost.name in failure
    assert "Training failed for member 1" in caplog.text
    assert len(committee.record["training"]) == 2
    # the member that a worker trained is the one that was trained before
    before = trained.committee.members[2].evaluate(labelled)
    for value, known in zip(committee.members[1].evaluate(labelled), before, strict=True):
        np.testing.assert_allclose(value, known, rtol=1e-8, atol=1e-9)
    assert lost.read_text() == "in the way of the member's folder"


def test_fewer_than_two_members_are_no_committee(
    labelled: PESData, parameters: Make, tmp_path: Path
) -> None:
    workspace = tmp_path / "workspace"
    workspace.write_text("no folder can be made in a file")
    with pytest.raises(
        InputError, match=r"(?s)fewer than two .*\nmember 0: .*workspace.*\nmember 1: .*workspace"
    ):
        train_members(labelled, workspace, parameters(members=2), 7, 1)
