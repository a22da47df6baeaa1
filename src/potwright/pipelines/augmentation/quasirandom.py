"""Special quasirandom alloys: arrangements on the lattices of supercells.

Correlations are those of the lattice without distortion; a copy of a supercell has its atoms in the
same order and takes the arrangement over.
"""

from __future__ import annotations

import numpy as np

from potwright.errors import InputError
from potwright.geometry.quasirandom import can_arrange, quasirandom_arrangement
from potwright.pes import PESData
from potwright.pipelines.augmentation.derivation import Geometry, geometries


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
        if not can_arrange():
            raise InputError(
                "augmentation.alloys.arrangement.type = 'special_quasirandom' needs the package "
                "sqsgenerator: pip install sqsgenerator, or choose type: random"
            )
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
        if lattice is None:
            return occupants
        return quasirandom_arrangement(
            *lattice[1:], sites, occupants, iterations=self.iterations, rng=rng
        )

    def _lattice_of(self, pes: PESData, i: int) -> Geometry | None:
        return self.lattices.get(str(pes.id[i])) or self.lattices.get(str(pes.parent[i]))
