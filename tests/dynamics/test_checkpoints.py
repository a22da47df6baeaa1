from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.calculators.calculator import all_changes
from ase.calculators.emt import EMT

from potwright.dynamics import AseEngine, Complaint, Conditions, Schedule, State, Trajectory

SCHEDULE = Schedule(1, 48, 8, thermalisation_fs=10)
INTERVAL = 12


class ForgetfulEMT(EMT):
    """The order in which EMT sums over neighbours shall not depend on where atoms have been."""

    def calculate(self, atoms=None, properties=None, system_changes=all_changes):
        super().calculate(atoms, properties, all_changes)


@dataclass(frozen=True)
class EMTPotential:
    def calculator(self, device: str = "auto") -> Any:
        return ForgetfulEMT()


@dataclass(frozen=True)
class RemarkOnce:
    """Finds something worth keeping in each state from a step on."""

    is_costly: ClassVar[bool] = False
    since: int
    every: int = 1

    def complaint(self, state: State) -> Complaint | None:
        if state.step < self.since:
            return None
        return Complaint("novelty: yes", stops=False, keeps_frame=True)


NEVER = -1


def copper() -> Atoms:
    atoms = bulk("Cu", cubic=True)
    atoms.rattle(0.05, seed=1)
    return atoms


def go(
    folder: Path | None, kill: Any, ensemble: str, conditions: Conditions, seed: int = 1
) -> Trajectory:
    return AseEngine(ensemble=ensemble).run_trajectory(
        copper(),
        EMTPotential(),
        conditions,
        SCHEDULE,
        seed=seed,
        watches=(RemarkOnce(20), kill),
        checkpoint=folder,
        checkpoint_interval_steps=INTERVAL,
    )


@pytest.mark.parametrize(
    ("ensemble", "ramp"),
    [
        *product(["auto", "npt_isotropic", "nvt", "langevin"], [False, True]),
        ("nve", False),  # holds nothing that could be ramped
    ],
)
def test_a_resumed_trajectory_is_the_uninterrupted_one_to_the_last_bit(
    tmp_path, ensemble, ramp, killed_at
):
    conditions = Conditions(300, 5, 900, -5) if ramp else Conditions(300, 5)
    if ensemble in ("nvt", "langevin", "nve"):
        conditions = Conditions(300, 0, 900) if ramp else Conditions(300)
    whole = go(None, killed_at(NEVER), ensemble, conditions)
    for kill_at in (21, 45):  # the second time it has been resumed already
        with pytest.raises(killed_at.Killed):
            go(tmp_path / "checkpoint", killed_at(kill_at), ensemble, conditions)
    resumed = go(tmp_path / "checkpoint", killed_at(NEVER), ensemble, conditions)
    assert resumed.frames.id.tolist() == whole.frames.id.tolist()
    assert len(whole.frames) == 7 and whole.remarks.count("novelty: yes") == 1
    assert resumed.remarks == whole.remarks and resumed.steps == whole.steps
    for name in ("times_fs", "temperatures_kelvin", "pressures_kbar", "potential_energies"):
        assert np.array_equal(getattr(resumed, name), getattr(whole, name), equal_nan=True)
    difference = resumed.conserved_energies - whole.conserved_energies
    assert np.isnan(difference).all() or np.abs(difference).max() < 1e-9


def test_less_than_an_interval_is_lost(tmp_path, killed_at):
    with pytest.raises(killed_at.Killed):
        go(tmp_path / "c", killed_at(45), "nvt", Conditions(300))

    resumed = killed_at(NEVER)
    go(tmp_path / "c", resumed, "nvt", Conditions(300))
    assert resumed.seen == list(range(37, 59))


def test_a_resumed_relaxation_arrives_at_the_minimum(tmp_path, killed_at):
    atoms = bulk("Cu", cubic=True) * 2
    atoms.rattle(0.2, seed=1)

    def relax(kill_at: int, seen: list[int]) -> Trajectory:
        return AseEngine(relaxation_force_ev_per_angstrom=0.001).run_trajectory(
            atoms,
            EMTPotential(),
            Conditions(0),
            Schedule(1, 300, 300),
            seed=1,
            watches=(killed_at(kill_at, seen),),
            checkpoint=tmp_path / "c",
            checkpoint_interval_steps=10,
        )

    with pytest.raises(killed_at.Killed):
        relax(15, [])
    seen: list[int] = []
    relaxed = relax(-1, seen)
    assert seen[0] == 11  # after the checkpoint
    perfect = bulk("Cu", a=3.5898, cubic=True) * 2
    perfect.calc = EMT()
    assert relaxed.end_reason.startswith("completed: minimum") and relaxed.steps > 15
    assert relaxed.potential_energies[-1] == pytest.approx(perfect.get_potential_energy(), abs=1e-2)


def test_a_checkpoint_of_another_run_is_not_used(tmp_path, caplog, killed_at):
    for seed in (1, 2):
        with pytest.raises(killed_at.Killed):
            go(tmp_path / "c", killed_at(45), "nvt", Conditions(300), seed)
    assert "is of another trajectory" in caplog.text
    resumed, whole = (
        go(folder, killed_at(NEVER), "nvt", Conditions(300), 2) for folder in (tmp_path / "c", None)
    )
    assert resumed.frames.id.tolist() == whole.frames.id.tolist()


def test_a_broken_checkpoint_costs_no_more_than_the_trajectory(tmp_path, caplog, killed_at):
    with pytest.raises(killed_at.Killed):
        go(tmp_path / "c", killed_at(45), "nvt", Conditions(300))
    (tmp_path / "c" / "state.npz").write_bytes(b"torn")
    resumed = go(tmp_path / "c", killed_at(NEVER), "nvt", Conditions(300))
    assert "cannot be read" in caplog.text
    assert (
        resumed.frames.id.tolist()
        == go(None, killed_at(NEVER), "nvt", Conditions(300)).frames.id.tolist()
    )


def test_frames_are_written_once(tmp_path, killed_at):
    with pytest.raises(killed_at.Killed):
        go(tmp_path / "c", killed_at(58), "nvt", Conditions(300))
    # of steps 18, 20; 26, 34; 42
    assert sorted(path.name for path in (tmp_path / "c").iterdir()) == [
        "frames-00000000.h5",
        "frames-00000002.h5",
        "frames-00000004.h5",
        "state.npz",
    ]
