"""Ensembles as LAMMPS's fixes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from potwright.dynamics.engine import KBAR, Conditions, Strain
from potwright.dynamics.momenta import COLDEST_THERMOSTAT_KELVIN

COLDEST_BAROSTAT_KELVIN = 100.0
INTEGRATOR, THERMOSTAT, OWN_TEMPERATURE = "integrator", "thermostat", "integrator_temp"
LARGEST_SEED = 900_000_000
SKEWED = 1e-6  # cosine of an angle above which it is no right one


def is_skewed(vectors: np.ndarray) -> bool:
    """Whether lattice vectors, shape (d, 3), are not at right angles.

    LAMMPS stretches the axes of a tilted box independently, but not as one strain.
    """
    products = vectors @ vectors.T
    if not products.size:
        return False
    off_diagonal = products - np.diag(np.diag(products))
    return bool(np.abs(off_diagonal).max() > SKEWED * np.diag(products).max())


@dataclass(frozen=True)
class Bath:
    """What is held, and how.

    Attributes
    ----------
    conditions
        Temperature and pressure, which may change from a first to a last value.
    thermostat_time_fs, barostat_time_fs
        Relaxation times.
    bars
        LAMMPS's unit of pressure: how many make 1 eV/Å³.
    """

    conditions: Conditions
    thermostat_time_fs: float
    barostat_time_fs: float
    bars: float

    @property
    def temperatures(self) -> str:
        """As LAMMPS reads them, with the relaxation time in ps."""
        first, last = self._kelvin()
        return f"{first!r} {last!r} {self.thermostat_time_fs / 1000!r}"

    @property
    def pressures(self) -> str:
        """As LAMMPS reads them, with the relaxation time in ps.

        The mass of LAMMPS's barostat is proportional to the temperature, the cell's stiffness is
        not: a longer relaxation time keeps a cold cell from vibrating faster than the time step
        resolves. It stays the same through a ramp, as what its coldest end needs.
        """
        slower = float(np.sqrt(max(1.0, COLDEST_BAROSTAT_KELVIN / min(self._kelvin()))))
        first, last = (
            self.conditions.at(end).pressure_kbar * KBAR * self.bars for end in (0.0, 1.0)
        )
        return f"{first!r} {last!r} {slower * self.barostat_time_fs / 1000!r}"

    def _kelvin(self) -> tuple[float, float]:
        ends = [self.conditions.at(end).temperature_kelvin for end in (0.0, 1.0)]
        if self.conditions.is_ramp:
            ends = [max(kelvin, COLDEST_THERMOSTAT_KELVIN) for kelvin in ends]
        return ends[0], ends[1]


def fixes(
    ensemble: str, strain: Strain, directions: int, *, missing: int, bath: Bath, seed: int
) -> list[str]:
    """Commands that integrate in an ensemble.

    Parameters
    ----------
    ensemble
        ``nve``, ``nvt``, ``langevin``, or a kind of NPT.
    strain
        How the cell may change.
    directions
        How many directions are periodic; they are LAMMPS's first axes.
    missing
        How many of 3 N degrees of freedom do not take part.
    bath
        Temperatures and pressures.
    seed
        Of the thermostat, any integer.
    """
    commands = [f"compute_modify thermo_temp extra/dof {missing}"]
    if ensemble.startswith("npt"):
        barostat = " ".join(_barostat(strain, directions, bath.pressures))
        return [
            *commands,
            # flips would exchange the lattice vectors for others of the same lattice
            f"fix {INTEGRATOR} all npt temp {bath.temperatures} {barostat} flip no",
            f"compute_modify {OWN_TEMPERATURE} extra/dof {missing}",
        ]
    commands.append(f"fix {INTEGRATOR} all nve")
    seed = seed % LARGEST_SEED + 1
    if ensemble == "nvt":  # Bussi et al., J. Chem. Phys. 126, 014101 (2007), as in ASE's engine
        commands.append(f"fix {THERMOSTAT} all temp/csvr {bath.temperatures} {seed}")
        commands.append(f"fix_modify {THERMOSTAT} temp thermo_temp")
    elif ensemble == "langevin":
        commands.append(f"fix {THERMOSTAT} all langevin {bath.temperatures} {seed} tally yes")
    return commands


def bath_of(ensemble: str) -> str | None:
    """The fix that holds the temperature, if one does."""
    if ensemble == "nve":
        return None
    return INTEGRATOR if ensemble.startswith("npt") else THERMOSTAT


def _barostat(strain: Strain, directions: int, pressures: str) -> Sequence[str]:
    if directions == 3:
        keyword = {"isotropic": "iso", "orthorhombic": "aniso"}.get(strain, "tri")
        return [f"{keyword} {pressures}"]
    if directions == 1:
        return [f"x {pressures}"]
    axes = [f"x {pressures}", f"y {pressures}"]
    if strain == "full":
        *_, time = pressures.split()
        return [*axes, f"xy 0.0 0.0 {time}"]
    return [*axes, "couple xy"] if strain == "isotropic" else axes
