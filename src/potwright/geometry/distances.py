"""Distances between atoms under the real periodicity, own images included."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from ase.data import covalent_radii
from matscipy.neighbours import neighbour_list

from potwright.geometry.cells import shortest_image
from potwright.geometry.vacuum import complete_cell

FIRST_CUTOFF_ANGSTROM = 3.0


def nearest_neighbour_distances(
    positions: np.ndarray, cell: np.ndarray, pbc: np.ndarray
) -> np.ndarray:
    """Distance from each atom to its nearest neighbour, which may be its own periodic image.

    Parameters
    ----------
    positions
        Shape (n, 3), Å.
    cell
        Lattice vectors, shape (3, 3), Å.
    pbc
        Which axes are periodic, shape (3,).

    Returns
    -------
    np.ndarray
        Shape (n,), Å; infinity for an atom that is alone.
    """
    nearest = np.full(len(positions), np.inf)
    for _, i, _, distance in _growing_pairs(positions, cell, pbc, FIRST_CUTOFF_ANGSTROM):
        np.minimum.at(nearest, i, distance)
        if np.isfinite(nearest).all():
            break
    return nearest


def smallest_covalent_ratio(
    numbers: np.ndarray, positions: np.ndarray, cell: np.ndarray, pbc: np.ndarray
) -> float:
    """The smallest d_ij / (r_i + r_j) over all pairs, with r the covalent radii.

    Radii of Cordero et al., Dalton Trans. 2832 (2008). A bond has about 1; far below it, atoms
    collide.

    Parameters
    ----------
    numbers
        Atomic numbers, shape (n,).
    positions
        Shape (n, 3), Å.
    cell
        Lattice vectors, shape (3, 3), Å.
    pbc
        Which axes are periodic, shape (3,).

    Returns
    -------
    float
        Infinity for an atom that is alone.
    """
    radii = covalent_radii[np.asarray(numbers)]
    largest_bond = 2 * float(radii.max())
    smallest = np.inf
    for cutoff, i, j, distance in _growing_pairs(positions, cell, pbc, largest_bond):
        smallest = min(smallest, np.min(distance / (radii[i] + radii[j]), initial=np.inf))
        # A pair beyond the cutoff has at least this ratio.
        if smallest <= cutoff / largest_bond:
            break
    return float(smallest)


def colliding_atoms(
    numbers: np.ndarray, positions: np.ndarray, cell: np.ndarray, pbc: np.ndarray, ratio: float
) -> np.ndarray:
    """Which atoms have a neighbour closer than ``ratio`` times the sum of the covalent radii.

    Parameters
    ----------
    numbers
        Atomic numbers, shape (n,).
    positions
        Shape (n, 3), Å.
    cell
        Lattice vectors, shape (3, 3), Å.
    pbc
        Which axes are periodic, shape (3,).
    ratio
        Least d_ij / (r_i + r_j).

    Returns
    -------
    np.ndarray
        Booleans, shape (n,).
    """
    radii = ratio * covalent_radii[np.asarray(numbers)]
    colliding = np.zeros(len(radii), dtype=bool)
    i, j, distance = _pairs(positions, cell, pbc, 2 * float(radii.max()))
    colliding[i[distance < radii[i] + radii[j]]] = True
    return colliding


def _pairs(
    positions: np.ndarray, cell: np.ndarray, pbc: np.ndarray, cutoff: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """All pairs i, j and their distances within ``cutoff``, each pair in both orders."""
    if np.any(pbc):
        box = complete_cell(cell)
    else:  # the cell means nothing, and may be flat
        positions = positions - positions.min(axis=0)
        box = np.diag(positions.max(axis=0) + cutoff + 1.0)
    i, j, distance = neighbour_list("ijd", positions=positions, cell=box, pbc=pbc, cutoff=cutoff)
    return i, j, distance


def _growing_pairs(
    positions: np.ndarray, cell: np.ndarray, pbc: np.ndarray, first: float
) -> Iterator[tuple[float, np.ndarray, np.ndarray, np.ndarray]]:
    """Cutoff and pairs i, j, distance within it, for growing cutoffs until all pairs are seen."""
    positions = np.asarray(positions, dtype=float)
    cell = np.asarray(cell, dtype=float)
    if len(positions) == 1 and not np.any(pbc):
        return
    yield first, *_pairs(positions, cell, pbc, first)
    # With periodic axes, every atom has seen its own nearest image by then.
    extent = float(np.linalg.norm(np.ptp(positions, axis=0)))
    farthest = shortest_image(cell, pbc) if np.any(pbc) else extent
    cutoff = first
    while cutoff <= farthest * 2:
        cutoff *= 1.6
        yield cutoff, *_pairs(positions, cell, pbc, cutoff)
