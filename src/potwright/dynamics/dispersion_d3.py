"""Grimme's D3 with Becke–Johnson damping by s-dftd3, in LAMMPS's atomic units.

s-dftd3 works in Bohr and Hartree. LAMMPS's ``dispersion/d3`` has older values of them than ASE, by
which energies differ by a millionth; with LAMMPS's values here, both engines say the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
from ase import Atoms
from ase.calculators.calculator import Calculator, CalculatorSetupError, all_changes
from ase.stress import full_3x3_to_voigt_6_stress

from potwright.errors import InputError
from potwright.geometry import complete_cell

BOHR, HARTREE = 0.52917725, 27.21140795  # of LAMMPS 22 Jul 2025, package EXTRA-PAIR; Å, eV


class D3Calculator(Calculator):
    """D3(BJ) by itself, pairs only.

    Parameters
    ----------
    functional
        Of the labels.
    cutoff_angstrom, coordination_cutoff_angstrom
        Pairs farther apart do not attract, or do not count as coordinated.

    Raises
    ------
    InputError
        If s-dftd3 is not installed.
    """

    implemented_properties: ClassVar[list[str]] = ["energy", "free_energy", "forces", "stress"]

    def __init__(
        self, functional: str, cutoff_angstrom: float, coordination_cutoff_angstrom: float
    ):
        super().__init__()
        try:
            from dftd3.interface import DispersionModel, RationalDampingParam
        except ImportError as error:
            raise InputError(
                "dispersion.type = 'd3' in ASE needs s-dftd3, which is not installed: pip install "
                "'potwright[dispersion]'"
            ) from error
        self._model: Any = DispersionModel
        self._damping = RationalDampingParam(method=functional)
        reach = coordination_cutoff_angstrom / BOHR
        self._cutoffs = {"disp2": cutoff_angstrom / BOHR, "disp3": reach, "cn": reach}

    def calculate(
        self,
        atoms: Atoms | None = None,
        properties: Sequence[str] = ("energy",),
        system_changes: Sequence[str] = tuple(all_changes),
    ) -> None:
        """Energy, forces, and stress where all directions are periodic."""
        super().calculate(atoms, properties, system_changes)
        seen = self.atoms
        cell = complete_cell(np.array(seen.cell)) if seen.pbc.any() else np.zeros((3, 3))
        try:
            model = self._model(seen.numbers, seen.positions / BOHR, cell / BOHR, seen.pbc)
            model.set_realspace_cutoff(**self._cutoffs)
            found = model.get_dispersion(param=self._damping, grad=True)
        except RuntimeError as error:
            raise CalculatorSetupError(f"s-dftd3: {error}") from error
        energy = float(found["energy"]) * HARTREE
        self.results: dict[str, Any] = {
            "energy": energy,
            "free_energy": energy,
            "forces": -found["gradient"] * HARTREE / BOHR,
        }
        if seen.pbc.all():
            stress = found["virial"] * HARTREE / seen.get_volume()
            self.results["stress"] = full_3x3_to_voigt_6_stress(stress)
