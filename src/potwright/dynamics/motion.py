"""What moves atoms step by step: the protocol that equations of motion and searches follow."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Protocol

from potwright.dynamics.engine import Conditions


class Motion(Protocol):
    """Atoms under the equations of one ensemble."""

    def steps(self, count: int) -> Iterator[Any]:
        """Each item is one step, the first the state at the start.

        An item that is a text says why the state is kept as a frame, in turn or not.
        """

    def conserved_energy(self) -> float:
        """What exact integration would keep constant, eV; NaN where nothing is."""

    def aim(self, conditions: Conditions) -> None:
        """Change the targets."""

    def take_over(self) -> None:
        """Go on from where somebody has put the atoms; only positions are others."""

    def state(self) -> dict[str, Any]:
        """What is not in positions, momenta and cell: arrays, and values that JSON knows."""

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a :meth:`state`; atoms and targets are those that belong to it."""
