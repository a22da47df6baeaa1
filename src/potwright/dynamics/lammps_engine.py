"""Molecular dynamics by LAMMPS: for any potential, one structure at a time."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Literal

import numpy as np
from ase import Atoms
from pydantic import Field

from potwright.dynamics import lammps_ensembles
from potwright.dynamics.ase_engine import _Run
from potwright.dynamics.engine import KBAR, Conditions, Driver, Schedule, Trajectory
from potwright.dynamics.frame import EngineFrame
from potwright.dynamics.lammps_library import require_lammps
from potwright.dynamics.lammps_simulation import LammpsCalculator, Simulation
from potwright.dynamics.momenta import degrees_of_freedom, initial_momenta
from potwright.dynamics.watching import Watch
from potwright.parameters import Parameters

if TYPE_CHECKING:
    from potwright.dynamics.integrators import Motion


class LammpsEngine(Parameters):
    """LAMMPS's integrators, by the structure's real periodicity; the potential drives from outside.

    Attributes
    ----------
    ensemble
        As for :class:`~potwright.dynamics.AseEngine`.
    thermostat_time_fs, barostat_time_fs
        Relaxation times.
    relaxation_force_ev_per_angstrom
        Largest force at which a run at 0 K has arrived.
    """

    type: Literal["lammps"] = "lammps"
    ensemble: Literal["auto", "nvt", "nve"] = "auto"
    thermostat_time_fs: float = Field(default=100.0, gt=0)
    barostat_time_fs: float = Field(default=1000.0, gt=0)
    relaxation_force_ev_per_angstrom: float = Field(default=0.01, gt=0)

    def run_trajectory(
        self,
        start: Atoms,
        potential: Driver,
        conditions: Conditions,
        schedule: Schedule,
        *,
        seed: int,
        watches: Sequence[Watch] = (),
        device: str = "auto",
    ) -> Trajectory:
        """Run one trajectory; see :class:`~potwright.dynamics.engine.Trajectory`."""
        require_lammps()
        rng = np.random.default_rng(seed)
        frame = EngineFrame.of(start)
        atoms = frame.enter(start)
        ensemble = self.ensemble_of(frame, conditions)
        initial_momenta(atoms, conditions.temperature_kelvin, rng)
        simulation = Simulation(
            atoms,
            frame.pbc,
            potential.calculator(device=device),
            ["pair_style none"],
            timestep_fs=schedule.timestep_fs,
        )
        atoms.calc = LammpsCalculator(simulation)
        simulation.tell(*self._fixes(ensemble, frame, atoms, conditions, simulation, rng))
        simulation.begin()
        run = _Run(frame, atoms, conditions, schedule, tuple(watches))
        begin = time.perf_counter()
        with np.errstate(over="ignore", invalid="ignore"):
            end_reason = run.follow(self._motion(ensemble, run, simulation))
        simulation.close()
        return run.trajectory(ensemble, end_reason, time.perf_counter() - begin)

    def ensemble_of(self, frame: EngineFrame, conditions: Conditions) -> str:
        """``npt``, ``nvt``, ``nve`` or ``relaxation``."""
        if self.ensemble == "nve":
            return "nve"
        if conditions.temperature_kelvin == 0:
            return "relaxation"
        return "npt" if self.ensemble == "auto" and frame.pbc.any() else "nvt"

    def _fixes(self, ensemble, frame, atoms, conditions, simulation, rng) -> list[str]:
        pressure = conditions.pressure_kbar * KBAR * simulation.bars
        target = lammps_ensembles.Target(
            (conditions.temperature_kelvin,) * 2,
            (pressure,) * 2,
            self.thermostat_time_fs,
            self.barostat_time_fs,
        )
        return lammps_ensembles.fixes(
            ensemble,
            "full",
            frame.periodic_directions,
            len(atoms),
            degrees_of_freedom(atoms),
            target,
            int(rng.integers(2**31)),
        )

    def _motion(self, ensemble: str, run: _Run, simulation: Simulation) -> Motion:
        from potwright.dynamics import integrators

        if ensemble == "relaxation":
            directions = run.frame.periodic_directions if self.ensemble == "auto" else 0
            limit = self.relaxation_force_ev_per_angstrom
            return integrators.relaxation(
                run.atoms, directions, run.conditions.pressure_kbar, limit, run.schedule.steps
            )
        return integrators.Motion(
            _steps(run.atoms, simulation, run.schedule.steps), simulation.conserved_energy
        )


def _steps(atoms: Atoms, simulation: Simulation, steps: int) -> Iterator[int]:
    """Advance, and let ``atoms`` follow; the first item is the state at the start."""
    atoms.calc.follow(atoms)
    yield 0
    for step in range(steps):
        simulation.advance(0, steps)
        atoms.calc.follow(atoms)
        yield step + 1
