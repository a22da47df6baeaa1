"""What any engine does with the states that it goes through: watch them, keep frames, say why."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from ase import Atoms

from potwright.dynamics.engine import COMPLETED, Conditions, Schedule, Trajectory
from potwright.dynamics.frame import EngineFrame
from potwright.dynamics.watching import State, Watch, first_complaint
from potwright.pes import PESData

RESCUE_STEPS = 10
"""How often a sane state is remembered, in case that all goes wrong before the next frame."""


class Measured(NamedTuple):
    """What is recorded of a frame; see :class:`~potwright.dynamics.engine.Trajectory`."""

    temperature_kelvin: float
    pressure_kbar: float
    potential_energy: float
    conserved_energy: float


class Remembered(NamedTuple):
    """A state that no watch has complained of; it is a frame if the next one is not reached."""

    time_fs: float
    atoms: Atoms
    measured: Measured


@dataclass
class Recording:
    """A trajectory in the making.

    Attributes
    ----------
    frame
        The way back to the user's frame.
    start
        The start as the engine holds it.
    conditions, schedule
        What is run.
    watches
        Those that still look.
    step
        The last that was seen.
    kept
        Frames in the user's frame.
    times_fs, records, remarks
        One for each of them.
    moves_tried, moves_accepted
        As :class:`~potwright.dynamics.engine.Trajectory` has them.
    """

    frame: EngineFrame
    start: Atoms
    conditions: Conditions
    schedule: Schedule
    watches: Sequence[Watch] = ()
    step: int = 0
    kept: list[Atoms] = field(default_factory=list)
    times_fs: list[float] = field(default_factory=list)
    records: list[Measured] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    moves_tried: int = 0
    moves_accepted: int = 0

    def __post_init__(self) -> None:
        self._all_watches = tuple(self.watches)
        self.watches = self._all_watches
        self._sane: Remembered | None = None

    def see(
        self,
        step: int,
        atoms: Atoms,
        temperature_kelvin: float,
        measure: Callable[[], Measured],
        remark: str = "",
        *,
        last: bool = False,
    ) -> str | None:
        """Look at a state, keep it if it is a frame, and say why the trajectory ends, if it does.

        Parameters
        ----------
        step
            How many steps lead to it.
        atoms
            As the engine holds them, with energy and forces.
        temperature_kelvin
            The kinetic temperature.
        measure
            Called if the state is kept.
        remark
            Why it is a frame, in turn or not, if the motion says so.
        last
            Whether the motion ends here, which makes it a frame, too.
        """
        self.step = step
        wanted = last or self.schedule.has_frame(step) or bool(remark)
        reserve = step > 0 and step % RESCUE_STEPS == 0
        state = State(
            atoms,
            self.start,
            step,
            self.time_fs,
            temperature_kelvin,
            self.conditions.at(self.schedule.progress(step)).temperature_kelvin,
        )
        complaint = first_complaint(self.watches, state, frame=wanted, reserve=reserve)
        if complaint is None:
            if wanted:
                self.keep(atoms, measure(), remark)
            elif reserve:
                self._sane = Remembered(self.time_fs, self.frame.leave(atoms), measure())
            return None
        if complaint.keeps_frame:
            self.keep(atoms, measure(), complaint.reason)
        if complaint.stops:
            return self.ended(complaint.reason)
        self.watches = tuple(watch for watch in self.watches if watch is not complaint.by)
        return None

    def keep(self, atoms: Atoms, measured: Measured, remark: str = "") -> None:
        """Make a frame of the engine's atoms."""
        self.kept.append(self.frame.leave(atoms))
        self.times_fs.append(self.time_fs)
        self.records.append(measured)
        self.remarks.append(remark)

    def count(self, *, accepted: bool) -> None:
        """Count a move."""
        self.moves_tried += 1
        self.moves_accepted += int(accepted)

    def ended(self, reason: str) -> str:
        """The reason, with the time; the last sane state becomes a frame if it is the newest."""
        sane = self._sane
        if sane is not None and sane.time_fs > max(self.times_fs, default=0.0):
            self.kept.append(sane.atoms)
            self.times_fs.append(sane.time_fs)
            self.records.append(sane.measured)
            self.remarks.append(f"last sane state before {reason.partition(':')[0]}")
        return f"{reason} ({self.time_fs:g} fs)"

    @property
    def kept_last(self) -> bool:
        """Whether the last state seen is a frame."""
        return bool(self.times_fs) and self.times_fs[-1] == self.time_fs

    @property
    def time_fs(self) -> float:
        """Time of the last state seen."""
        return self.step * self.schedule.timestep_fs

    def trajectory(self, ensemble: str, end_reason: str, seconds: float) -> Trajectory:
        """What came of it."""
        columns = np.array(self.records, dtype=float).reshape(-1, len(Measured._fields)).T
        frames = PESData.from_atoms(self.kept, labels="none") if self.kept else PESData.empty()
        return Trajectory(
            frames,
            times_fs=np.array(self.times_fs, dtype=float),
            temperatures_kelvin=columns[0],
            pressures_kbar=columns[1],
            potential_energies=columns[2],
            conserved_energies=columns[3],
            ensemble=ensemble,
            end_reason=end_reason,
            steps=self.step,
            seconds=seconds,
            remarks=tuple(self.remarks),
            moves_tried=self.moves_tried,
            moves_accepted=self.moves_accepted,
        )

    # ---------------------------------------------------------------- for checkpoints

    def state(self) -> dict[str, Any]:
        """All but the frames."""
        return {
            "step": self.step,
            "times_fs": list(self.times_fs),
            "records": [list(record) for record in self.records],
            "remarks": list(self.remarks),
            "moves": [self.moves_tried, self.moves_accepted],
            "watching": [watch in self.watches for watch in self._all_watches],
            "sane": None
            if self._sane is None
            else {
                "time_fs": self._sane.time_fs,
                "positions": self._sane.atoms.positions,
                "cell": np.array(self._sane.atoms.cell),
                "measured": list(self._sane.measured),
            },
        }

    def restore(self, state: dict[str, Any], frames: Sequence[Atoms]) -> None:
        """Go on from a :meth:`state` and the frames that belong to it."""
        self.step, self.kept = state["step"], list(frames)
        self.times_fs, self.remarks = list(state["times_fs"]), list(state["remarks"])
        self.moves_tried, self.moves_accepted = state["moves"]
        self.records = [Measured(*record) for record in state["records"]]
        self.watches = tuple(
            watch
            for watch, looks in zip(self._all_watches, state["watching"], strict=True)
            if looks
        )
        if (sane := state["sane"]) is not None:
            atoms = Atoms(self.start.numbers, sane["positions"])
            atoms.set_cell(sane["cell"])
            atoms.pbc = self.frame.pbc
            self._sane = Remembered(sane["time_fs"], atoms, Measured(*sane["measured"]))


def minimum_reached(steps: int) -> str:
    """How a relaxation ends that arrives before its last step."""
    return f"{COMPLETED}: minimum after {steps} steps"
