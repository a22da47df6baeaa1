"""Special quasirandom structures: arrangements whose pair correlations are nearest to random ones.

A thin layer over sqsgenerator (Gehringer, Friák and Holec, Comput. Phys. Commun. 286, 108664,
2023), which minimises Warren–Cowley short-range order parameters of the first shells.
"""

from __future__ import annotations

import importlib.util

import numpy as np
from ase.data import chemical_symbols

from potwright.geometry.cells import reduced_basis, shortest_image
from potwright.geometry.vacuum import pad_vacuum

SHELLS = 6
"""Largest number of shells of neighbours whose correlations count, the n-th with weight 1/n."""

GAP_ANGSTROM = 0.1
"""Distances that differ by more belong to different shells."""

VACUUM_ANGSTROM = 15.0
"""Empty space that keeps images along open axes out of the shells."""


def can_arrange() -> bool:
    """Whether sqsgenerator is installed."""
    return importlib.util.find_spec("sqsgenerator") is not None


def quasirandom_arrangement(
    positions: np.ndarray,
    cell: np.ndarray,
    pbc: np.ndarray,
    sites: np.ndarray,
    occupants: np.ndarray,
    *,
    iterations: int,
    rng: np.random.Generator,
) -> np.ndarray:
    """The order in which occupants go to sites.

    Parameters
    ----------
    positions, cell, pbc
        A lattice without distortion, shapes (n, 3), (3, 3) and (3,), Å.
    sites
        Which of its atoms share the species, shape (k,).
    occupants
        Their atomic numbers, in any order, shape (k,).
    iterations
        How many arrangements are tried.
    rng
        What is drawn from: equally good arrangements, too.

    Returns
    -------
    np.ndarray
        ``occupants``, re-ordered.
    """
    import sqsgenerator

    species, counts = np.unique(occupants, return_counts=True)
    if len(species) == 1:
        return occupants
    padded, wide = pad_vacuum(positions, cell, pbc, VACUUM_ANGSTROM)
    # The library looks at the nearest images only, which is right in reduced cells.
    wide, _ = reduced_basis(wide, np.ones(3, dtype=bool))
    fractional = padded[sites] @ np.linalg.inv(wide) % 1.0
    structure = sqsgenerator.core.StructureDouble(wide, fractional, occupants.tolist())
    symbols = [chemical_symbols[z] for z in species]
    composition = dict(zip(symbols, counts.tolist(), strict=True))
    configuration = {
        "prec": "double",
        "iterations": iterations,
        "structure": {
            "lattice": wide.tolist(),
            "coords": fractional.tolist(),
            "species": occupants.tolist(),
        },
        "composition": [{"sites": list(range(len(sites))), **composition}],
        "shell_radii": shell_radii(structure.distance_matrix, shortest_image(cell, pbc) / 2),
        "seed": [int(rng.integers(2**31))],
        "thread_config": [1],
    }
    results = sqsgenerator.optimize(sqsgenerator.parse_config(configuration))
    _, best = min(results, key=lambda result: result[0])
    # The library returns equally good ones in an order that changes from run to run.
    equal = sorted({tuple(result.structure().species) for result in best})
    return np.array(equal[rng.integers(len(equal))])


def shell_radii(distances: np.ndarray, farthest: float) -> list[float]:
    """Radii that separate the first shells of neighbours, Å, beginning with 0.

    Parameters
    ----------
    distances
        Of all pairs of sites, shape (n, n), Å.
    farthest
        No shell but the first goes beyond this, Å: farther pairs also see each other's images.
    """
    ordered = np.sort(distances[np.triu_indices(len(distances), 1)])
    ends = ordered[np.append(np.diff(ordered) > GAP_ANGSTROM, True)]
    within = max(1, int((ends <= farthest + GAP_ANGSTROM / 2).sum()))
    return [0.0, *(ends[: min(within, SHELLS)] + GAP_ANGSTROM / 2).tolist()]
