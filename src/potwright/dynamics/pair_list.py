"""Pairs of atoms within a cutoff that stay known while atoms move little."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from ase import Atoms

from potwright.geometry import complete_cell

SKIN_ANGSTROM = 1.0


@dataclass(frozen=True, eq=False)
class PairList:
    """Pairs, each once, in an order that does not depend on where the atoms were.

    So sums over them are the same to the last bit whether the list is old or new, and a trajectory
    that is resumed is the same as one that is not.

    Attributes
    ----------
    atoms
        For which the list was made.
    cutoff_angstrom
        Of what is asked for; the list reaches farther by a skin.
    first, second
        Indices of atoms, shape (P,).
    shifts
        How many lattice vectors lie between the cells of the two, shape (3, P).
    """

    atoms: Atoms
    cutoff_angstrom: float
    first: np.ndarray
    second: np.ndarray
    shifts: np.ndarray

    @classmethod
    def of(cls, atoms: Atoms, cutoff_angstrom: float) -> PairList:
        """Find the pairs of ``atoms``."""
        from matscipy.neighbours import neighbour_list

        i, j, shifts = neighbour_list(
            "ijS",
            cutoff=cutoff_angstrom + SKIN_ANGSTROM,
            positions=atoms.positions,
            cell=complete_cell(np.array(atoms.cell)),
            pbc=atoms.pbc,
        )
        x, y, z = shifts.T
        positive = (x > 0) | ((x == 0) & ((y > 0) | ((y == 0) & (z > 0))))
        once = (i < j) | ((i == j) & positive)
        i, j, shifts = i[once], j[once], shifts[once]
        order = np.lexsort((*shifts.T, j, i))
        lattice = np.ascontiguousarray(shifts[order].T.astype(float))
        return cls(atoms.copy(), cutoff_angstrom, i[order], j[order], lattice)

    def hold(self, atoms: Atoms) -> bool:
        """Whether no pair can have come within the cutoff since."""
        old = self.atoms
        if not np.array_equal(atoms.numbers, old.numbers) or (atoms.pbc != old.pbc).any():
            return False
        cells = [complete_cell(np.array(each.cell)) for each in (old, atoms)]
        deformation = np.linalg.solve(cells[0], cells[1])  # acts on row vectors
        moved = atoms.positions - old.positions @ deformation
        strain = np.linalg.norm(deformation - np.eye(3), 2)
        reach = self.cutoff_angstrom + SKIN_ANGSTROM
        nearer = 2 * float(np.linalg.norm(moved, axis=1).max(initial=0)) + strain * reach
        return bool(nearer < SKIN_ANGSTROM)

    def vectors(self, atoms: Atoms) -> tuple[np.ndarray, np.ndarray]:
        """From the first to the second atom of each pair, also of those in the skin.

        Returns
        -------
        tuple of numpy.ndarray
            Vectors, shape (3, P), Å, and their squares, shape (P,).
        """
        positions = np.ascontiguousarray(atoms.positions.T)
        # atoms without a cell have no shifts
        vectors = np.array(atoms.cell).T @ self.shifts
        vectors += np.take(positions, self.second, axis=1)
        vectors -= np.take(positions, self.first, axis=1)
        return vectors, np.einsum("ij,ij->j", vectors, vectors)
