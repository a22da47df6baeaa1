"""A watch that finds what the potential does not know: where a committee disagrees."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, ClassVar, Protocol

import numpy as np

from potwright.dynamics.watching import Complaint, State

WRITTEN_UNITS = {"energy": "meV/atom", "forces": "meV/Å", "stress": "meV/Å³"}
MILLI = 1000.0


class Disagreeing(Protocol):
    """What the watch asks of a committee."""

    def calculator(self, calibration: Any = None, device: str = "auto") -> Any:
        """An ASE calculator whose results hold the members' disagreement."""


@dataclass(frozen=True, eq=False)
class Disagreement:
    """The members' spread stays below ceilings; the first structure above one is kept.

    It looks during thermalisation, too: what the potential does not know is worth a label wherever
    it is met, and without one the rest of the trajectory is worth little.

    Attributes
    ----------
    committee
        All members.
    ceilings
        Of ``energy`` (meV/atom), ``forces`` (meV/Å, root mean square over the structure) and
        ``stress`` (meV/Å³), as D of Eq. 1 of the paper; what is not named is not watched.
    every
        Steps between looks, each of which is an evaluation of all members.
    stops
        Whether the trajectory ends there; else it goes on, and is not looked at again.
    device
        Where the members run.
    """

    is_costly: ClassVar[bool] = True
    committee: Disagreeing
    ceilings: Mapping[str, float]
    every: int = 50
    stops: bool = True
    device: str = "auto"

    def on(self, device: str) -> Disagreement:
        """The same on a device."""
        return replace(self, device=device)

    def complaint(self, state: State) -> Complaint | None:
        """Name the first property whose spread exceeds its ceiling; of the start none, ever."""
        if state.step == 0:  # it has a label, and whatever the members think of it is known
            return None
        calculator = self._calculator
        calculator.calculate(state.atoms)
        for name, ceiling in self.ceilings.items():
            spread = calculator.results.get(f"{name}_disagreement")
            if spread is None:  # a molecule has no stress
                continue
            # of forces it is given atom by atom
            value = MILLI * float(np.sqrt(np.mean(np.square(spread))))
            if not value <= ceiling:
                unit = WRITTEN_UNITS[name]
                return Complaint(
                    f"disagreement: {name} {value:.4g} {unit}, above {ceiling:.4g} {unit}",
                    stops=self.stops,
                    keeps_frame=bool(np.isfinite(value)),
                )
        return None

    @cached_property
    def _calculator(self) -> Any:
        return self.committee.calculator(calibration={}, device=self.device)
