"""Molecular dynamics by ASE: for any potential, one structure at a time."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
from ase import Atoms, units
from ase.calculators.calculator import CalculatorError
from pydantic import Field

from potwright.dynamics.engine import COMPLETED, KBAR, Conditions, Driver, Schedule, Trajectory
from potwright.dynamics.frame import EngineFrame
from potwright.dynamics.momenta import degrees_of_freedom, initial_momenta
from potwright.dynamics.watching import State, Watch, first_complaint
from potwright.parameters import Parameters
from potwright.pes import PESData

if TYPE_CHECKING:
    from potwright.dynamics.integrators import Motion

# What calculators and neighbour lists raise on a structure that has flown apart
ENDINGS = (CalculatorError, ArithmeticError, LookupError, ValueError, RuntimeError, MemoryError)


class AseEngine(Parameters):
    """ASE's integrators, by the structure's real periodicity.

    NPT with the barostat on the periodic directions where there are any (Martyna–Tobias–Klein; the
    full cell if all are), NVT by stochastic velocity rescaling where there are none; at 0 K FIRE.

    Attributes
    ----------
    ensemble
        ``auto`` as above, or ``nvt`` or ``nve`` whatever the periodicity.
    thermostat_time_fs, barostat_time_fs
        Relaxation times.
    relaxation_force_ev_per_angstrom
        Largest force at which a run at 0 K has arrived.

    Examples
    --------
    >>> from ase.build import bulk
    >>> engine = AseEngine()
    >>> engine.run_trajectory(  # doctest: +SKIP
    ...     bulk("C") * 4, potential, Conditions(300, 0), Schedule(1, 1000, 100), seed=1
    ... )
    """

    type: Literal["ase"] = "ase"
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
        checkpoint: Path | None = None,
        checkpoint_interval_steps: int = 1000,
    ) -> Trajectory:
        """Run one trajectory; see :class:`~potwright.dynamics.engine.Trajectory`.

        Parameters
        ----------
        start
            Its ``pbc`` is the truth; non-periodic directions of a part-periodic structure hold
            vacuum.
        potential
            Gives the calculator.
        conditions, schedule
            What to run.
        seed
            Of the momenta and of the thermostat.
        watches
            What may stop it.
        device
            For the potential.

        Raises
        ------
        Exception
            Whatever the calculator raises on ``start`` itself: that is a broken set-up. What it
            raises later ends the trajectory and is its reason.
        """
        rng = np.random.default_rng(seed)
        frame = EngineFrame.of(start)
        atoms = frame.enter(start)
        atoms.calc = potential.calculator(device=device)
        ensemble = self.ensemble_of(frame, conditions)
        initial_momenta(atoms, conditions.temperature_kelvin, rng)
        atoms.get_forces()
        run = _Run(frame, atoms, conditions, schedule, tuple(watches))
        begin = time.perf_counter()
        with np.errstate(over="ignore", invalid="ignore"):  # what diverges is caught by name
            motion = self._motion(ensemble, run, rng)
            end_reason = run.follow(motion)
        return run.trajectory(ensemble, end_reason, time.perf_counter() - begin)

    def ensemble_of(self, frame: EngineFrame, conditions: Conditions) -> str:
        """``npt``, ``nvt``, ``nve`` or ``relaxation``."""
        if self.ensemble == "nve":
            return "nve"
        if conditions.temperature_kelvin == 0:
            return "relaxation"
        return "npt" if self.ensemble == "auto" and frame.pbc.any() else "nvt"

    def _motion(self, ensemble: str, run: _Run, rng: np.random.Generator) -> Motion:
        from potwright.dynamics import integrators  # ase.md, and with it much of scipy

        atoms, conditions, steps = run.atoms, run.conditions, run.schedule.steps
        timestep = run.schedule.timestep_fs * units.fs
        thermostat_time = self.thermostat_time_fs * units.fs
        if ensemble == "nve":
            return integrators.constant_energy(atoms, timestep, steps)
        if ensemble == "nvt":
            return integrators.constant_volume(
                atoms,
                conditions,
                timestep=timestep,
                thermostat_time=thermostat_time,
                steps=steps,
                rng=rng,
            )
        if ensemble == "relaxation":
            directions = run.frame.periodic_directions if self.ensemble == "auto" else 0
            limit = self.relaxation_force_ev_per_angstrom
            return integrators.relaxation(atoms, directions, conditions.pressure_kbar, limit, steps)
        dynamics = integrators.PeriodicMTKNPT(
            atoms,
            periodic_directions=run.frame.periodic_directions,
            conditions=conditions,
            timestep=timestep,
            thermostat_time=thermostat_time,
            barostat_time=self.barostat_time_fs * units.fs,
        )
        return integrators.constant_pressure(dynamics, steps)


@dataclass
class _Run:
    """A trajectory in the making."""

    frame: EngineFrame
    atoms: Atoms
    conditions: Conditions
    schedule: Schedule
    watches: tuple[Watch, ...]
    step: int = -1  # the first item of a motion is the state at the start
    frames: list[Atoms] = field(default_factory=list)
    records: list[tuple[float, ...]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.start = self.atoms.copy()
        self.freedom = degrees_of_freedom(self.atoms)

    def follow(self, motion: Motion) -> str:
        """Go through all steps, keep frames, and say why it ended."""
        kept_last = False
        while True:
            try:
                if next(motion.steps, None) is None:
                    break
            except ENDINGS as error:
                text = str(error).strip().partition("\n")[0][:200]
                return f"calculator: {type(error).__name__}: {text} ({self._time():g} fs)"
            self.step += 1
            kept_last = self.schedule.has_frame(self.step)
            complaint = first_complaint(self.watches, self._state(), frame=kept_last)
            if complaint:
                return f"{complaint.reason} ({self._time():g} fs)"
            if kept_last:
                self._keep(motion)
        if self.step < self.schedule.steps:  # only a relaxation ends early, at the minimum
            if not kept_last:
                self._keep(motion)
            return f"{COMPLETED}: minimum after {self.step} steps"
        return COMPLETED

    def trajectory(self, ensemble: str, end_reason: str, seconds: float) -> Trajectory:
        """What came of it."""
        records = np.array(self.records, dtype=float).reshape(-1, 5)
        return Trajectory(
            PESData.from_atoms(self.frames, labels="none") if self.frames else PESData.empty(),
            times_fs=records[:, 0],
            temperatures_kelvin=records[:, 1],
            pressures_kbar=records[:, 2],
            potential_energies=records[:, 3],
            conserved_energies=records[:, 4],
            ensemble=ensemble,
            end_reason=end_reason,
            steps=max(self.step, 0),
            seconds=seconds,
        )

    def _time(self) -> float:
        return max(self.step, 0) * self.schedule.timestep_fs

    def _temperature(self) -> float:
        return float(2 * self.atoms.get_kinetic_energy() / (self.freedom * units.kB))

    def _pressure(self) -> float:
        directions = self.frame.periodic_directions
        if not directions:
            return float("nan")
        stress = self.atoms.get_stress(voigt=True, include_ideal_gas=True)
        return float(-stress[:directions].mean() / KBAR)

    def _state(self) -> State:
        return State(
            self.atoms,
            self.start,
            self.step,
            self._time(),
            self._temperature(),
            self.conditions.temperature_kelvin,
        )

    def _keep(self, motion: Motion) -> None:
        record = (
            self._time(),
            self._temperature(),
            self._pressure(),
            float(self.atoms.get_potential_energy()),
            motion.conserved_energy(),
        )
        self.frames.append(self.frame.leave(self.atoms))
        self.records.append(record)
