"""What a cell is like: volume, lattice planes, and how far its nearest periodic image is."""

from __future__ import annotations

import numpy as np
from ase.geometry import minkowski_reduce

FLATNESS = 1e-6
"""Volume over the product of the vectors' lengths below which a cell counts as flat."""


def cell_volume(cell: np.ndarray) -> float:
    """Volume in Å³ of ``cell`` (3, 3), never negative."""
    return float(abs(np.linalg.det(cell)))


def plane_normals(cell: np.ndarray) -> np.ndarray:
    """Unit normals of the three lattice planes.

    Parameters
    ----------
    cell
        Three independent lattice vectors, shape (3, 3), Å.

    Returns
    -------
    np.ndarray
        Shape (3, 3). Row i is perpendicular to the two lattice vectors other than i, on the side
        of lattice vector i.
    """
    reciprocal = np.linalg.inv(cell).T
    return reciprocal / np.linalg.norm(reciprocal, axis=1, keepdims=True)


def plane_heights(cell: np.ndarray) -> np.ndarray:
    """Height in Å of ``cell`` above each of its three lattice planes, shape (3,)."""
    return 1.0 / np.linalg.norm(np.linalg.inv(cell), axis=0)


def is_degenerate(cell: np.ndarray, pbc: np.ndarray) -> bool:
    """Whether a cell encloses no volume where it should.

    A zero vector is allowed along an axis that is not periodic, where it means "no cell".

    Parameters
    ----------
    cell
        Lattice vectors, shape (3, 3), Å.
    pbc
        Which of them are periodic, shape (3,).
    """
    cell = np.asarray(cell, dtype=float)
    lengths = np.linalg.norm(cell, axis=1)
    given = lengths > 0
    if np.any(np.asarray(pbc, dtype=bool) & ~given):
        return True
    if not given.any():
        return False
    directions = cell[given] / lengths[given, None]
    return bool(np.prod(np.linalg.svd(directions, compute_uv=False)) < FLATNESS)


def shortest_image(cell: np.ndarray, pbc: np.ndarray) -> float:
    """Distance in Å from an atom to its own nearest periodic image.

    The shortest non-zero vector of the lattice that the periodic vectors span, found on a
    Minkowski-reduced basis (Nguyen and Stehlé, ACM Trans. Algorithms 5, 46, 2009).

    Parameters
    ----------
    cell
        Lattice vectors, shape (3, 3), Å; those along periodic axes must be independent.
    pbc
        Which of them are periodic, shape (3,).

    Returns
    -------
    float
        Infinity where nothing is periodic.
    """
    if not np.any(pbc):
        return float("inf")
    basis, _ = reduced_basis(cell, pbc)
    return float(np.linalg.norm(basis, axis=1).min())


def reduced_basis(cell: np.ndarray, pbc: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A Minkowski-reduced basis of the periodic lattice.

    Returns
    -------
    basis
        Reduced lattice vectors, shape (k, 3), Å, for k periodic axes.
    operation
        Integers, shape (k, k): ``basis == operation @ cell[pbc]``.
    """
    periodic = np.asarray(pbc, dtype=bool)
    vectors = np.asarray(cell, dtype=float)[periodic]
    k = len(vectors)
    if k < 2:
        return vectors, np.eye(k, dtype=int)
    if k == 3:
        _, operation = minkowski_reduce(vectors)
    else:
        # The reduction wants a full cell with its periodic vectors first.
        normal = np.cross(*vectors)
        _, full = minkowski_reduce(np.vstack([vectors, normal]), pbc=[True, True, False])
        operation = full[:2, :2]
    return operation @ vectors, operation


def engine_pbc(pbc: np.ndarray) -> np.ndarray:
    """Periodicity as models and engines see it: everywhere, if anywhere.

    Parameters
    ----------
    pbc
        True periodicity, shape (..., 3).

    Returns
    -------
    np.ndarray
        Booleans of the same shape, all true where any axis is periodic.
    """
    pbc = np.asarray(pbc, dtype=bool)
    return np.broadcast_to(pbc.any(axis=-1, keepdims=True), pbc.shape).copy()
