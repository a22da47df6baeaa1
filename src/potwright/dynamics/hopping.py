"""A search from minimum to minimum, step by step, so that it is watched and kept as dynamics is.

Each step is an evaluation of the potential, on the way out of a minimum or downhill to the next.
Frames are what lies on the way at each interval, and every minimum.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from itertools import islice
from typing import TYPE_CHECKING, Any

import numpy as np
from ase import Atoms, units

from potwright.dynamics.barostat import Strains
from potwright.dynamics.engine import KBAR, Conditions
from potwright.dynamics.escapes import Escape, Minimum, RandomDisplacements, ShortDynamics
from potwright.dynamics.integrators import Relaxation
from potwright.dynamics.methods import BasinHopping, MinimaHopping
from potwright.dynamics.motion import Motion
from potwright.dynamics.recording import Recording

if TYPE_CHECKING:
    from potwright.dynamics.running import Setting


def downhill(setting: Setting, force_limit: float) -> Motion:
    """Motion that needs no more than forces and stress: a relaxation, or a search.

    Parameters
    ----------
    setting
        Its atoms have a calculator.
    force_limit
        Where a relaxation has arrived, eV/Å.
    """
    recording, atoms = setting.recording, setting.atoms
    cell = np.array(recording.start.cell)
    strains = Strains.of(setting.strain, recording.frame.periodic_directions, cell)
    method = setting.moves.method
    escape: Escape
    match method:
        case BasinHopping():
            escape = RandomDisplacements(atoms, strains, method, setting.rng)
        case MinimaHopping():
            timestep = recording.schedule.timestep_fs * units.fs
            escape = ShortDynamics(atoms, timestep, method, setting.rng)
        case _:
            pressure = recording.conditions.pressure_kbar
            return Relaxation(atoms, strains, pressure, force_limit)
    return Hopping(
        atoms, strains, recording, escape, force_limit, longest=method.max_relaxation_steps
    )


class Hopping:
    """Relax, judge the minimum, leave it, and so on.

    Parameters
    ----------
    atoms
        That are moved.
    strains
        How the cell relaxes with them.
    recording
        Counts the minima that are accepted or not.
    escape
        How a minimum is left, and which are accepted.
    force_limit
        Where a relaxation has arrived, eV/Å.
    longest
        Steps after which a relaxation is given up.
    """

    def __init__(
        self,
        atoms: Atoms,
        strains: Strains | None,
        recording: Recording,
        escape: Escape,
        force_limit: float,
        *,
        longest: int,
    ):
        self._atoms, self._strains, self._recording = atoms, strains, recording
        self._escape, self._limit, self._longest = escape, force_limit, longest
        self._minimum: Minimum | None = None
        self._relaxation: Relaxation | None = None
        self._relaxed = 0
        self._leaving = False
        self.aim(recording.conditions.at(recording.schedule.progress(recording.step)))

    def steps(self, count: int) -> Iterator[str]:
        """Each item is an evaluation; its text tells of a minimum."""
        return islice(self._hops(), count + 1)

    def _hops(self) -> Iterator[str]:
        yield ""  # where it begins, or goes on
        while True:
            if self._leaving and self._minimum is not None:
                yield from self._escape.leave(self._minimum)
                self._leaving = False
            yield from self._relax()

    def _relax(self) -> Iterator[str]:
        if self._relaxation is None:
            self._relaxation, self._relaxed = self._new_relaxation(), 0
        states = self._relaxation.steps(self._longest - self._relaxed)
        arrived = next(states)  # a state that has been seen
        while not arrived and self._relaxed < self._longest:
            arrived = next(states)
            self._relaxed += 1
            if not arrived:
                yield ""
        self._relaxation, self._leaving = None, True
        yield self._judge(bool(arrived))

    def _new_relaxation(self) -> Relaxation:
        return Relaxation(self._atoms, self._strains, self._kbar, self._limit)

    def _judge(self, arrived: bool) -> str:
        """Take the state as the minimum to go on from, or not, and say so."""
        atoms, old = self._atoms, self._minimum
        energy = float(atoms.get_potential_energy())
        new = Minimum(atoms.positions.copy(), np.array(atoms.cell), energy)
        accepted = old is None
        if old is not None:
            pressure = 0.0 if self._strains is None else self._kbar * KBAR
            enthalpies = old.enthalpy(pressure), new.enthalpy(pressure)
            accepted = arrived and self._escape.accepts(*enthalpies)
            self._recording.count(accepted=accepted)
        if accepted:
            self._minimum = new
        if not arrived:
            return ""
        verdict = "accepted" if accepted else "rejected"
        return f"minimum: {energy / len(atoms):.4f} eV/atom, {verdict}"

    def conserved_energy(self) -> float:
        """The potential energy: nothing is conserved."""
        return float(self._atoms.get_potential_energy())

    def aim(self, conditions: Conditions) -> None:
        """Change what decides on minima; the pressure from the next relaxation on."""
        self._kbar = conditions.pressure_kbar
        self._escape.aim(conditions)

    def take_over(self) -> None:
        """The next evaluation sees the atoms anew."""

    def state(self) -> dict[str, Any]:
        """The minimum, and what happens since."""
        relaxation, minimum = self._relaxation, self._minimum
        return {
            "minimum": asdict(minimum) if minimum else None,
            "relaxation": relaxation.state() if relaxation else None,
            "relaxed": self._relaxed,
            "leaving": self._leaving,
            "escape": self._escape.state(),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """The minimum, and what happens since."""
        self._minimum = Minimum(**state["minimum"]) if state["minimum"] else None
        self._relaxed, self._leaving = state["relaxed"], state["leaving"]
        self._escape.restore(state["escape"])
        if state["relaxation"]:
            self._relaxation = self._new_relaxation()
            self._relaxation.restore(state["relaxation"])
