"""What stops a trajectory that has left physics: small objects, each with its reason.

A watch looks at the state every ``every`` steps, and at every frame before it is kept; unless it is
costly, also at what is held in reserve, which becomes a frame if all goes wrong. It answers None,
or with a :class:`Complaint`. Most complaints are about structures that nobody wants: the trajectory
ends and keeps the frames that it has. A watch may also find what everybody wants, the first
structure that the potential does not know: then it is kept, and the trajectory ends there or goes
on without that watch.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import ClassVar, Protocol

import numpy as np
from ase import Atoms
from ase.data import covalent_radii

from potwright.geometry import nearest_neighbour_distances, smallest_covalent_ratio


@dataclass(frozen=True)
class State:
    """What a watch sees.

    Attributes
    ----------
    atoms
        As the engine holds them, with the results of the calculator.
    start
        The same before the first step.
    step
        Steps done.
    time_fs
        Time since the start.
    temperature_kelvin, target_kelvin
        Kinetic temperature and the one aimed at.
    """

    atoms: Atoms
    start: Atoms
    step: int
    time_fs: float
    temperature_kelvin: float
    target_kelvin: float


@dataclass(frozen=True)
class Complaint:
    """What a watch says of a state.

    Attributes
    ----------
    reason
        What is wrong, beginning with a word for the kind and a colon.
    stops
        Whether the trajectory ends.
    keeps_frame
        Whether the state is a sane structure that is kept, in turn or not.
    by
        Who says it, as :func:`first_complaint` knows.
    """

    reason: str
    stops: bool = True
    keeps_frame: bool = False
    by: Watch | None = field(default=None, compare=False, repr=False)


class Watch(Protocol):
    """Looks at a state; see the classes below for examples."""

    @property
    def every(self) -> int:
        """Steps between looks."""

    @property
    def is_costly(self) -> bool:
        """Whether a look costs evaluations of potentials."""

    def complaint(self, state: State) -> Complaint | None:
        """What is wrong, or None."""


@dataclass(frozen=True)
class FiniteNumbers:
    """Positions, momenta, cell, energy and forces are numbers."""

    is_costly: ClassVar[bool] = False
    every: int = 1

    def complaint(self, state: State) -> Complaint | None:
        """Name what is not finite."""
        atoms = state.atoms
        values = {
            "positions": atoms.positions,
            "momenta": atoms.get_momenta(),
            "cell": np.array(atoms.cell),
        }
        for name, value in values.items():
            if not np.isfinite(value).all():
                return Complaint(f"not a number: {name}")
        # only now: a calculator may not survive positions that are not numbers
        if not np.isfinite(atoms.get_potential_energy()):
            return Complaint("not a number: energy")
        if not np.isfinite(atoms.get_forces()).all():
            return Complaint("not a number: forces")
        return None


@dataclass(frozen=True)
class Temperature:
    """The temperature stays below ``factor`` × target + ``floor_kelvin``.

    The floor leaves room for starts that were distorted: their potential energy becomes heat.
    """

    is_costly: ClassVar[bool] = False
    factor: float = 5.0
    floor_kelvin: float = 10_000.0
    every: int = 1

    def complaint(self, state: State) -> Complaint | None:
        """Compare with the limit."""
        limit = self.factor * state.target_kelvin + self.floor_kelvin
        if state.temperature_kelvin <= limit:
            return None
        return Complaint(f"temperature: {state.temperature_kelvin:.0f} K exceeds {limit:.0f} K")


@dataclass(frozen=True)
class Collision:
    """No pair is closer than ``smallest_ratio`` of the sum of its covalent radii."""

    is_costly: ClassVar[bool] = False
    smallest_ratio: float = 0.45
    every: int = 10

    def complaint(self, state: State) -> Complaint | None:
        """Look at the closest pair."""
        atoms = state.atoms
        ratio = smallest_covalent_ratio(
            atoms.numbers, atoms.positions, np.array(atoms.cell), atoms.pbc
        )
        if ratio >= self.smallest_ratio:
            return None
        return Complaint(
            f"collision: a pair at {ratio:.2f} of its covalent distance, "
            f"below {self.smallest_ratio:g}"
        )


@dataclass(frozen=True)
class Volume:
    """The cell's volume stays within two multiples of the start's."""

    is_costly: ClassVar[bool] = False
    smallest_factor: float = 0.3
    largest_factor: float = 5.0
    every: int = 1

    def complaint(self, state: State) -> Complaint | None:
        """Compare volumes; without periodic direction there is none."""
        if not state.atoms.pbc.any():
            return None
        factor = state.atoms.get_volume() / state.start.get_volume()
        if self.smallest_factor <= factor <= self.largest_factor:
            return None
        return Complaint(
            f"volume: {factor:.2f} times that of the start, "
            f"outside {self.smallest_factor:g} to {self.largest_factor:g}"
        )


@dataclass(frozen=True)
class Evaporation:
    """No atom leaves all others behind.

    An atom has left when its nearest neighbour is farther than ``largest_ratio`` times the longest
    covalent distance that it could have in this structure. Atoms that are alone in the start do
    not count.
    """

    is_costly: ClassVar[bool] = False
    largest_ratio: float = 3.0
    every: int = 50

    def complaint(self, state: State) -> Complaint | None:
        """Count atoms without a neighbour."""
        alone = self._alone(state.atoms)
        lost = int(np.sum(alone & ~self._alone(state.start))) if alone.any() else 0
        if not lost:
            return None
        return Complaint(
            f"evaporation: {lost} atom{'s' if lost > 1 else ''} without a neighbour within "
            f"{self.largest_ratio:g} times the covalent distance"
        )

    def _alone(self, atoms: Atoms) -> np.ndarray:
        radii = covalent_radii[atoms.numbers]
        nearest = nearest_neighbour_distances(atoms.positions, np.array(atoms.cell), atoms.pbc)
        return nearest > self.largest_ratio * (radii + radii.max())


def first_complaint(
    watches: Sequence[Watch], state: State, *, frame: bool, reserve: bool = False
) -> Complaint | None:
    """What the first watch that complains says.

    All look if the state is to be a ``frame``, and all that are not costly if it is to be held in
    ``reserve``.
    """
    for watch in watches:
        in_turn = state.step % watch.every == 0
        if frame or in_turn or (reserve and not watch.is_costly):
            complaint = watch.complaint(state)
            if complaint and complaint.keeps_frame and not frame:
                return first_complaint(watches, state, frame=True)  # it becomes one: all look
            if complaint:
                return replace(complaint, by=watch)
    return None
