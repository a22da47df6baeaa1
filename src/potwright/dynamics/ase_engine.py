"""Molecular dynamics by ASE: for any potential, one structure at a time."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from ase import Atoms, units
from ase.calculators.calculator import CalculatorError
from pydantic import Field

from potwright.dynamics.checkpoints import Checkpoint
from potwright.dynamics.engine import (
    COMPLETED,
    KBAR,
    Conditions,
    Driver,
    Ensemble,
    Schedule,
    Trajectory,
    ensemble_of,
    strain_of,
)
from potwright.dynamics.frame import EngineFrame
from potwright.dynamics.momenta import (
    COLDEST_THERMOSTAT_KELVIN,
    degrees_of_freedom,
    initial_momenta,
)
from potwright.dynamics.recording import Measured, Recording, minimum_reached
from potwright.dynamics.watching import Watch
from potwright.parameters import Parameters
from potwright.pes import PESData

if TYPE_CHECKING:
    from potwright.dynamics.integrators import Motion

# What calculators and neighbour lists raise on a structure that has flown apart
ENDINGS = (CalculatorError, ArithmeticError, LookupError, ValueError, RuntimeError, MemoryError)


class AseEngine(Parameters):
    """ASE's integrators, by the structure's real periodicity.

    NPT with the barostat on the periodic directions (Martyna–Tobias–Klein), NVT by stochastic
    velocity rescaling or Langevin dynamics, NVE by velocity Verlet; at 0 K FIRE.

    Attributes
    ----------
    ensemble
        What is held; see :data:`~potwright.dynamics.engine.Ensemble`.
    thermostat_time_fs, barostat_time_fs
        Relaxation times; the inverse of the first is Langevin's friction.
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
    ensemble: Ensemble = "auto"
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
        """Run one trajectory, or what is left of it; see :class:`~potwright.dynamics.MDEngine`.

        Raises
        ------
        InputError
            If the ensemble, the conditions and the start do not go together.
        Exception
            Whatever the calculator raises on ``start`` itself: that is a broken set-up. What it
            raises later ends the trajectory and is its reason.
        """
        begin = time.perf_counter()
        frame = EngineFrame.of(start)
        ensemble = ensemble_of(self.ensemble, frame.pbc, conditions)
        rng = np.random.default_rng(seed)
        atoms = frame.enter(start)
        recording = Recording(frame, atoms.copy(), conditions, schedule, watches)
        initial_momenta(atoms, self._initial_kelvin(conditions), rng)
        place = self._checkpoint(checkpoint, checkpoint_interval_steps, start, recording, seed)
        saved = place.load() if place else None
        if saved:
            _restore_atoms(atoms, saved[0])
            recording.restore(saved[0]["recording"], saved[1])
            begin -= saved[0]["seconds"]
        atoms.calc = potential.calculator(device=device)
        atoms.get_forces()
        motion = self._motion(ensemble, atoms, recording, rng)
        if saved:
            motion.restore(saved[0]["motion"])
        freedom = 3 * len(atoms) if ensemble == "langevin" else degrees_of_freedom(atoms)
        run = _Run(atoms, motion, recording, place, begin, freedom)
        with np.errstate(over="ignore", invalid="ignore"):  # what diverges is caught by name
            end_reason = run.follow(resumed=bool(saved))
        return recording.trajectory(ensemble, end_reason, time.perf_counter() - begin)

    def _motion(
        self, ensemble: str, atoms: Atoms, recording: Recording, rng: np.random.Generator
    ) -> Motion:
        """The equations of motion, aiming at what belongs to the recording's step."""
        from potwright.dynamics import integrators  # ase.md, and with it much of scipy
        from potwright.dynamics.barostat import ConfinedMTKNPT, Strains

        conditions = recording.conditions.at(recording.schedule.progress(recording.step))
        timestep = recording.schedule.timestep_fs * units.fs
        thermostat_time = self.thermostat_time_fs * units.fs
        frame = recording.frame
        strain = strain_of(self.ensemble, frame.pbc)
        strains = (
            None
            if strain == "none"
            else Strains.of(strain, frame.periodic_directions, np.array(recording.start.cell))
        )
        if ensemble == "nve":
            return integrators.ConstantEnergy(atoms, timestep)
        if ensemble == "relaxation":
            limit = self.relaxation_force_ev_per_angstrom
            return integrators.Relaxation(atoms, strains, conditions.pressure_kbar, limit)
        if strains is not None:
            return integrators.ConstantPressure(
                ConfinedMTKNPT(
                    atoms,
                    strains=strains,
                    conditions=conditions,
                    timestep=timestep,
                    thermostat_time=thermostat_time,
                    barostat_time=self.barostat_time_fs * units.fs,
                )
            )
        constant_volume = (
            integrators.FrictionAndNoise
            if ensemble == "langevin"
            else integrators.VelocityRescaling
        )
        return constant_volume(
            atoms, conditions, timestep=timestep, thermostat_time=thermostat_time, rng=rng
        )

    def _initial_kelvin(self, conditions: Conditions) -> float:
        """Of the momenta: a ramp from 0 K begins a little above."""
        if self.ensemble == "nve" or conditions.is_relaxation:
            return conditions.temperature_kelvin
        return max(conditions.temperature_kelvin, COLDEST_THERMOSTAT_KELVIN)

    def _checkpoint(
        self, folder: Path | None, interval: int, start: Atoms, recording: Recording, seed: int
    ) -> Checkpoint | None:
        if folder is None:
            return None
        identity = {
            "engine": self.model_dump(mode="json"),
            "start": PESData.from_atoms([start], labels="none").id[0],
            "conditions": asdict(recording.conditions),
            "schedule": asdict(recording.schedule),
            "seed": seed,
            "watches": [type(watch).__name__ for watch in recording.watches],
        }
        return Checkpoint(folder, interval, repr(identity))


@dataclass
class _Run:
    """A trajectory that is being run."""

    atoms: Atoms
    motion: Motion
    recording: Recording
    checkpoint: Checkpoint | None
    begin: float
    freedom: int

    def follow(self, *, resumed: bool) -> str:
        """Go through all steps that are left, and say why it ended."""
        recording, schedule = self.recording, self.recording.schedule
        ramp = recording.conditions.is_ramp
        steps = self.motion.steps(schedule.steps - recording.step)
        step = recording.step - 1  # the first item is the state before any step
        while True:
            try:
                if next(steps, None) is None:
                    break
            except ENDINGS as error:
                return recording.ended(_failure("calculator", error))
            step += 1
            if resumed and step == recording.step:
                recording.remember(self.atoms, self._measure())
            elif end_reason := self._look(step):
                return end_reason
            if ramp:
                self.motion.aim(recording.conditions.at(schedule.progress(step + 1)))
        if step < schedule.steps:  # only a relaxation ends early, at the minimum
            if not recording.kept_last:
                recording.keep(self.atoms, self._measure())
            return minimum_reached(step)
        return COMPLETED

    def _look(self, step: int) -> str | None:
        """Let everybody look at a state, and write the checkpoint."""
        try:
            end_reason = self.recording.see(step, self.atoms, self._temperature(), self._measure)
        except ENDINGS as error:
            if step == 0:  # that is a broken set-up
                raise
            return self.recording.ended(_failure("watch", error))
        if self.checkpoint and not end_reason and self.checkpoint.is_due(step):
            self.checkpoint.save(self._state(), self.recording.kept)
        return end_reason

    def _state(self) -> dict[str, Any]:
        return {
            "positions": self.atoms.positions,
            "momenta": self.atoms.get_momenta(),
            "cell": np.array(self.atoms.cell),
            "motion": self.motion.state(),
            "recording": self.recording.state(),
            "seconds": time.perf_counter() - self.begin,
        }

    def _measure(self) -> Measured:
        return Measured(
            self._temperature(),
            self._pressure(),
            float(self.atoms.get_potential_energy()),
            self.motion.conserved_energy(),
        )

    def _temperature(self) -> float:
        return float(2 * self.atoms.get_kinetic_energy() / (self.freedom * units.kB))

    def _pressure(self) -> float:
        directions = self.recording.frame.periodic_directions
        if not directions:
            return float("nan")
        stress = self.atoms.get_stress(voigt=True, include_ideal_gas=True)
        return float(-stress[:directions].mean() / KBAR)


def _failure(whose: str, error: Exception) -> str:
    text = str(error).strip().partition("\n")[0][:200]
    return f"{whose}: {type(error).__name__}: {text}"


def _restore_atoms(atoms: Atoms, saved: dict[str, Any]) -> None:
    atoms.set_cell(saved["cell"])
    atoms.positions = saved["positions"]
    atoms.set_momenta(saved["momenta"])
