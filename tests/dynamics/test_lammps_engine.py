from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.calculators.emt import EMT

from potwright.dynamics import AseEngine, Conditions, LammpsEngine, Schedule


@dataclass(frozen=True)
class EMTPotential:
    def calculator(self, device: str = "auto") -> Any:
        return EMT()


def copper(repeat: int = 2) -> Atoms:
    atoms = bulk("Cu", cubic=True) * repeat
    atoms.positions += np.random.default_rng(1).normal(0, 0.03, atoms.positions.shape)
    return atoms


def test_without_a_thermostat_both_engines_go_the_same_way():
    ase, lammps = (
        engine(ensemble="nve").run_trajectory(
            copper(), EMTPotential(), Conditions(300), Schedule(1, 100, 10), seed=3
        )
        for engine in (AseEngine, LammpsEngine)
    )
    assert np.allclose(ase.frames.positions, lammps.frames.positions, atol=1e-6)
    assert np.allclose(ase.potential_energies, lammps.potential_energies, atol=1e-6)
    assert np.allclose(ase.pressures_kbar, lammps.pressures_kbar, atol=1e-3)


@pytest.mark.parametrize("temperature", [0, 300])
def test_npt_of_a_crystal_is_run_through(temperature):
    run = LammpsEngine().run_trajectory(
        copper(), EMTPotential(), Conditions(temperature, 20), Schedule(1, 200, 20), seed=5
    )
    assert run.completed
    assert run.ensemble == ("npt" if temperature else "relaxation")
    if temperature:
        assert np.ptp(run.conserved_energies) < 0.02 * np.ptp(run.potential_energies)
