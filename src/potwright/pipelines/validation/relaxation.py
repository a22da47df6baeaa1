"""Relaxation as a plan: atoms, or atoms and cell along the periodic directions."""

from __future__ import annotations

from typing import Any

import numpy as np
from ase import Atoms
from ase.filters import FrechetCellFilter
from ase.optimize import BFGS

from potwright.pipelines.validation.plans import NoResultError, Plan, Values

MAX_FORCE_EV_PER_ANGSTROM = 0.005
MAX_STEPS = 300


def relax(
    atoms: Atoms,
    *,
    cell: bool = False,
    max_force: float = MAX_FORCE_EV_PER_ANGSTROM,
    max_steps: int = MAX_STEPS,
) -> Plan[tuple[Atoms, Values]]:
    """The nearest minimum, and what the surface says there.

    Parameters
    ----------
    atoms
        Where it begins.
    cell
        Whether the cell relaxes, too, along the directions that are periodic.
    max_force
        Largest force on an atom at the end, eV/Å; for the cell, of the virial per atom, eV.
    max_steps
        Evaluations at most.

    Raises
    ------
    NoResultError
        If a value is missing, or the steps do not suffice.
    """
    own = atoms.copy()
    own.set_constraint()
    moved = PeriodicCellFilter(own) if cell else own
    optimizer: Any = None
    for _ in range(max_steps):
        [values] = yield [own.copy()]
        if not np.isfinite(values.forces).all():
            raise NoResultError(f"relaxation: {values.missing or 'forces are not finite'}")
        if cell and not np.isfinite(values.stress).all():
            raise NoResultError("relaxation of the cell: there is no stress")
        own.calc = values.on(own)
        forces = moved.get_forces()
        if np.linalg.norm(forces, axis=1).max() <= max_force:
            own.calc = None
            return own, values
        # made when there are values: it asks for forces at once
        optimizer = optimizer or BFGS(moved, logfile=None)
        optimizer.step()
        own.calc = None
    raise NoResultError(f"relaxation: {max_steps} steps do not suffice")


class PeriodicCellFilter(FrechetCellFilter):
    """Atoms and cell as one thing to minimise, of which the cell strains along periodic directions.

    Strains within the span of the periodic lattice vectors, however that lies in space; what is
    empty stays.
    """

    def __init__(self, atoms: Atoms):
        super().__init__(atoms)
        self._within = projector(atoms)

    def get_forces(self, **kwargs: Any) -> np.ndarray:
        """Forces on the atoms (n, 3), and on the logarithm of the deformation (3, 3)."""
        forces = super().get_forces(**kwargs)
        forces[-3:] = self._within @ forces[-3:] @ self._within
        return forces


def projector(atoms: Atoms) -> np.ndarray:
    """On the span of the periodic lattice vectors, shape (3, 3)."""
    periodic = atoms.cell.array[atoms.pbc]
    if not len(periodic):
        return np.zeros((3, 3))
    basis = np.linalg.qr(periodic.T)[0]
    return basis @ basis.T
