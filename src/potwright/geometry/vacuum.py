"""Empty space along the axes of a cell: how much there is, and making sure that there is enough."""

from __future__ import annotations

import numpy as np

from potwright.geometry.cells import plane_heights

TIE_ANGSTROM = 1e-6
"""Gaps closer than this are equally large."""


def empty_gaps(positions: np.ndarray, cell: np.ndarray) -> np.ndarray:
    """Largest empty gap along the plane normal of each axis, the atoms wrapped into the cell.

    Parameters
    ----------
    positions
        Shape (n, 3), Å.
    cell
        Three independent lattice vectors, shape (3, 3), Å.

    Returns
    -------
    np.ndarray
        Shape (3,), Å. One atom alone leaves the whole height of the cell empty.
    """
    fractional = positions @ np.linalg.inv(cell)
    ordered = np.sort(fractional % 1.0, axis=0)
    gaps = np.diff(ordered, axis=0, append=ordered[:1] + 1.0)
    return gaps.max(axis=0) * plane_heights(cell)


def complete_cell(cell: np.ndarray) -> np.ndarray:
    """Unit vectors in place of zero lattice vectors, perpendicular to the given ones.

    Parameters
    ----------
    cell
        Lattice vectors, shape (3, 3), Å; those which are not zero must be independent.
    """
    cell = np.array(cell, dtype=float)
    missing = np.array([not vector.any() for vector in cell])
    for axis in np.flatnonzero(missing):
        if missing.sum() == 1:
            direction = np.cross(cell[(axis + 1) % 3], cell[(axis + 2) % 3])
        else:
            direction = _perpendicular_axis(cell[~missing], int(axis))
        cell[axis] = direction / np.linalg.norm(direction)
        missing[axis] = False
    return cell


def pad_vacuum(
    positions: np.ndarray, cell: np.ndarray, pbc: np.ndarray, vacuum_angstrom: float = 15.0
) -> tuple[np.ndarray, np.ndarray]:
    """Bring the empty gap along each non-periodic axis to at least ``vacuum_angstrom``.

    The gap is the largest one between the wrapped projections of the atoms on the normal of the
    lattice plane. Atoms which the cell's boundary cuts apart are put together, so that afterwards
    the gap holds the boundary. The gap never shrinks, and a structure that needs nothing comes
    back as it is. The result does not depend, up to a translation along the axis, on where the
    atoms are in the cell, on wrapping or on the order of the axes. Atoms that span more than the
    cell's height are taken to be whole as they stand.

    Parameters
    ----------
    positions
        Shape (n, 3), Å.
    cell
        Lattice vectors, shape (3, 3), Å; a zero vector along a non-periodic axis is completed.
    pbc
        Which axes are periodic, shape (3,).
    vacuum_angstrom
        The least gap, Å.

    Returns
    -------
    positions, cell
        New arrays of the same shapes.
    """
    positions = np.array(positions, dtype=float)
    given = np.asarray(cell, dtype=float)
    cell = complete_cell(given)
    for axis in np.flatnonzero(~np.asarray(pbc, dtype=bool)):
        missing = not given[axis].any()
        positions, cell = _pad_axis(positions, cell, int(axis), vacuum_angstrom, missing)
    return positions, cell


def _pad_axis(
    positions: np.ndarray, cell: np.ndarray, axis: int, vacuum: float, missing: bool
) -> tuple[np.ndarray, np.ndarray]:
    height = plane_heights(cell)[axis]
    fractional = positions @ np.linalg.inv(cell)[:, axis]
    whole = fractional if missing else _put_together(fractional, TIE_ANGSTROM / height)
    low, high = whole.min(), whole.max()
    least = (high - low) + vacuum / height
    grows = missing or least * height > height + TIE_ANGSTROM
    inside = low >= 0 and high < 1
    if not grows and inside:
        return positions + np.outer(np.rint(whole - fractional), cell[axis]), cell
    new = cell.copy()
    new[axis] = cell[axis] * (least if grows else 1.0)
    # Scaling a vector along itself leaves the planes of the other axes as they are.
    centred = whole - (low + high) / 2 + (least if grows else 1.0) / 2
    return positions + np.outer(centred - fractional, cell[axis]), new


def _put_together(fractional: np.ndarray, tie: float) -> np.ndarray:
    """Shift by whole cells so that the largest empty gap is outside all atoms.

    Of equally large gaps the one at the cell's boundary is taken, which keeps the atoms where the
    input has them.
    """
    if np.ptp(fractional) > 1:
        return fractional
    wrapped = fractional % 1.0
    order = np.argsort(wrapped, kind="stable")
    ordered = wrapped[order]
    gaps = np.diff(ordered, append=ordered[0] + 1.0)
    largest = np.flatnonzero(gaps >= gaps.max() - tie)
    cut = len(ordered) - 1 if largest[-1] == len(ordered) - 1 else largest[0]
    whole = wrapped.copy()
    whole[order[cut + 1 :]] -= 1.0
    return whole


def _perpendicular_axis(vectors: np.ndarray, preferred: int) -> np.ndarray:
    """The Cartesian axis ``preferred``, or else the best one, made perpendicular to ``vectors``."""
    candidates = np.eye(3)
    if len(vectors):
        q, _ = np.linalg.qr(vectors.T)
        candidates = candidates - candidates @ q @ q.T
    lengths = np.linalg.norm(candidates, axis=1)
    best = preferred if lengths[preferred] > 0.5 else int(np.argmax(lengths))
    return candidates[best]
