from __future__ import annotations

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk

from potwright.dynamics import AseEngine, Bias, BiasedPotential, Conditions, Schedule
from potwright.potentials import Committee

FREE = 1e9


@pytest.fixture(scope="module")
def committee(untrained_committee) -> Committee:
    return untrained_committee


def crystal() -> Atoms:
    atoms = bulk("Cu", cubic=True)
    atoms.set_cell(atoms.cell @ (np.eye(3) + 0.04 * np.eye(3, k=1)), scale_atoms=True)
    atoms.rattle(0.1, seed=1)
    return atoms


def spread(committee: Committee, atoms: Atoms) -> float:
    """Standard deviation of the members' energies per atom, eV/atom."""
    calculator = committee.calculator(calibration={}, device="cpu")
    calculator.calculate(atoms)
    return calculator.results["energy_disagreement"]


def biased(committee: Committee, depth: float, scale: float, limit: float = FREE):
    paths = tuple(member.path for member in committee.members)
    return BiasedPotential(paths, "mace", 1, Bias(depth, scale, limit))


def test_the_bias_has_the_energy_that_the_formula_says(committee):
    atoms = crystal()
    d = spread(committee, atoms)
    atoms.calc = biased(committee, 0.3, 0.7 * d).calculator("cpu")
    energy = atoms.get_potential_energy()
    expected = -0.3 * 4 * (1 - np.exp(-0.5 / 0.7**2))
    assert atoms.calc.results["bias_energy"] == pytest.approx(expected, rel=1e-9)
    atoms.calc = committee.members[1].calculator("cpu")
    assert energy == pytest.approx(atoms.get_potential_energy() + expected, rel=1e-9)


def test_forces_and_stress_are_derivatives_of_driver_and_bias(committee):
    atoms = crystal()
    potential = biased(committee, 0.5, spread(committee, atoms))
    atoms.calc = potential.calculator("cpu")
    forces, stress = atoms.get_forces(), atoms.get_stress()
    assert np.abs(atoms.calc.results["bias_forces"]).max() > 1e-3

    def energy(moved: Atoms) -> float:
        moved.calc = potential.calculator("cpu")
        return moved.get_potential_energy()

    for atom, axis in ((0, 0), (2, 1)):
        ends = [atoms.copy(), atoms.copy()]
        for end, step in zip(ends, (1e-4, -1e-4), strict=True):
            end.positions[atom, axis] += step
        slope = (energy(ends[0]) - energy(ends[1])) / 2e-4
        assert -slope == pytest.approx(forces[atom, axis], abs=1e-5)
    for voigt, (i, j) in ((0, (0, 0)), (5, (0, 1))):
        ends = []
        for step in (1e-4, -1e-4):
            strain = np.zeros((3, 3))
            strain[i, j] += step / 2
            strain[j, i] += step / 2
            end = atoms.copy()
            end.set_cell(atoms.cell @ (np.eye(3) + strain), scale_atoms=True)
            ends.append(energy(end))
        slope = (ends[0] - ends[1]) / 2e-4 / atoms.get_volume()
        assert slope == pytest.approx(stress[voigt], abs=1e-6)


def test_members_that_agree_leave_the_potential_alone(committee):
    twins = (committee.members[0].path,) * 3
    atoms = crystal()
    atoms.calc = BiasedPotential(twins, "mace", 0, Bias(1.0, 0.01, 1.0)).calculator("cpu")
    forces = atoms.get_forces()
    assert atoms.calc.results["bias_energy"] == pytest.approx(0, abs=1e-12)
    atoms.calc = committee.members[0].calculator("cpu")
    assert np.allclose(forces, atoms.get_forces(), atol=1e-9)


def test_no_bias_force_is_longer_than_its_limit_and_stress_stays_in_proportion(committee):
    atoms = crystal()
    d = spread(committee, atoms)
    free, cut = (biased(committee, 5.0, d, limit).calculator("cpu") for limit in (FREE, 0.05))
    plain = committee.members[1].calculator("cpu")
    for calculator in (plain, free, cut):
        calculator.calculate(atoms)
    longest = np.linalg.norm(free.results["bias_forces"], axis=1).max()
    assert longest > 0.1
    limited = cut.results["bias_forces"]
    assert np.linalg.norm(limited, axis=1).max() == pytest.approx(0.05)
    assert np.allclose(limited.sum(axis=0), 0, atol=1e-9)  # the whole is not pushed
    assert np.allclose(limited, free.results["bias_forces"] * 0.05 / longest)
    pull, pulled = (one.results["stress"] - plain.results["stress"] for one in (free, cut))
    assert np.abs(pull).max() > 1e-4
    assert np.allclose(pulled, pull * 0.05 / longest, atol=1e-12)


def test_biased_dynamics_conserves_energy_and_goes_where_members_disagree(committee):
    d = spread(committee, crystal())
    runs = [
        AseEngine(ensemble="nve").run_trajectory(
            crystal(), potential, Conditions(300), Schedule(1, 80, 4), seed=3, device="cpu"
        )
        for potential in (committee.members[1], biased(committee, 2.0, 2 * d))
    ]
    plain, drawn = ([spread(committee, a) for a in run.frames.to_atoms()] for run in runs)
    assert np.mean(drawn) > np.mean(plain)
    assert max(drawn) > max(plain)
    energies = runs[1].conserved_energies
    assert np.ptp(energies) < 0.05 * np.ptp(runs[1].potential_energies)
