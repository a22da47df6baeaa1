"""Dynamics that is drawn to where a committee disagrees.

The bias lowers the energy where the spread of the members' energies per atom, D, is large:

    E_bias = −A N (1 − exp(−D² / 2B²))

as in uncertainty-driven dynamics (Kulichenko et al., Nat. Comput. Sci. 3, 230, 2023), with D in
place of the variance over members and atoms. It is bounded by A per atom, and flat where D is far
below or far above B: neither what is known nor what is hopeless is pushed. Its derivatives need no
more than the members' forces and stresses, since D² is a polynomial of their energies. Zaverkin et
al., npj Comput. Mater. 10, 83 (2024), bias the stress as well.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from ase import Atoms
from ase.calculators.calculator import Calculator, all_changes

from potwright.geometry import engine_pbc
from potwright.potentials.meeting import attending
from potwright.potentials.model_file import evaluator

if TYPE_CHECKING:
    from pathlib import Path

    from potwright.potentials.protocol import Evaluator, MemberValues


@dataclass(frozen=True)
class Bias:
    """How strongly dynamics is drawn to disagreement.

    Attributes
    ----------
    depth_ev_per_atom
        A, the largest gain.
    scale_ev_per_atom
        B, the spread of energies per atom that the pull is largest for.
    largest_force_ev_per_angstrom
        Where the bias force on an atom is longer, all of its forces and its stress are scaled down
        until none is: they stay in proportion, and sum to zero. (Such a pull has no energy.)
    """

    depth_ev_per_atom: float
    scale_ev_per_atom: float
    largest_force_ev_per_angstrom: float

    def of(self, values: MemberValues) -> tuple[float, np.ndarray, np.ndarray]:
        """Energy (eV), forces (N, 3) (eV/Å) and stress (6,) (eV/Å³) for one structure.

        Parameters
        ----------
        values
            Of all members: energies (M, 1), forces (M, N, 3) and stresses (M, 1, 6).
        """
        energy, atoms = values.energy[:, 0], values.forces.shape[1]
        offset = (energy - energy.mean()) / atoms
        variance = float(np.mean(offset**2))  # D²
        damping = float(np.exp(-variance / (2 * self.scale_ev_per_atom**2)))
        bias = -self.depth_ev_per_atom * atoms * (1 - damping)
        # E_bias depends on D² = mean of offset², whose derivative is 2 mean(offset · dE) / N
        slope = -self.depth_ev_per_atom * damping / self.scale_ev_per_atom**2
        weights = slope * offset / len(offset)
        forces = np.tensordot(weights, values.forces, axes=1)
        stress = np.tensordot(weights, values.stress[:, 0], axes=1)
        limit = self.largest_force_ev_per_angstrom
        within = limit / max(limit, float(np.linalg.norm(forces, axis=1).max()))
        return bias, within * forces, within * stress


@dataclass(frozen=True)
class BiasedPotential:
    """One member of a committee, with a bias to where the members disagree.

    Attributes
    ----------
    paths, backend
        Of all members.
    driver
        Which of them is the potential.
    bias
        The pull.
    """

    paths: tuple[Path, ...]
    backend: str
    driver: int
    bias: Bias

    def calculator(self, device: str = "auto") -> BiasedCalculator:
        """Of both together; ``results`` also holds ``bias_energy`` and ``bias_forces``."""
        members = attending(evaluator(self.paths, self.backend, device))
        return BiasedCalculator(members, self.driver, self.bias)


class BiasedCalculator(Calculator):
    """The ASE calculator of a :class:`BiasedPotential`."""

    implemented_properties: ClassVar[list[str]] = ["energy", "free_energy", "forces", "stress"]

    def __init__(self, members: Evaluator, driver: int, bias: Bias):
        super().__init__()
        self._members, self._driver, self._bias = members, driver, bias

    def calculate(
        self,
        atoms: Atoms | None = None,
        properties: list[str] | None = None,
        system_changes: list[str] = all_changes,
    ) -> None:
        """Evaluate all members on ``atoms``."""
        super().calculate(atoms, properties, system_changes)
        seen = self.atoms.copy()
        seen.pbc = engine_pbc(seen.pbc)
        values = self._members([seen])
        bias, forces, stress = self._bias.of(values)
        energy = float(values.energy[self._driver, 0]) + bias
        self.results = {
            "energy": energy,
            "free_energy": energy,
            "forces": values.forces[self._driver] + forces,
            "bias_energy": bias,
            "bias_forces": forces,
        }
        if seen.pbc.any():
            self.results["stress"] = values.stress[self._driver, 0] + stress
