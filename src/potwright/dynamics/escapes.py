"""How a search leaves a minimum, and which minima it goes on from."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from ase import Atoms, units
from ase.md.verlet import VelocityVerlet
from ase.optimize.minimahopping import PassedMinimum

from potwright.dynamics.barostat import Strains
from potwright.dynamics.engine import Conditions
from potwright.dynamics.methods import BasinHopping, MinimaHopping
from potwright.dynamics.momenta import initial_momenta
from potwright.geometry import smallest_covalent_ratio

CLOSEST = 0.7  # over its covalent distance, or what it was before if that is less, of any pair
SHRINK, SHRINKS = 0.8, 20
HOTTER, COLDER = 1.1, 1 / 1.1  # Goedecker's β
STRICTER, LAXER = 0.98, 1 / 0.98  # Goedecker's α


@dataclass(frozen=True)
class Minimum:
    """Where a relaxation has ended; energy in eV."""

    positions: np.ndarray
    cell: np.ndarray
    energy: float

    def enthalpy(self, pressure: float) -> float:
        """At a pressure in eV/Å³, 0 where the cell is fixed; eV."""
        return self.energy + pressure * abs(float(np.linalg.det(self.cell)))

    def bring_back(self, atoms: Atoms) -> None:
        """Put atoms there, at rest."""
        atoms.set_cell(self.cell)
        atoms.positions = self.positions
        atoms.set_momenta(np.zeros_like(self.positions))


class Escape(Protocol):
    """One way to search."""

    def leave(self, minimum: Minimum) -> Iterator[str]:
        """Go from the minimum to where a relaxation can begin; each item is an evaluation."""

    def accepts(self, old: float, new: float) -> bool:
        """Whether to go on from the new minimum, of these enthalpies (eV)."""

    def aim(self, conditions: Conditions) -> None:
        """Change the temperature."""

    def state(self) -> dict[str, Any]:
        """For checkpoints."""

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from there."""


class RandomDisplacements:
    """Of atoms and cell; see :class:`~potwright.dynamics.methods.BasinHopping`."""

    def __init__(
        self,
        atoms: Atoms,
        strains: Strains | None,
        settings: BasinHopping,
        rng: np.random.Generator,
    ):
        self._atoms, self._strains, self._settings, self._rng = atoms, strains, settings, rng
        self._displaced = False
        self._kt = 0.0

    def leave(self, minimum: Minimum) -> Iterator[str]:
        """Displace once, by less where atoms would collide."""
        atoms, settings, rng = self._atoms, self._settings, self._rng
        if not self._displaced:
            minimum.bring_back(atoms)
            if self._strains is not None:
                drawn = rng.uniform(-1, 1, (3, 3)) * settings.strain
                strain = self._strains.project((drawn + drawn.T) / 2)
                atoms.set_cell(minimum.cell @ (np.eye(3) + strain), scale_atoms=True)
            home = atoms.positions.copy()
            shift = rng.uniform(-1, 1, home.shape) * settings.displacement_angstrom
            limit = CLOSEST * min(1.0, _closest(atoms))
            for shrinks in range(SHRINKS):
                atoms.positions = home + shift * SHRINK**shrinks
                if _closest(atoms) >= limit:
                    break
            atoms.get_forces()
            self._displaced = True
            yield ""
        self._displaced = False

    def accepts(self, old: float, new: float) -> bool:
        """Metropolis's rule; at 0 K only what is lower."""
        if new <= old:
            return True
        return self._kt > 0 and bool(self._rng.random() < np.exp((old - new) / self._kt))

    def aim(self, conditions: Conditions) -> None:
        """Of Metropolis's rule."""
        self._kt = units.kB * conditions.temperature_kelvin

    def state(self) -> dict[str, Any]:
        """Of the random numbers."""
        return {"rng": self._rng.bit_generator.state, "displaced": self._displaced}

    def restore(self, state: dict[str, Any]) -> None:
        """Of the random numbers."""
        self._rng.bit_generator.state = state["rng"]
        self._displaced = state["displaced"]


def _closest(atoms: Atoms) -> float:
    cell = np.array(atoms.cell)
    return float(smallest_covalent_ratio(atoms.numbers, atoms.positions, cell, atoms.pbc))


class ShortDynamics:
    """Across a low barrier; see :class:`~potwright.dynamics.methods.MinimaHopping`."""

    def __init__(
        self, atoms: Atoms, timestep: float, settings: MinimaHopping, rng: np.random.Generator
    ):
        self._atoms, self._timestep, self._settings, self._rng = atoms, timestep, settings, rng
        self._kelvin: float | None = None
        self._threshold = settings.threshold_ev
        self._known: list[float] = []
        self._energies: list[float] = []
        self._passed = 0
        self._running = False

    def leave(self, minimum: Minimum) -> Iterator[str]:
        """NVE from random momenta until the energy has gone through enough minima."""
        atoms, settings = self._atoms, self._settings
        if not self._running:
            minimum.bring_back(atoms)
            initial_momenta(atoms, self._kelvin or 0.0, self._rng)
            self._energies, self._passed, self._running = [minimum.energy], 0, True
        has_passed = PassedMinimum()
        states = VelocityVerlet(atoms, self._timestep).irun(settings.max_dynamics_steps)
        next(states)
        while (
            self._passed < settings.minima_passed
            and len(self._energies) <= settings.max_dynamics_steps
        ):
            next(states)
            self._energies.append(float(atoms.get_potential_energy()))
            self._passed += has_passed(self._energies) is not None
            yield ""
        self._running = False
        atoms.set_momenta(np.zeros_like(atoms.positions))

    def accepts(self, old: float, new: float) -> bool:
        """What is not the same and not too high; adapts temperature and threshold."""
        self._known = self._known or [old]
        same = abs(new - old) < self._settings.same_ev
        known = any(abs(new - other) < self._settings.same_ev for other in self._known)
        self._kelvin = (self._kelvin or 0.0) * (HOTTER if known else COLDER)
        if not known:
            self._known.append(new)
        if same:
            return False
        accepted = new - old < self._threshold
        self._threshold *= STRICTER if accepted else LAXER
        return accepted

    def aim(self, conditions: Conditions) -> None:
        """The first temperature; then it adapts."""
        if self._kelvin is None:
            self._kelvin = conditions.temperature_kelvin

    def state(self) -> dict[str, Any]:
        """Of the adaption, and of dynamics on its way."""
        return {
            "rng": self._rng.bit_generator.state,
            "kelvin": self._kelvin,
            "threshold": self._threshold,
            "known": self._known,
            "energies": self._energies,
            "passed": self._passed,
            "running": self._running,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Of the adaption, and of dynamics on its way."""
        self._rng.bit_generator.state = state["rng"]
        self._kelvin, self._threshold = state["kelvin"], state["threshold"]
        self._known, self._energies = list(state["known"]), list(state["energies"])
        self._passed, self._running = state["passed"], state["running"]
