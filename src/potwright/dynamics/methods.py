"""How structures are explored: by dynamics, or by hopping from minimum to minimum."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from potwright.parameters import Parameters


class OnlyDynamics(Parameters):
    """The engine's equations of motion."""

    type: Literal["dynamics"] = "dynamics"


class BasinHopping(Parameters):
    """Displace all atoms at random, relax, and take the minimum by Metropolis's rule.

    D. J. Wales, J. P. K. Doye, J. Phys. Chem. A 101, 5111 (1997).

    Attributes
    ----------
    displacement_angstrom
        Largest displacement of an atom along each axis.
    strain
        Largest strain of the cell along each axis, and shear, of what the ensemble lets strain.
    max_relaxation_steps
        A hop that has not arrived by then is given up.
    """

    type: Literal["basin_hopping"] = "basin_hopping"
    displacement_angstrom: float = Field(default=0.5, gt=0)
    strain: float = Field(default=0.05, ge=0, lt=1)
    max_relaxation_steps: int = Field(default=500, ge=1)


class MinimaHopping(Parameters):
    """Leave a minimum by short dynamics, relax, and take what is not too high.

    S. Goedecker, J. Chem. Phys. 120, 9911 (2004), with its factors. Dynamics that only comes back
    gets hotter, dynamics that finds something new colder; the threshold follows likewise. It
    crosses low barriers first, behind which low minima lie.

    Attributes
    ----------
    threshold_ev
        How much higher a minimum may be, at first.
    minima_passed
        Dynamics ends when the potential energy has gone through so many minima.
    same_ev
        Minima whose energies differ by less are the same.
    max_dynamics_steps, max_relaxation_steps
        Dynamics ends then, too; a hop that has not arrived by then is given up.
    """

    type: Literal["minima_hopping"] = "minima_hopping"
    threshold_ev: float = Field(default=0.5, gt=0)
    minima_passed: int = Field(default=2, ge=1)
    same_ev: float = Field(default=0.01, gt=0)
    max_dynamics_steps: int = Field(default=500, ge=1)
    max_relaxation_steps: int = Field(default=500, ge=1)


MethodParameters = Annotated[
    OnlyDynamics | BasinHopping | MinimaHopping, Field(discriminator="type")
]
