"""Dispersion that is added in molecular dynamics, to potentials whose labels lack it.

Each kind says what it is twice: as an ASE calculator, and as LAMMPS's own pair style. Both give the
same numbers.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Protocol

from ase.data import chemical_symbols
from pydantic import Field

from potwright.dynamics import dispersion_d2, dispersion_d3
from potwright.dynamics.engine import Driver
from potwright.dynamics.lammps_pairs import PairStyle
from potwright.errors import InputError
from potwright.parameters import Parameters
from potwright.potentials.species import in_symbols

LARGEST_D3_NUMBER = 94
Functional = Literal["pbe", "pbesol", "revpbe", "rpbe", "blyp", "tpss", "pbe0", "b3lyp", "hse06"]
# where LAMMPS has another name for it than s-dftd3
LAMMPS_NAMES = {"blyp": "b-lyp", "b3lyp": "b3-lyp"}


class Dispersion(Protocol):
    """What is added to a potential in dynamics."""

    def verify(self, species: Iterable[int]) -> None:
        """Refuse atomic numbers without parameters, by an :class:`InputError`."""

    def calculator(self) -> Any:
        """An ASE calculator of dispersion alone; None where there is none."""

    def pair_style(self, species: Sequence[int]) -> PairStyle | None:
        """The same for LAMMPS, with these atomic numbers as its atom types 1, 2, …"""


class NoDispersion(Parameters):
    """Nothing is added."""

    type: Literal["none"] = "none"

    def verify(self, species: Iterable[int]) -> None:
        """Every element is fine."""

    def calculator(self) -> None:
        """There is none."""

    def pair_style(self, species: Sequence[int]) -> None:
        """There is none."""


class D2Dispersion(Parameters):
    """Grimme's D2, see :mod:`potwright.dynamics.dispersion_d2`.

    Attributes
    ----------
    s6
        Scale for the functional of the labels: 0.75 for PBE.
    steepness
        Of the damping.
    cutoff_angstrom
        Pairs farther apart do not count.
    """

    type: Literal["d2"] = "d2"
    s6: float = Field(default=0.75, gt=0)
    steepness: float = Field(default=20.0, gt=0)
    cutoff_angstrom: float = Field(default=20.0, gt=0)

    def verify(self, species: Iterable[int]) -> None:
        """Refuse elements that Grimme's table does not have."""
        dispersion_d2.refuse_unknown(species)

    def calculator(self) -> dispersion_d2.D2Calculator:
        """Potwright's."""
        return dispersion_d2.D2Calculator(self.s6, self.steepness, self.cutoff_angstrom)

    def pair_style(self, species: Sequence[int]) -> PairStyle:
        """``momb``, of whose terms only dispersion is used."""
        coefficients = []
        for i, first in enumerate(species, start=1):
            for j, second in enumerate(species[i - 1 :], start=i):
                c6, radius = dispersion_d2.pair_parameters(first, second)
                coefficients.append((f"{i} {j}", f"0.0 1.0 1.0 {float(c6)!r} {float(radius)!r}"))
        return PairStyle(
            f"momb {self.cutoff_angstrom!r} {self.s6!r} {self.steepness!r}",
            tuple(coefficients),
            self.cutoff_angstrom,
        )


class D3Dispersion(Parameters):
    """Grimme's D3 with Becke–Johnson damping, without three-body terms.

    S. Grimme, S. Ehrlich, L. Goerigk, J. Comput. Chem. 32, 1456 (2011); by s-dftd3 in ASE, by
    ``dispersion/d3`` in LAMMPS.

    Attributes
    ----------
    functional
        Of the labels.
    cutoff_angstrom, coordination_cutoff_angstrom
        Pairs farther apart do not attract, or do not count as coordinated.
    """

    type: Literal["d3"] = "d3"
    functional: Functional = "pbe"
    cutoff_angstrom: float = Field(default=30.0, gt=0)
    coordination_cutoff_angstrom: float = Field(default=20.0, gt=0)

    def verify(self, species: Iterable[int]) -> None:
        """Refuse what lies beyond plutonium."""
        unknown = {int(z) for z in species if not 0 < z <= LARGEST_D3_NUMBER}
        if unknown:
            raise InputError(
                f"dispersion.type = 'd3': D3 has parameters for H to Pu, and none for "
                f"{in_symbols(unknown)}; use none"
            )

    def calculator(self) -> dispersion_d3.D3Calculator:
        """Of s-dftd3.

        Raises
        ------
        InputError
            If it is not installed.
        """
        reach = (self.cutoff_angstrom, self.coordination_cutoff_angstrom)
        return dispersion_d3.D3Calculator(self.functional, *reach)

    def pair_style(self, species: Sequence[int]) -> PairStyle:
        """``dispersion/d3``."""
        name = LAMMPS_NAMES.get(self.functional, self.functional)
        reach = (self.cutoff_angstrom, self.coordination_cutoff_angstrom)
        return PairStyle(
            f"dispersion/d3 bj {name} {reach[0]!r} {reach[1]!r}",
            (("* *", " ".join(chemical_symbols[z] for z in species)),),
            max(reach),
        )


DispersionParameters = Annotated[
    NoDispersion | D2Dispersion | D3Dispersion, Field(discriminator="type")
]


@dataclass(frozen=True)
class Dispersed:
    """A potential with dispersion.

    Attributes
    ----------
    potential
        That knows nothing of dispersion.
    dispersion
        What is added.
    """

    potential: Driver
    dispersion: Dispersion

    def calculator(self, device: str = "auto") -> Any:
        """The sum, as an ASE calculator."""
        from ase.calculators.mixing import SumCalculator

        added = self.dispersion.calculator()
        alone = self.potential.calculator(device=device)
        return alone if added is None else SumCalculator([alone, added])


def parts_of(potential: Driver) -> tuple[Driver, Dispersion]:
    """A potential, and the dispersion that is added to it."""
    if isinstance(potential, Dispersed):
        return potential.potential, potential.dispersion
    return potential, NoDispersion()
