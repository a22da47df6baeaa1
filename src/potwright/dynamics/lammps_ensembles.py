"""Ensembles as LAMMPS's fixes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

COLDEST_BAROSTAT_KELVIN = 100.0
COLDEST_TARGET_KELVIN = 1e-3  # LAMMPS wants a thermostat above 0 K
INTEGRATOR, THERMOSTAT, OWN_TEMPERATURE = "integrator", "thermostat", "integrator_temp"
LARGEST_SEED = 900_000_000


@dataclass(frozen=True)
class Target:
    """What a thermostat and a barostat aim at, at the first and the last step of a ramp.

    Attributes
    ----------
    temperatures_kelvin, pressures_bar
        Two values each.
    thermostat_time_fs, barostat_time_fs
        Relaxation times.
    """

    temperatures_kelvin: tuple[float, float]
    pressures_bar: tuple[float, float]
    thermostat_time_fs: float
    barostat_time_fs: float

    @property
    def temperatures(self) -> str:
        """As LAMMPS reads them, with the relaxation time in ps."""
        first, last = (max(t, COLDEST_TARGET_KELVIN) for t in self.temperatures_kelvin)
        return f"{first!r} {last!r} {self.thermostat_time_fs / 1000!r}"

    @property
    def pressures(self) -> str:
        """As LAMMPS reads them, with the relaxation time in ps.

        The mass of LAMMPS's barostat is proportional to the temperature, the cell's stiffness is
        not: a longer relaxation time keeps a cold cell from vibrating faster than the time step
        resolves.
        """
        coldest = max(min(self.temperatures_kelvin), COLDEST_TARGET_KELVIN)
        slower = float(np.sqrt(max(1.0, COLDEST_BAROSTAT_KELVIN / coldest)))
        first, last = self.pressures_bar
        return f"{first!r} {last!r} {slower * self.barostat_time_fs / 1000!r}"


def fixes(
    ensemble: str, strain: str, directions: int, atoms: int, freedom: int, target: Target, seed: int
) -> list[str]:
    """Commands that integrate in an ensemble.

    Parameters
    ----------
    ensemble
        ``nve``, ``nvt``, ``langevin``, or a kind of NPT.
    strain
        ``full``, ``isotropic`` or ``orthorhombic``.
    directions
        How many directions are periodic.
    atoms, freedom
        Their number, and that of the degrees of freedom.
    target
        Temperatures and pressures.
    seed
        Of the thermostat, any integer.
    """
    # LAMMPS's temperatures count 3 N degrees of freedom but for these
    missing = 3 * atoms - freedom
    commands = [f"compute_modify thermo_temp extra/dof {missing}"]
    seed = seed % LARGEST_SEED + 1
    if ensemble.startswith("npt"):
        barostat = " ".join(_barostat(strain, directions, target.pressures))
        return [
            *commands,
            f"fix {INTEGRATOR} all npt temp {target.temperatures} {barostat} flip no",
            f"compute_modify {OWN_TEMPERATURE} extra/dof {missing}",
        ]
    commands.append(f"fix {INTEGRATOR} all nve")
    if ensemble == "nvt":  # Bussi et al., J. Chem. Phys. 126, 014101 (2007), as in ASE's engine
        commands.append(f"fix {THERMOSTAT} all temp/csvr {target.temperatures} {seed}")
        commands.append(f"fix_modify {THERMOSTAT} temp thermo_temp")
    elif ensemble == "langevin":
        still = "yes" if atoms > 1 else "no"  # noise on the whole would add up to a drift
        commands.append(
            f"fix {THERMOSTAT} all langevin {target.temperatures} {seed} zero {still} tally yes"
        )
    return commands


def _barostat(strain: str, directions: int, pressures: str) -> Sequence[str]:
    if directions == 3:
        keyword = {"full": "tri", "isotropic": "iso", "orthorhombic": "aniso"}[strain]
        return [f"{keyword} {pressures}"]
    if directions == 1:
        return [f"x {pressures}"]
    axes = [f"x {pressures}", f"y {pressures}"]
    if strain == "full":
        _, _, time = pressures.split()
        return [*axes, f"xy 0.0 0.0 {time}"]
    return [*axes, "couple xy"] if strain == "isotropic" else axes
