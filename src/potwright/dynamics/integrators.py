"""Equations of motion by ensemble, from ASE, with what a part-periodic cell needs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from ase import Atoms, units
from ase.filters import FrechetCellFilter
from ase.md.bussi import Bussi
from ase.md.nose_hoover_chain import MTKNPT, MTKBarostat
from ase.md.verlet import VelocityVerlet
from ase.optimize import FIRE

from potwright.dynamics.engine import KBAR, Conditions
from potwright.dynamics.momenta import degrees_of_freedom

COLDEST_BAROSTAT_KELVIN = 100.0
VOIGT = ((0, 0), (1, 1), (2, 2), (1, 2), (0, 2), (0, 1))


@dataclass(frozen=True)
class Motion:
    """A run in progress: each item of ``steps`` is one step, the first the state at the start."""

    steps: Iterator[Any]
    conserved_energy: Callable[[], float]


class PeriodicMTKNPT(MTKNPT):
    """ASE's Martyna–Tobias–Klein dynamics with strain confined to the periodic directions.

    The cell momentum is projected on the first ``periodic_directions`` Cartesian axes: one axis of
    a wire, a plane with its shear, or all of space. (ASE's ``MaskedMTKNPT`` strains along the
    lattice vectors instead; for a hexagonal sheet no such strain keeps the symmetry.) The
    thermostat holds the kinetic energy of the degrees of freedom that exist, and the barostat
    counts the independent components of the strain.

    In a cell with vacuum the barostat balances stress times the volume of that cell: the target is
    a force per length of pressure × thickness of the cell. At zero pressure the vacuum's size
    does not matter.
    """

    def __init__(
        self,
        atoms: Atoms,
        *,
        periodic_directions: int,
        conditions: Conditions,
        timestep: float,
        thermostat_time: float,
        barostat_time: float,
    ):
        target = conditions.temperature_kelvin
        # the thermostat aims at 3 N k T / 2, of which the missing degrees of freedom take no part
        effective = target * degrees_of_freedom(atoms) / (3 * len(atoms))
        super().__init__(
            atoms,
            timestep=timestep,
            temperature_K=effective,
            pressure_au=conditions.pressure_kbar * KBAR,
            tdamp=thermostat_time,
            pdamp=barostat_time,
        )
        self._periodic_directions = periodic_directions
        # The cell's mass is proportional to the temperature, its stiffness is not: without a floor
        # a cold cell would vibrate faster than the time step resolves.
        slower = np.sqrt(max(1.0, COLDEST_BAROSTAT_KELVIN / target))
        strains = periodic_directions * (periodic_directions + 1) // 2
        self._barostat = MTKBarostat(
            num_atoms_global=len(atoms),
            temperature_K=effective,
            pdamp=barostat_time * slower,
            mask=(True,) * strains,  # of which only the sum is used
        )

    def _integrate_p_cell(self, delta: float) -> None:
        super()._integrate_p_cell(delta)
        self._p_g[self._periodic_directions :, :] = 0
        self._p_g[:, self._periodic_directions :] = 0


def constant_energy(atoms: Atoms, timestep: float, steps: int) -> Motion:
    """NVE by velocity Verlet."""
    dynamics = VelocityVerlet(atoms, timestep)
    return Motion(dynamics.irun(steps), lambda: float(atoms.get_total_energy()))


def constant_volume(
    atoms: Atoms,
    conditions: Conditions,
    *,
    timestep: float,
    thermostat_time: float,
    steps: int,
    rng: np.random.Generator,
) -> Motion:
    """NVT by stochastic velocity rescaling: Bussi et al., J. Chem. Phys. 126, 014101 (2007)."""
    temperature_kelvin = conditions.temperature_kelvin
    dynamics = Bussi(atoms, timestep, temperature_kelvin, thermostat_time, rng=rng)
    dynamics.ndof = degrees_of_freedom(atoms)
    dynamics.target_kinetic_energy = 0.5 * dynamics.ndof * units.kB * temperature_kelvin
    return Motion(
        dynamics.irun(steps), lambda: float(atoms.get_total_energy() - dynamics.transferred_energy)
    )


def constant_pressure(dynamics: PeriodicMTKNPT, steps: int) -> Motion:
    """NPT on the periodic directions."""
    return Motion(dynamics.irun(steps), dynamics.get_conserved_energy)


def relaxation(
    atoms: Atoms, barostat_directions: int, pressure_kbar: float, force_limit: float, steps: int
) -> Motion:
    """The 0 K limit: minimise the energy, or the enthalpy where a barostat acts, by FIRE."""
    target: Any = atoms
    if barostat_directions:
        mask = [max(pair) < barostat_directions for pair in VOIGT]
        target = FrechetCellFilter(atoms, mask=mask, scalar_pressure=pressure_kbar * KBAR)
    optimiser = FIRE(target, logfile=None)
    return Motion(
        optimiser.irun(fmax=force_limit, steps=steps), lambda: float(atoms.get_potential_energy())
    )
