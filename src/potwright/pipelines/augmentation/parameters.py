"""Parameters of the augmentation stage; defaults are the paper's unless said."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from ase.formula import Formula
from pydantic import AfterValidator, Field, field_validator, model_validator

from potwright.execution import ExecutorParameters, LocalExecutor
from potwright.parameters import Device, Parameters
from potwright.potentials.species import Symbol

SUM_TOLERANCE = 1e-6
"""How far the fractions of a composition may be from adding up to 1."""


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


class RelaxationParameters(Parameters):
    """A few steps downhill on the surface of a committee that is there already.

    Attributes
    ----------
    committee
        Folder of a trained committee, such as an earlier campaign's; None: no relaxation.
    steps
        At most.
    max_force_ev_per_angstrom
        Smaller forces, and stresses of as much per atom, end it before.
    executor, device
        Where it runs.
    """

    committee: str | None = None
    steps: int = Field(default=20, ge=1)
    max_force_ev_per_angstrom: float = Field(default=0.1, gt=0)
    executor: ExecutorParameters = LocalExecutor()
    device: Device = "auto"


class RandomSearchParameters(Parameters):
    """Random symmetric crystals.

    Attributes
    ----------
    structures
        How many in all, shared out evenly over the compositions.
    compositions
        Volume per atom by formula, Å³; None: estimated. Empty: the reduced formulas of the inputs.
    formula_units
        Each structure has one of these numbers of formula units, drawn at random.
    max_atoms
        Numbers of formula units that need more atoms are not drawn.
    volume_factor_range
        A structure's volume is that of its composition times a number drawn from this range.
    space_groups
        Drawn from these; None: from all 230.
    min_covalent_ratio
        Smallest distance of a pair, over the sum of its covalent radii.
    replicate
        Whether crystals are replicated as ``supercells`` says.
    relaxation
        By a committee that is there already.
    """

    enabled: bool = False
    structures: int = Field(default=50, ge=1)
    compositions: dict[str, float | None] = Field(default_factory=dict)
    formula_units: list[int] = Field(default=[1, 2, 3, 4, 6, 8], min_length=1)
    max_atoms: int = Field(default=32, ge=1)
    volume_factor_range: tuple[float, float] = (0.8, 1.4)
    space_groups: list[int] | None = Field(default=None, min_length=1)
    min_covalent_ratio: float = Field(default=0.7, gt=0)
    replicate: bool = False
    relaxation: RelaxationParameters = RelaxationParameters()

    @field_validator("compositions")
    @classmethod
    def _are_formulas(cls, compositions: dict[str, float | None]) -> dict[str, float | None]:
        for formula, volume in compositions.items():
            try:
                empty = not len(Formula(formula, strict=True))
            except ValueError:
                empty = True
            if empty:
                raise ValueError(f"{formula!r} is not a formula such as SiC or MoTe2")
            if volume is not None and volume <= 0:
                raise ValueError(f"the volume per atom of {formula} must be positive, or null")
        return compositions

    @field_validator("formula_units", "space_groups")
    @classmethod
    def _count_from_one(cls, numbers: list[int] | None) -> list[int] | None:
        if any(number < 1 for number in numbers or []):
            raise ValueError("numbers start at 1")
        return numbers

    @field_validator("space_groups")
    @classmethod
    def _are_space_groups(cls, groups: list[int] | None) -> list[int] | None:
        if any(group > 230 for group in groups or []):
            raise ValueError("there are 230 space groups")
        return groups

    @model_validator(mode="after")
    def _ranges_in_order(self) -> Self:
        low, high = self.volume_factor_range
        if not 0 < low <= high:
            raise ValueError("volume_factor_range must be two positive numbers, the smaller first")
        for formula in self.compositions:
            if len(Formula(formula)) * min(self.formula_units) > self.max_atoms:
                raise ValueError(f"no number of formula_units of {formula} fits into max_atoms")
        return self


class TrajectoryParameters(Parameters):
    """Which frames of the user's own trajectories are labelled.

    Attributes
    ----------
    every
        Each how manieth frame is looked at.
    min_rms_displacement_angstrom
        A frame whose atoms have moved less than this since the last one kept, root mean square, is
        left out as a near-duplicate; None: none is.
    max_frames
        At most so many of each trajectory, spread evenly over it; None: all.
    """

    enabled: bool = True
    every: int = Field(default=1, ge=1)
    min_rms_displacement_angstrom: float | None = Field(default=None, gt=0)
    max_frames: int | None = Field(default=100, ge=1)


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
    random_search: RandomSearchParameters = RandomSearchParameters()
    trajectories: TrajectoryParameters = TrajectoryParameters()
