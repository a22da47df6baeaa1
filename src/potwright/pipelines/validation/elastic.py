"""Elastic constants of crystals and sheets, from the stress at small strains of either sign."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from ase import Atoms, units
from ase.stress import voigt_6_to_full_3x3_strain

from potwright.errors import InputError
from potwright.geometry import plane_heights
from potwright.pipelines.validation.parameters import ValidationParameters
from potwright.pipelines.validation.parameters_crystals import ElasticParameters
from potwright.pipelines.validation.plans import NoResultError, Plan, together
from potwright.pipelines.validation.relaxation import relax
from potwright.pipelines.validation.results import Quantity, Result, successes
from potwright.pipelines.validation.surfaces import Surface, Surfaces

NEWTON_PER_METRE = units.kg / units.second**2
IN_PLANE = (0, 1, 5)  # xx, yy, xy in Voigt's order
OF_CRYSTALS = ("11", "22", "33", "12", "13", "23", "44", "55", "66")
OF_SHEETS = ("11", "22", "12", "66")


@dataclass(frozen=True, eq=False)
class ElasticConstants:
    """Elastic constants of a relaxed structure.

    Attributes
    ----------
    relaxed
        The structure at which they hold; Cartesian axes are those of the constants.
    constants
        Symmetric, shape (6, 6), Voigt's order: eV/Å³; of a sheet eV/Å² within its plane (xx, yy,
        xy), NaN elsewhere.
    """

    relaxed: Atoms
    constants: np.ndarray

    @property
    def is_sheet(self) -> bool:
        """Whether it is periodic along two axes only."""
        return not self.relaxed.pbc.all()

    def of(self, name: str) -> float:
        """A constant in GPa, or N/m for a sheet: ``elastic.of("44")``."""
        value = self.constants[int(name[0]) - 1, int(name[1]) - 1]
        return float(value / (NEWTON_PER_METRE if self.is_sheet else units.GPa))

    @property
    def bulk_modulus_gpa(self) -> float:
        """Mean of the averages of Voigt and Reuss (Hill, Proc. Phys. Soc. A 65, 349, 1952)."""
        axes = slice(0, 3)
        voigt = self.constants[axes, axes].sum() / 9
        reuss = 1 / np.linalg.inv(self.constants)[axes, axes].sum()
        return float((voigt + reuss) / 2 / units.GPa)

    @property
    def shear_modulus_gpa(self) -> float:
        """Mean of the averages of Voigt and Reuss (Hill 1952)."""
        c, s = self.constants, np.linalg.inv(self.constants)
        voigt = (_trace(c) - _off(c) + 3 * np.trace(c[3:, 3:])) / 15
        reuss = 15 / (4 * _trace(s) - 4 * _off(s) + 3 * np.trace(s[3:, 3:]))
        return float((voigt + reuss) / 2 / units.GPa)


def elastic_constants(
    atoms: Atoms, strain: float = 0.005, max_force: float = 0.001, max_steps: int = 300
) -> Plan[ElasticConstants]:
    """Relax a structure, strain it along each component, and relax its atoms at each strain.

    Central differences of the stress: errors are of the order of strain², and what is left of the
    stress at the minimum cancels.

    Parameters
    ----------
    atoms
        A crystal, or a sheet that is periodic along its first two axes; a sheet is turned into the
        xy plane.
    strain
        Of either sign, engineering strain for shear.
    max_force, max_steps
        Of the relaxations, see :func:`~potwright.pipelines.validation.relaxation.relax`.

    Raises
    ------
    InputError
        If it is periodic along other axes.
    NoResultError
        If a relaxation fails, or there is no stress.
    """
    refuse_other_periodicity(atoms)
    sheet = not atoms.pbc.all()
    components = IN_PLANE if sheet else tuple(range(6))
    begin = in_xy_plane(atoms) if sheet else atoms
    relaxed, _ = yield from relax(begin, cell=True, max_force=max_force, max_steps=max_steps)
    plans = {
        (i, sign): relax(
            strained(relaxed, i, sign * strain), max_force=max_force, max_steps=max_steps
        )
        for i in components
        for sign in (1, -1)
    }
    outcomes = yield from together(plans)
    constants = np.full((6, 6), np.nan)
    thickness = float(plane_heights(relaxed.cell.array)[2]) if sheet else 1.0
    for i in components:
        stresses = [_stress(outcomes[i, sign]) for sign in (1, -1)]
        slope = (stresses[0] - stresses[1]) / (2 * strain) * thickness
        constants[i, list(components)] = slope[list(components)]
    return ElasticConstants(relaxed, (constants + constants.T) / 2)


def refuse_other_periodicity(atoms: Atoms) -> None:
    """Refuse what is neither a crystal nor a sheet along its first two axes."""
    if not atoms.pbc[:2].all():
        raise InputError(
            f"elastic constants of {atoms.get_chemical_formula()} with pbc {atoms.pbc.tolist()}: "
            "give a crystal, or a sheet that is periodic along its first two lattice vectors"
        )


def strained(atoms: Atoms, component: int, strain: float) -> Atoms:
    """The structure under one component of strain, in Voigt's order; atoms go with the cell."""
    voigt = np.zeros(6)
    voigt[component] = strain
    changed = atoms.copy()
    deformation = voigt_6_to_full_3x3_strain(voigt)  # the identity included
    changed.set_cell(atoms.cell.array @ deformation, scale_atoms=True)
    return changed


def in_xy_plane(atoms: Atoms) -> Atoms:
    """The structure turned: its first lattice vector along x, the second in the xy plane."""
    cell, rotation = atoms.cell.standard_form()
    turned = atoms.copy()
    turned.set_cell(cell, scale_atoms=False)
    turned.positions = atoms.positions @ rotation.T
    return turned


def measure(surfaces: Surfaces, parameters: ValidationParameters) -> Result:
    """Elastic constants of all listed prototypes, on all surfaces."""
    asked = parameters.elastic
    missing: list[Any] = []
    quantities: list[Quantity] = []
    for name in asked.prototypes:
        prototype = parameters.prototypes[name]
        outcomes = surfaces.carry_out(
            partial(_plan, prototype.atoms, asked),
            surfaces.repeats_of(prototype),
            dispersion=asked.dispersion,
        )
        quantities += _quantities(name, successes(outcomes, name, missing))
    return Result("elastic", quantities, (), missing, surfaces.spent())


def refuse(surfaces: Surfaces, parameters: ValidationParameters) -> None:
    """Refuse unknown elements, and what is neither crystal nor sheet."""
    for name in parameters.elastic.prototypes:
        atoms = parameters.prototypes[name].atoms
        surfaces.refuse_species(atoms.numbers, f"prototype {name!r}")
        refuse_other_periodicity(atoms)


def _plan(atoms: Atoms, asked: ElasticParameters, _: Surface) -> Plan[ElasticConstants]:
    return elastic_constants(atoms, asked.strain, asked.max_force_ev_per_angstrom, asked.max_steps)


def _quantities(name: str, found: Mapping[Surface, ElasticConstants]) -> list[Quantity]:
    if not found:
        return []
    sheet = next(iter(found.values())).is_sheet
    unit, constants = ("N/m", OF_SHEETS) if sheet else ("GPa", OF_CRYSTALS)
    numbers = [(f"c{k}", unit, {s: one.of(k) for s, one in found.items()}) for k in constants]
    if not sheet:
        bulk = {s: one.bulk_modulus_gpa for s, one in found.items()}
        shear = {s: one.shear_modulus_gpa for s, one in found.items()}
        numbers += [("bulk modulus", unit, bulk), ("shear modulus", unit, shear)]
    return [Quantity(name, *number) for number in numbers]


def _stress(outcome: Any) -> np.ndarray:
    if isinstance(outcome, NoResultError):
        raise outcome
    _, values = outcome
    if not np.isfinite(values.stress).all():
        raise NoResultError("elastic constants: there is no stress")
    return np.asarray(values.stress)


def _trace(matrix: np.ndarray) -> float:
    return float(np.trace(matrix[:3, :3]))


def _off(matrix: np.ndarray) -> float:
    return float(matrix[0, 1] + matrix[0, 2] + matrix[1, 2])
