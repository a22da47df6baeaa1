"""Parameters of the tests of crystals, sheets and molecules, and of unseen structures."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator

from potwright.parameters import Parameters


class EquationOfStateParameters(Parameters):
    """Energies over lengths.

    Attributes
    ----------
    enabled
        Whether it runs.
    prototypes
        Their names.
    min_scale, max_scale, points
        Lengths over those of the prototype, evenly spaced.
    isolated_atoms
        Whose isolated atoms the energies of curves count from.
    dispersion
        Whether dispersion is added.
    """

    enabled: bool = False
    prototypes: tuple[str, ...] = ()
    min_scale: float = Field(default=0.85, gt=0, lt=1)
    max_scale: float = Field(default=1.4, gt=1)
    points: int = Field(default=23, ge=5)
    isolated_atoms: Literal["reference", "own"] = "reference"
    dispersion: bool = True


class ElasticParameters(Parameters):
    """Elastic constants and moduli.

    Attributes
    ----------
    enabled, prototypes, dispersion
        As in :class:`EquationOfStateParameters`; crystals, or sheets along their first two axes.
    strain
        Of either sign, engineering strain for shear.
    max_force_ev_per_angstrom, max_steps
        Where relaxations end.
    """

    enabled: bool = False
    prototypes: tuple[str, ...] = ()
    strain: float = Field(default=0.005, gt=0, le=0.05)
    max_force_ev_per_angstrom: float = Field(default=0.001, gt=0)
    max_steps: int = Field(default=300, ge=1)
    dispersion: bool = True


class PhononParameters(Parameters):
    """Dispersion and density of states.

    Attributes
    ----------
    enabled, prototypes, dispersion
        As in :class:`EquationOfStateParameters`.
    min_length_angstrom
        Of the supercell in which atoms are displaced: distance of periodic images.
    displacement_angstrom
        How far.
    points
        Along the path between the points of high symmetry.
    mesh_length_angstrom
        Over the lattice vectors: points of the mesh for the density of states.
    max_force_ev_per_angstrom, max_steps
        Where relaxations end.
    """

    enabled: bool = False
    prototypes: tuple[str, ...] = ()
    min_length_angstrom: float = Field(default=9.0, gt=0)
    displacement_angstrom: float = Field(default=0.01, gt=0, le=0.2)
    points: int = Field(default=120, ge=10)
    mesh_length_angstrom: float = Field(default=40.0, gt=0)
    max_force_ev_per_angstrom: float = Field(default=0.001, gt=0)
    max_steps: int = Field(default=300, ge=1)
    dispersion: bool = True


class HostParameters(Parameters):
    """A crystal or sheet, and the defects that it gets.

    Attributes
    ----------
    prototype
        Its name.
    defects
        One at a time.
    """

    prototype: str
    defects: tuple[Literal["vacancy", "divacancy", "stone_wales"], ...] = Field(min_length=1)


class DefectParameters(Parameters):
    """Formation energies of point defects.

    Attributes
    ----------
    enabled, dispersion
        As in :class:`EquationOfStateParameters`.
    hosts
        What has which defects.
    min_length_angstrom
        Of the supercell: distance of a defect's periodic images.
    max_force_ev_per_angstrom, max_steps
        Where relaxations end.
    """

    enabled: bool = False
    hosts: tuple[HostParameters, ...] = ()
    min_length_angstrom: float = Field(default=12.0, gt=0)
    max_force_ev_per_angstrom: float = Field(default=0.01, gt=0)
    max_steps: int = Field(default=300, ge=1)
    dispersion: bool = False

    @property
    def prototypes(self) -> tuple[str, ...]:
        """Their names."""
        return tuple(host.prototype for host in self.hosts)


class InterlayerParameters(Parameters):
    """Binding of layers; with and without dispersion, if there is any.

    Attributes
    ----------
    enabled, prototypes
        As in :class:`EquationOfStateParameters`.
    axis
        The lattice vector, from 0, across which layers are stacked.
    distances_angstrom
        Between layers, ascending; energies are relative to the largest.
    """

    enabled: bool = False
    prototypes: tuple[str, ...] = ()
    axis: Literal[0, 1, 2] = 2
    distances_angstrom: tuple[float, ...] = (
        *(2.8, 3.0, 3.1, 3.2, 3.3, 3.4, 3.5, 3.6, 3.8, 4.0, 4.5, 5.0, 6.0, 8.0, 10.0),
    )

    @field_validator("distances_angstrom")
    @classmethod
    def _are_a_curve(cls, distances: tuple[float, ...]) -> tuple[float, ...]:
        different = sorted(set(distances))
        if len(different) < max(4, len(distances)) or different[0] <= 0:
            raise ValueError("give at least four different distances of layers, all above 0 Å")
        return tuple(different)


class OutlierParameters(Parameters):
    """Disagreements beyond which a structure is counted apart (paper, section 2.2).

    Attributes
    ----------
    energy_ev_per_atom, forces_ev_per_angstrom, stress_ev_per_angstrom3
        Of any potential's committee.
    """

    energy_ev_per_atom: float = Field(default=0.2, gt=0)
    forces_ev_per_angstrom: float = Field(default=50.0, gt=0)
    stress_ev_per_angstrom3: float = Field(default=1.0, gt=0)

    @property
    def by_property(self) -> dict[str, float]:
        """Limits by the names of the properties."""
        return {
            "energy": self.energy_ev_per_atom,
            "forces": self.forces_ev_per_angstrom,
            "stress": self.stress_ev_per_angstrom3,
        }


class GeneralisationParameters(Parameters):
    """Errors on the structures of ``unseen_structures`` in the catalog.

    Attributes
    ----------
    enabled, dispersion
        As in :class:`EquationOfStateParameters`.
    outliers
        What is counted apart.
    """

    enabled: bool = False
    outliers: OutlierParameters = OutlierParameters()
    dispersion: bool = False
