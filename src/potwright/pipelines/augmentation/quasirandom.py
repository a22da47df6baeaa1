"""Special quasirandom structures: alloys whose pair correlations are nearest to random ones.

A thin layer over sqsgenerator (Gehringer, Friák and Holec, Comput. Phys. Commun. 286, 108664,
2023), which minimises Warren–Cowley short-range order parameters of the first shells. Correlations
are those of the lattice without distortion; a copy of a supercell has its atoms in the same order
and takes the arrangement over.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from ase.data import chemical_symbols

from potwright.errors import InputError
from potwright.geometry import pad_vacuum, reduced_basis, shortest_image
from potwright.pes import PESData
from potwright.pipelines.augmentation.derivation import Geometry, geometries

SHELLS = 6
"""Largest number of shells of neighbours whose correlations count, the n-th with weight 1/n."""

GAP_ANGSTROM = 0.1
"""Distances that differ by more belong to different shells."""

VACUUM_ANGSTROM = 15.0
"""Empty space that keeps images along open axes out of the shells."""


class Quasirandom:
    """Arrangements on the lattices of supercells.

    Parameters
    ----------
    supercells
        Structures without distortion.
    iterations
        How many arrangements are tried for each.

    Raises
    ------
    InputError
        If sqsgenerator is not installed.
    """

    def __init__(self, supercells: PESData, iterations: int):
        try:
            import sqsgenerator
        except ImportError as error:
            raise InputError(
                "augmentation.alloys.arrangement.type = 'special_quasirandom' needs the package "
                "sqsgenerator: pip install sqsgenerator, or choose type: random"
            ) from error
        self.library: Any = sqsgenerator
        self.iterations = iterations
        self.lattices = dict(zip(supercells.id.tolist(), geometries(supercells), strict=True))

    def has_lattice_of(self, pes: PESData) -> np.ndarray:
        """Which structures have all atoms of a known lattice, shape (S,)."""
        lattices = (self._lattice_of(pes, i) for i in range(len(pes)))
        sizes = np.array([len(g.numbers) if g else 0 for g in lattices])
        return np.equal(sizes, pes.n_atoms)

    def arranged(
        self,
        pes: PESData,
        i: int,
        sites: np.ndarray,
        occupants: np.ndarray,
        rng: np.random.Generator,
    ) -> np.ndarray:
        """The atomic numbers ``occupants`` in the order in which they go to ``sites``."""
        lattice = self._lattice_of(pes, i)
        species, counts = np.unique(occupants, return_counts=True)
        if lattice is None or len(species) == 1:
            return occupants
        positions, cell = pad_vacuum(lattice.positions, lattice.cell, lattice.pbc, VACUUM_ANGSTROM)
        # The library looks at the nearest images only, which is right in reduced cells.
        cell, _ = reduced_basis(cell, np.ones(3, dtype=bool))
        shortest = shortest_image(lattice.cell, lattice.pbc)
        fractional = positions[sites] @ np.linalg.inv(cell) % 1.0
        structure = self.library.core.StructureDouble(cell, fractional, occupants.tolist())
        symbols = [chemical_symbols[z] for z in species]
        composition = dict(zip(symbols, counts.tolist(), strict=True))
        configuration = {
            "prec": "double",
            "iterations": self.iterations,
            "structure": {
                "lattice": cell.tolist(),
                "coords": fractional.tolist(),
                "species": occupants.tolist(),
            },
            "composition": [{"sites": list(range(len(sites))), **composition}],
            "shell_radii": shell_radii(structure.distance_matrix, shortest / 2),
            "seed": [int(rng.integers(2**31))],
            "thread_config": [1],
        }
        results = self.library.optimize(self.library.parse_config(configuration))
        _, best = min(results, key=lambda result: result[0])
        # The library returns equally good ones in an order that changes from run to run.
        equal = sorted({tuple(result.structure().species) for result in best})
        return np.array(equal[rng.integers(len(equal))])

    def _lattice_of(self, pes: PESData, i: int) -> Geometry | None:
        return self.lattices.get(str(pes.id[i])) or self.lattices.get(str(pes.parent[i]))


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
