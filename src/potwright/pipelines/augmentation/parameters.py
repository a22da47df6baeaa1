"""Parameters of the augmentation stage; defaults are the paper's unless said."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from potwright.parameters import Parameters


class SupercellParameters(Parameters):
    """How far periodic images have to be apart."""

    enabled: bool = True
    min_length_angstrom: float = Field(default=18.0, gt=0)
    max_atoms: int = Field(default=450, ge=1)


class StrainParameters(Parameters):
    """Deformation of the lattice along periodic directions, the atoms with it."""

    enabled: bool = True
    mode: Literal["isotropic", "per_axis", "tensor"] = "isotropic"
    max_compressive_strain: float = Field(default=0.2, ge=0, lt=1)
    max_tensile_strain: float = Field(default=0.6, ge=0)


class RattleParameters(Parameters):
    """Random displacement of atoms."""

    enabled: bool = True
    rattle_fraction: float = Field(default=0.3, ge=0, le=1)


class VacancyParameters(Parameters):
    """Removal of atoms from some of the distorted copies."""

    enabled: bool = True
    fraction_of_copies: float = Field(default=0.3, ge=0, le=1)
    atoms: int = Field(default=2, ge=1)


class IsolatedAtomParameters(Parameters):
    """One atom of each species alone in a box."""

    enabled: bool = True


class AugmentationParameters(Parameters):
    """The whole stage; with ``enabled: false`` the inputs only get their vacuum."""

    enabled: bool = True
    vacuum_angstrom: float = Field(default=15.0, gt=0)
    suspicious_gap_angstrom: float = Field(default=8.0, gt=0)
    copies: int = Field(default=50, ge=0)
    supercells: SupercellParameters = SupercellParameters()
    strain: StrainParameters = StrainParameters()
    rattle: RattleParameters = RattleParameters()
    vacancies: VacancyParameters = VacancyParameters()
    isolated_atoms: IsolatedAtomParameters = IsolatedAtomParameters()
