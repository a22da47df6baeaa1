"""Clusters: a few atoms in empty space, grown one by one."""

from __future__ import annotations

import logging

import numpy as np
from ase.data import covalent_radii

from potwright.geometry import pad_vacuum
from potwright.pes import PESData
from potwright.pipelines.augmentation.parameters import ClusterParameters
from potwright.randomness import generator

logger = logging.getLogger(__name__)

TRIES = 1000
"""How many places are tried for one atom."""


def grow_clusters(
    inputs: PESData,
    parameters: ClusterParameters,
    min_covalent_ratio: float,
    vacuum_angstrom: float,
    seed: int,
) -> PESData:
    """Grow clusters atom by atom, the nearest neighbour of each atom at [d, √3·d].

    Sizes are uniform from 2 to ``max_atoms``. Species are drawn from the mean composition of the
    inputs, in which each input counts once. A new atom goes to a random place in the shell around
    a random one of those that are there, unless it were too close to any. A cluster for which no
    such place is found is given up and counted.

    Parameters
    ----------
    inputs
        Structures that say which species there are.
    parameters
        How many clusters, of how many atoms, and the least distance d.
    min_covalent_ratio
        Least distance of two atoms over the sum of their covalent radii.
    vacuum_angstrom
        Empty space around each cluster, Å.
    seed
        The campaign's seed.

    Returns
    -------
    PESData
        Structures without periodic axis, of origin ``cluster``, ``min_distance_angstrom`` in
        ``info``. None without inputs, as in a campaign that begins with labels alone.
    """
    if not len(inputs):
        return PESData.empty()
    species, probabilities = _composition(inputs)
    distance = parameters.min_distance_angstrom
    clusters = []
    for k in range(parameters.count):
        rng = generator(seed, "augmentation", "clusters", k)
        n = int(rng.integers(2, parameters.max_atoms + 1))
        numbers = rng.choice(species, size=n, p=probabilities)
        positions = _grown(min_covalent_ratio * covalent_radii[numbers], distance, rng)
        if positions is not None:
            cell = np.zeros((3, 3))
            padded = pad_vacuum(positions, cell, np.zeros(3, dtype=bool), vacuum_angstrom)
            clusters.append((numbers, *padded))
    if len(clusters) < parameters.count:
        logger.warning(
            "Clusters: %d of %d given up, the species are too large for distances of %.2f Å",
            parameters.count - len(clusters),
            parameters.count,
            distance,
        )
    if not clusters:
        return PESData.empty()
    all_numbers, positions, cells = zip(*clusters, strict=True)
    return PESData.from_columns(
        numbers=np.concatenate(all_numbers),
        positions=np.concatenate(positions),
        offsets=np.cumsum([0, *map(len, all_numbers)]),
        cell=np.array(cells),
        pbc=False,
        origin="cluster",
        info=[{"min_distance_angstrom": distance}] * len(clusters),
    )


def _composition(inputs: PESData) -> tuple[np.ndarray, np.ndarray]:
    """Species and how often each is drawn."""
    species, index = np.unique(inputs.numbers, return_inverse=True)
    weights = np.repeat(1 / inputs.n_atoms, inputs.n_atoms)
    return species, np.bincount(index, weights) / len(inputs)


def _grown(radii: np.ndarray, distance: float, rng: np.random.Generator) -> np.ndarray | None:
    """Positions (n, 3) of atoms that keep ``distance`` and the sum of their ``radii``; or none."""
    positions = np.zeros((len(radii), 3))
    for i in range(1, len(radii)):
        for _ in range(TRIES):
            direction = rng.normal(size=3)
            # Uniform in the volume of the shell
            length = distance * rng.uniform(1, 3 * np.sqrt(3)) ** (1 / 3)
            place = positions[rng.integers(i)] + length * direction / np.linalg.norm(direction)
            distances = np.linalg.norm(positions[:i] - place, axis=1)
            if np.all(distances >= np.maximum(distance, radii[:i] + radii[i])):
                positions[i] = place
                break
        else:
            return None
    return positions
