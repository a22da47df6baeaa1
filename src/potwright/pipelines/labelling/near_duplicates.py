"""Structures that are the same but for where the cell begins, the order of atoms, and noise.

Two structures are near-duplicates at a tolerance δ if they have the same atomic numbers and pbc,
no component of their lattice vectors, as stored, differs by more than δ, and there is a translation
of the whole and a permutation of like atoms after which no atom of one is further than δ from its
partner in the other. (The translation is the one that leaves no mean displacement. Where anything
is periodic, atoms are wrapped along every axis, as engines see it.) Rotated or mirrored copies and
other settings of the same lattice are not near-duplicates.

Comparing all pairs is avoided by numbers that hardly differ between near-duplicates: structure
factors f(h) = |Σⱼ wⱼ exp(2πi h·sⱼ)| / Σⱼ wⱼ of fractional coordinates s, for short integer vectors
h. They do not depend on translations and permutations, and displacements of at most δ change them
by at most 2π|q|δ, with q the reciprocal vector of h. Pairs that are as near as this in all of them,
found in a k-d tree, are compared atom by atom, the nearest first. Where displacements are so small
that structure factors do not tell structures apart, a structure is given up after a few that are
not its near-duplicates: at worst something is labelled twice.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from potwright.pes import PESData

if TYPE_CHECKING:
    from scipy.spatial import cKDTree

HKL = np.array([[1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 1, 0], [0, 1, 1], [1, 0, 1]])
WAVELENGTH_ANGSTROM = 4.0  # of the waves that look at molecules, which have no cell to be used
ROUNDING = 1e-6  # relative; of what is compared with a bound that it may reach
MOST_FAILURES = 3
MATCHING_ANGSTROM = 0.2  # with a translation known this well, nearest atoms are partners
PROBES = 4


def near_duplicates(pes: PESData, tolerance_angstrom: float, known: int = 0) -> np.ndarray:
    """Which structures are near-duplicates of an earlier one that is none itself.

    Parameters
    ----------
    pes
        Finite coordinates, and cells with a volume where anything is periodic.
    tolerance_angstrom
        δ above.
    known
        So many structures at the beginning are there already: others are compared with them, and
        they are not compared with each other.

    Returns
    -------
    np.ndarray
        Booleans, shape (S,).
    """
    repeated = np.zeros(len(pes), dtype=bool)
    for members in _alike(pes):
        if len(members) > 1 and members[-1] >= known:
            family = _Family.of(pes, members)
            repeated[members] = family.repeated(tolerance_angstrom, int((members < known).sum()))
    return repeated


def _alike(pes: PESData) -> list[np.ndarray]:
    """Indices of structures of the same composition and pbc, each group in ascending order."""
    numbers = pes.numbers[np.lexsort((pes.numbers, pes.structure_of_atom))]
    groups: dict[bytes, list[int]] = {}
    for i, (start, stop) in enumerate(zip(pes.offsets[:-1], pes.offsets[1:], strict=True)):
        key = pes.pbc[i].tobytes() + numbers[start:stop].tobytes()
        groups.setdefault(key, []).append(i)
    return [np.array(members) for members in groups.values()]


@dataclass(frozen=True)
class _Family:
    """G structures of the same n atoms and pbc, atoms in the order of their numbers.

    ``basis`` (G, 3, 3) is the cell, or a cube where nothing is periodic; ``scaled`` (G, n, 3) are
    coordinates in it; ``factor`` (G, h) are complex structure factors, relative to their largest
    possible value.
    """

    periodic: bool
    numbers: np.ndarray
    cell: np.ndarray
    basis: np.ndarray
    scaled: np.ndarray
    factor: np.ndarray

    @classmethod
    def of(cls, pes: PESData, members: np.ndarray) -> _Family:
        chosen = pes[members]
        periodic, n = bool(chosen.pbc[0].any()), int(chosen.n_atoms[0])
        order = np.lexsort((chosen.numbers, chosen.structure_of_atom))
        positions = chosen.positions[order].reshape(-1, n, 3)
        cube = np.tile(WAVELENGTH_ANGSTROM * np.eye(3), (len(chosen), 1, 1))
        basis = chosen.cell if periodic else cube
        scaled = positions @ np.linalg.inv(basis)
        numbers = chosen.numbers[order][:n]
        kinds, kind = np.unique(numbers, return_inverse=True)
        weights = np.linspace(1.0, 0.5, len(kinds))[kind]
        waves = [np.exp(2j * np.pi * (scaled @ h)) @ weights / weights.sum() for h in HKL]
        return cls(periodic, numbers, chosen.cell, basis, scaled, np.array(waves).T)

    def repeated(self, tolerance: float, known: int) -> np.ndarray:
        """Which ones repeat an earlier one, shape (G,); the first ``known`` are there already."""
        from scipy.spatial import cKDTree

        features = self._features(tolerance)
        tree = cKDTree(features, balanced_tree=False)
        repeated = np.zeros(len(features), dtype=bool)
        beside = tree.query(features, k=2, p=np.inf, distance_upper_bound=1 + ROUNDING)[0][:, 1]
        for i in np.flatnonzero(np.isfinite(beside)).tolist():  # mostly none: then this is all
            failures = 0
            for j in () if repeated[i] else _nearest(tree, features[i]):
                if j > i and j >= known and not repeated[j]:
                    repeated[j] = self._same(i, j, tolerance)
                    failures += not repeated[j]
                    if failures == MOST_FAILURES:
                        break
        return repeated

    def _features(self, tolerance: float) -> np.ndarray:
        """Numbers that differ by at most 1 between near-duplicates, shape (G, 9 + h)."""
        reciprocal = np.linalg.norm(HKL @ np.linalg.inv(self.basis).swapaxes(1, 2), axis=2)
        bounds = 2 * np.pi * reciprocal.max(axis=0) * tolerance
        return np.hstack([self.cell.reshape(-1, 9) / tolerance, np.abs(self.factor) / bounds])

    def _same(self, i: int, j: int, tolerance: float) -> bool:
        """Whether two structures are near-duplicates; their cells are as near already."""
        one, other = self.scaled[i], self.scaled[j]
        if not self.periodic:
            return self._fits(i, j, other.mean(axis=0) - one.mean(axis=0), tolerance)
        weakest = np.abs(self.factor[[i, j], :3]).min()
        phases = np.angle(self.factor[j, :3] * self.factor[i, :3].conj()) / (2 * np.pi)
        if self._fits(i, j, phases, tolerance):
            return True
        if tolerance < weakest * MATCHING_ANGSTROM:
            return False  # the phases of f(100), f(010) and f(001) tell any translation well enough
        shifts = self._anchored_shifts(i, j, tolerance)
        return any(self._fits(i, j, shift, tolerance) for shift in shifts)

    def _fits(self, i: int, j: int, shift: np.ndarray, tolerance: float) -> bool:
        """Whether a translation known to a fraction of a bond brings ``i`` onto ``j``."""
        one, other = self.scaled[i] + shift, self.scaled[j]
        partner = self._partners(one, other)
        if len(np.unique(partner)) < len(one) or np.any(self.numbers[partner] != self.numbers):
            return False
        displacement = self._wrapped(other[partner] - one) @ self.basis[i]
        displacement -= displacement.mean(axis=0)
        return bool(np.linalg.norm(displacement, axis=1).max() <= tolerance * (1 + ROUNDING))

    def _anchored_shifts(self, i: int, j: int, tolerance: float) -> np.ndarray:
        """Translations that bring one atom, and a few others, near like ones; shape (k, 3)."""
        one, other = self.scaled[i], self.scaled[j]
        _, first, counts = np.unique(self.numbers, return_index=True, return_counts=True)
        rarest = np.argmin(counts)
        shifts = other[first[rarest] :][: counts[rarest]] - one[first[rarest]]
        for probe in one[:: max(1, len(one) // PROBES)]:
            gaps = self._wrapped((probe + shifts)[:, None] - other) @ self.basis[i]
            nearest = np.linalg.norm(gaps, axis=2).min(axis=1)
            shifts = shifts[nearest <= 2 * tolerance * (1 + ROUNDING)]
        return shifts

    def _partners(self, one: np.ndarray, other: np.ndarray) -> np.ndarray:
        """For each atom of ``one`` the nearest of ``other``, shape (n,)."""
        from scipy.spatial import cKDTree

        if self.periodic:
            tree = cKDTree(_in_cell(other), boxsize=1.0)
            return np.asarray(tree.query(_in_cell(one), p=np.inf)[1])
        return np.asarray(cKDTree(other).query(one)[1])

    def _wrapped(self, difference: np.ndarray) -> np.ndarray:
        return difference - np.rint(difference) if self.periodic else difference


def _nearest(tree: cKDTree, features: np.ndarray) -> Iterator[int]:
    """Indices of those whose features differ by at most 1, the nearest first."""
    seen, k = 0, 8
    while seen < tree.n:
        distance, index = tree.query(
            features, k=np.arange(1, k + 1), p=np.inf, distance_upper_bound=1 + ROUNDING
        )
        found = index[np.isfinite(distance)]
        yield from found[seen:].tolist()
        if len(found) < k:
            return
        seen, k = k, 8 * k


def _in_cell(scaled: np.ndarray) -> np.ndarray:
    inside = scaled % 1.0
    return np.where(inside < 1.0, inside, 0.0)  # the remainder of −1e-17 is 1
