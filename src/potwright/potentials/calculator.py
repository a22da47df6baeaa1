"""The ASE calculator of a committee: what people take away."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from ase import Atoms
from ase.calculators.calculator import Calculator, all_changes

from potwright.geometry import engine_pbc

if TYPE_CHECKING:
    from potwright.potentials.protocol import Evaluator


class CommitteeCalculator(Calculator):
    """Energy, forces and stress of the committee mean, with the members' disagreement.

    A structure that is periodic in some direction is evaluated as periodic in all, in the cell it
    has: give it vacuum along the others. ``results`` also holds

    - ``energy_disagreement`` (eV/atom), ``forces_disagreement`` (N,) (eV/Å, per atom),
      ``stress_disagreement`` (eV/Å³): the spread of the members (paper, Eq. 1);
    - with a calibration: ``energy_uncertainty`` (eV/atom), ``forces_uncertainty`` (N,) (eV/Å) and
      ``stress_uncertainty`` (eV/Å³), the disagreement times the calibrated factor: the expected
      error of the mean, in the root-mean-square sense.

    Parameters
    ----------
    evaluator
        The members.
    factors
        Calibrated factors by property: ``energy``, ``forces`` (per atom), ``stress``.
    """

    implemented_properties: ClassVar[list[str]] = ["energy", "free_energy", "forces", "stress"]

    def __init__(
        self, evaluator: Evaluator, factors: dict[str, float] | None = None, **kwargs: Any
    ):
        super().__init__(**kwargs)
        self._evaluator = evaluator
        self._factors = factors or {}

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
        energy, forces, stress = self._evaluator([seen])
        mean = float(energy.mean())
        self.results = {"energy": mean, "free_energy": mean, "forces": forces.mean(axis=0)}
        spread = {
            "energy": energy.std() / len(seen),
            "forces": np.sqrt(forces.var(axis=0).mean(axis=1)),
        }
        if seen.pbc.any():
            self.results["stress"] = stress[:, 0].mean(axis=0)
            spread["stress"] = np.sqrt(stress[:, 0].var(axis=0).mean())
        for name, value in spread.items():
            self.results[f"{name}_disagreement"] = value
            if name in self._factors:
                self.results[f"{name}_uncertainty"] = self._factors[name] * value
