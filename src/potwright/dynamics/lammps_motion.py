"""Equations of motion by LAMMPS, one step at a time."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms

from potwright.dynamics.engine import Conditions, Schedule
from potwright.dynamics.lammps_calculators import LastStep
from potwright.dynamics.lammps_simulation import Simulation

FAR = 10**9  # steps in which no ramp gets anywhere


@dataclass
class LammpsMotion:
    """Atoms that follow what LAMMPS does with them.

    After each step LAMMPS hands the control back. The state that is watched and kept is thus that
    at the end of a step, velocities included, and exceptions need not find their way through
    LAMMPS; a step costs about 0.1 ms more than it would inside LAMMPS.

    Attributes
    ----------
    atoms
        In the engine's frame; they get a calculator that tells LAMMPS's results.
    simulation
        The running LAMMPS.
    fixes
        Commands that integrate.
    schedule
        Where a ramp begins and ends.
    """

    atoms: Atoms
    simulation: Simulation
    fixes: Sequence[str]
    schedule: Schedule

    def __post_init__(self) -> None:
        self.atoms.calc = LastStep(self.simulation)
        self._begin()

    def steps(self, count: int) -> Iterator[int]:
        """Each item is one step, the first the state at the start."""
        yield 0
        for step in range(1, count + 1):
            self.simulation.advance(*self._ramp())
            self._follow()
            yield step

    def conserved_energy(self) -> float:
        """Energy with that of thermostat and barostat; means nothing in a ramp."""
        return self.simulation.conserved_energy()

    def aim(self, conditions: Conditions) -> None:
        """LAMMPS knows the ramp."""

    def take_over(self) -> None:
        """Put LAMMPS's atoms there."""
        self.simulation.move(self.atoms.positions)
        self.simulation.begin(*self._ramp())
        self.atoms.calc.results.clear()

    def state(self) -> dict[str, Any]:
        """LAMMPS's restart file: all but the state of Langevin's noise."""
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "restart"
            self.simulation.write_restart(file)
            restart = np.frombuffer(file.read_bytes(), dtype=np.uint8)
        return {"restart": restart, "wrapped": self.simulation.wrapped}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from there."""
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "restart"
            file.write_bytes(state["restart"].tobytes())
            self.simulation.read_restart(file)
        self.simulation.wrapped = state["wrapped"]
        self._begin()

    def _begin(self) -> None:
        self.simulation.tell(*self.fixes)
        self.simulation.begin(*self._ramp())
        self._follow()

    def _follow(self) -> None:
        simulation, atoms = self.simulation, self.atoms
        if simulation.periodic:
            atoms.cell = simulation.cell()
        atoms.positions = simulation.positions()
        atoms.set_velocities(simulation.velocities())
        atoms.calc.results.clear()

    def _ramp(self) -> tuple[int, int]:
        """Where targets have their first and their last value, in LAMMPS's steps."""
        step = self.simulation.step
        first = self.schedule.thermalisation_steps
        return (step, step + FAR) if step < first else (first, self.schedule.steps)
