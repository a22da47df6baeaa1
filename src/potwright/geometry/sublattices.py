"""Sublattices: which integer combination of lattice vectors keeps periodic images apart.

Every sublattice of index n has exactly one basis in Hermite normal form, a lower triangular matrix
of integers with determinant n, so trying all of those tries all supercells of n cells, however
their vectors are tilted. A sublattice keeps images apart if it holds none of the lattice's short
vectors. That is decided from the inside out: first the rows in the plane of the first two vectors,
then, for planes that pass, all positions of the third row at once.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

TOLERANCE_ANGSTROM = 1e-6
"""Lengths closer than this are the same."""

HERMITE = (1.0, 1.0, (4 / 3) ** 0.25, 2 ** (1 / 6))
"""Largest shortest vector of a lattice of unit content, by its dimension (Hermite's constants)."""


@dataclass(frozen=True, eq=False)
class Sublattice:
    """A sublattice and its shortest vector.

    Attributes
    ----------
    rows
        Its vectors as integer combinations of the lattice's, shape (k, k).
    length
        Its shortest vector, Å.
    """

    rows: np.ndarray
    length: float

    @property
    def index(self) -> int:
        """How many cells of the lattice its cell holds."""
        return round(abs(np.linalg.det(self.rows)))


def short_vectors(basis: np.ndarray, reach: float) -> tuple[np.ndarray, np.ndarray]:
    """All lattice vectors up to ``reach`` but the zero vector.

    Parameters
    ----------
    basis
        A reduced basis, shape (k, 3), Å.
    reach
        Å.

    Returns
    -------
    combinations, lengths
        Integers, shape (K, k), and lengths in Å, shape (K,).
    """
    bounds = np.floor(reach * np.linalg.norm(np.linalg.pinv(basis), axis=0) + 1e-9).astype(int)
    ranges = [np.arange(-b, b + 1) for b in bounds]
    combinations = np.stack(np.meshgrid(*ranges, indexing="ij"), axis=-1).reshape(-1, len(basis))
    lengths = np.linalg.norm(combinations @ basis, axis=1)
    wanted = (lengths <= reach) & combinations.any(axis=1)
    return combinations[wanted], lengths[wanted]


def better_sublattice(
    basis: np.ndarray, min_length: float, most: int, known: Sublattice
) -> Sublattice | None:
    """A sublattice with a smaller index, or a longer shortest vector, than the one that is known.

    Parameters
    ----------
    basis
        A Minkowski-reduced basis, shape (k, 3) with k = 2 or 3, Å.
    min_length
        Wanted length of the shortest vector, Å.
    most
        The largest index.
    known
        What is known so far, such as the best replication along the cell's own vectors.

    Returns
    -------
    Sublattice or None
        Of those with at least ``min_length`` the one of the smallest index, and of these the one
        with the longest shortest vector; if there are none up to ``most``, the one with the longest
        shortest vector, and of these the smallest index. None if that is no better than ``known``.
    """
    dimension = len(basis)
    content = np.sqrt(np.linalg.det(basis @ basis.T))
    reach = HERMITE[dimension] * (most * content) ** (1 / dimension)
    search = _Search(*short_vectors(basis, reach + TOLERANCE_ANGSTROM), area=_area(basis[:2]))

    def smallest_index(length: float) -> int:
        return max(1, int(np.ceil((length / HERMITE[dimension]) ** dimension / content - 1e-9)))

    wanted = min_length - TOLERANCE_ANGSTROM
    last = known.index if known.length >= wanted else most
    for index in range(smallest_index(wanted), last + 1):
        # A known one of this index is as good, unless the shortest vector is longer.
        at_least = known.length + TOLERANCE_ANGSTROM if index == known.index else wanted
        found = search.longest(index, max(at_least, wanted))
        if found:
            return found
    if known.length >= wanted:
        return None
    # Large indices first: what they reach rules out most of the small ones.
    best, index = known, most
    while index >= smallest_index(best.length + TOLERANCE_ANGSTROM):
        best = search.longest(index, best.length + TOLERANCE_ANGSTROM) or best
        index -= 1
    for index in range(smallest_index(best.length), best.index):
        found = search.longest(index, best.length - TOLERANCE_ANGSTROM)
        if found:
            return found
    return None if best is known else best


class _Search:
    """The lattice's short vectors, and sublattices that avoid them."""

    def __init__(self, combinations: np.ndarray, lengths: np.ndarray, area: float):
        # Of each vector and its opposite, the one with a positive last component
        last = combinations[:, ::-1]
        first_nonzero = last[np.arange(len(last)), (last != 0).argmax(axis=1)]
        half = first_nonzero > 0
        order = np.argsort(lengths[half], kind="stable")
        # Small integers: most of the time goes into divisions of them.
        self.vectors = combinations[half][order].astype(np.int32)
        self.lengths = lengths[half][order]
        self.area = area

    def longest(self, index: int, at_least: float) -> Sublattice | None:
        """Of the sublattices of this index one with the longest shortest vector."""
        best = None
        while True:
            rows = self._avoiding(index, at_least)
            if rows is None:
                return best
            best = Sublattice(rows, self._shortest(rows))
            at_least = best.length + TOLERANCE_ANGSTROM

    def _avoiding(self, index: int, at_least: float) -> np.ndarray | None:
        """A sublattice of this index without vectors shorter than ``at_least``, if there is one."""
        forbidden = self.vectors[: np.searchsorted(self.lengths, at_least)]
        if forbidden.shape[1] == 2:
            for a, d in _factorisations(index):
                b = _passing(forbidden, a, d)
                if len(b):
                    return np.array([[a, 0], [b[0], d]])
            return None
        in_plane = forbidden[forbidden[:, 2] == 0, :2]
        above = forbidden[forbidden[:, 2] > 0]
        least_in_plane = (at_least / HERMITE[2]) ** 2 / self.area - 1e-9
        for m, f in _factorisations(index):
            if m < least_in_plane:
                continue
            for a, d in _factorisations(m):
                b = _passing(in_plane, a, d)
                found = _third_row(above, a, b, d, f) if len(b) else None
                if found is not None:
                    return found
        return None

    def _shortest(self, rows: np.ndarray) -> float:
        coordinates = self.vectors @ np.linalg.inv(rows)
        inside = (np.abs(coordinates - np.rint(coordinates)) < 1e-6).all(axis=1)
        return float(self.lengths[inside.argmax()])


def _third_row(above: np.ndarray, a: int, b: np.ndarray, d: int, f: int) -> np.ndarray | None:
    """Rows (a, 0, 0), (b, d, 0), (c, e, f) that hold none of ``above``, for any of the given b.

    The lattice's points in the layer z = t·f are classes modulo the first two rows, numbered
    c + a·e; the sublattice holds those of class t·(c, e).
    """
    which = np.repeat(np.arange(len(b), dtype=np.int32), a * d)
    third = np.tile(np.arange(a * d, dtype=np.int32), len(b))
    for t in range(1, int(above[:, 2].max(initial=0)) // f + 1):
        x, y = above[above[:, 2] == t * f, :2].T
        forbidden = np.zeros((len(b), a * d), dtype=bool)
        forbidden[np.arange(len(b))[:, None], _class_of(x, y, a, b[:, None], d)] = True
        multiple = third if t == 1 else _class_of(t * (third % a), t * (third // a), a, b[which], d)
        allowed = ~forbidden[which, multiple]
        which, third = which[allowed], third[allowed]
    if not len(which):
        return None
    return np.array([[a, 0, 0], [b[which[0]], d, 0], [third[0] % a, third[0] // a, f]], dtype=int)


def _class_of(x: np.ndarray, y: np.ndarray, a: int, b: np.ndarray, d: int) -> np.ndarray:
    """Classes of points modulo (a, 0) and (b, d)."""
    rows, remainder = np.divmod(y, d)
    return (x - rows * b) % a + a * remainder


def _passing(forbidden: np.ndarray, a: int, d: int) -> np.ndarray:
    """For which b the rows (a, 0), (b, d) hold none of ``forbidden`` (K, 2)."""
    b = np.arange(a, dtype=np.int32)
    x, y = forbidden[forbidden[:, 1] % d == 0].T
    return b[((x - y // d * b[:, None]) % a != 0).all(axis=1)]


def _factorisations(n: int) -> Iterator[tuple[int, int]]:
    return ((i, n // i) for i in range(1, n + 1) if n % i == 0)


def _area(vectors: np.ndarray) -> float:
    return float(np.sqrt(np.linalg.det(vectors @ vectors.T)))
