"""LAMMPS's results for ASE's atoms: of any arrangement, or of the step just made."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from ase import Atoms
from ase.calculators.calculator import Calculator, all_changes

from potwright.dynamics.lammps_simulation import Simulation


class LammpsCalculator(Calculator):
    """What LAMMPS says of any arrangement of its atoms, as an ASE calculator."""

    implemented_properties: ClassVar[list[str]] = ["energy", "free_energy", "forces", "stress"]

    def __init__(self, simulation: Simulation):
        super().__init__()
        self.simulation = simulation

    def calculate(
        self,
        atoms: Atoms | None = None,
        properties: Sequence[str] = ("energy",),
        system_changes: Sequence[str] = tuple(all_changes),
    ) -> None:
        """Put the atoms there and evaluate."""
        super().calculate(atoms, properties, system_changes)
        self.simulation.place(self.atoms)
        energy = self.simulation.energy()
        self.results: dict[str, Any] = {"energy": energy, "free_energy": energy}
        self.results["forces"] = self.simulation.forces()
        if self.simulation.periodic:
            self.results["stress"] = self.simulation.stress()


class LastStep(Calculator):
    """The results of LAMMPS's last step, for atoms that are where LAMMPS has brought them."""

    implemented_properties: ClassVar[list[str]] = LammpsCalculator.implemented_properties

    def __init__(self, simulation: Simulation):
        super().__init__()
        self._read = {
            "energy": simulation.energy,
            "free_energy": simulation.energy,
            "forces": simulation.forces,
            "stress": simulation.stress,
        }

    def get_property(
        self, name: str, atoms: Atoms | None = None, allow_calculation: bool = True
    ) -> Any:
        """Read once a step; whoever moves on clears the results."""
        if name not in self.results:
            self.results[name] = self._read[name]()
        return self.results[name]
