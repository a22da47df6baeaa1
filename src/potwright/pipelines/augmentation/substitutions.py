"""Substitutions: atoms of unlike species change places."""

from __future__ import annotations

import logging
import math

import numpy as np

from potwright.geometry import colliding_atoms
from potwright.pes import PESData
from potwright.pipelines.augmentation.derivation import (
    Change,
    Geometry,
    derive,
    geometries,
    roots,
)
from potwright.pipelines.augmentation.parameters import SubstitutionParameters
from potwright.randomness import generator

logger = logging.getLogger(__name__)

TRIES = 20
"""How often a choice of pairs that brings atoms too close is drawn again."""


def swap_atoms(
    pes: PESData, parameters: SubstitutionParameters, min_covalent_ratio: float, seed: int
) -> PESData:
    """New structures, in which pairs of unlike atoms of others have changed places.

    Of the n structures of several species that descend from one input ``fraction_of_structures``·n,
    rounded, are drawn. In one of N atoms ``swap_fraction``·N pairs swap, rounded, or as many as
    there are: no atom swaps twice, so that the atoms that are not of the most frequent species
    limit them. A structure in which no pair would swap, or in which atoms would come too close,
    gives none and is counted.

    Parameters
    ----------
    pes
        S structures.
    parameters
        The part of the structures, and the number of swaps as a part of the atoms.
    min_covalent_ratio
        Least distance of two atoms over the sum of their covalent radii.
    seed
        The campaign's seed.

    Returns
    -------
    PESData
        Structures of origin ``substitution``, with the structure that they were as parent, in its
        group, and ``swapped_atoms`` (pairs of indices) in ``info``.
    """
    drawn = pes[_drawn(pes, parameters.fraction_of_structures, seed)]
    changes = []
    for id_, geometry in zip(drawn.id, geometries(drawn), strict=True):
        rng = generator(seed, "augmentation", "substitutions", str(id_))
        changes.append(_swapped(geometry, parameters.swap_fraction, min_covalent_ratio, rng))
    made = np.array([change is not None for change in changes], dtype=bool)
    if not made.all():
        logger.warning(
            "Substitutions: %d of %d drawn structures skipped, no swap or none that keeps atoms "
            "apart",
            (~made).sum(),
            len(drawn),
        )
    if not made.any():
        return PESData.empty()
    applied = [change for change in changes if change is not None]
    swapped = derive(drawn[made], applied, origin="substitution", keeps_coordinates=True)
    return swapped.replace(parent=drawn.id[made])


def _drawn(pes: PESData, fraction: float, seed: int) -> np.ndarray:
    """Rows of the structures to be changed."""
    several = np.array([len(np.unique(g.numbers)) > 1 for g in geometries(pes)], dtype=bool)
    root = roots(pes)
    drawn = [np.empty(0, dtype=int)]
    for input_id in np.unique(root[several]):
        rows = np.flatnonzero(several & (root == input_id))
        rng = generator(seed, "augmentation", "substitutions", str(input_id))
        drawn.append(rng.permutation(rows)[: math.floor(fraction * len(rows) + 0.5)])
    return np.sort(np.concatenate(drawn))


def _swapped(
    geometry: Geometry, fraction: float, min_covalent_ratio: float, rng: np.random.Generator
) -> Change | None:
    numbers, positions, cell, pbc = geometry
    most_frequent = np.unique(numbers, return_counts=True)[1].max()
    n = len(numbers)
    swaps = min(math.floor(fraction * n + 0.5), n // 2, n - most_frequent)
    if swaps == 0:
        return None
    for _ in range(TRIES):
        one, other = unlike_pairs(numbers, swaps, rng)
        new = numbers.copy()
        new[one], new[other] = numbers[other], numbers[one]
        if not colliding_atoms(new, positions, cell, pbc, min_covalent_ratio).any():
            made_by = {"swapped_atoms": np.column_stack([one, other]).tolist()}
            # The positions keep their atoms: what travels with an atom but its species stays.
            return Change(np.arange(n), positions, cell, made_by, numbers=new)
    return None


def unlike_pairs(
    numbers: np.ndarray, pairs: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Random disjoint pairs of atoms of different species.

    Parameters
    ----------
    numbers
        Atomic numbers, shape (n,).
    pairs
        How many; at most n/2, and at most the number of atoms of all but the most frequent species.
    rng
        Random numbers.

    Returns
    -------
    one, other
        Indices, shape (pairs,) each.
    """
    # Of 2k atoms among which no species has more than k, sorted by species, the first half and the
    # second half are unlike one by one.
    order = rng.permutation(len(numbers))
    rank = np.empty(len(numbers), dtype=int)
    for species in np.unique(numbers):
        of_species = numbers[order] == species
        rank[of_species] = np.arange(of_species.sum())
    chosen = order[rank < pairs][: 2 * pairs]
    chosen = chosen[np.argsort(numbers[chosen], kind="stable")]
    return chosen[:pairs], chosen[pairs:]
