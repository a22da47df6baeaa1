"""Rattle: each atom moves in a random direction by a part of its nearest-neighbour distance."""

from __future__ import annotations

import logging

import numpy as np

from potwright.geometry import colliding_atoms, nearest_neighbour_distances
from potwright.pes import PESData
from potwright.pipelines.augmentation.derivation import (
    Change,
    Geometry,
    derive,
    geometries,
    stream,
)
from potwright.pipelines.augmentation.parameters import RattleParameters

logger = logging.getLogger(__name__)

TRIES = 100
"""How often displacements that bring atoms too close are drawn again."""


def rattle_structures(
    pes: PESData, parameters: RattleParameters, min_covalent_ratio: float, seed: int
) -> PESData:
    """Displace atom i by d_i with |d_i| ~ U(0, f·d_nn,i), in an isotropic direction.

    d_nn,i is the distance to the nearest neighbour under the real periodicity, own images
    included, and f the ``rattle_fraction``. The only atom of a structure is not moved. Atoms that
    come too close to each other are displaced again from where they were; the others keep their
    displacement. Structures in which that does not help are counted and left as they are.

    Parameters
    ----------
    pes
        S structures.
    parameters
        The fraction f.
    min_covalent_ratio
        Least distance of two atoms over the sum of their covalent radii.
    seed
        The campaign's seed.

    Returns
    -------
    PESData
        S structures; rattled ones have origin ``rattle`` and ``rattle_fraction`` in ``info``.
    """
    fraction, changes, collisions = parameters.rattle_fraction, [], 0
    for i, geometry in enumerate(geometries(pes)):
        change = None
        if len(geometry.numbers) > 1 and fraction > 0:
            rng = stream(seed, "rattle", pes, i)
            positions, apart = _rattled(geometry, fraction, min_covalent_ratio, rng)
            atoms = np.arange(len(positions))
            change = Change(atoms, positions, geometry.cell, {"rattle_fraction": fraction})
            collisions += not apart
        changes.append(change)
    if collisions:
        logger.warning(
            "Rattle: in %d of %d structures atoms are closer than %.2f of the sum of their "
            "covalent radii",
            collisions,
            len(pes),
            min_covalent_ratio,
        )
    return derive(pes, changes, origin="rattle")


def _rattled(
    geometry: Geometry, fraction: float, min_covalent_ratio: float, rng: np.random.Generator
) -> tuple[np.ndarray, bool]:
    """New positions, and whether no atoms are too close."""
    numbers, positions, cell, pbc = geometry
    longest = fraction * nearest_neighbour_distances(positions, cell, pbc)
    moved = positions + _displacements(longest, rng)
    for _ in range(TRIES):
        colliding = colliding_atoms(numbers, moved, cell, pbc, min_covalent_ratio)
        if not colliding.any():
            return moved, True
        moved[colliding] = positions[colliding] + _displacements(longest[colliding], rng)
    return moved, not colliding_atoms(numbers, moved, cell, pbc, min_covalent_ratio).any()


def _displacements(longest: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Vectors (n, 3) of uniformly random directions and of lengths from U(0, ``longest``)."""
    directions = rng.normal(size=(len(longest), 3))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    return directions * rng.uniform(0, longest)[:, None]
