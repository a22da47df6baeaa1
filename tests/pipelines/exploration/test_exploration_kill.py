"""SIGKILL during dynamics, then the same again: nothing finished is repeated, little is lost."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import potwright
from potwright.pes import PESData

STARTS, STEPS, INTERVAL = 3, 200, 40
SCRIPT = f"""
import sys
from dataclasses import dataclass
from pathlib import Path

from ase.build import bulk
from ase.calculators.calculator import all_changes
from ase.calculators.emt import EMT

from potwright.execution import LocalExecutor
from potwright.parameters_campaign import CampaignParameters
from potwright.pes import PESData
from potwright.pipelines.exploration import nodes
from potwright.pipelines.exploration.parameters import ExplorationParameters


class Counted(EMT):
    def calculate(self, atoms=None, properties=None, system_changes=all_changes):
        # the order of its sums shall not depend on where atoms have been
        super().calculate(atoms, properties, all_changes)
        with open("evaluations", "ab") as file:
            file.write(b".")


@dataclass(frozen=True)
class Potential:
    path: Path

    def calculator(self, device="auto"):
        return Counted()


@dataclass(frozen=True)
class Members:
    members: tuple


if __name__ == "__main__":
    Path("member").write_text("weights")
    Path("workspace").mkdir(exist_ok=True)
    crystals = [bulk("Cu", cubic=True) for _ in range({STARTS})]
    for i, crystal in enumerate(crystals):
        crystal.rattle(0.05, seed=i)
    labelled = PESData.from_atoms(crystals, origin="rattle", iteration=1, split="training")
    labelled = labelled.replace(energy=0.0)
    parameters = ExplorationParameters.model_validate(dict(
        n_starts={STARTS}, duration_ps={STEPS / 1000}, frame_interval_ps=0.02, device="cpu",
        checkpoint_interval_steps={INTERVAL}, executor=LocalExecutor(workers=1),
        engine=dict(type=sys.argv[1], ensemble="nvt"),
    ))
    plan = nodes.choose_starts(labelled, labelled, parameters, CampaignParameters(), 0)
    members = Members((Potential(Path("member")),))
    outcomes = nodes.run_dynamics(members, plan, Path("workspace"), parameters, {{}})
    nodes.collect_frames(plan, outcomes, parameters).write(Path("frames.h5"))
    report = nodes.exploration_report(plan, outcomes, parameters)
    assert (report.end_reason == "completed").all() and (report.steps == {STEPS}).all()
"""


def start(folder: Path, engine: str) -> subprocess.Popen[bytes]:
    (folder / "explore.py").write_text(SCRIPT)
    source = str(Path(potwright.__file__).parents[1])
    return subprocess.Popen(
        [sys.executable, "explore.py", engine],
        cwd=folder,
        start_new_session=True,
        env={**os.environ, "PYTHONPATH": source, "OMP_NUM_THREADS": "1"},
    )


def finished(folder: Path) -> dict[str, int]:
    found = (folder / "workspace").glob("[!.]*")
    return {path.name: path.stat().st_mtime_ns for path in found}


def evaluations(folder: Path) -> int:
    return (folder / "evaluations").stat().st_size


def in_the_middle_of_another(folder: Path) -> bool:
    """Whether trajectories are finished, and one that is not has a checkpoint, by now its own."""
    done = len(finished(folder))
    return bool(
        done
        and list(folder.glob("workspace/.*.checkpoint/state.npz"))
        and evaluations(folder) > done * (STEPS + 1) + INTERVAL
    )


@pytest.mark.parametrize("engine", ["ase", "lammps"])
def test_a_killed_exploration_goes_on_where_it_was(tmp_path, engine):
    first_states = {"ase": 1, "lammps": 2}[engine]  # LAMMPS starts, and then reads its restart file
    killed, whole = tmp_path / "killed", tmp_path / "whole"
    killed.mkdir(), whole.mkdir()
    run = start(killed, engine)
    while not in_the_middle_of_another(killed):
        assert run.poll() is None, "it ended before it was killed"
        time.sleep(0.01)
    os.killpg(run.pid, signal.SIGKILL)  # the workers, too, at whatever they are doing
    run.wait()
    done, spent = finished(killed), evaluations(killed)
    assert 0 < len(done) < STARTS and not (killed / "frames.h5").exists()

    assert start(killed, engine).wait() == 0
    assert done.items() <= finished(killed).items()
    # each part of a trajectory evaluates its first state, too
    assert evaluations(killed) <= STARTS * (STEPS + 1) + INTERVAL + first_states
    assert evaluations(killed) - spent < (STARTS - len(done)) * (STEPS + 1)
    assert not list(killed.glob("workspace/.*"))

    if engine == "lammps":  # whose restarts test_both_engines compares
        return
    assert start(whole, engine).wait() == 0
    assert evaluations(whole) == STARTS * (STEPS + 1)
    frames = [PESData.read(folder / "frames.h5") for folder in (killed, whole)]
    assert frames[0].id.tolist() == frames[1].id.tolist()
    assert list(frames[0].info) == list(frames[1].info)
