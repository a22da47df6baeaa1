"""Dispersion by Grimme's D2: pairs of atoms attract by C6/r⁶, damped at short distance.

S. Grimme, J. Comput. Chem. 27, 1787 (2006), equations 11 and 12:

    E = −s6 Σ_{i<j} C6_ij / r⁶ / (1 + exp(−d (r / (R_i + R_j) − 1))),  C6_ij = √(C6_i C6_j)
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, ClassVar

import numpy as np
from ase import Atoms, units
from ase.calculators.calculator import Calculator, all_changes
from ase.stress import full_3x3_to_voigt_6_stress

from potwright.dynamics.pair_list import PairList
from potwright.errors import InputError
from potwright.potentials.species import in_symbols

# C6 in Ry·Bohr⁶ and radius in Bohr of elements 1 to 54: Grimme's table 1 (there in J·nm⁶/mol and
# Å), in the units and with the digits of Quantum ESPRESSO, whose D2 this then is.
_TRANSITION_4 = [(374.666, 2.952)] * 10
_TRANSITION_5 = [(855.833, 3.097)] * 10
_RYDBERG_TABLE = [
    *[(4.857, 1.892), (2.775, 1.912)],
    *[(55.853, 1.559), (55.853, 2.661), (108.584, 2.806), (60.710, 2.744)],
    *[(42.670, 2.640), (24.284, 2.536), (26.018, 2.432), (21.855, 2.349)],
    *[(198.087, 2.162), (198.087, 2.578), (374.319, 3.097), (320.200, 3.243)],
    *[(271.980, 3.222), (193.230, 3.180), (175.885, 3.097), (159.927, 3.014)],
    *[(374.666, 2.806), (374.666, 2.785), *_TRANSITION_4, (589.405, 3.118), (593.221, 3.264)],
    *[(567.896, 3.326), (438.498, 3.347), (432.600, 3.305), (416.642, 3.264)],
    *[(855.833, 3.076), (855.833, 3.035), *_TRANSITION_5, (1294.678, 3.160), (1342.899, 3.409)],
    *[(1333.532, 3.555), (1101.101, 3.575), (1092.775, 3.575), (1040.391, 3.555)],
]
C6 = np.array([0.0, *(c6 for c6, _ in _RYDBERG_TABLE)]) * units.Rydberg * units.Bohr**6
"""By atomic number, eV·Å⁶."""
RADIUS = np.array([0.0, *(radius for _, radius in _RYDBERG_TABLE)]) * units.Bohr
"""By atomic number, Å."""

NO_DAMPING = 40.0  # exp of minus this is nothing beside 1


def refuse_unknown(species: Iterable[int]) -> None:
    """Refuse elements for which Grimme gives no parameters.

    Raises
    ------
    InputError
        Naming them.
    """
    unknown = {int(z) for z in species if not 0 < z < len(C6)}
    if unknown:
        raise InputError(
            "dispersion.type = 'd2': Grimme's D2 has parameters for H to Xe, and none for "
            f"{in_symbols(unknown)}; use d3, which has them up to Pu, or none"
        )


def pair_parameters(first: Any, second: Any) -> tuple[Any, Any]:
    """C6 (eV·Å⁶) and sum of the radii (Å) of pairs of atomic numbers."""
    return np.sqrt(C6[first] * C6[second]), RADIUS[first] + RADIUS[second]


class D2Calculator(Calculator):
    """D2 by itself.

    Parameters
    ----------
    s6
        Scale of the functional.
    steepness
        d of the damping function.
    cutoff_angstrom
        Pairs farther apart do not count.
    """

    implemented_properties: ClassVar[list[str]] = ["energy", "free_energy", "forces", "stress"]

    def __init__(self, s6: float, steepness: float, cutoff_angstrom: float):
        super().__init__()
        self._s6, self._d, self._cutoff = s6, steepness, cutoff_angstrom
        self._pairs: PairList | None = None
        self._c6 = self._radius = np.empty(0)

    def calculate(
        self,
        atoms: Atoms | None = None,
        properties: Sequence[str] = ("energy",),
        system_changes: Sequence[str] = tuple(all_changes),
    ) -> None:
        """Sum over pairs, each taken once."""
        super().calculate(atoms, properties, system_changes)
        seen = self.atoms
        refuse_unknown(np.unique(seen.numbers))
        if self._pairs is None or not self._pairs.hold(seen):
            self._pairs = PairList.of(seen, self._cutoff)
            i, j = self._pairs.first, self._pairs.second
            self._c6, self._radius = pair_parameters(seen.numbers[i], seen.numbers[j])
        i, j = self._pairs.first, self._pairs.second
        vectors, squares = self._pairs.vectors(seen)
        energies = -self._s6 * self._c6 / (squares * squares * squares)
        within = squares < self._cutoff**2  # the list reaches farther
        energies *= within
        slopes = -6 * energies / squares  # dE/dr / r
        # beyond, damping is 1 to the last digit
        near = np.flatnonzero(squares < ((1 + NO_DAMPING / self._d) * self._radius) ** 2)
        r, radius = np.sqrt(squares[near]), self._radius[near]
        damping = 1 / (1 + np.exp(-self._d * (r / radius - 1)))
        energies[near] *= damping
        slopes[near] *= damping
        slopes[near] += energies[near] * (1 - damping) * self._d / (radius * r)
        pulls = slopes * vectors  # of atom j on atom i
        # bincount adds one by one: pairs of the skin, which are 0, do not change a digit
        n = len(seen)
        forces = np.column_stack([np.bincount(i, p, n) - np.bincount(j, p, n) for p in pulls])
        energy = float(np.bincount(i, energies, n).sum())
        self.results = {"energy": energy, "free_energy": energy, "forces": forces}
        if seen.pbc.all():
            stress = pulls[:, within] @ vectors[:, within].T / seen.get_volume()
            self.results["stress"] = full_3x3_to_voigt_6_stress(stress)
