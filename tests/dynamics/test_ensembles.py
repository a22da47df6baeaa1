from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from ase import Atoms, units
from ase.build import bulk, fcc111
from ase.calculators.emt import EMT

from potwright.dynamics import AseEngine, Conditions, Schedule, ensemble_of
from potwright.errors import InputError

ALL = np.array([True, True, True])
NONE = np.array([False, False, False])


@dataclass(frozen=True)
class EMTPotential:
    def calculator(self, device: str = "auto") -> Any:
        return EMT()


def copper() -> Atoms:
    atoms = bulk("Cu", cubic=True)
    atoms.rattle(0.03, seed=1)
    return atoms


def turned(atoms: Atoms) -> tuple[Atoms, np.ndarray]:
    """The same, rotated, with the rotation."""
    rotation = np.linalg.qr(np.random.default_rng(3).normal(size=(3, 3)))[0]
    rotation *= np.sign(np.linalg.det(rotation))
    cell, positions = np.array(atoms.cell) @ rotation, atoms.positions @ rotation
    return Atoms(atoms.numbers, positions, cell=cell, pbc=atoms.pbc), rotation


def run(atoms: Atoms, ensemble: str, conditions: Conditions, steps: int, every: int = 20):
    engine = AseEngine(ensemble=ensemble, thermostat_time_fs=50, barostat_time_fs=300)
    schedule = Schedule(1, steps, every)
    return engine.run_trajectory(atoms, EMTPotential(), conditions, schedule, seed=5)


def pressure_tensor(atoms: Atoms) -> np.ndarray:
    atoms.calc = EMT()
    return -atoms.get_stress(voigt=False) / (1000 * units.bar)


@pytest.mark.parametrize("temperature", [0, 300])
def test_isotropic_strain_keeps_the_shape_of_the_cell(temperature):
    atoms, _ = turned(copper())
    trajectory = run(atoms, "npt_isotropic", Conditions(temperature, 40), 60, 20)
    start, cells = np.array(atoms.cell), trajectory.frames.cell
    factors = (np.linalg.det(cells) / np.linalg.det(start)) ** (1 / 3)
    assert np.allclose(cells, factors[:, None, None] * start, atol=1e-6)
    assert np.ptp([1, *factors]) > 1e-3
    if not temperature:
        (last,) = trajectory.frames[-1:].to_atoms()
        assert np.trace(pressure_tensor(last)) / 3 == pytest.approx(40, abs=2)


@pytest.mark.parametrize("temperature", [0, 300])
def test_orthorhombic_strain_has_no_shear_however_the_cell_lies(temperature):
    atoms, rotation = turned(copper())
    start = np.array(atoms.cell)
    trajectory = run(atoms, "npt_orthorhombic", Conditions(temperature, 40), 60, 20)
    axes = trajectory.frames.cell @ rotation.T  # along x, y and z in the crystal's own frame
    lengths = axes[:, range(3), range(3)]
    assert np.allclose(axes, lengths[:, None, :] * np.eye(3), atol=1e-6)
    changes = lengths[-1] - np.linalg.norm(start, axis=1)
    assert (np.abs(changes) > 1e-3).all() and np.ptp(changes) > 1e-5
    if not temperature:
        (last,) = trajectory.frames[-1:].to_atoms()
        tensor = rotation @ pressure_tensor(last) @ rotation.T
        assert np.allclose(np.diag(tensor), 40, atol=2)


@pytest.mark.parametrize("ensemble", ["npt_isotropic", "npt_orthorhombic"])
def test_restricted_strain_conserves_the_extended_energy(ensemble):
    trajectory = run(copper(), ensemble, Conditions(300, 20), 120, 5)
    assert trajectory.ensemble == ensemble
    assert np.ptp(trajectory.conserved_energies) < 0.01 * np.ptp(trajectory.potential_energies)


def test_isotropic_strain_of_a_slab_is_of_its_plane():
    slab = fcc111("Cu", (1, 1, 3), vacuum=7.5)
    slab.pbc = (True, True, False)
    slab.set_cell(slab.cell * [[1.02], [1.02], [1.0]], scale_atoms=True)
    trajectory = run(slab, "npt_isotropic", Conditions(300), 60)
    a, b, c = trajectory.frames.cell[-1]
    factor = np.linalg.norm(a) / np.linalg.norm(slab.cell[0])
    assert abs(factor - 1) > 1e-3
    assert np.allclose([a, b], factor * np.array(slab.cell)[:2], atol=1e-6)
    assert np.allclose(c, slab.cell[2], atol=1e-7)


def test_langevin_dynamics_has_the_temperature_of_all_its_degrees_of_freedom():
    trajectory = run(copper(), "langevin", Conditions(300), 2200, 5)
    temperatures = trajectory.temperatures_kelvin[40:]
    blocks = temperatures.reshape(10, -1).mean(axis=1)
    error = blocks.std(ddof=1) / np.sqrt(len(blocks))
    assert temperatures.mean() == pytest.approx(300, abs=4 * error)
    # 12 of them: the spread of the kinetic energy is that of chi-squared
    assert temperatures.std() == pytest.approx(300 * np.sqrt(2 / 12), rel=0.2)
    assert np.isnan(trajectory.conserved_energies).all()
    assert np.allclose(trajectory.frames.cell, np.array(copper().cell))


@pytest.mark.parametrize("ensemble", ["nvt", "langevin", "auto"])
def test_a_crystal_heated_from_0_k_follows_its_target(ensemble):
    ramp = Conditions(0, final_temperature_kelvin=1500)
    trajectory = run(copper(), ensemble, ramp, 400, 5)
    assert trajectory.ensemble == {"auto": "npt"}.get(ensemble, ensemble)
    kelvin = [part.mean() for part in np.array_split(trajectory.temperatures_kelvin, 4)]
    assert kelvin[0] < 400 < kelvin[-1]
    if ensemble != "langevin":
        drift = np.ptp(trajectory.conserved_energies)
        assert drift < 0.02 * np.ptp(trajectory.potential_energies)


def test_a_quenched_crystal_is_cold_in_the_end():
    trajectory = run(copper(), "nvt", Conditions(800, final_temperature_kelvin=0), 600, 10)
    assert trajectory.temperatures_kelvin[:10].mean() > 300
    assert trajectory.temperatures_kelvin[-1] < 250  # it lags by the thermostat's 50 fs
    assert trajectory.completed


def test_a_compressed_crystal_gets_denser_and_comes_to_its_pressure():
    ramp = Conditions(100, 0, final_pressure_kbar=300)
    trajectory = run(copper(), "npt_isotropic", ramp, 600, 5)
    thirds = np.array_split(np.linalg.det(trajectory.frames.cell), 3)
    means = [part.mean() for part in thirds]
    assert means[0] > means[1] > means[2]
    pressures = [part.mean() for part in np.array_split(trajectory.pressures_kbar, 3)]
    assert np.allclose(pressures, [50, 150, 250], atol=40)
    work = np.ptp(trajectory.conserved_energies)
    assert work < 0.02 * np.ptp(trajectory.potential_energies)


def test_targets_change_linearly_after_the_thermalisation():
    schedule = Schedule(2, 100, 10, thermalisation_fs=40)
    ramp = Conditions(300, 0, 700, -10)
    assert [schedule.progress(step) for step in (0, 20, 45, 70)] == [0, 0, 0.5, 1]
    assert ramp.at(0.25) == Conditions(400, -2.5)
    assert Conditions(300, 5).at(0.3) == Conditions(300, 5)


@pytest.mark.parametrize(
    ("ensemble", "pbc", "conditions", "expected"),
    [
        ("auto", ALL, Conditions(300), "npt"),
        ("auto", NONE, Conditions(300), "nvt"),
        ("auto", np.array([False, True, False]), Conditions(300), "npt"),
        ("auto", ALL, Conditions(0), "relaxation"),
        ("nvt", NONE, Conditions(0), "relaxation"),
        ("nve", ALL, Conditions(0), "nve"),
        ("nvt", ALL, Conditions(0, final_temperature_kelvin=300), "nvt"),
        ("npt_isotropic", ALL, Conditions(300), "npt_isotropic"),
    ],
)
def test_what_is_run_follows_from_periodicity_and_temperature(ensemble, pbc, conditions, expected):
    assert ensemble_of(ensemble, pbc, conditions) == expected


@pytest.mark.parametrize(
    ("ensemble", "pbc", "conditions", "message"),
    [
        ("npt_isotropic", NONE, Conditions(300), "without periodic axis: no pressure"),
        ("npt_orthorhombic", NONE, Conditions(0), "without periodic axis"),
        ("auto", NONE, Conditions(9, 0, None, 5), "ramp of the pressure in ensemble auto"),
        ("nvt", ALL, Conditions(9, 0, None, 5), "ramp of the pressure in ensemble nvt"),
        ("nve", ALL, Conditions(9, 0, 20), "ramp in ensemble nve"),
    ],
)
def test_what_cannot_be_held_is_refused(ensemble, pbc, conditions, message):
    with pytest.raises(InputError, match=message):
        ensemble_of(ensemble, pbc, conditions)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ((-1,), "temperature of -1 K: give 0 K or more"),
        ((np.nan,), "temperature of nan K"),
        ((300, 0, -2), "temperature of -2 K"),
        ((300, np.inf), "pressure of inf kbar"),
        ((0, 0, None, 5), "ramp of the pressure at 0 K"),
    ],
)
def test_impossible_conditions_are_refused(given, message):
    with pytest.raises(InputError, match=message):
        Conditions(*given)
