"""How finely pw.x samples: protocols by name, and the mesh of k-points of a cell.

The figures are those of aiida-quantumespresso's protocols (de Miranda Nascimento et al.,
arXiv:2504.03962), which the paper uses.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

# |b|/λ is a quotient of floating-point numbers: an exact 3 must not become 4 points
DECIMALS = 5


@dataclass(frozen=True)
class Protocol:
    """What a protocol's name stands for.

    Attributes
    ----------
    kpoint_distance_per_angstrom
        Largest distance λ of neighbouring k-points, Å⁻¹, with the factor 2π.
    smearing_width_ry
        Ry.
    scf_threshold_ry_per_atom
        Estimated error of the energy at which the SCF ends, Ry per atom.
    """

    kpoint_distance_per_angstrom: float
    smearing_width_ry: float
    scf_threshold_ry_per_atom: float


PROTOCOLS = {
    "fast": Protocol(0.30, 0.0275, 0.4e-9),
    "balanced": Protocol(0.15, 0.0200, 0.2e-9),
    "stringent": Protocol(0.10, 0.0125, 0.1e-9),
}


def kpoint_mesh(
    cell: np.ndarray, pbc: np.ndarray, distance_per_angstrom: float
) -> tuple[int, int, int]:
    """Points along each reciprocal vector: n_i = ⌈|b_i|/λ⌉, and 1 where nothing is periodic.

    Parameters
    ----------
    cell
        Lattice vectors, shape (3, 3), Å.
    pbc
        Which of them are *really* periodic, shape (3,).
    distance_per_angstrom
        λ, Å⁻¹, with the factor 2π.

    Returns
    -------
    tuple
        Three integers. The b_i are those of the lattice that the periodic vectors span, so that
        the mesh of a sheet does not depend on the length or the tilt of the vector across it.
    """
    periodic = np.asarray(pbc, dtype=bool)
    mesh = np.ones(3, dtype=int)
    if periodic.any():
        reciprocal = 2 * np.pi * np.linalg.pinv(np.asarray(cell, dtype=float)[periodic])
        lengths = np.linalg.norm(reciprocal, axis=0)
        points = np.ceil(np.round(lengths / distance_per_angstrom, DECIMALS))
        mesh[periodic] = np.maximum(points, 1)
    return int(mesh[0]), int(mesh[1]), int(mesh[2])
