"""Parameters of the augmentation stage; defaults are the paper's unless said."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from ase.data import atomic_numbers
from pydantic import AfterValidator, Field, model_validator

from potwright.parameters import Parameters

SUM_TOLERANCE = 1e-6
"""How far the fractions of a composition may be from adding up to 1."""


def _symbol(symbol: str) -> str:
    if symbol not in atomic_numbers or symbol == "X":
        raise ValueError("not the symbol of a chemical element, such as C or Mo")
    return symbol


def _plane(indices: tuple[int, ...]) -> tuple[int, ...]:
    if len(indices) not in (3, 4):
        raise ValueError("a lattice plane has three indices, h k l, or four, h k i l")
    if not any(indices):
        raise ValueError("no lattice plane has only zeros as indices; one must differ from zero")
    if len(indices) == 4 and indices[2] != -(indices[0] + indices[1]):
        raise ValueError(
            f"of four indices h k i l, i is −(h + k), which is {-(indices[0] + indices[1])} here"
        )
    return indices


Symbol = Annotated[str, AfterValidator(_symbol)]
MillerIndices = Annotated[tuple[int, ...], AfterValidator(_plane)]
Fraction = Annotated[float, Field(ge=0, le=1)]


class VacuumParameters(Parameters):
    """Empty space along axes that are not periodic."""

    enabled: bool = True
    min_gap_angstrom: float = Field(default=15.0, gt=0)


class SupercellParameters(Parameters):
    """How far periodic images have to be apart."""

    enabled: bool = True
    min_length_angstrom: float = Field(default=18.0, gt=0)
    max_atoms: int = Field(default=450, ge=1)
    non_diagonal: bool = False


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
    fraction_of_copies: Fraction = 0.3
    atoms: int = Field(default=2, ge=1)


class ClusterParameters(Parameters):
    """Small clusters, grown atom by atom."""

    enabled: bool = True
    count: int = Field(default=20, ge=0)
    max_atoms: int = Field(default=10, ge=2)
    min_distance_angstrom: float = Field(default=1.5, gt=0)


class SlabParameters(Parameters):
    """Slabs, cut from crystals along lattice planes."""

    enabled: bool = True
    miller_indices: tuple[MillerIndices, ...] = ((1, 1, 1), (1, 1, 0), (1, 0, 0))
    min_thickness_angstrom: float = Field(default=10.0, ge=0)
    max_atoms: int = Field(default=450, ge=1)
    all_terminations: bool = False


class SubstitutionParameters(Parameters):
    """Exchange of atoms of unlike species."""

    enabled: bool = True
    fraction_of_structures: Fraction = 0.2
    swap_fraction: Fraction = 0.2


class RandomArrangement(Parameters):
    """Species on random sites."""

    type: Literal["random"] = "random"


class QuasirandomArrangement(Parameters):
    """Species on sites whose pair correlations are nearest to those of a random alloy."""

    type: Literal["special_quasirandom"] = "special_quasirandom"
    iterations: int = Field(default=10_000, ge=1)


class AlloyParameters(Parameters):
    """Species of an alloy on the sites of other structures."""

    enabled: bool = True
    count: int = Field(default=100, ge=0)
    alloy_species: tuple[Symbol, ...] = ()
    fixed_species: tuple[Symbol, ...] = ()
    compositions: tuple[dict[str, Fraction], ...] = ()
    allow_new_species: bool = False
    arrangement: Annotated[
        RandomArrangement | QuasirandomArrangement, Field(discriminator="type")
    ] = RandomArrangement()

    @model_validator(mode="after")
    def _species_differ(self) -> Self:
        if len(self.alloy_species) == 1 or len(set(self.alloy_species)) < len(self.alloy_species):
            raise ValueError(
                f"alloy_species = {list(self.alloy_species)}: an alloy has at least two different "
                "species; an empty list means no alloys"
            )
        both = sorted(set(self.alloy_species) & set(self.fixed_species))
        if both:
            raise ValueError(
                f"{', '.join(both)} cannot be one of alloy_species and of fixed_species: fixed "
                "species keep their sites"
            )
        return self

    @model_validator(mode="after")
    def _compositions_add_up(self) -> Self:
        for composition in self.compositions:
            unknown = sorted(set(composition) - set(self.alloy_species))
            if unknown:
                raise ValueError(
                    f"the composition {composition} names {', '.join(unknown)}, which is not one "
                    f"of alloy_species = {list(self.alloy_species)}"
                )
            total = sum(composition.values())
            if abs(total - 1) > SUM_TOLERANCE:
                raise ValueError(
                    f"the fractions of the composition {composition} add up to {total:g}, not to 1"
                )
        return self

    @property
    def is_active(self) -> bool:
        """Whether any alloys are asked for."""
        return self.enabled and self.count > 0 and len(self.alloy_species) > 0


class IsolatedAtomParameters(Parameters):
    """One atom of each species alone in a box."""

    enabled: bool = True


class AugmentationParameters(Parameters):
    """The whole stage; with ``enabled: false`` the inputs only get their vacuum."""

    enabled: bool = True
    suspicious_gap_angstrom: float = Field(default=8.0, gt=0)
    min_covalent_ratio: float = Field(default=0.45, ge=0)
    copies: int = Field(default=50, ge=0)
    vacuum: VacuumParameters = VacuumParameters()
    supercells: SupercellParameters = SupercellParameters()
    strain: StrainParameters = StrainParameters()
    rattle: RattleParameters = RattleParameters()
    vacancies: VacancyParameters = VacancyParameters()
    clusters: ClusterParameters = ClusterParameters()
    slabs: SlabParameters = SlabParameters()
    substitutions: SubstitutionParameters = SubstitutionParameters()
    alloys: AlloyParameters = AlloyParameters()
    isolated_atoms: IsolatedAtomParameters = IsolatedAtomParameters()
