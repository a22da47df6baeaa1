"""What takes a structure elsewhere, beside an engine's equations of motion."""

from __future__ import annotations

from potwright.dynamics.swaps import Swaps
from potwright.parameters import Parameters


class Moves(Parameters):
    """All of it; by default there is nothing but dynamics.

    Attributes
    ----------
    swaps
        Exchanges of unlike atoms.
    """

    swaps: Swaps = Swaps()
