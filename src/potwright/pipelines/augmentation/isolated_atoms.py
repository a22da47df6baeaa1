"""Isolated atoms: the energies that binding is measured from."""

from __future__ import annotations

import numpy as np

from potwright.pes import PESData


def isolated_atoms(species: list[int], vacuum_angstrom: float) -> PESData:
    """One atom of each species alone in the middle of a cube with an edge of the vacuum.

    Parameters
    ----------
    species
        Atomic numbers.
    vacuum_angstrom
        Edge of the cube, Å.
    """
    n = len(species)
    if not n:
        return PESData.empty()
    return PESData.from_columns(
        numbers=np.array(species),
        positions=np.full((n, 3), vacuum_angstrom / 2),
        offsets=np.arange(n + 1),
        cell=np.tile(np.eye(3) * vacuum_angstrom, (n, 1, 1)),
        pbc=np.zeros((n, 3), dtype=bool),
        origin="isolated_atom",
    )
