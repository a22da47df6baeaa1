"""Supercells: which one keeps periodic images apart with the fewest atoms, and how it is built."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from potwright.geometry.cells import reduced_basis, shortest_image
from potwright.geometry.sublattices import (
    HERMITE,
    TOLERANCE_ANGSTROM,
    Sublattice,
    better_sublattice,
    short_vectors,
)


@dataclass(frozen=True, eq=False)
class Supercell:
    """A supercell and what it achieves.

    Attributes
    ----------
    matrix
        Its lattice vectors as integer combinations of the cell's, shape (3, 3).
    shortest_image
        Distance between periodic images in the supercell, Å; infinity if nothing is periodic.
    n_atoms
        Atoms in the supercell.
    """

    matrix: np.ndarray
    shortest_image: float
    n_atoms: int

    @property
    def is_trivial(self) -> bool:
        """Whether it is the cell itself."""
        return np.array_equal(self.matrix, np.eye(3))


def find_supercell(
    cell: np.ndarray,
    pbc: np.ndarray,
    n_atoms: int,
    min_length: float,
    max_atoms: int,
    *,
    non_diagonal: bool = False,
) -> Supercell:
    """The supercell with the fewest atoms whose periodic images are ``min_length`` apart.

    All replications along the periodic axes with at most ``max_atoms`` atoms are compared. If none
    reaches ``min_length``, the one with the longest shortest image is taken. Equals are decided by
    fewest atoms, longest shortest image, smallest sum of repeats, first in order. A cell of more
    than half ``max_atoms`` stays as it is.

    Parameters
    ----------
    cell
        Lattice vectors, shape (3, 3), Å; those along periodic axes must be independent.
    pbc
        Which axes are periodic, shape (3,).
    n_atoms
        Atoms in the cell.
    min_length
        Wanted distance between periodic images, Å.
    max_atoms
        The largest supercell.
    non_diagonal
        Compare all integer combinations of the periodic vectors, not only their multiples. One of
        them is taken, with reduced vectors, where it is better than every replication.
    """
    periodic = np.asarray(pbc, dtype=bool)
    multiples = max(1, max_atoms // n_atoms)
    if not periodic.any() or multiples == 1:
        return Supercell(np.eye(3, dtype=int), shortest_image(cell, periodic), n_atoms)
    repeats, length = _best_replication(cell, periodic, min_length, multiples)
    matrix = np.diag(repeats)
    if non_diagonal and periodic.sum() > 1:
        basis, operation = reduced_basis(cell, periodic)
        known = Sublattice(np.diag(np.array(repeats)[periodic]), length)
        better = better_sublattice(basis, min_length, multiples, known)
        if better is not None:
            rows, length = better.rows @ operation, better.length
            within = np.ix_(periodic, periodic)
            matrix[within] = rows
            matrix[within] = reduced_basis(matrix @ cell, periodic)[1] @ rows
            matrix = _right_handed(matrix, periodic)
    return Supercell(matrix, length, n_atoms * round(abs(np.linalg.det(matrix))))


def replicate(
    positions: np.ndarray, cell: np.ndarray, matrix: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Fill a supercell with copies of a structure.

    Parameters
    ----------
    positions
        Shape (n, 3), Å.
    cell
        Shape (3, 3), Å.
    matrix
        Lattice vectors of the supercell as integer combinations of the cell's, shape (3, 3).

    Returns
    -------
    positions, cell
        Shapes (m·n, 3) and (3, 3) for m = |determinant of ``matrix``|; the n atoms of one image
        stand together, so properties of atoms are repeated by ``np.tile``.
    """
    matrix = np.asarray(matrix)
    corners = np.indices((2, 2, 2)).reshape(3, -1).T @ matrix
    low, high = corners.min(axis=0), corners.max(axis=0)
    points = np.indices(high - low + 1).reshape(3, -1).T + low
    inside = np.floor(points @ np.linalg.inv(matrix) + 1e-9) == 0
    shifts = points[inside.all(axis=1)] @ cell
    images = shifts[:, None, :] + np.asarray(positions)[None, :, :]
    return images.reshape(-1, 3), matrix @ np.asarray(cell, dtype=float)


def _best_replication(
    cell: np.ndarray, periodic: np.ndarray, min_length: float, multiples: int
) -> tuple[tuple[int, int, int], float]:
    """Repeats along the cell's vectors, and the shortest image that they reach."""
    repeats, lengths = _all_replications(cell, periodic, min_length, multiples)
    sizes = repeats.prod(axis=1)
    fits = lengths >= min_length - TOLERANCE_ANGSTROM
    if fits.any():
        best = np.flatnonzero(fits & (sizes == sizes[fits].min()))
    else:
        best = np.flatnonzero(lengths >= lengths.max() - TOLERANCE_ANGSTROM)
        best = best[sizes[best] == sizes[best].min()]
    chosen = min((_rank(cell, periodic, repeats[i]) for i in best), key=lambda r: r[:3])
    return chosen[2:]


def _right_handed(matrix: np.ndarray, periodic: np.ndarray) -> np.ndarray:
    """The same sublattice with vectors that turn like the cell's."""
    if np.linalg.det(matrix) < 0:
        matrix = matrix.copy()
        matrix[np.flatnonzero(periodic)[-1]] *= -1
    return matrix


def _rank(
    cell: np.ndarray, pbc: np.ndarray, repeats: np.ndarray
) -> tuple[float, int, tuple[int, int, int], float]:
    length = shortest_image(cell * repeats[:, None], pbc)
    n1, n2, n3 = (int(n) for n in repeats)
    return -round(length, 6), n1 + n2 + n3, (n1, n2, n3), length


def _all_replications(
    cell: np.ndarray, pbc: np.ndarray, min_length: float, multiples: int
) -> tuple[np.ndarray, np.ndarray]:
    """Repeats (R, 3) and their shortest images (R,); infinity where beyond ``min_length``.

    A vector of the cell's lattice belongs to the supercell's if each of its components is divisible
    by the repeats, so one list of short vectors serves all replications.
    """
    dimension = int(pbc.sum())
    lattice = np.asarray(cell, dtype=float)[pbc]
    content = np.sqrt(np.linalg.det(lattice @ lattice.T))
    reach = min(min_length, HERMITE[dimension] * (multiples * content) ** (1 / dimension))
    basis, operation = reduced_basis(cell, pbc)
    combinations, norms = short_vectors(basis, reach + TOLERANCE_ANGSTROM)
    vectors = np.zeros((len(norms), 3), dtype=int)
    vectors[:, pbc] = combinations @ operation
    heights = 1.0 / np.linalg.norm(np.linalg.pinv(lattice), axis=0)
    most = np.ones(3, dtype=int)
    most[pbc] = np.clip(np.ceil(reach / heights + TOLERANCE_ANGSTROM), 1, multiples).astype(int)
    blocks = []
    for n1 in range(1, most[0] + 1):
        along_1 = vectors[:, 0] % n1 == 0
        for n2 in range(1, min(most[1], multiples // n1) + 1):
            both = along_1 & (vectors[:, 1] % n2 == 0)
            n3 = np.arange(1, min(most[2], multiples // (n1 * n2)) + 1)
            divisible = vectors[both, 2][:, None] % n3 == 0
            shortest = np.where(divisible, norms[both][:, None], np.inf).min(axis=0, initial=np.inf)
            blocks.append(
                np.column_stack([np.full_like(n3, n1), np.full_like(n3, n2), n3, shortest])
            )
    table = np.vstack(blocks)
    return table[:, :3].astype(int), table[:, 3]
