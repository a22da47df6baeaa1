"""The frame in which an engine works: periodic directions first, non-periodic ones upright.

A barostat acts on Cartesian directions, a user's cell may lie anyhow. A structure that is periodic
in one or two directions is rotated so that those span the first Cartesian axes, and its
non-periodic lattice vectors, which only hold vacuum, are made perpendicular to them. Strain of the
periodic directions then cannot touch the vacuum. On the way back the rotation is undone and the
user's own non-periodic vectors return.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from ase import Atoms

from potwright.errors import InputError
from potwright.geometry import engine_pbc

SMALLEST_VOLUME = 1e-3  # Å³


@dataclass(frozen=True)
class EngineFrame:
    """The way in and out.

    Attributes
    ----------
    axes
        Shape (3, 3), orthonormal; columns are the engine's axes in the user's frame.
    cell
        The user's lattice vectors, shape (3, 3), Å.
    pbc
        Which directions are really periodic, shape (3,).
    """

    axes: np.ndarray
    cell: np.ndarray
    pbc: np.ndarray

    @classmethod
    def of(cls, atoms: Atoms) -> EngineFrame:
        """The frame for ``atoms``, whose ``pbc`` is the truth.

        Raises
        ------
        InputError
            If some but not all directions have a lattice vector although one is periodic.
        """
        cell, pbc = np.array(atoms.cell), np.array(atoms.pbc)
        if pbc.any() and abs(np.linalg.det(cell)) < SMALLEST_VOLUME:
            raise InputError(
                f"{atoms.get_chemical_formula()} is periodic along {pbc.sum()} directions, but its "
                "cell has no volume: give it vacuum along the others before molecular dynamics"
            )
        partly = pbc.any() and not pbc.all()
        return cls(_axes(cell[pbc]) if partly else np.eye(3), cell, pbc)

    @property
    def periodic_directions(self) -> int:
        """How many directions are periodic; in the engine they are the first Cartesian axes."""
        return int(self.pbc.sum())

    def enter(self, atoms: Atoms) -> Atoms:
        """``atoms`` as the engine sees them: periodic in all directions, or in none."""
        cell = self.cell @ self.axes
        directions = self.periodic_directions
        if 0 < directions < 3:
            cell[np.ix_(self.pbc, np.arange(directions, 3))] = 0
            cell[np.ix_(~self.pbc, np.arange(directions))] = 0
        return Atoms(
            atoms.numbers, atoms.positions @ self.axes, cell=cell, pbc=engine_pbc(self.pbc)
        )

    def leave(self, atoms: Atoms) -> Atoms:
        """The engine's ``atoms`` in the user's frame, with their real ``pbc``."""
        cell = self.cell.copy()
        cell[self.pbc] = np.array(atoms.cell)[self.pbc] @ self.axes.T
        return Atoms(atoms.numbers, atoms.positions @ self.axes.T, cell=cell, pbc=self.pbc)


def _axes(periodic: np.ndarray) -> np.ndarray:
    """Orthonormal columns, the first of which span the rows of ``periodic``."""
    axes, triangle = np.linalg.qr(periodic.T, mode="complete")
    signs = np.sign(axes[np.abs(axes).argmax(axis=0), np.arange(3)])
    signs[: len(periodic)] = np.sign(np.diag(triangle))
    return axes * signs
