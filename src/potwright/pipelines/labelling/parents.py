"""How far a structure has gone from its parent: in volume, and in the shape of its cell."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from potwright.geometry import is_degenerate
from potwright.geometry.cells import reduced_basis
from potwright.pes import PESData


def volume_ratios(candidates: PESData, ancestors: Sequence[PESData]) -> np.ndarray:
    """Volume of each crystal over its parent's, shape (S,); NaN where that has no meaning.

    A candidate with more atoms than its parent is a supercell of it: the ratio is per copy.
    """
    parents = _parents(candidates, ancestors)
    before = np.abs(np.linalg.det(parents.cell))
    crystals = candidates.pbc.all(axis=1) & parents.pbc.all(axis=1) & (before > 0)
    copies = np.maximum(candidates.n_atoms / parents.n_atoms, 1.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.abs(np.linalg.det(candidates.cell)) / before / copies
    return np.where(crystals, ratio, np.nan)


def elongation_ratios(
    candidates: PESData, ancestors: Sequence[PESData], examined: np.ndarray
) -> np.ndarray:
    """How much more drawn out each cell is than its parent's, shape (S,); NaN where not examined.

    The elongation of a lattice is the longest over the shortest vector of its reduced basis, along
    periodic directions; there must be the same ones, two or three, in the parent.
    """
    parents = _parents(candidates, ancestors)
    comparable = examined & (candidates.pbc == parents.pbc).all(axis=1)
    comparable &= candidates.pbc.sum(axis=1) > 1
    known: dict[bytes, float] = {}

    def elongation(cell: np.ndarray, pbc: np.ndarray) -> float:
        key = cell.tobytes()
        if key not in known:
            lengths = np.linalg.norm(reduced_basis(cell, pbc)[0], axis=1)
            known[key] = float(lengths.max() / lengths.min())
        return known[key]

    ratios = np.full(len(candidates), np.nan)
    for i in np.flatnonzero(comparable):
        pbc = candidates.pbc[i]
        if not is_degenerate(parents.cell[i], pbc):
            before = elongation(parents.cell[i], pbc)
            ratios[i] = elongation(candidates.cell[i], pbc) / before
    return ratios


class _Parents(NamedTuple):
    """Cells (S, 3, 3), pbc (S, 3) and numbers of atoms (S,); nothing periodic if not known."""

    cell: np.ndarray
    pbc: np.ndarray
    n_atoms: np.ndarray


def _parents(candidates: PESData, ancestors: Sequence[PESData]) -> _Parents:
    found = _Parents(
        np.zeros((len(candidates), 3, 3)),
        np.zeros((len(candidates), 3), dtype=bool),
        np.ones(len(candidates)),
    )
    for family in ancestors:
        place = family.index_of(candidates.parent)
        here = place >= 0
        for mine, theirs in zip(found, (family.cell, family.pbc, family.n_atoms), strict=True):
            mine[here] = theirs[place[here]]
    return found
