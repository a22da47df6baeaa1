"""Runs of the real pw.x that fail, recover, are killed or take too long."""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import pytest
from ase import Atoms
from ase.build import bulk

from potwright.execution import LocalExecutor
from potwright.pes import PESData
from potwright.pipelines.labelling import nodes
from potwright.pipelines.labelling.parameters import LabellingParameters
from potwright.quantum import Label, LabelStore, compute_label, try_label
from potwright.quantum.label import CalculationError

HOURS = {"kpoint_distance_per_angstrom": 0.25}


def test_an_scf_that_runs_out_of_steps_recovers_on_the_ladder(espresso, diamond):
    ladder = ["conjugate_gradients", "more_steps"]
    label = try_label(espresso(electron_maxstep=4, recoveries=ladder), diamond)
    assert isinstance(label, Label)
    assert label.recovery == "more_steps"
    assert [(a.recovery, a.reason) for a in label.attempts] == [
        ("", "not_converged"),
        ("conjugate_gradients", "not_converged"),
    ]
    assert "convergence NOT achieved after   4 iterations" in label.attempts[0].message
    assert "estimated scf accuracy" in label.attempts[0].details
    assert label.seconds > sum(a.seconds for a in label.attempts)
    undisturbed = compute_label(espresso(), diamond)
    assert undisturbed.recovery == "" and undisturbed.attempts == ()
    assert label.energy == pytest.approx(undisturbed.energy, abs=1e-6)
    assert label.forces == pytest.approx(undisturbed.forces, abs=1e-3)


def test_one_that_never_converges_ends_in_the_store_as_failed(espresso, diamond, tmp_path):
    hopeless = espresso(scf_threshold_ry=1e-30, electron_maxstep=3, recoveries=["random_start"])
    easy = bulk("C")
    parameters = LabellingParameters(
        engine=espresso(recoveries=[], kpoint_distance_per_angstrom=4.0),
        executor=LocalExecutor(workers=1),
    )
    store = LabelStore(tmp_path / "labels.db")
    candidates = PESData.from_atoms([easy])
    nodes.compute_labels(candidates, store, parameters)
    both = PESData.from_atoms([easy, diamond])
    with pytest.raises(ValueError, match="all 2 structures failed"):
        nodes.compute_labels(both, store, parameters.model_copy(update={"engine": hopeless}))
    level = hopeless.level_of_theory()
    failures = store.failures(both.id, level)
    assert {f.reason for f in failures.values()} == {"not_converged"}
    assert all("NOT achieved" in f.message for f in failures.values())
    assert all("estimated scf accuracy" in f.details for f in failures.values())
    for failure in failures.values():
        assert [a.recovery for a in failure.attempts] == ["", "random_start"]
    assert len(store.find(both.id, parameters.engine.level_of_theory())) == 1


def test_what_compute_label_raises_says_why(espresso, diamond):
    with pytest.raises(CalculationError, match="NOT achieved after   1 iterations") as error:
        compute_label(espresso(electron_maxstep=1, recoveries=[]), diamond)
    assert error.value.reason == "not_converged"
    assert pickle.loads(pickle.dumps(error.value)).details == error.value.details


def test_at_the_end_of_its_time_pw_x_stops_and_no_recovery_is_tried(espresso, diamond):
    failure = try_label(espresso(walltime_seconds=3, **HOURS), diamond)
    assert failure.reason == "walltime"
    assert "pw.x" in failure.message and failure.details
    assert len(failure.attempts) == 1
    assert failure.seconds < 20


def test_a_program_that_does_not_stop_in_time_is_ended(espresso, diamond, tmp_path):
    script = tmp_path / "pw_that_hangs"
    script.write_text("#!/bin/sh\necho Program PWSCF v.6.7MaX\ntrap '' TERM\nsleep 600\n")
    script.chmod(0o755)
    start = time.monotonic()
    engine = espresso(command=str(script), version="6.7", walltime_seconds=0.5)
    assert try_label(engine, diamond).reason == "walltime"
    assert time.monotonic() - start < 30
    assert not processes_of("sleep", "600", cwd=tmp_path / "scratch")


def test_two_atoms_in_one_place_are_bad_input(espresso):
    atoms = Atoms("C2", positions=[[0, 0, 0], [0, 0, 0]], cell=[3, 3, 3], pbc=True)
    failure = try_label(espresso(), atoms)
    assert failure.reason == "bad_input"
    assert failure.message == "error in routine check_atoms: atoms #   1 and #   2 overlap!"
    assert "check_atoms" in failure.details and "MPI_ABORT" not in failure.details


def test_another_pw_x_or_pseudopotential_than_the_level_says_is_no_label(espresso, diamond):
    other = espresso(version="7.2", kpoint_distance_per_angstrom=4.0)
    failure = try_label(other, diamond)
    assert failure.reason == "bad_input"
    assert "version 6.7.MaX, the level of theory says 7.2" in failure.message


def test_input_and_output_of_failed_runs_are_kept_on_request(espresso, tmp_path):
    atoms = Atoms("C2", positions=[[0, 0, 0], [0, 0, 0]], cell=[3, 3, 3], pbc=True)
    failure = try_label(espresso(keep_failed_folder=tmp_path / "failed"), atoms)
    (kept,) = (tmp_path / "failed").iterdir()
    assert str(kept) in failure.details
    assert {"espresso.pwi", "espresso.pwo", "CRASH"} <= {p.name for p in kept.iterdir()}
    assert list((tmp_path / "scratch").iterdir()) == []


def processes_of(*words: str, cwd: Path) -> list[int]:
    """Running processes whose command line holds ``words`` in a directory below ``cwd``."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            line = (process / "cmdline").read_bytes().split(b"\0")
            place = (process / "cwd").readlink()
            zombie = (process / "stat").read_text().rsplit(")", 1)[1].split()[0] == "Z"
        except OSError:
            continue
        program = Path(line[0].decode(errors="replace")).name
        if program == words[0] and not zombie and cwd.resolve() in place.parents:
            found.append(int(process.name))
    return found


def wait_for(condition, seconds=30.0):
    end = time.monotonic() + seconds
    while not (result := condition()):
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.05)
    return result


@pytest.mark.skipif(not Path("/proc/self/cwd").exists(), reason="reads Linux's /proc")
def test_a_run_whose_pw_x_is_killed_is_classed_as_killed(espresso, diamond, tmp_path, command):
    engine, results = espresso(command=command, version="6.7", **HOURS), []
    thread = threading.Thread(target=lambda: results.append(try_label(engine, diamond)))
    thread.start()
    scratch = tmp_path / "scratch"
    wait_for(lambda: any("PWSCF" in p.read_text() for p in scratch.glob("*/espresso.pwo")))
    os.kill(processes_of("pw.x", cwd=scratch)[0], signal.SIGKILL)
    thread.join(timeout=60)
    (failure,) = results
    assert failure.reason == "killed"
    assert "SIGKILL" in failure.message
    assert "Program PWSCF" in failure.details or "k-points" in failure.details
    assert len(failure.attempts) == 1


SCRIPT = """
import pickle, sys
from pathlib import Path
from potwright.quantum import try_label
engine, atoms = pickle.loads(Path({path!r}).read_bytes())
try_label(engine, atoms)
"""


@pytest.mark.skipif(not Path("/proc/self/cwd").exists(), reason="reads Linux's /proc")
@pytest.mark.parametrize("whole_group", [False, True], ids=["the worker", "its process group"])
def test_pw_x_ends_with_the_worker_that_started_it(
    espresso, diamond, tmp_path, command, whole_group
):
    path = tmp_path / "task"
    engine = espresso(command=command, version="6.7", **HOURS)
    path.write_bytes(pickle.dumps((engine, diamond)))
    script = textwrap.dedent(SCRIPT).format(path=str(path))
    worker = subprocess.Popen([sys.executable, "-c", script], start_new_session=True)
    scratch = tmp_path / "scratch"
    wait_for(lambda: processes_of("pw.x", cwd=scratch))
    if whole_group:  # what scancel does
        os.killpg(worker.pid, signal.SIGTERM)
    else:
        worker.kill()
    worker.wait()
    wait_for(lambda: not processes_of("pw.x", cwd=scratch), seconds=15)
    wait_for(lambda: list(scratch.iterdir()) == [], seconds=15)  # nor is anything left of it
