"""No frame is insane, also not the last one that a trajectory keeps before it goes wrong."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
import pytest
from ase import Atoms
from ase.calculators.calculator import Calculator, all_changes
from ase.calculators.emt import EMT

from potwright.dynamics import (
    AseEngine,
    Conditions,
    Evaporation,
    LammpsEngine,
    Schedule,
    State,
    Trajectory,
)

every_engine = pytest.mark.parametrize("engine", [AseEngine, LammpsEngine], ids=["ase", "lammps"])


class Tearing(Calculator):
    """Pulls the last atom away along y, up to ``reach`` Å; fails at the call numbered ``last``."""

    implemented_properties: ClassVar[list[str]] = ["energy", "free_energy", "forces"]

    def __init__(self, force: float, reach: float, last: int):
        super().__init__()
        self.force, self.reach, self.left = force, reach, last

    def calculate(self, atoms=None, properties=None, system_changes=all_changes):
        super().calculate(atoms, properties, system_changes)
        self.left -= 1
        if self.left < 0:
            raise RuntimeError("too far")
        height = self.atoms.positions[-1, 1]
        forces = np.zeros((len(self.atoms), 3))
        forces[-1, 1] = self.force if height < self.reach else 0.0
        energy = -self.force * min(height, self.reach)
        self.results = {"energy": energy, "free_energy": energy, "forces": forces}


@dataclass(frozen=True)
class TearingPotential:
    force: float
    reach: float = np.inf
    last: int = 10**6

    def calculator(self, device: str = "auto") -> Any:
        return Tearing(self.force, self.reach, self.last)


def three(height: float) -> Atoms:
    return Atoms("Cu3", positions=[[0, 0, 0], [2.5, 0, 0], [0, height, 0]])


def tear(engine, start: Atoms, potential: TearingPotential, kelvin: float) -> Trajectory:
    """Without a frame in turn; atoms are lost at 7.9 Å, and looked at each 50 steps."""
    return engine(ensemble="nvt").run_trajectory(
        start, potential, Conditions(kelvin), Schedule(1, 200, 200), seed=1, watches=(EVERY_50,)
    )


EVERY_50 = Evaporation(every=50)


@every_engine
def test_an_evaporated_state_is_not_the_last_sane_one(engine):
    start = three(2.5)
    done = tear(engine, start, TearingPotential(50.0, last=46), 0.1)
    assert done.end_reason.startswith("evaporation") and 30 < done.steps <= 45
    assert done.remarks == ("last sane state before evaporation",)
    (kept,) = done.frames.to_atoms()
    assert 3 < kept.positions[2, 1] < 7.9
    assert EVERY_50.complaint(State(kept, start, 0, 0.0, 0.0, 0.0)) is None


@every_engine
def test_an_evaporated_minimum_is_no_frame(engine):
    done = tear(engine, three(7.0), TearingPotential(5.0, reach=9.0), 0)
    assert done.ensemble == "relaxation" and done.end_reason.startswith("evaporation")
    assert done.steps < 50 and not [y for y in done.frames.positions[2::3, 1] if y > 7.93]


@dataclass(frozen=True)
class FailsAt:
    """A watch that fails at a step."""

    is_costly: ClassVar[bool] = False
    step: int
    error: BaseException = field(compare=False)
    every: int = 1

    def complaint(self, state: State) -> None:
        if state.step == self.step:
            raise self.error


@dataclass(frozen=True)
class EMTPotential:
    def calculator(self, device: str = "auto") -> Any:
        return EMT()


def test_a_resumed_trajectory_keeps_the_same_last_sane_state(tmp_path, killed_at):
    def go(error: BaseException, checkpoint=None) -> Trajectory:
        return AseEngine(ensemble="nve").run_trajectory(
            three(2.5),
            EMTPotential(),
            Conditions(300),
            Schedule(1, 60, 60),
            seed=1,
            watches=(FailsAt(28, error),),
            checkpoint=checkpoint,
            checkpoint_interval_steps=26,
        )

    whole = go(RuntimeError("broken"))
    with pytest.raises(killed_at.Killed):
        go(killed_at.Killed(), tmp_path / "checkpoint")
    resumed = go(RuntimeError("broken"), tmp_path / "checkpoint")
    assert whole.times_fs.tolist() == resumed.times_fs.tolist() == [20]
    assert whole.frames.id.tolist() == resumed.frames.id.tolist()
    assert whole.remarks == resumed.remarks == ("last sane state before watch",)
