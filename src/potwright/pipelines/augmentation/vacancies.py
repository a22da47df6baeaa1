"""Vacancies: some of the distorted copies lose atoms."""

from __future__ import annotations

import logging
import math

import numpy as np

from potwright.errors import InputError
from potwright.pes import PESData
from potwright.pipelines.augmentation.derivation import (
    Change,
    Geometry,
    derive,
    geometries,
    parent_of,
    stream,
)
from potwright.pipelines.augmentation.parameters import VacancyParameters
from potwright.randomness import generator

logger = logging.getLogger(__name__)

FEWEST_ATOMS = 2
"""What must remain for a structure to be more than an atom."""


def remove_atoms(copies: PESData, parameters: VacancyParameters, seed: int) -> PESData:
    """Remove random atoms from a part of the copies.

    Of the n copies of one parent exactly ``fraction_of_copies``·n, rounded, are drawn. One that
    would keep fewer than 2 atoms is skipped and counted.

    Parameters
    ----------
    copies
        S structures, copies of one or more parents.
    parameters
        The part of the copies, and how many atoms each loses.
    seed
        The campaign's seed.

    Returns
    -------
    PESData
        S structures; those that lost atoms replace the copy that they were, stay in its group,
        and have origin ``vacancy`` and the indices of the lost atoms as ``removed_atoms`` in
        ``info``.

    Raises
    ------
    InputError
        If no copy has so many atoms.
    """
    largest = int(copies.n_atoms.max(initial=0))
    if len(copies) and parameters.atoms > largest:
        raise InputError(
            f"augmentation.vacancies.atoms = {parameters.atoms}: the largest structure has only "
            f"{largest}; take out fewer, make larger supercells, or set "
            "augmentation.vacancies.enabled: false"
        )
    drawn = _drawn(copies, parameters.fraction_of_copies, seed)
    changes = [
        _defective(geometry, parameters.atoms, stream(seed, "vacancies", copies, i))
        if drawn[i]
        else None
        for i, geometry in enumerate(geometries(copies))
    ]
    skipped = int(drawn.sum()) - sum(change is not None for change in changes)
    if skipped:
        logger.warning(
            "Vacancies: %d of %d drawn copies skipped, fewer than %d atoms would remain",
            skipped,
            drawn.sum(),
            FEWEST_ATOMS,
        )
    return derive(copies, changes, origin="vacancy", keeps_coordinates=True)


def _drawn(copies: PESData, fraction: float, seed: int) -> np.ndarray:
    """Which copies lose atoms, shape (S,)."""
    parents = np.array([parent_of(copies, i) for i in range(len(copies))], dtype=str)
    drawn = np.zeros(len(copies), dtype=bool)
    for parent in np.unique(parents):
        rows = np.flatnonzero(parents == parent)
        count = math.floor(fraction * len(rows) + 0.5)
        rng = generator(seed, "augmentation", "vacancies", str(parent))
        drawn[rng.permutation(rows)[:count]] = True
    return drawn


def _defective(geometry: Geometry, atoms: int, rng: np.random.Generator) -> Change | None:
    n = len(geometry.numbers)
    if n - atoms < FEWEST_ATOMS:
        return None
    removed = np.sort(rng.choice(n, atoms, replace=False))
    kept = np.delete(np.arange(n), removed)
    made_by = {"removed_atoms": removed.tolist()}
    return Change(kept, geometry.positions[kept], geometry.cell, made_by)
