"""Momenta at the start of a run, and the degrees of freedom that they fill."""

from __future__ import annotations

import numpy as np
from ase import Atoms, units

COLDEST_THERMOSTAT_KELVIN = 1.0
"""What a ramp from or to 0 K is held at there: at 0 K a thermostat has nothing to scale."""


def initial_momenta(atoms: Atoms, temperature_kelvin: float, rng: np.random.Generator) -> None:
    """Maxwell–Boltzmann momenta without net momentum and, for molecules, without rotation.

    A single atom keeps its momentum, or it would have none.
    """
    masses = atoms.get_masses()[:, None]
    momenta = rng.standard_normal((len(atoms), 3)) * np.sqrt(masses * units.kB * temperature_kelvin)
    if len(atoms) > 1:
        momenta -= masses * momenta.sum(axis=0) / masses.sum()
        if not atoms.pbc.any():
            momenta -= _rotation(masses, atoms.positions, momenta)
    atoms.set_momenta(momenta)


def _rotation(masses: np.ndarray, positions: np.ndarray, momenta: np.ndarray) -> np.ndarray:
    """Momenta of the rigid rotation that carries all angular momentum."""
    arms = positions - (masses * positions).sum(axis=0) / masses.sum()
    inertia = np.sum(masses * arms**2) * np.eye(3) - (masses * arms).T @ arms
    # the pseudo-inverse leaves out the axis of a linear molecule
    angular_velocity = np.linalg.pinv(inertia, rcond=1e-6) @ np.cross(arms, momenta).sum(axis=0)
    return masses * np.cross(angular_velocity, arms)


def degrees_of_freedom(atoms: Atoms) -> int:
    """Those in which kinetic energy is, after :func:`initial_momenta`."""
    if len(atoms) == 1:
        return 3
    if atoms.pbc.any():
        return 3 * len(atoms) - 3
    linear = np.linalg.matrix_rank(atoms.positions - atoms.positions.mean(axis=0), tol=1e-3) < 2
    return 3 * len(atoms) - (5 if linear else 6)
