"""One random crystal of a space group.

pyxtal (Fredericks et al., Comput. Phys. Commun. 261, 107810, 2021) has the tables of Wyckoff
positions and draws the lattice. Its own way to place atoms took 0.1 s of processor time for an easy
crystal, 10 s for one of 18 atoms with little symmetry, and minutes for harder ones. The one here
looks at one atom of each orbit, since all have the same surroundings, and gives up after bounded
tries; it takes some milliseconds.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np
from ase import Atoms
from ase.data import atomic_numbers, covalent_radii

ARRANGEMENTS = 20
"""Lattices and choices of Wyckoff positions that are tried for one crystal."""

POINTS = 30
"""Places that are tried for the atoms of one Wyckoff position."""

IMAGES = np.array(np.meshgrid(*[[-1, 0, 1]] * 3, indexing="ij")).reshape(3, -1).T


class Site(NamedTuple):
    """A Wyckoff position: affine maps (m, 4, 4) from any point to the m atoms of its orbit, and how
    many coordinates are free."""

    maps: np.ndarray
    freedom: int


def symmetric_crystal(
    space_group: int,
    counts: dict[str, int],
    volume: float,
    min_covalent_ratio: float,
    rng: np.random.Generator,
) -> Atoms | None:
    """A random lattice of the group's kind, and random Wyckoff positions filled with the atoms.

    Parameters
    ----------
    space_group
        1 to 230, in the standard setting and its conventional cell.
    counts
        How many atoms of each element the cell holds.
    volume
        Of the cell, Å³.
    min_covalent_ratio
        Smallest distance of a pair, over the sum of its covalent radii.
    rng
        Decides everything.

    Returns
    -------
    Atoms or None
        None if none was found: the group cannot hold the numbers of atoms, or not at the distances
        in this volume.
    """
    from pyxtal.lattice import Lattice
    from pyxtal.msg import VolumeError

    kind, sites = _space_group(space_group)
    numbers = [atomic_numbers[symbol] for symbol in counts]
    for _ in range(ARRANGEMENTS):
        chosen = _choose_sites(sites, list(counts.values()), rng)
        if chosen is None:
            continue
        try:
            cell = Lattice(kind, volume, random_state=rng).matrix
        except VolumeError:  # too skewed or too flat, as pyxtal finds after many tries
            continue
        orbits = [(z, site) for z, of_z in zip(numbers, chosen, strict=True) for site in of_z]
        placed = _place(orbits, cell, min_covalent_ratio, rng)
        if placed is not None:
            species = np.concatenate([[z] * len(site.maps) for z, site in orbits])
            return Atoms(species, scaled_positions=placed, cell=cell, pbc=True)
    return None


@lru_cache(maxsize=230)
def _space_group(number: int) -> tuple[str, tuple[Site, ...]]:
    """The kind of lattice, and the Wyckoff positions from the general to the most special."""
    from pyxtal.symmetry import Group

    group = Group(number)
    sites = (
        Site(np.array([op.affine_matrix for op in position.ops]), int(position.get_dof()))
        for position in group.Wyckoff_positions
    )
    return group.lattice_type, tuple(sites)


def _choose_sites(
    sites: tuple[Site, ...], counts: list[int], rng: np.random.Generator
) -> list[list[Site]] | None:
    """Sites of each element that add up to its count; one without freedom is taken once.

    Half of the draws take the most general site that fits, so that not all crystals are made of
    special positions, of which there are more.
    """
    taken: set[int] = set()
    chosen = []
    for count in counts:
        left, of_element = count, []
        while left:
            fits = [
                i
                for i, site in enumerate(sites)
                if len(site.maps) <= left and not (site.freedom == 0 and i in taken)
            ]
            if not fits:
                return None
            i = fits[0] if rng.random() < 0.5 else fits[int(rng.integers(len(fits)))]
            taken.add(i)
            of_element.append(sites[i])
            left -= len(sites[i].maps)
        chosen.append(of_element)
    return chosen


def _place(
    orbits: list[tuple[int, Site]], cell: np.ndarray, ratio: float, rng: np.random.Generator
) -> np.ndarray | None:
    """Fractional coordinates (n, 3) of all orbits, far enough apart, or None."""
    placed, radii = np.empty((0, 3)), np.empty(0)
    for number, site in orbits:
        radius = float(covalent_radii[number])
        for _ in range(POINTS if site.freedom else 1):
            point = np.append(rng.random(3), 1.0)
            together = np.concatenate([placed, (site.maps @ point)[:, :3] % 1.0])
            limits = ratio * (np.append(radii, np.full(len(site.maps), radius)) + radius)
            if (_distances(together, len(placed), cell) >= limits[:, None]).all():
                placed, radii = together, limits / ratio - radius
                break
        else:
            return None
    return placed


def _distances(fractional: np.ndarray, i: int, cell: np.ndarray) -> np.ndarray:
    """Distances (n, 27) of atom ``i`` to the near images of all; infinity to itself."""
    apart = fractional - fractional[i]
    apart -= np.rint(apart)
    distances: np.ndarray = np.linalg.norm((apart[:, None] + IMAGES) @ cell, axis=2)
    distances[i, np.flatnonzero(~IMAGES.any(axis=1))] = np.inf
    return distances
