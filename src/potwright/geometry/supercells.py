"""Replicating a cell: which replication keeps periodic images apart with the fewest atoms."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from potwright.geometry.cells import reduced_basis, shortest_image

TOLERANCE_ANGSTROM = 1e-6
"""Lengths closer than this are the same."""

HERMITE = (1.0, 1.0, (4 / 3) ** 0.25, 2 ** (1 / 6))
"""Largest shortest vector of a lattice of unit content, by its dimension (Hermite's constants)."""


@dataclass(frozen=True)
class Supercell:
    """A replication and what it achieves.

    Attributes
    ----------
    repeats
        How often the cell is repeated along each of its vectors.
    shortest_image
        Distance between periodic images in the supercell, Å; infinity if nothing is periodic.
    n_atoms
        Atoms in the supercell.
    """

    repeats: tuple[int, int, int]
    shortest_image: float
    n_atoms: int


def find_supercell(
    cell: np.ndarray, pbc: np.ndarray, n_atoms: int, min_length: float, max_atoms: int
) -> Supercell:
    """The replication with the fewest atoms whose periodic images are ``min_length`` apart.

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
    """
    periodic = np.asarray(pbc, dtype=bool)
    multiples = max(1, max_atoms // n_atoms)
    if not periodic.any() or multiples == 1:
        return Supercell((1, 1, 1), shortest_image(cell, periodic), n_atoms)
    repeats, lengths = _all_replications(cell, periodic, min_length, multiples)
    sizes = repeats.prod(axis=1)
    fits = lengths >= min_length - TOLERANCE_ANGSTROM
    if fits.any():
        best = np.flatnonzero(fits & (sizes == sizes[fits].min()))
    else:
        best = np.flatnonzero(lengths >= lengths.max() - TOLERANCE_ANGSTROM)
        best = best[sizes[best] == sizes[best].min()]
    chosen = min((_rank(cell, periodic, repeats[i]) for i in best), key=lambda r: r[:3])
    return Supercell(chosen[2], chosen[3], n_atoms * int(np.prod(chosen[2])))


def replicate(
    positions: np.ndarray, cell: np.ndarray, repeats: tuple[int, int, int]
) -> tuple[np.ndarray, np.ndarray]:
    """Repeat a structure along its lattice vectors.

    Parameters
    ----------
    positions
        Shape (n, 3), Å.
    cell
        Shape (3, 3), Å.
    repeats
        How often along each vector.

    Returns
    -------
    positions, cell
        Shapes (m·n, 3) and (3, 3) for m = product of ``repeats``; the n atoms of one image stand
        together, so properties of atoms are repeated by ``np.tile``.
    """
    shifts = np.indices(repeats).reshape(3, -1).T @ cell
    images = shifts[:, None, :] + np.asarray(positions)[None, :, :]
    return images.reshape(-1, 3), np.asarray(cell) * np.array(repeats)[:, None]


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
    vectors, norms = _short_vectors(cell, pbc, reach + TOLERANCE_ANGSTROM)
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


def _short_vectors(
    cell: np.ndarray, pbc: np.ndarray, reach: float
) -> tuple[np.ndarray, np.ndarray]:
    """Lattice vectors up to ``reach`` as integer combinations (K, 3) of the cell's, and lengths."""
    basis, operation = reduced_basis(cell, pbc)
    bounds = np.floor(reach * np.linalg.norm(np.linalg.pinv(basis), axis=0) + 1e-9).astype(int)
    ranges = [np.arange(-b, b + 1) for b in bounds]
    combinations = np.stack(np.meshgrid(*ranges, indexing="ij"), axis=-1).reshape(-1, len(basis))
    norms = np.linalg.norm(combinations @ basis, axis=1)
    wanted = (norms <= reach) & combinations.any(axis=1)
    vectors = np.zeros((int(wanted.sum()), 3), dtype=int)
    vectors[:, pbc] = combinations[wanted] @ operation
    return vectors, norms[wanted]
