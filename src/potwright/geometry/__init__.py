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
    shortest_image,
)
from potwright.geometry.distances import nearest_neighbour_distances, smallest_covalent_ratio
from potwright.geometry.supercells import Supercell, find_supercell, replicate
from potwright.geometry.vacuum import complete_cell, empty_gaps, pad_vacuum

__all__ = [
    "Supercell",
    "cell_volume",
    "complete_cell",
    "empty_gaps",
    "engine_pbc",
    "find_supercell",
    "is_degenerate",
    "nearest_neighbour_distances",
    "pad_vacuum",
    "plane_heights",
    "plane_normals",
    "replicate",
    "shortest_image",
    "smallest_covalent_ratio",
]
