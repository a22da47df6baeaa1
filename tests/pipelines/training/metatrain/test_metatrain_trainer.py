from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import ase.io
import numpy as np
import pytest
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator

from potwright.pes import PESData
from potwright.pipelines.training.members import member_task
from potwright.pipelines.training.metatrain.log import weights
from potwright.pipelines.training.metatrain.run import options, schedule, write_labels
from potwright.pipelines.training.metatrain.start import baseline, read_checkpoint
from potwright.pipelines.training.parameters import MetatrainTrainer, TrainingParameters
from potwright.pipelines.training.trainer import MemberResult, MemberTask
from potwright.pipelines.training.training_set import training_set
from potwright.potentials import Committee
from potwright.potentials.model_file import ModelFile

slow = pytest.mark.slow
architectures = pytest.mark.parametrize("architecture", ["soap_bpnn", "pet"])
Make = Callable[..., MemberTask]
Train = Callable[[MemberTask], MemberResult]


@pytest.mark.parametrize(
    ("given", "structures", "epochs", "batch"),
    [
        ({"epochs": 7}, 100, 7, 8),  # metatrain's own default
        ({"epochs": 7}, 3, 7, 3),  # a batch cannot be larger than the data
        ({"optimiser_steps": 60}, 24, 20, 8),
        ({"optimiser_steps": 60}, 30, 20, 8),  # the incomplete batch is dropped
        ({"optimiser_steps": 1}, 400, 1, 8),
    ],
)
def test_schedule(given: dict[str, Any], structures: int, epochs: int, batch: int) -> None:
    trainer = MetatrainTrainer(type="metatrain", architecture="soap_bpnn", **given)
    assert schedule(trainer, structures) == (epochs, batch)


def test_labels_are_written_as_metatrain_shall_read_them(tmp_path: Path) -> None:
    forces, stress = np.arange(3.0).reshape(1, 3), np.arange(6) / 10
    structures = [
        Atoms("Cu", cell=[3, 3, 12], pbc=(1, 1, 0)),
        Atoms("Cu", cell=[3, 3, 3], pbc=True),
        Atoms("Au", cell=[9, 9, 9]),
    ]
    for atoms, own in zip(structures, ({"stress": stress}, {}, {}), strict=True):
        atoms.calc = SinglePointCalculator(atoms, energy=-1.0, forces=forces, **own)
    write_labels(PESData.from_atoms(structures, origin="md"), tmp_path / "labels.xyz")
    sheet, crystal, atom = ase.io.read(tmp_path / "labels.xyz", index=":")
    assert sheet.info["REF_stress"][1, 2] == 0.3 and sheet.info["REF_stress"][0, 0] == 0
    # no stress: not a number, which metatrain's losses leave out
    assert np.isnan(crystal.info["REF_stress"]).all() and np.isnan(atom.info["REF_stress"]).all()
    np.testing.assert_array_equal(atom.arrays["REF_forces"], forces)
    assert sheet.pbc.all() and crystal.pbc.all()
    assert not atom.pbc.any() and not atom.cell.array.any()


@pytest.fixture
def task(labelled: PESData, metatrain: Callable[..., TrainingParameters], tmp_path: Path) -> Make:
    """A member's task in a fresh folder; ``change`` alters the labelled structures."""

    def make(
        architecture: str = "soap_bpnn",
        seed: int = 5,
        change: Callable[[PESData], PESData] = lambda pes: pes,
        **settings: Any,
    ) -> MemberTask:
        parameters = metatrain(architecture, **settings)
        task = member_task(training_set(change(labelled)), tmp_path, parameters, seed, 0)
        return replace(task, folder=tmp_path / f"member-{len(list(tmp_path.iterdir()))}")

    return make


def test_options_are_complete(task: Make) -> None:
    todo = task(seed=11, learning_rate=0.5)
    given = options(todo.trainer, todo)
    training = given["architecture"]["training"]
    assert given["seed"] == 11 and training["learning_rate"] == 0.5
    assert training["num_epochs"] == 3 and training["batch_size"] == 4
    assert list(training["atomic_baseline"]["energy"]) == [29]
    assert given["architecture"]["atomic_types"] == [29]
    for part in ("training_set", "validation_set"):
        assert set(given[part]["targets"]["energy"]) >= {"forces", "stress"}


@slow
@architectures
def test_what_ran_is_read_back(
    task: Make, train: Train, labelled: PESData, architecture: str
) -> None:
    """Units of the learning curve: the best epoch's validation errors, computed again."""
    todo = task(architecture, seed=11)
    before = Path.cwd(), list(logging.getLogger().handlers), logging.getLogger().level
    result = train(todo)
    after = Path.cwd(), list(logging.getLogger().handlers), logging.getLogger().level
    assert before == after
    assert (result.seed, result.epochs, result.optimiser_steps) == (11, 3, 9)
    assert [point["epoch"] for point in result.learning_curve] == [0, 1, 2]
    for name in ("loss", "rmse_e_per_atom", "rmse_f", "rmse_virial_per_atom"):
        assert all(point[name] > 0 for point in result.learning_curve), name
    assert set(result.versions) == {"metatrain", "metatomic-torch", "torch"}
    assert result.model == todo.folder / "model.pt" and result.model.is_file()
    validation = labelled[labelled.split == "validation"]
    energy, forces, _ = ModelFile(result.model, "metatrain").evaluate(validation, "cpu")
    rmse_f = np.sqrt(np.mean((forces - validation.forces) ** 2))
    rmse_e = np.sqrt(np.mean(((energy - validation.energy) / validation.n_atoms) ** 2))
    told = [(point["rmse_f"], point["rmse_e_per_atom"]) for point in result.learning_curve]
    assert any(np.allclose(one, (rmse_f, rmse_e), rtol=1e-2) for one in told)
    # E0 are those given, and not a fit of metatrain's own
    found = baseline(read_checkpoint(result.model.with_suffix(".ckpt")))
    assert found == pytest.approx(todo.energies)


@slow
def test_steps_that_metatrain_does_not_tell_are_not_made_up(task: Make, train: Train) -> None:
    """12 crystals of 4 atoms by 8 at a time are 6 batches an epoch; by `batch_size`, 3."""
    todo = task(trainer={"optimiser_steps": None, "epochs": 2}, max_atoms_per_batch=8)
    result = train(todo)
    assert (result.epochs, result.optimiser_steps) == (2, None)
    assert train(todo) == result  # as it is found again


@pytest.fixture
def trained_weights(train: Train) -> Callable[[MemberTask], np.ndarray]:
    """All weights of the trained model in a row."""

    def read(task: MemberTask) -> np.ndarray:
        found = weights(train(task).model.with_suffix(".ckpt"))
        own = [v for n, v in found.items() if "additive" not in n and "scaler" not in n]
        numbers = [v.numpy().ravel() for v in own if hasattr(v, "numpy") and v.is_floating_point()]
        return np.concatenate(numbers)

    return read


@slow
def test_the_same_seed_gives_the_same_weights_and_another_seed_others(
    task: Make, trained_weights: Callable[[MemberTask], np.ndarray]
) -> None:
    one, again, other = (trained_weights(task(seed=seed)) for seed in (5, 5, 6))
    np.testing.assert_allclose(again, one, rtol=1e-9, atol=1e-11)
    assert np.abs(one - other).max() > 1e-3


def without_stress(pes: PESData) -> PESData:
    return pes.replace(stress=np.full((len(pes), 6), np.nan))


def half_without_stress(pes: PESData) -> PESData:
    stress = pes.stress.copy()
    stress[::2] = np.nan
    return pes.replace(stress=stress)


def half_with_zero_stress(pes: PESData) -> PESData:
    stress = pes.stress.copy()
    stress[::2] = 0.0
    return pes.replace(stress=stress)


@slow
@architectures
def test_stress_labels_change_the_weights_and_missing_ones_do_not_teach_zero(
    task: Make, trained_weights: Callable[[MemberTask], np.ndarray], architecture: str
) -> None:
    changes = (lambda pes: pes, without_stress, half_without_stress, half_with_zero_stress)
    found = [trained_weights(task(architecture, change=change)) for change in changes]
    for i, one in enumerate(found):
        assert np.isfinite(one).all()
        for other in found[:i]:
            assert np.abs(one - other).max() > 1e-5


@slow
def test_forces_change_the_weights(
    task: Make, trained_weights: Callable[[MemberTask], np.ndarray]
) -> None:
    """With its own keys metatrain would train on energies alone."""

    def half_the_forces(pes: PESData) -> PESData:
        return pes.replace(forces=pes.forces / 2)

    one, other = (trained_weights(task(change=c)) for c in (lambda pes: pes, half_the_forces))
    assert np.abs(one - other).max() > 1e-5


@slow
def test_a_loss_that_becomes_infinite_is_told_and_leaves_nothing(task: Make, train: Train) -> None:
    todo = task(learning_rate=1e200)
    with pytest.raises(RuntimeError, match="lower the learning rate"):
        train(todo)
    assert list(todo.folder.parent.iterdir()) == []


@slow
def test_llpr_gives_each_member_an_uncertainty_and_leaves_its_energies(
    task: Make, train: Train, labelled: PESData
) -> None:
    from metatomic.torch import load_atomistic_model

    plain, wrapped = (train(task(trainer={"llpr": llpr})) for llpr in (None, {}))
    outputs = load_atomistic_model(wrapped.model).capabilities().outputs
    assert any("uncertainty" in name for name in outputs)
    energies = [
        ModelFile(m.model, "metatrain").evaluate(labelled, "cpu")[0] for m in (plain, wrapped)
    ]
    np.testing.assert_allclose(energies[1], energies[0], atol=1e-6)


@slow
def test_a_committee_of_metatrain_is_evaluated_like_any_other(
    labelled: PESData,
    metatrain: Callable[..., TrainingParameters],
    committee_of: Callable[..., Committee],
    tmp_path: Path,
) -> None:
    committee = committee_of(labelled, tmp_path / "workspace", metatrain(), 7, 1)
    assert committee.record["backend"] == "metatrain"
    predictions = committee.predict(labelled, device="cpu")
    assert predictions.forces.shape == (2, len(labelled.forces), 3)
    assert predictions.forces.std(axis=0).max() > 1e-4
    committee.save(tmp_path / "committee")
    assert len(list((tmp_path / "committee").glob("member_?.ckpt"))) == 2
