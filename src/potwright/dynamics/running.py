"""A trajectory from its start, or its checkpoint, to its end: the same in any engine.

An engine brings the equations of motion, as a :class:`~potwright.dynamics.motion.Motion`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms, units
from pydantic import Field

from potwright.dynamics.checkpoints import Checkpoint
from potwright.dynamics.engine import (
    COMPLETED,
    KBAR,
    Conditions,
    Ensemble,
    Schedule,
    Strain,
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
from potwright.dynamics.motion import Motion
from potwright.dynamics.moves import Moves
from potwright.dynamics.recording import Measured, Recording, minimum_reached
from potwright.dynamics.swaps import Swapping
from potwright.dynamics.watching import Watch
from potwright.errors import InputError
from potwright.parameters import Parameters
from potwright.pes import PESData

SWAPS = 1  # the stream of random numbers of exchanges


class EngineParameters(Parameters):
    """What every engine is told in the same words.

    Attributes
    ----------
    ensemble
        What is held; see :data:`~potwright.dynamics.engine.Ensemble`.
    thermostat_time_fs, barostat_time_fs
        Relaxation times; the inverse of the first is Langevin's friction.
    relaxation_force_ev_per_angstrom
        Largest force at which a run at 0 K has arrived.
    """

    ensemble: Ensemble = "auto"
    thermostat_time_fs: float = Field(default=100.0, gt=0)
    barostat_time_fs: float = Field(default=1000.0, gt=0)
    relaxation_force_ev_per_angstrom: float = Field(default=0.01, gt=0)


@dataclass(frozen=True)
class Assignment:
    """What a trajectory is, whatever runs it.

    Attributes
    ----------
    start
        Its ``pbc`` is the truth.
    conditions, schedule, seed, moves, watches
        As for :class:`~potwright.dynamics.engine.MDEngine`.
    engine
        All that the engine was told.
    checkpoint, checkpoint_interval_steps
        As for :class:`~potwright.dynamics.engine.MDEngine`.
    """

    start: Atoms
    conditions: Conditions
    schedule: Schedule
    seed: int
    moves: Moves
    watches: Sequence[Watch]
    engine: EngineParameters
    checkpoint: Path | None
    checkpoint_interval_steps: int

    def place(self) -> Checkpoint | None:
        """Where its checkpoint is."""
        if self.checkpoint is None:
            return None
        identity = {
            "engine": self.engine.model_dump(mode="json"),
            "start": PESData.from_atoms([self.start], labels="none").id[0],
            "conditions": asdict(self.conditions),
            "schedule": asdict(self.schedule),
            "seed": self.seed,
            "moves": self.moves.model_dump(mode="json"),
            "watches": [type(watch).__name__ for watch in self.watches],
        }
        return Checkpoint(self.checkpoint, self.checkpoint_interval_steps, repr(identity))

    def initial_kelvin(self) -> float:
        """Of the momenta: a ramp from 0 K begins a little above."""
        if self.moves.is_search:  # from rest
            return 0.0
        kelvin = self.conditions.temperature_kelvin
        if self.engine.ensemble == "nve" or self.conditions.is_relaxation:
            return kelvin
        return max(kelvin, COLDEST_THERMOSTAT_KELVIN)


@dataclass(frozen=True)
class Setting:
    """What equations of motion are made for.

    Attributes
    ----------
    ensemble, strain
        What is held, and how the cell may change.
    atoms
        As the engine has them, with momenta: at the start, or at the checkpoint. They get a
        calculator, and motion moves them.
    recording
        With the start, the conditions and the schedule, and the step that has been reached.
    freedom
        Degrees of freedom in which kinetic energy is.
    moves
        What else moves the atoms.
    rng
        Of the thermostat.
    """

    ensemble: str
    strain: Strain
    atoms: Atoms
    recording: Recording
    freedom: int
    moves: Moves
    rng: np.random.Generator

    @property
    def is_downhill(self) -> bool:
        """Whether there is a relaxation or a search in place of equations of motion."""
        return self.ensemble == "relaxation" or self.moves.is_search


def run(assignment: Assignment, motion_in: Callable[[Setting], Motion]) -> Trajectory:
    """Run a trajectory, or what is left of it.

    Parameters
    ----------
    assignment
        What is run.
    motion_in
        Makes the equations of motion, and evaluates forces; what it raises is raised.

    Raises
    ------
    InputError
        If the ensemble, the conditions and the start do not go together.
    """
    begin = time.perf_counter()
    conditions = assignment.conditions
    frame = EngineFrame.of(assignment.start)
    ensemble = ensemble_of(assignment.engine.ensemble, frame.pbc, conditions)
    if assignment.moves.is_search:
        ensemble = assignment.moves.method.type
    rng = np.random.default_rng(assignment.seed)
    atoms = frame.enter(assignment.start)
    recording = Recording(frame, atoms.copy(), conditions, assignment.schedule, assignment.watches)
    initial_momenta(atoms, assignment.initial_kelvin(), rng)
    place = assignment.place()
    saved = place.load() if place else None
    if saved:
        _restore_atoms(atoms, saved[0])
        recording.restore(saved[0]["recording"], saved[1])
        begin -= saved[0]["seconds"]
    freedom = 3 * len(atoms) if ensemble == "langevin" else degrees_of_freedom(recording.start)
    strain = strain_of(assignment.engine.ensemble, frame.pbc)
    setting = Setting(ensemble, strain, atoms, recording, freedom, assignment.moves, rng)
    motion = motion_in(setting)
    swaps = assignment.moves.swaps
    if swaps.enabled and not setting.is_downhill:
        _refuse_swaps_without_temperature(ensemble)
        rng_of_swaps = np.random.default_rng((assignment.seed, SWAPS))
        motion = Swapping(motion, atoms, swaps, recording, rng_of_swaps)
    if saved:
        motion.restore(saved[0]["motion"])
    progress = _Run(atoms, motion, recording, place, begin, freedom)
    with np.errstate(over="ignore", invalid="ignore"):  # what diverges is caught by name
        end_reason = progress.follow(resumed=bool(saved))
    return recording.trajectory(ensemble, end_reason, time.perf_counter() - begin)


def _refuse_swaps_without_temperature(ensemble: str) -> None:
    if ensemble == "nve":
        raise InputError(
            "swaps in ensemble nve: nothing holds the temperature at which they would be accepted; "
            "use auto, npt_…, nvt or langevin"
        )


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
        """Go through all steps that are left, and say why it ended.

        Whatever the potential raises after the start is a reason, since each says in its own way
        that a structure has flown apart; what was sane before is kept.
        """
        recording, schedule = self.recording, self.recording.schedule
        ramp = recording.conditions.is_ramp
        steps = self.motion.steps(schedule.steps - recording.step)
        step = recording.step - 1  # the first item is the state before any step
        while True:
            try:
                item = next(steps, None)
            except Exception as error:  # potentials raise what they like
                if step < 0:  # on the start itself: that is a broken set-up
                    raise
                return recording.ended(_failure("calculator", error))
            if item is None:
                break
            step += 1
            remark = item if isinstance(item, str) else ""
            has_been_seen = resumed and step == recording.step
            if not has_been_seen and (end_reason := self._look(step, remark)):
                return end_reason
            if ramp:
                self.motion.aim(recording.conditions.at(schedule.progress(step + 1)))
        if step < schedule.steps:  # only a relaxation ends early, at the minimum
            if not recording.kept_last and (end_reason := self._look(step, last=True)):
                return end_reason
            return minimum_reached(step)
        return COMPLETED

    def _look(self, step: int, remark: str = "", *, last: bool = False) -> str | None:
        """Let everybody look at a state, and write the checkpoint."""
        try:
            end_reason = self.recording.see(
                step, self.atoms, self._temperature(), self._measure, remark, last=last
            )
        except Exception as error:
            if step == 0:
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
    return f"{whose}: {type(error).__name__}" + (f": {text}" if text else "")


def _restore_atoms(atoms: Atoms, saved: dict[str, Any]) -> None:
    atoms.set_cell(saved["cell"])
    atoms.positions = saved["positions"]
    atoms.set_momenta(saved["momenta"])
