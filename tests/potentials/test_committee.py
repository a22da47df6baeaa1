from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from ase.stress import voigt_6_to_full_3x3_stress
from scipy.spatial.transform import Rotation

from potwright.errors import InputError
from potwright.execution import LocalExecutor
from potwright.pes import PESData
from potwright.potentials import Committee, load_committee, prediction
from potwright.uncertainty import property_uncertainties

pytestmark = pytest.mark.slow


def predict(committee: Committee, atoms: Atoms) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Members' energies (M,), forces (M, N, 3) and stresses (M, 3, 3) of one structure."""
    found = committee.predict(PESData.from_atoms([atoms]))
    stress = np.array([voigt_6_to_full_3x3_stress(s) for s in found.stress[:, 0]])
    return found.energy[:, 0], found.forces, stress


def disagreement(committee: Committee, atoms: Atoms) -> list[float]:
    found = property_uncertainties(committee.predict(PESData.from_atoms([atoms])))
    return [float(found[name].disagreement[0]) for name in ("energy", "forces", "stress")]


def rotated(atoms: Atoms) -> tuple[Atoms, np.ndarray]:
    matrix = Rotation.random(random_state=3).as_matrix()
    turned = atoms.copy()
    turned.set_cell(atoms.cell.array @ matrix.T)
    turned.positions = atoms.positions @ matrix.T
    return turned, matrix


def test_members_differ(committee: Committee, mixture: list[Atoms]) -> None:
    energy, forces, stress = disagreement(committee, mixture[0])
    assert energy > 1e-4 and forces > 1e-3 and stress > 1e-5


@pytest.mark.parametrize("index", [0, 2])
def test_rotation_turns_forces_and_stress_and_nothing_else(
    invariant_committee: Committee, mixture: list[Atoms], index: int
) -> None:
    turned, matrix = rotated(mixture[index])
    energy, forces, stress = predict(invariant_committee, mixture[index])
    # PESData keeps coordinates to 1e-8 Å, in any orientation: hence the tolerances
    energy_turned, forces_turned, stress_turned = predict(invariant_committee, turned)
    np.testing.assert_allclose(energy_turned, energy, atol=1e-6)
    np.testing.assert_allclose(forces_turned, forces @ matrix.T, atol=1e-6)
    np.testing.assert_allclose(stress_turned, matrix @ stress @ matrix.T, atol=1e-7)
    # the six Voigt components count shear once: only the disagreement of stress depends on axes
    before, after = (
        disagreement(invariant_committee, mixture[index]),
        disagreement(invariant_committee, turned),
    )
    np.testing.assert_allclose(after[:2], before[:2], atol=1e-6)


@pytest.mark.parametrize("index", [0, 1, 2])
def test_translation_and_wrapping_change_nothing(
    any_committee: Committee, mixture: list[Atoms], index: int
) -> None:
    moved = mixture[index].copy()
    moved.positions += [1.7, -4.2, 0.9]
    moved.wrap()
    for before, after in zip(
        predict(any_committee, mixture[index]), predict(any_committee, moved), strict=True
    ):
        np.testing.assert_allclose(after, before, atol=1e-9)
    before, after = disagreement(any_committee, mixture[index]), disagreement(any_committee, moved)
    np.testing.assert_allclose(after, before, atol=1e-9)


@pytest.mark.parametrize("index", [0, 1, 2])
def test_the_order_of_atoms_changes_nothing(
    any_committee: Committee, mixture: list[Atoms], index: int
) -> None:
    order = np.random.default_rng(5).permutation(len(mixture[index]))
    energy, forces, stress = predict(any_committee, mixture[index])
    energy_p, forces_p, stress_p = predict(any_committee, mixture[index][order])
    np.testing.assert_allclose(energy_p, energy, atol=1e-9)
    np.testing.assert_allclose(forces_p, forces[:, order], atol=1e-9)
    np.testing.assert_allclose(stress_p, stress, atol=1e-9)
    np.testing.assert_allclose(
        disagreement(any_committee, mixture[index][order]),
        disagreement(any_committee, mixture[index]),
        atol=1e-9,
    )


@pytest.mark.parametrize("index", [0, 2])
def test_disagreement_does_not_depend_on_the_size_of_the_cell(
    any_committee: Committee, mixture: list[Atoms], index: int
) -> None:
    once = mixture[index]
    twice = once.repeat((2, 3, 1))
    np.testing.assert_allclose(
        disagreement(any_committee, twice), disagreement(any_committee, once), atol=1e-8
    )
    energy, forces, stress = predict(any_committee, once)
    energy_twice, forces_twice, stress_twice = predict(any_committee, twice)
    np.testing.assert_allclose(energy_twice, 6 * energy, atol=1e-6)
    np.testing.assert_allclose(forces_twice, np.tile(forces, (1, 6, 1)), atol=1e-7)
    np.testing.assert_allclose(stress_twice, stress, atol=1e-8)


def test_atoms_too_far_apart_to_interact_feel_nothing(any_committee: Committee) -> None:
    pair = Atoms("CuAu", positions=[[0, 0, 0], [9, 0, 0]])
    energy, forces, _ = predict(any_committee, pair)
    alone = [predict(any_committee, Atoms(symbol))[0] for symbol in ("Cu", "Au")]
    np.testing.assert_allclose(energy, alone[0] + alone[1], atol=1e-10)
    np.testing.assert_array_equal(forces, 0)


def test_a_worker_predicts_what_this_process_predicts(
    committee: Committee, mixture: list[Atoms], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prediction, "ATOMS_PER_PIECE", 100)
    copies = [atoms.copy() for atoms in mixture for _ in range(9)]
    for seed, atoms in enumerate(copies):
        atoms.rattle(0.02, seed=seed)
    pes = PESData.from_atoms(copies)
    here = committee.predict(pes)
    there = committee.predict_stored(tmp_path, [pes], LocalExecutor(workers=1))
    np.testing.assert_array_equal(there.id, pes.id)
    np.testing.assert_array_equal(there.offsets, pes.offsets)
    for name in ("energy", "forces", "stress"):
        np.testing.assert_allclose(getattr(there, name), getattr(here, name), atol=1e-10)


def test_nothing_to_predict_gives_no_predictions(committee: Committee) -> None:
    found = committee.predict(PESData.empty())
    assert found.energy.shape == (2, 0) and found.forces.shape == (2, 0, 3)


@pytest.fixture
def saved(committee: Committee, tmp_path: Path) -> Path:
    committee.save(tmp_path / "kept" / "committee")
    return tmp_path / "kept" / "committee"


def test_a_saved_committee_comes_back_complete(
    committee: Committee, saved: Path, mixture: list[Atoms]
) -> None:
    loaded = load_committee(saved)
    assert len(loaded) == 2
    assert loaded.record["note"] == "test"
    assert all(member.path.parent == saved for member in loaded.members)
    assert not [path for path in saved.parent.iterdir() if path != saved]
    pes = PESData.from_atoms(mixture)
    np.testing.assert_array_equal(loaded.predict(pes).forces, committee.predict(pes).forces)


def test_a_saved_committee_can_be_moved(saved: Path, mixture: list[Atoms]) -> None:
    elsewhere = saved.parent / "elsewhere"
    saved.rename(elsewhere)
    atoms = mixture[0]
    atoms.calc = load_committee(str(elsewhere)).calculator()
    assert np.isfinite(atoms.get_potential_energy())


def test_a_folder_that_holds_no_committee_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=rf"{tmp_path}: not a committee"):
        load_committee(tmp_path)


CALIBRATION = {
    "properties": {
        "energy": {"c": 2.0, "c_per_atom": None},
        "forces": {"c": 7.0, "c_per_atom": 3.0},
        "stress": {"c": None, "c_per_atom": None},
    }
}


def as_dictionary(_: Path) -> dict:
    return CALIBRATION


def as_file(folder: Path) -> Path:
    path = folder / "calibration.json"
    path.write_text(json.dumps(CALIBRATION))
    return path


@pytest.mark.parametrize("given", [as_dictionary, as_file])
def test_calibrated_uncertainty_is_the_factor_times_the_disagreement(
    committee: Committee, mixture: list[Atoms], tmp_path: Path, given: Callable
) -> None:
    atoms = mixture[0]
    atoms.calc = committee.calculator(given(tmp_path))
    atoms.get_forces()
    results = atoms.calc.results
    assert results["energy_uncertainty"] == 2 * results["energy_disagreement"]
    np.testing.assert_array_equal(results["forces_uncertainty"], 3 * results["forces_disagreement"])
    assert results["forces_disagreement"].shape == (len(atoms),)
    assert "stress_uncertainty" not in results and results["stress_disagreement"] > 0


def test_without_calibration_there_is_no_uncertainty(
    committee: Committee, mixture: list[Atoms]
) -> None:
    atoms = mixture[0]
    atoms.calc = committee.calculator()
    atoms.get_potential_energy()
    assert not [name for name in atoms.calc.results if name.endswith("uncertainty")]
