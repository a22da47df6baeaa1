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
from hypothesis import given
from hypothesis import strategies as st

from potwright.pes import PESData
from potwright.pipelines.training.mace import MACETrainer
from potwright.pipelines.training.mace.run import options, schedule, write_labels
from potwright.pipelines.training.members import member_task
from potwright.pipelines.training.parameters import TrainingParameters
from potwright.pipelines.training.trainer import MemberResult, MemberTask
from potwright.pipelines.training.training_set import training_set
from potwright.potentials.mace import quiet_import
from potwright.potentials.model_file import ModelFile

slow = pytest.mark.slow


def trainer(**given: Any) -> MACETrainer:
    settings = {k: given.pop(k) for k in ("batch_size", "eval_interval") if k in given}
    return MACETrainer(**given, settings=settings)


@pytest.mark.parametrize(
    ("given", "structures", "epochs", "batch"),
    [
        ({"epochs": 7}, 100, 7, 10),
        ({"epochs": 7}, 3, 7, 3),  # a batch cannot be larger than the data
        ({"optimiser_steps": 60, "batch_size": 4}, 24, 10, 4),
        ({"optimiser_steps": 60, "batch_size": 4}, 27, 10, 4),  # the incomplete batch is dropped
        ({"optimiser_steps": 1, "batch_size": 4}, 400, 1, 4),
        ({"optimiser_steps": 60, "batch_size": 4, "eval_interval": 3}, 24, 10, 4),
        ({"epochs": 10, "eval_interval": 4}, 24, 9, 10),  # epochs 0, 4 and 8 are validated
    ],
)
def test_schedule(given: dict, structures: int, epochs: int, batch: int) -> None:
    assert schedule(trainer(**given), structures) == (epochs, batch, None)


@given(st.integers(1, 300), st.integers(1, 5000), st.integers(1, 20), st.integers(1, 9))
def test_the_last_epoch_is_validated_and_the_steps_are_those_asked_for(
    structures: int, steps: int, batch_size: int, interval: int
) -> None:
    given = trainer(optimiser_steps=steps, batch_size=batch_size, eval_interval=interval)
    epochs, batch, _ = schedule(given, structures)
    per_epoch = structures // batch
    assert (epochs - 1) % interval == 0
    # to the nearest epoch that is validated, of which the first is one
    assert abs(epochs * per_epoch - max(steps, per_epoch)) <= per_epoch * (interval / 2 + 0.5)


@given(st.floats(1e-4, 1), st.integers(2, 500))
def test_the_learning_rate_ends_at_its_fraction(fraction: float, epochs: int) -> None:
    _, _, factor = schedule(trainer(epochs=epochs, learning_rate_decay=fraction), 10)
    assert factor is not None
    assert factor ** (epochs - 1) == pytest.approx(fraction)


def labelled_by_hand(atoms: Atoms, **results: Any) -> Atoms:
    atoms.calc = SinglePointCalculator(atoms, **results)
    return atoms


def test_labels_are_written_as_mace_shall_read_them(tmp_path: Path) -> None:
    forces, stress = np.arange(3.0).reshape(1, 3), np.arange(6) / 10
    structures = [
        labelled_by_hand(
            Atoms("Cu", cell=[3, 3, 12], pbc=(1, 1, 0)), energy=-1, forces=forces, stress=stress
        ),
        labelled_by_hand(Atoms("Cu", cell=[3, 3, 3], pbc=True), energy=-2, forces=forces),
        labelled_by_hand(Atoms("Au"), energy=-3, forces=forces),
    ]
    structures[0].info["energy"] = 99.0
    write_labels(PESData.from_atoms(structures, origin="md"), tmp_path / "labels.xyz")
    sheet, crystal, atom = ase.io.read(tmp_path / "labels.xyz", index=":")
    assert [a.info["REF_energy"] for a in (sheet, crystal, atom)] == [-1, -2, -3]
    np.testing.assert_array_equal(sheet.arrays["REF_forces"], forces)
    np.testing.assert_allclose(sheet.info["REF_stress"].ravel(), stress)
    # no stress: no key, for a key with zeros would be trained
    assert "REF_stress" not in crystal.info and "REF_stress" not in atom.info
    # engines see a sheet as periodic in all directions
    assert sheet.pbc.all() and crystal.pbc.all() and not atom.pbc.any()
    assert set(sheet.info) == {"REF_energy", "REF_stress"}
    assert all(a.calc is None for a in (sheet, crystal, atom))


Make = Callable[..., MemberTask]
Train = Callable[[MemberTask], MemberResult]
Weights = Callable[[MemberTask], np.ndarray]


@pytest.fixture
def task(labelled: PESData, parameters: Callable[..., TrainingParameters], tmp_path: Path) -> Make:
    """A member's task in a fresh folder; ``change`` alters the labelled structures."""

    def make(
        seed: int = 5,
        change: Callable[[PESData], PESData] = lambda pes: pes,
        **settings: Any,
    ) -> MemberTask:
        task = member_task(
            training_set(change(labelled)), tmp_path, parameters(**settings), seed, 0
        )
        return replace(task, folder=tmp_path / f"member-{len(list(tmp_path.iterdir()))}")

    return make


def test_options_are_complete(task: Make) -> None:
    todo = task(seed=11, lr=0.5)
    given = options(todo.trainer, todo)
    assert given["seed"] == 11 and given["lr"] == 0.5
    assert given["max_num_epochs"] == 4 and given["batch_size"] == 4
    assert given["valid_batch_size"] == 3  # MACE drops incomplete batches
    assert given["E0s"].startswith("{29: ") and given["atomic_numbers"] == "[29]"
    assert "scheduler" not in given


@slow
def test_what_ran_is_read_back(task: Make, train: Train) -> None:
    todo = task(seed=11, ema=True, swa=False, eval_interval=3)
    before = Path.cwd(), list(logging.getLogger().handlers), logging.getLogger().level
    result = train(todo)
    after = Path.cwd(), list(logging.getLogger().handlers), logging.getLogger().level
    assert before == after
    assert (result.seed, result.epochs, result.optimiser_steps) == (11, 4, 12)
    assert [point["epoch"] for point in result.learning_curve] == [0, 3]
    assert all(point["rmse_f"] > 0 for point in result.learning_curve)
    assert set(result.versions) == {"mace-torch", "torch", "e3nn"}
    assert result.model == todo.folder / "member.model" and result.model.is_file()
    command = (todo.folder / "command.txt").read_text().split()
    assert "--ema" in command  # a flag takes no value
    assert not [word for word in command if "swa" in word]
    assert "--loss=stress" in command and "--seed=11" in command


@slow
def test_a_finished_member_is_found_again(task: Make, train: Train, weights: Weights) -> None:
    todo = task()
    first = train(todo)
    written = first.model.stat().st_mtime_ns
    assert train(todo) == first
    assert first.model.stat().st_mtime_ns == written
    assert not [path for path in todo.folder.parent.iterdir() if path != todo.folder]


@pytest.fixture
def weights(train: Train) -> Callable[[MemberTask], np.ndarray]:
    """All weights of the trained model in a row."""

    def read(task: MemberTask) -> np.ndarray:
        import torch

        path = train(task).model
        with quiet_import():
            model = torch.load(path, weights_only=False)
        return np.concatenate([p.detach().numpy().ravel() for p in model.parameters()])

    return read


@slow
def test_the_same_seed_gives_the_same_potential_and_another_seed_another(
    task: Make, train: Train, labelled: PESData
) -> None:
    one, again, other = (ModelFile(train(task(seed)).model, "mace") for seed in (5, 5, 6))
    for values, same in zip(one.evaluate(labelled), again.evaluate(labelled), strict=True):
        np.testing.assert_allclose(same, values, rtol=1e-10, atol=1e-12)
    assert np.abs(one.evaluate(labelled)[1] - other.evaluate(labelled)[1]).max() > 1e-3


def without_stress(pes: PESData) -> PESData:
    return pes.replace(stress=np.full((len(pes), 6), np.nan))


def half_the_stress(pes: PESData) -> PESData:
    return pes.replace(stress=pes.stress / 2)


@slow
@pytest.mark.parametrize("loss", ["stress", "universal"])
def test_stress_labels_change_the_weights(task: Make, weights: Weights, loss: str) -> None:
    complete = weights(task(loss=loss))
    assert np.abs(weights(task(change=without_stress, loss=loss)) - complete).max() > 1e-4
    assert np.abs(weights(task(change=half_the_stress, loss=loss)) - complete).max() > 1e-4


@slow
def test_stress_labels_do_nothing_with_the_loss_that_mace_takes_by_default(
    task: Make, weights: Weights
) -> None:
    """The reason why ``loss`` has another default here."""
    complete = weights(task(loss="weighted"))
    np.testing.assert_array_equal(weights(task(change=half_the_stress, loss="weighted")), complete)


@slow
def test_structures_without_stress_do_not_teach_that_it_is_zero(
    task: Make, weights: Weights
) -> None:
    """A missing label weighs nothing: the missing stress is not the same as a stress of 0."""

    def zero_stress(pes: PESData) -> PESData:
        return pes.replace(stress=np.zeros((len(pes), 6)))

    missing, zero = weights(task(change=without_stress)), weights(task(change=zero_stress))
    assert np.abs(missing - zero).max() > 1e-4


@slow
def test_a_run_that_fails_says_why_and_leaves_nothing(task: Make, train: Train) -> None:
    todo = task(lr=1e200)
    with pytest.raises(RuntimeError, match="lower the learning rate"):
        train(todo)
    assert list(todo.folder.parent.iterdir()) == []
