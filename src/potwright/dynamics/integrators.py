"""Equations of motion by ensemble, from ASE, with what ramps and checkpoints need."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from ase import Atoms, units
from ase.md.bussi import Bussi
from ase.md.langevin import Langevin
from ase.md.verlet import VelocityVerlet
from ase.optimize import FIRE

from potwright.dynamics.barostat import ConfinedCellFilter, ConfinedMTKNPT, Strains
from potwright.dynamics.engine import Conditions
from potwright.dynamics.momenta import COLDEST_THERMOSTAT_KELVIN, degrees_of_freedom


class ConstantEnergy:
    """NVE by velocity Verlet."""

    def __init__(self, atoms: Atoms, timestep: float):
        self._atoms = atoms
        self._dynamics = VelocityVerlet(atoms, timestep)

    def steps(self, count: int) -> Iterator[Any]:
        """Steps of the integrator."""
        return self._dynamics.irun(count)

    def conserved_energy(self) -> float:
        """Total energy."""
        return float(self._atoms.get_total_energy())

    def aim(self, conditions: Conditions) -> None:
        """Nothing is held."""

    def take_over(self) -> None:
        """ASE looks at the atoms anew in each step."""

    def state(self) -> dict[str, Any]:
        """Nothing but the atoms."""
        return {}

    def restore(self, state: dict[str, Any]) -> None:
        """Nothing but the atoms."""


class VelocityRescaling:
    """NVT by stochastic velocity rescaling: Bussi et al., J. Chem. Phys. 126, 014101 (2007)."""

    def __init__(
        self,
        atoms: Atoms,
        conditions: Conditions,
        *,
        timestep: float,
        thermostat_time: float,
        rng: np.random.Generator,
    ):
        self._atoms, self._rng = atoms, rng
        start = max(conditions.temperature_kelvin, COLDEST_THERMOSTAT_KELVIN)
        self._dynamics = Bussi(atoms, timestep, start, thermostat_time, rng=rng)
        self._dynamics.ndof = degrees_of_freedom(atoms)
        self.aim(conditions)

    def steps(self, count: int) -> Iterator[Any]:
        """Steps of the integrator."""
        return self._dynamics.irun(count)

    def conserved_energy(self) -> float:
        """Total energy, less what the thermostat has given."""
        return float(self._atoms.get_total_energy() - self._dynamics.transferred_energy)

    def aim(self, conditions: Conditions) -> None:
        """Change the kinetic energy that is aimed at."""
        self._dynamics.temp = units.kB * conditions.temperature_kelvin
        self._dynamics.target_kinetic_energy = 0.5 * self._dynamics.ndof * self._dynamics.temp

    def take_over(self) -> None:
        """ASE looks at the atoms anew in each step."""

    def state(self) -> dict[str, Any]:
        """Of the bath."""
        return {
            "transferred_energy": float(self._dynamics.transferred_energy),
            "rng": self._rng.bit_generator.state,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Of the bath."""
        self._dynamics.transferred_energy = state["transferred_energy"]
        self._rng.bit_generator.state = state["rng"]


class FrictionAndNoise:
    """NVT by Langevin dynamics; centre of mass and rotation take their part in the noise."""

    def __init__(
        self,
        atoms: Atoms,
        conditions: Conditions,
        *,
        timestep: float,
        thermostat_time: float,
        rng: np.random.Generator,
    ):
        self._rng = rng
        self._dynamics = Langevin(
            atoms,
            timestep,
            temperature_K=conditions.temperature_kelvin,
            friction=1 / thermostat_time,
            fixcm=False,
            rng=rng,
        )

    def steps(self, count: int) -> Iterator[Any]:
        """Steps of the integrator."""
        return self._dynamics.irun(count)

    def conserved_energy(self) -> float:
        """Nobody counts what friction and noise exchange."""
        return float("nan")

    def aim(self, conditions: Conditions) -> None:
        """Change the noise."""
        self._dynamics.set_temperature(temperature_K=conditions.temperature_kelvin)

    def take_over(self) -> None:
        """ASE looks at the atoms anew in each step."""

    def state(self) -> dict[str, Any]:
        """Of the noise."""
        return {"rng": self._rng.bit_generator.state}

    def restore(self, state: dict[str, Any]) -> None:
        """Of the noise."""
        self._rng.bit_generator.state = state["rng"]


class ConstantPressure:
    """NPT on the periodic directions, see :class:`ConfinedMTKNPT`."""

    def __init__(self, dynamics: ConfinedMTKNPT):
        self._dynamics = dynamics
        self.conserved_energy = dynamics.get_conserved_energy
        self.aim = dynamics.aim
        self.state = dynamics.state
        self.restore = dynamics.restore

    def steps(self, count: int) -> Iterator[Any]:
        """Steps of the integrator."""
        return self._dynamics.irun(count)

    def take_over(self) -> None:
        """The integrator has positions of its own."""
        self._dynamics._q = self._dynamics.atoms.get_positions()


class Relaxation:
    """The 0 K limit: minimise the energy, or the enthalpy where a barostat acts, by FIRE."""

    def __init__(
        self, atoms: Atoms, strains: Strains | None, pressure_kbar: float, force_limit: float
    ):
        self._atoms, self._limit = atoms, force_limit
        target = atoms if strains is None else ConfinedCellFilter(atoms, strains, pressure_kbar)
        self._filter = None if strains is None else target
        self._optimiser = FIRE(target, logfile=None)

    def steps(self, count: int) -> Iterator[Any]:
        """Steps of the optimiser; they end at the minimum."""
        return self._optimiser.irun(fmax=self._limit, steps=count)

    def conserved_energy(self) -> float:
        """The potential energy: all that there is."""
        return float(self._atoms.get_potential_energy())

    def aim(self, conditions: Conditions) -> None:
        """Nothing changes."""

    def take_over(self) -> None:
        """ASE looks at the atoms anew in each step."""

    def state(self) -> dict[str, Any]:
        """FIRE's pace, and the cell that strain is counted from."""
        fire = self._optimiser
        return {
            "velocities": fire.vel,
            "pace": [fire.dt, fire.a, fire.Nsteps],
            "reference": None if self._filter is None else np.array(self._filter.orig_cell),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go on at that pace."""
        fire = self._optimiser
        fire.vel = state["velocities"]
        fire.dt, fire.a, fire.Nsteps = state["pace"]
        if self._filter is not None:
            self._filter.orig_cell = state["reference"]
