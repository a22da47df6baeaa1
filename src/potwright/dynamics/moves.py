"""What takes a structure elsewhere, beside an engine's equations of motion."""

from __future__ import annotations

from potwright.dynamics.metadynamics import Metadynamics
from potwright.dynamics.methods import MethodParameters, OnlyDynamics
from potwright.dynamics.swaps import Swaps
from potwright.parameters import Parameters


class Moves(Parameters):
    """All of it; by default there is nothing but dynamics.

    Attributes
    ----------
    method
        Dynamics, or a search from minimum to minimum.
    swaps
        Exchanges of unlike atoms.
    metadynamics
        Hills in collective variables.
    """

    method: MethodParameters = OnlyDynamics()
    swaps: Swaps = Swaps()
    metadynamics: Metadynamics = Metadynamics()

    @property
    def is_search(self) -> bool:
        """Whether there are no equations of motion."""
        return self.method.type != "dynamics"
