"""Crystals and their lattice planes: conventional and primitive cell, symmetry, layers of atoms.

A lattice plane is given by its :class:`Plane`: a vector along the normal whose scalar product with
a position is the height above the plane, in units of the distance between equal planes.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np

from potwright.geometry.cells import reduced_basis

SYMMETRY_TOLERANCE_ANGSTROM = 0.01
"""How far atoms may be from where a symmetry operation puts them."""

LAYER_TOLERANCE_ANGSTROM = 0.1
"""Atoms whose heights differ by less are in one layer."""

FIRST_TRIGONAL = 143
LAST_HEXAGONAL = 194
CUT_TOLERANCE = 1e-6


@dataclass(frozen=True, eq=False)
class Crystal:
    """A structure that is periodic along three axes, reduced to its primitive cell.

    Attributes
    ----------
    atoms
        Indices in the given structure of the atoms of the primitive cell, shape (m,).
    positions
        Where they are, shape (m, 3), Å.
    primitive
        Vectors of the primitive cell, shape (3, 3), Å.
    conventional
        Vectors of the conventional cell, in the orientation of the given structure, shape (3, 3),
        Å: the standard setting of the International Tables as spglib has it, with hexagonal axes
        for trigonal crystals.
    rotations, translations
        Symmetry operations x' = x @ rotation + translation on Cartesian row vectors, shapes
        (R, 3, 3) and (R, 3), Å.
    has_hexagonal_axes
        Whether planes may have four indices.
    """

    atoms: np.ndarray
    positions: np.ndarray
    primitive: np.ndarray
    conventional: np.ndarray
    rotations: np.ndarray
    translations: np.ndarray
    has_hexagonal_axes: bool


@dataclass(frozen=True, eq=False)
class Plane:
    """A family of parallel lattice planes.

    Attributes
    ----------
    normal
        Its reciprocal lattice vector without 2π, shape (3,), Å⁻¹: the height of x is normal · x,
        an integer for every vector of the lattice.
    vectors
        Two reduced lattice vectors that span the lattice in the plane, shape (2, 3), Å.
    step
        A lattice vector of height 1, shape (3,), Å.
    """

    normal: np.ndarray
    vectors: np.ndarray
    step: np.ndarray

    @property
    def spacing(self) -> float:
        """Distance between equal planes, Å."""
        return float(1 / np.linalg.norm(self.normal))


def find_crystal(numbers: np.ndarray, positions: np.ndarray, cell: np.ndarray) -> Crystal:
    """Primitive cell, conventional cell and symmetry of a structure, by spglib.

    Nothing is idealised: positions and vectors are those of the given structure.

    Parameters
    ----------
    numbers
        Atomic numbers, shape (n,).
    positions
        Shape (n, 3), Å.
    cell
        Shape (3, 3), Å; periodic along all axes.
    """
    found = _symmetry(cell, positions @ np.linalg.inv(cell), numbers)
    if found is None:
        atoms, one = np.arange(len(numbers)), np.eye(3)
        return Crystal(atoms, positions, cell, cell, one[None], np.zeros((1, 3)), False)
    primitive = np.linalg.inv(np.rint(cell @ np.linalg.inv(found.primitive_lattice))) @ cell
    standard = np.linalg.inv(found.transformation_matrix).T @ cell
    atoms = np.unique(found.mapping_to_primitive, return_index=True)[1]
    return Crystal(
        atoms=atoms,
        positions=positions[atoms],
        primitive=primitive,
        conventional=np.rint(standard @ np.linalg.inv(primitive)) @ primitive,
        rotations=np.linalg.inv(cell) @ np.swapaxes(found.rotations, 1, 2) @ cell,
        translations=found.translations @ cell,
        has_hexagonal_axes=FIRST_TRIGONAL <= found.number <= LAST_HEXAGONAL,
    )


def find_plane(crystal: Crystal, miller: tuple[int, ...]) -> Plane:
    """The lattice planes with these indices.

    Parameters
    ----------
    crystal
        The crystal.
    miller
        Indices h k l of the conventional cell, or h k i l with i = −(h + k).
    """
    h, k, l = miller[0], miller[1], miller[-1]  # noqa: E741
    normal = np.linalg.inv(crystal.conventional) @ [h, k, l]
    heights = crystal.primitive @ normal
    # Fractions of halves and thirds in centred cells
    heights = np.rint(6 * heights).astype(int)
    heights //= np.gcd.reduce(heights)
    rows = _unimodular(heights)
    vectors, _ = reduced_basis(rows @ crystal.primitive, np.array([True, True, False]))
    normal = np.linalg.inv(crystal.primitive) @ heights
    return Plane(normal, vectors, rows[2] @ crystal.primitive)


def are_equivalent(crystal: Crystal, one: Plane, other: Plane) -> bool:
    """Whether a symmetry operation turns one family of planes into the other."""
    turned = crystal.rotations @ one.normal
    close = [np.abs(turned - sign * other.normal).max(axis=1) for sign in (1, -1)]
    tolerance = SYMMETRY_TOLERANCE_ANGSTROM * np.linalg.norm(other.normal)
    return bool(np.min(close) < tolerance)


def find_terminations(crystal: Crystal, plane: Plane) -> np.ndarray:
    """Heights between layers of atoms at which the crystal can be cut.

    Parameters
    ----------
    crystal
        The crystal.
    plane
        The lattice planes along which it is cut.

    Returns
    -------
    np.ndarray
        Heights in [0, 1), in units of the plane's spacing, shape (T,): each in the middle between
        two layers, cuts that a symmetry operation turns into each other once, the widest gap
        first. A slab with equal cuts on both sides has the same surfaces for equivalent cuts.
    """
    heights = np.sort(crystal.positions @ plane.normal % 1.0)
    gaps = np.diff(heights, append=heights[0] + 1)
    wide = gaps > LAYER_TOLERANCE_ANGSTROM / plane.spacing
    if not wide.any():
        wide = gaps == gaps.max()
    # Rounded, so that equally wide gaps come in the order of their heights
    order = np.argsort(-np.round(gaps[wide] * plane.spacing, 3), kind="stable")
    cuts = (heights + gaps / 2)[wide][order] % 1.0
    signs, shifts = _operations_on_heights(crystal, plane)
    distinct: list[float] = []
    for cut in cuts.tolist():
        difference = np.subtract.outer(signs * cut + shifts, distinct)
        difference -= np.rint(difference)
        if not (np.abs(difference) * plane.spacing < LAYER_TOLERANCE_ANGSTROM / 2).any():
            distinct.append(cut)
    return np.array(distinct)


def cut_layers(
    crystal: Crystal, plane: Plane, cut: float, repeats: int
) -> tuple[np.ndarray, np.ndarray]:
    """The atoms of a slab, ``repeats`` spacings thick, with its normal along z.

    Parameters
    ----------
    crystal
        The crystal.
    plane
        The lattice planes along which it is cut.
    cut
        Height at which the slab begins, in units of the spacing.
    repeats
        How many spacings.

    Returns
    -------
    positions, cell
        Shapes (m·repeats, 3) and (3, 3), Å: the m atoms of one spacing stand together. The first
        vector is along x, the second in the xy plane, the third, which has no length, along z.
    """
    below = np.floor(crystal.positions @ plane.normal - cut)
    first = crystal.positions - below[:, None] * plane.step
    steps = np.arange(repeats)[:, None, None] * plane.step
    positions = (first + steps).reshape(-1, 3)
    normal = plane.normal / np.linalg.norm(plane.normal)
    x = plane.vectors[0] / np.linalg.norm(plane.vectors[0])
    axes = np.array([x, np.cross(normal, x), normal])
    in_plane = plane.vectors @ axes.T
    if in_plane[1, 1] < 0:
        in_plane[1] *= -1
    turned = positions @ axes.T
    in_cell = np.floor(turned[:, :2] @ np.linalg.inv(in_plane[:, :2]) + CUT_TOLERANCE)
    cell = np.vstack([in_plane, np.zeros(3)])
    cell[:2, 2] = 0.0
    return turned - in_cell @ cell[:2], cell


def _operations_on_heights(crystal: Crystal, plane: Plane) -> tuple[np.ndarray, np.ndarray]:
    """Symmetry operations that keep the planes: height h becomes sign · h + shift, shapes (R,)."""
    turned = crystal.rotations @ plane.normal
    signs = np.sign(turned @ plane.normal)
    tolerance = SYMMETRY_TOLERANCE_ANGSTROM * np.linalg.norm(plane.normal)
    keeping = np.abs(turned - signs[:, None] * plane.normal).max(axis=1) < tolerance
    return signs[keeping], crystal.translations[keeping] @ plane.normal


def _symmetry(cell: np.ndarray, fractional: np.ndarray, numbers: np.ndarray) -> Any:
    """What spglib finds; None if that is nothing, as for atoms that are within the tolerance."""
    import spglib
    from spglib.error import SpglibError

    with warnings.catch_warnings():
        # about the way in which it reports errors
        warnings.simplefilter("ignore", DeprecationWarning)
        try:
            return spglib.get_symmetry_dataset(
                (cell, fractional, numbers), symprec=SYMMETRY_TOLERANCE_ANGSTROM
            )
        except SpglibError:
            return None


def _unimodular(heights: np.ndarray) -> np.ndarray:
    """Integer rows (3, 3) of determinant ±1 that have the heights 0, 0 and 1.

    Euclid's algorithm on coprime ``heights`` (3,), the heights of the unit vectors.
    """
    rows, left = np.eye(3, dtype=int), heights.copy()
    while np.count_nonzero(left) > 1:
        pivot = min(np.flatnonzero(left), key=lambda i: abs(left[i]))
        for i in range(3):
            if i != pivot:
                quotient = left[i] // left[pivot]
                left[i] -= quotient * left[pivot]
                rows[i] -= quotient * rows[pivot]
    last = int(np.flatnonzero(left)[0])
    rows[last] *= left[last]
    order = [i for i in range(3) if i != last] + [last]
    return rows[order]
