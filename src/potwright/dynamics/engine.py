"""What a molecular-dynamics engine is given, what it returns, and the protocol that it follows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

import numpy as np
from ase import Atoms, units

from potwright.errors import InputError
from potwright.pes import PESData

if TYPE_CHECKING:
    from potwright.dynamics.dispersion import Dispersion
    from potwright.dynamics.moves import Moves
    from potwright.dynamics.watching import Watch

COMPLETED = "completed"
KBAR = 1000 * units.bar


class Driver(Protocol):
    """What dynamics needs of a potential: an ASE calculator of energy, forces and stress."""

    def calculator(self, device: str = "auto") -> Any:
        """An ASE calculator."""


@dataclass(frozen=True)
class Conditions:
    """Target temperature and pressure; at 0 K energy, or enthalpy, is minimised.

    Attributes
    ----------
    temperature_kelvin, pressure_kbar
        At the start.
    final_temperature_kelvin, final_pressure_kbar
        At the end, if that is another: in between targets change linearly with time, see
        :meth:`Schedule.progress`.
    """

    temperature_kelvin: float
    pressure_kbar: float = 0.0
    final_temperature_kelvin: float | None = None
    final_pressure_kbar: float | None = None

    def __post_init__(self) -> None:
        for kelvin in (self.temperature_kelvin, self.final_temperature_kelvin):
            if kelvin is not None and not (np.isfinite(kelvin) and kelvin >= 0):
                raise InputError(f"temperature of {kelvin} K: give 0 K or more")
        for kbar in (self.pressure_kbar, self.final_pressure_kbar):
            if kbar is not None and not np.isfinite(kbar):
                raise InputError(f"pressure of {kbar} kbar: give a finite number")
        if self.temperature_kelvin == 0 and self.is_ramp and not self.final_temperature_kelvin:
            raise InputError(
                "a ramp of the pressure at 0 K: structures are relaxed there, which takes no time; "
                "give a temperature above 0 K, or a list of pressures"
            )

    @property
    def is_ramp(self) -> bool:
        """Whether a target changes."""
        return self.final_temperature_kelvin not in (None, self.temperature_kelvin) or (
            self.final_pressure_kbar not in (None, self.pressure_kbar)
        )

    @property
    def is_relaxation(self) -> bool:
        """Whether nothing ever moves."""
        return self.temperature_kelvin == 0 and not self.final_temperature_kelvin

    def at(self, progress: float) -> Conditions:
        """The targets after a part of the way, from 0 to 1."""
        final_t, final_p = self.final_temperature_kelvin, self.final_pressure_kbar
        return Conditions(
            _between(self.temperature_kelvin, final_t, progress),
            _between(self.pressure_kbar, final_p, progress),
        )


def _between(first: float, last: float | None, progress: float) -> float:
    return first if last is None else first + (last - first) * progress


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
        What runs before, without frames but those that a watch, or a search, finds.
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

    def progress(self, step: int) -> float:
        """How far a ramp has come after ``step`` steps, from 0 to 1: it begins with the frames."""
        since = max(step - self.thermalisation_steps, 0)
        return min(since / (self.steps - self.thermalisation_steps), 1.0)

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
        As :func:`ensemble_of` says.
    end_reason
        ``completed``, or what stopped it.
    steps, seconds
        Steps done, and their wall time; of all parts, if it was resumed.
    remarks
        F texts: why a frame was kept out of turn, empty for others.
    moves_tried, moves_accepted
        Moves that were accepted or not, such as exchanges of atoms.
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
    remarks: tuple[str, ...] = ()
    moves_tried: int = 0
    moves_accepted: int = 0

    @property
    def completed(self) -> bool:
        """Whether nothing stopped it early."""
        return self.end_reason.startswith(COMPLETED)

    @property
    def steps_per_second(self) -> float:
        """Speed."""
        return self.steps / self.seconds if self.seconds > 0 else 0.0


Ensemble = Literal["auto", "npt_isotropic", "npt_orthorhombic", "nvt", "nve", "langevin"]
"""What a user asks for:

- ``auto``: NPT on the periodic directions, with all strains that these have; NVT where there is no
  periodic direction;
- ``npt_isotropic``: NPT with one strain for all periodic directions;
- ``npt_orthorhombic``: NPT without shear: along the first lattice vector, perpendicular to it in
  the plane of the first two, and perpendicular to both;
- ``nvt``: the cell is fixed; a thermostat that does not touch the dynamics (Bussi);
- ``langevin``: the cell is fixed; friction and noise;
- ``nve``: nothing is held.

At 0 K each but ``nve`` is a relaxation of what it would let move.
"""
Strain = Literal["none", "isotropic", "orthorhombic", "full"]


def ensemble_of(asked: Ensemble, pbc: np.ndarray, conditions: Conditions) -> str:
    """What is run: ``npt``, ``relaxation``, or the word that was asked for.

    Raises
    ------
    InputError
        If a pressure is asked for where no direction is periodic, or a ramp where nothing is held.
    """
    pressed = asked.startswith("npt") or (asked == "auto" and bool(pbc.any()))
    if asked.startswith("npt") and not pbc.any():
        raise InputError(
            f"ensemble {asked} of a structure without periodic axis: no pressure can act on it; "
            "use ensemble auto, which is NVT there, or set its pbc"
        )
    ramped = conditions.at(1.0).pressure_kbar != conditions.pressure_kbar
    if ramped and not pressed:
        raise InputError(
            f"a ramp of the pressure in ensemble {asked} of a structure with {int(pbc.sum())} "
            "periodic axes: nothing holds a pressure; use auto or npt_…, and periodic structures"
        )
    if asked == "nve":
        if conditions.is_ramp:
            raise InputError("a ramp in ensemble nve: nothing is held; use nvt, langevin or auto")
        return "nve"
    if conditions.is_relaxation:
        return "relaxation"
    if asked == "auto":
        return "npt" if pressed else "nvt"
    return asked


def strain_of(asked: Ensemble, pbc: np.ndarray) -> Strain:
    """How the cell may change, of what is periodic."""
    if not pbc.any():
        return "none"
    strains: dict[str, Strain] = {
        "auto": "full",
        "npt_isotropic": "isotropic",
        "npt_orthorhombic": "orthorhombic",
    }
    return strains.get(asked, "none")


class MDEngine(Protocol):
    """Runs one trajectory. Engines are blocks of parameters, with a ``type`` of their own."""

    def verify(self, moves: Moves | None = None, dispersion: Dispersion | None = None) -> None:
        """Find out whether what it needs for these is installed and works, at little cost.

        Raises
        ------
        InputError
            Saying how to install it.
        """

    def run_trajectory(
        self,
        start: Atoms,
        potential: Driver,
        conditions: Conditions,
        schedule: Schedule,
        *,
        seed: int,
        moves: Moves | None = None,
        watches: Sequence[Watch] = (),
        device: str = "auto",
        checkpoint: Path | None = None,
        checkpoint_interval_steps: int = 1000,
    ) -> Trajectory:
        """Run from ``start``, whose ``pbc`` says which directions are really periodic.

        Parameters
        ----------
        start, potential, conditions, schedule
            What to run.
        seed
            Of all that is random.
        moves
            What takes the structure elsewhere beside the equations of motion; None: nothing.
        watches
            What may stop it, or keep a frame out of turn.
        device
            For the potential.
        checkpoint
            Where the engine leaves, each ``checkpoint_interval_steps``, what it needs to go on,
            and finds it again; whoever keeps the trajectory removes it.
        """
