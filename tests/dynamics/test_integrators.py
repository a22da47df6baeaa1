from __future__ import annotations

import numpy as np
import pytest
from ase import Atoms, units
from ase.build import bulk, molecule

from potwright.dynamics.momenta import degrees_of_freedom, initial_momenta

LINEAR = Atoms("CO2", positions=[[0, 0, 0.1], [1.1, 0, 0.1], [-1.2, 0, 0.1]])
TURNED = Atoms(
    "CO2", positions=LINEAR.positions @ np.linalg.qr(np.arange(9.0).reshape(3, 3) ** 2)[0]
)


@pytest.mark.parametrize(
    ("atoms", "freedom"),
    [
        (Atoms("Ar"), 3),
        (bulk("Cu"), 3),
        (molecule("N2"), 1),
        (LINEAR, 4),
        (TURNED, 4),
        (molecule("H2O"), 3),
        (bulk("Cu", cubic=True), 9),
    ],
    ids=["atom", "crystal atom", "N2", "CO2", "CO2 turned", "H2O", "crystal"],
)
def test_kinetic_energy_is_that_of_the_motions_that_exist(atoms, freedom):
    assert degrees_of_freedom(atoms) == freedom
    rng = np.random.default_rng(0)
    energies = []
    for _ in range(3000):
        initial_momenta(atoms, 100, rng)
        energies.append(atoms.get_kinetic_energy())
    quantum = units.kB * 100
    # chi-squared with that many degrees of freedom
    expected, spread = freedom / 2 * quantum, np.sqrt(freedom / 2) * quantum
    assert np.mean(energies) == pytest.approx(expected, abs=4 * spread / np.sqrt(3000))
    assert np.std(energies) == pytest.approx(spread, rel=0.15)


@pytest.mark.parametrize("name", ["N2", "H2O", "C6H6"])
def test_molecules_start_without_drift_and_rotation(name):
    atoms = molecule(name)
    initial_momenta(atoms, 1000, np.random.default_rng(3))
    assert np.allclose(atoms.get_momenta().sum(axis=0), 0, atol=1e-12)
    assert np.allclose(atoms.get_angular_momentum(), 0, atol=1e-9)
    assert atoms.get_kinetic_energy() > 0


def test_crystals_start_without_drift():
    atoms = bulk("NaCl", "rocksalt", a=5.6, cubic=True)
    initial_momenta(atoms, 1000, np.random.default_rng(3))
    assert np.allclose(atoms.get_momenta().sum(axis=0), 0, atol=1e-12)
