"""What a molecular-dynamics engine is given, what it returns, and the protocol that it follows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from ase import Atoms, units

from potwright.errors import InputError
from potwright.pes import PESData

if TYPE_CHECKING:
    from potwright.dynamics.watching import Watch

COMPLETED = "completed"
KBAR = 1000 * units.bar


class Driver(Protocol):
    """What dynamics needs of a potential: an ASE calculator of energy, forces and stress."""

    def calculator(self, device: str = "auto") -> Any:
        """An ASE calculator."""


@dataclass(frozen=True)
class Conditions:
    """Target temperature and pressure; at 0 K energy, or enthalpy, is minimised."""

    temperature_kelvin: float
    pressure_kbar: float = 0.0

    def __post_init__(self) -> None:
        if not (np.isfinite(self.temperature_kelvin) and self.temperature_kelvin >= 0):
            raise InputError(f"temperature of {self.temperature_kelvin} K: give 0 K or more")
        if not np.isfinite(self.pressure_kbar):
            raise InputError(f"pressure of {self.pressure_kbar} kbar: give a finite number")


@dataclass(frozen=True)
class Schedule:
    """How long, in which steps, and when frames are kept.

    Attributes
    ----------
    timestep_fs
        Time step.
    duration_fs
        Length of the part that frames are taken from.
    frame_interval_fs
        Time between frames; the start itself is not a frame.
    thermalisation_fs
        What runs before, without frames.
    """

    timestep_fs: float
    duration_fs: float
    frame_interval_fs: float
    thermalisation_fs: float = 0.0

    def __post_init__(self) -> None:
        if self.timestep_fs <= 0:
            raise InputError(f"time step of {self.timestep_fs} fs: give more than 0 fs")
        if self.steps_between_frames < 1 or self.duration_fs < self.frame_interval_fs:
            raise InputError(
                f"a frame each {self.frame_interval_fs} fs in {self.duration_fs} fs at a time step "
                f"of {self.timestep_fs} fs leaves no frame: the interval must be at least one time "
                "step and at most the duration"
            )
        if self.thermalisation_fs < 0:
            raise InputError(f"thermalisation of {self.thermalisation_fs} fs: give 0 fs or more")

    @property
    def thermalisation_steps(self) -> int:
        """Steps before the part that frames are taken from."""
        return round(self.thermalisation_fs / self.timestep_fs)

    @property
    def steps_between_frames(self) -> int:
        """Steps from frame to frame."""
        return round(self.frame_interval_fs / self.timestep_fs)

    @property
    def steps(self) -> int:
        """Steps in all."""
        return self.thermalisation_steps + round(self.duration_fs / self.timestep_fs)

    def has_frame(self, step: int) -> bool:
        """Whether the state after ``step`` steps is a frame."""
        since = step - self.thermalisation_steps
        return since > 0 and since % self.steps_between_frames == 0


@dataclass(frozen=True)
class Trajectory:
    """Frames of one run, F of them, and how it went.

    Attributes
    ----------
    frames
        F unlabelled structures with the start's ``pbc``, in the start's orientation. Positions are
        not wrapped.
    times_fs, temperatures_kelvin
        Shape (F,). The kinetic temperature counts the degrees of freedom that can move: net
        momentum, and for molecules rotation, are removed at the start.
    pressures_kbar
        Shape (F,): of the periodic directions, kinetic part included, per volume of the cell with
        its vacuum; NaN where no direction is periodic.
    potential_energies, conserved_energies
        Shape (F,), eV: the driving potential's energy; the quantity that exact integration would
        keep constant, bath included.
    ensemble
        ``npt``, ``nvt``, ``nve`` or ``relaxation``.
    end_reason
        ``completed``, or what stopped it.
    steps, seconds
        Steps done, and their wall time.
    """

    frames: PESData
    times_fs: np.ndarray
    temperatures_kelvin: np.ndarray
    pressures_kbar: np.ndarray
    potential_energies: np.ndarray
    conserved_energies: np.ndarray
    ensemble: str
    end_reason: str
    steps: int
    seconds: float

    @property
    def completed(self) -> bool:
        """Whether nothing stopped it early."""
        return self.end_reason.startswith(COMPLETED)

    @property
    def steps_per_second(self) -> float:
        """Speed."""
        return self.steps / self.seconds if self.seconds > 0 else 0.0


class MDEngine(Protocol):
    """Runs one trajectory. Engines are blocks of parameters, with a ``type`` of their own."""

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
        """Run from ``start``, whose ``pbc`` says which directions are really periodic."""
