"""Periodic geometry in any cell, as functions of plain arrays.

``positions`` (n, 3) and ``cell`` (3, 3; rows are lattice vectors) are in Å; ``pbc`` (3,) says which
lattice vectors are really periodic. Everything works on lattice vectors and plane normals, never on
Cartesian components, so triclinic cells and any order of axes are all the same to it.
"""

from potwright.geometry.cells import (
    cell_volume,
    engine_pbc,
    is_degenerate,
    plane_heights,
    plane_normals,
    reduced_basis,
    shortest_image,
)
from potwright.geometry.crystals import (
    Crystal,
    Plane,
    are_equivalent,
    cut_layers,
    find_crystal,
    find_plane,
    find_terminations,
)
from potwright.geometry.distances import (
    colliding_atoms,
    nearest_neighbour_distances,
    smallest_covalent_ratio,
)
from potwright.geometry.supercells import Supercell, find_supercell, replicate
from potwright.geometry.vacuum import complete_cell, empty_gaps, pad_vacuum

__all__ = [
    "Crystal",
    "Plane",
    "Supercell",
    "are_equivalent",
    "cell_volume",
    "colliding_atoms",
    "complete_cell",
    "cut_layers",
    "empty_gaps",
    "engine_pbc",
    "find_crystal",
    "find_plane",
    "find_supercell",
    "find_terminations",
    "is_degenerate",
    "nearest_neighbour_distances",
    "pad_vacuum",
    "plane_heights",
    "plane_normals",
    "reduced_basis",
    "replicate",
    "shortest_image",
    "smallest_covalent_ratio",
]
