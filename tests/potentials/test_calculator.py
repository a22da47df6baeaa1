"""Forces and stress are derivatives of the energy, through the calculator and through predict."""

from __future__ import annotations

from itertools import combinations_with_replacement

import numpy as np
import pytest
from ase import Atoms
from ase.calculators.calculator import PropertyNotImplementedError
from ase.stress import voigt_6_to_full_3x3_stress

from potwright.errors import InputError
from potwright.pes import PESData
from potwright.potentials import Committee
from potwright.uncertainty import property_uncertainties

pytestmark = pytest.mark.slow
STEP = 1e-4


def strained(atoms: Atoms, tensor: np.ndarray, amount: float) -> Atoms:
    changed = atoms.copy()
    changed.set_cell(atoms.cell.array @ (np.eye(3) + amount * tensor), scale_atoms=True)
    return changed


def energies(committee: Committee, structures: list[Atoms]) -> np.ndarray:
    """Energy of the committee mean, shape (S,)."""
    calculator = committee.calculator()
    return np.array([calculator.get_potential_energy(atoms) for atoms in structures])


def derivative(committee: Committee, atoms: Atoms, tensor: np.ndarray) -> float:
    """dE/ds/V of the committee mean, for a lattice strained by s·tensor, eV/Å³."""
    steps = STEP * np.array([1, -1, 2, -2])
    e = energies(committee, [strained(atoms, tensor, step) for step in steps])
    return float((8 * (e[0] - e[1]) - (e[2] - e[3])) / (12 * STEP) / atoms.get_volume())


def stresses(committee: Committee, atoms: Atoms) -> list[np.ndarray]:
    """Mean stress (3, 3), once through the calculator and once through predict."""
    atoms = atoms.copy()
    atoms.calc = committee.calculator()
    predicted = committee.predict(PESData.from_atoms([atoms])).stress[:, 0].mean(axis=0)
    return [atoms.get_stress(voigt=False), voigt_6_to_full_3x3_stress(predicted)]


def symmetric(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    return (np.outer(u, v) + np.outer(v, u)) / 2


@pytest.mark.parametrize("index", [1, 2, 3])
def test_forces_are_the_gradient_of_the_energy(
    any_committee: Committee, mixture: list[Atoms], index: int
) -> None:
    atoms = mixture[index]
    atoms.calc = any_committee.calculator()
    forces = atoms.get_forces()
    displaced = []
    for component in range(3 * len(atoms)):
        for sign in (1, -1):
            displaced.append(atoms.copy())
            displaced[-1].positions.flat[component] += sign * STEP
    plus, minus = energies(any_committee, displaced).reshape(-1, 2).T
    np.testing.assert_allclose(forces.ravel(), -(plus - minus) / (2 * STEP), atol=1e-6)
    assert np.abs(forces).max() > 1e-3


def test_stress_of_a_crystal_is_the_derivative_of_its_energy(
    any_committee: Committee, mixture: list[Atoms]
) -> None:
    atoms = mixture[3]
    for stress in stresses(any_committee, atoms):
        for i, j in combinations_with_replacement(range(3), 2):
            tensor = symmetric(np.eye(3)[i], np.eye(3)[j])
            assert stress[i, j] == pytest.approx(derivative(any_committee, atoms, tensor), abs=1e-7)
        assert np.abs(stress).max() > 1e-3


def with_lattice_vectors_in_order(atoms: Atoms, order: list[int]) -> Atoms:
    changed = atoms.copy()
    changed.set_cell(atoms.cell.array[order])
    changed.pbc = atoms.pbc[order]
    return changed


def with_cartesian_axes_in_order(atoms: Atoms, order: list[int]) -> Atoms:
    changed = atoms.copy()
    changed.set_cell(atoms.cell.array[:, order])
    changed.positions = atoms.positions[:, order]
    return changed


@pytest.mark.parametrize("height", [0.0, 2.0, 4.9, -31.0])
@pytest.mark.parametrize(
    ("vectors", "axes"),
    [
        ([0, 1, 2], [0, 1, 2]),
        ([2, 0, 1], [0, 1, 2]),
        ([1, 0, 2], [1, 2, 0]),
        ([1, 2, 0], [2, 1, 0]),
    ],
)
def test_in_plane_stress_of_a_sheet_is_the_derivative_of_its_energy_wherever_it_lies(
    invariant_committee: Committee,
    mixture: list[Atoms],
    height: float,
    vectors: list[int],
    axes: list[int],
) -> None:
    original = mixture[2]
    atoms = original.copy()
    atoms.positions[:, 2] += height
    atoms.wrap(pbc=True)  # the sheet may now be cut by the cell's face
    atoms = with_cartesian_axes_in_order(with_lattice_vectors_in_order(atoms, vectors), axes)
    assert atoms.pbc.sum() == 2
    in_plane = [np.eye(3)[i] for i in range(3) if axes[i] != 2]
    (expected, _) = stresses(invariant_committee, original)
    for stress in stresses(invariant_committee, atoms):
        np.testing.assert_allclose(stress, expected[np.ix_(axes, axes)], atol=1e-10)
        for u, v in combinations_with_replacement(in_plane, 2):
            numerical = derivative(invariant_committee, atoms, symmetric(u, v))
            assert u @ stress @ v == pytest.approx(numerical, abs=1e-8)
    assert np.abs(expected[:2, :2]).max() > 1e-3


def test_stress_times_thickness_of_a_sheet_does_not_depend_on_the_vacuum(
    any_committee: Committee, mixture: list[Atoms]
) -> None:
    thin, thick = mixture[2].copy(), mixture[2].copy()
    thick.cell[2, 2] = 17.0
    (stress_thin, _), (stress_thick, _) = (
        stresses(any_committee, thin),
        stresses(any_committee, thick),
    )
    np.testing.assert_allclose(
        stress_thin * thin.cell[2, 2], stress_thick * thick.cell[2, 2], atol=1e-9
    )


def test_a_sheet_without_vacuum_is_refused(committee: Committee) -> None:
    sheet = Atoms("CuAu", positions=[[0, 0, 0], [1.3, 1.5, 0]], cell=[3, 3, 0], pbc=(1, 1, 0))
    sheet.calc = committee.calculator(calibration={})
    with pytest.raises(InputError, match=r"AuCu: .* without others; give it vacuum"):
        sheet.get_potential_energy()
    sheet.center(vacuum=7.5, axis=2)
    assert np.isfinite(sheet.get_potential_energy())


def test_a_molecule_has_no_stress(any_committee: Committee, mixture: list[Atoms]) -> None:
    atoms = mixture[1]
    atoms.calc = any_committee.calculator()
    assert np.isfinite(atoms.get_potential_energy())
    with pytest.raises(PropertyNotImplementedError):
        atoms.get_stress()


@pytest.mark.parametrize("index", range(6))
def test_calculator_and_predictions_say_the_same(
    any_committee: Committee, mixture: list[Atoms], index: int
) -> None:
    atoms = mixture[index]
    found = any_committee.predict(PESData.from_atoms([atoms]))
    spread = property_uncertainties(found)
    atoms.calc = any_committee.calculator()
    assert atoms.get_potential_energy() == pytest.approx(found.energy.mean(), rel=1e-12)
    np.testing.assert_allclose(atoms.get_forces(), found.forces.mean(axis=0), atol=1e-12)
    results = atoms.calc.results
    assert results["energy_disagreement"] == pytest.approx(spread["energy"].disagreement[0])
    np.testing.assert_allclose(
        results["forces_disagreement"], spread["forces"].disagreement_per_atom, atol=1e-12
    )
    if atoms.pbc.any():
        assert results["stress_disagreement"] == pytest.approx(spread["stress"].disagreement[0])
        np.testing.assert_allclose(atoms.get_stress(), found.stress[:, 0].mean(axis=0), atol=1e-12)


def test_a_member_alone_agrees_with_itself(committee: Committee, mixture: list[Atoms]) -> None:
    atoms = mixture[0]
    atoms.calc = committee.members[1].calculator()
    found = committee.predict(PESData.from_atoms([atoms]))
    assert atoms.get_potential_energy() == pytest.approx(found.energy[1, 0], rel=1e-12)
    assert atoms.calc.results["energy_disagreement"] == 0
    np.testing.assert_array_equal(atoms.calc.results["forces_disagreement"], 0)


def test_results_follow_the_atoms(committee: Committee, mixture: list[Atoms]) -> None:
    atoms = mixture[0]
    atoms.calc = committee.calculator()
    first = atoms.get_potential_energy()
    atoms.positions[0] += 0.3
    second = atoms.get_potential_energy()
    atoms.positions[0] -= 0.3
    assert second != first
    assert atoms.get_potential_energy() == pytest.approx(first, rel=1e-12)


def test_what_has_not_changed_is_not_evaluated_again(
    committee: Committee, mixture: list[Atoms], monkeypatch: pytest.MonkeyPatch
) -> None:
    atoms = next(atoms for atoms in mixture if atoms.pbc.all()).copy()
    calculator = committee.calculator(device="cpu")
    evaluations = []
    calculate = calculator.calculate
    monkeypatch.setattr(
        calculator, "calculate", lambda *args: (evaluations.append(1), calculate(*args))
    )
    atoms.calc = calculator

    def asked_again() -> int:
        atoms.get_forces(), atoms.get_stress(), atoms.get_potential_energy()
        return len(evaluations)

    assert asked_again() == asked_again() == 1
    atoms.positions[0, 0] += 1e-9
    assert asked_again() == 2
    atoms.set_cell(atoms.cell.array * 1.001)
    assert asked_again() == 3
    atoms.pbc = False
    atoms.get_forces()
    assert len(evaluations) == 4
