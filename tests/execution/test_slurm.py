"""Slurm: what jobs ask for; and, on a real one, how they end, are replaced, and are refused."""

from __future__ import annotations

import logging
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import cloudpickle
import pytest

from potwright.errors import InputError
from potwright.execution import SlurmExecutor, run_tasks
from potwright.execution.pool import EVICTION
from potwright.execution.slurm_states import JobState, end_of_worker

cloudpickle.register_pickle_by_value(sys.modules[__name__])


def test_a_job_asks_for_what_the_block_says(tmp_path):
    executor = SlurmExecutor(
        cores=32,
        tasks_per_job=2,
        threads_per_worker=16,
        memory_gb=64,
        walltime_hours=30.5,
        partition="long",
        account="project-1",
        prologue=["module load quantum-espresso"],
        directives=["#SBATCH --gres=gpu:1", "--exclusive"],
        interface="ib0",
        scratch="/scratch/me",
        python="/opt/python",
        log_folder=str(tmp_path),
    )
    lines = executor.script().splitlines()
    for option in (
        *("-p long", "-A project-1", "--cpus-per-task=32", "--mem=65536M", "-t 30:30:00"),
        *("--gres=gpu:1", "--exclusive", f"-o {tmp_path}/potwright-%J.out"),
    ):
        assert f"#SBATCH {option}" in lines
    (command,) = [line for line in lines if "distributed.cli.dask_worker" in line]
    for option in (
        *("/opt/python", "--nthreads 1", "--nworkers 2", "--interface ib0"),
        *("--local-directory /scratch/me", "--no-lifetime-restart", "--death-timeout"),
    ):
        assert option in command
    assert "export OMP_NUM_THREADS=16" in lines
    assert lines.index("module load quantum-espresso") < lines.index("export OMP_NUM_THREADS=16")


def test_what_is_not_given_is_left_to_the_cluster(tmp_path):
    text = SlurmExecutor(log_folder=str(tmp_path)).script()
    assert "#SBATCH --cpus-per-task=1" in text
    assert not re.search(r"^#SBATCH (--mem|-p|-A)", text, re.MULTILINE)


def test_what_potwright_asks_for_can_be_left_out(tmp_path):
    executor = SlurmExecutor(skipped_directives=["--cpus-per-task"], log_folder=str(tmp_path))
    assert "--cpus-per-task" not in executor.script()


@pytest.mark.parametrize("hours", [1 / 60, 0.2, 1, 24, 240])
def test_workers_end_before_their_job_and_not_all_at_once(hours):
    executor = SlurmExecutor(walltime_hours=hours)
    latest = executor.lifetime_seconds + executor.margin_seconds / 2
    assert 0.85 * hours * 3600 <= executor.lifetime_seconds < latest < hours * 3600


@pytest.mark.parametrize(
    ("block", "message"),
    [
        ({"minimum_jobs": 3, "jobs": 2}, "minimum_jobs must not exceed jobs"),
        ({"tasks_per_job": 4, "cores": 2}, "4 tasks of 1 threads need more than 2 cores"),
        ({"walltime_hours": 0}, "walltime_hours = 0"),
        ({"queue": "a"}, "queue: unknown key"),
    ],
)
def test_mistakes_are_named(block, message):
    with pytest.raises(InputError, match=message):
        SlurmExecutor.model_validate({"type": "slurm", **block})


def test_a_machine_without_slurm_is_refused(monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(InputError, match="sbatch is not found"):
        SlurmExecutor().verify()


@pytest.mark.parametrize(
    ("state", "announced", "ran", "share", "says"),
    [
        (None, True, 100, EVICTION, "end of its lifetime"),
        (JobState("CANCELLED", "None"), False, 100, EVICTION, "job 7: CANCELLED"),
        (JobState("TIMEOUT", "TimeLimit"), False, 100, EVICTION, r"TIMEOUT \(TimeLimit\)"),
        (JobState("PENDING", "BeginTime"), False, 100, EVICTION, "PENDING"),  # requeued
        (JobState("TIMEOUT", "TimeLimit"), False, 900, 1, "raise walltime_hours"),
        (None, True, 900, 1, "raise walltime_hours"),
        (JobState("RUNNING", "None"), False, 100, 1, "process in job 7 died; job RUNNING"),
        (JobState("OUT_OF_MEMORY", "OOM"), False, 100, 1, "OUT_OF_MEMORY"),
        (None, False, 100, 1, "job unknown"),
    ],
)
def test_a_task_bears_the_blame_for_its_worker_unless_the_job_was_ended(
    state, announced, ran, share, says
):
    loss = {"job": "7", "began": 1000.0, "lost": 1000.0 + ran, "expected": announced}
    end = end_of_worker(loss, state, lifetime_seconds=1000)
    assert end.share == share
    assert re.search(says, end.how)


# ---------------------------------------------------------------- a real Slurm from here on


def take(task: tuple[Path, float]) -> str:
    """Write down the job at the beginning, and ``done`` at the end, some seconds later."""
    log, seconds = task
    with log.open("a") as file:
        file.write(f"{os.environ['SLURM_JOB_ID']} ")
    time.sleep(seconds)
    with log.open("a") as file:
        file.write("done ")
    return log.name


def sleep_once(log: Path) -> str:
    """Take longer than any worker lives, but only the first time."""
    if not log.exists():
        log.touch()
        time.sleep(600)
    return "at the second try"


def tasks(folder: Path, *seconds: float) -> list[tuple[Path, float]]:
    return [(folder / f"task-{i}", s) for i, s in enumerate(seconds)]


def jobs(slurm, state: str) -> set[str]:
    """This test's jobs in some state."""
    command = ["squeue", "--noheader", "--me", f"--states={state}", "--format=%i --comment=%k"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    listed = [line.split() for line in done.stdout.splitlines()]
    return {job for job, comment in listed if comment == slurm["directives"][0]}


def changed(slurm, block):
    """The executor with another block, whose jobs can still be told from others'."""
    directives = [*slurm["directives"], *block.get("directives", [])]
    return {**slurm, **block, "directives": directives}


def job_at_work(folder: Path) -> str | None:
    """The job that has begun a task last, of those that are not done."""
    begun = [
        (log.stat().st_mtime, words[-1])
        for log in folder.iterdir()
        if (words := log.read_text().split()) and words[-1] != "done"
    ]
    return max(begun, default=(0, None))[1]


def test_tasks_of_a_cancelled_job_are_done_by_another_and_do_not_suffer(slurm, tmp_path, caplog):
    before = jobs(slurm, "all")
    outcomes = run_tasks(
        take, tasks(tmp_path, *[2.5] * 10), SlurmExecutor(**slurm), description="test"
    )
    names = [next(outcomes).value for _ in range(3)]
    cancelled = None
    while not cancelled:
        names.append(next(outcomes).value)
        time.sleep(0.5)  # others begin now, if they have not before
        cancelled = job_at_work(tmp_path)
    subprocess.run(["scancel", cancelled], check=True)
    names += [outcome.value for outcome in outcomes]
    assert sorted(names) == sorted(f"task-{i}" for i in range(10))
    logs = [(tmp_path / name).read_text().split() for name in names]
    assert all(log.count("done") == 1 for log in logs)
    (twice,) = [log for log in logs if len(log) > 2]
    assert twice[0] == cancelled != twice[1]
    assert "CANCELLED); it is tried again" in caplog.text
    assert len(jobs(slurm, "all") - before) == 3  # two, and one instead of the cancelled
    assert not jobs(slurm, "running,pending")


@pytest.mark.slow
def test_a_worker_at_the_end_of_its_lifetime_gives_its_task_back(
    slurm, tmp_path, caplog, monkeypatch
):
    monkeypatch.setattr(SlurmExecutor, "lifetime_seconds", 15.0)
    monkeypatch.setattr(SlurmExecutor, "margin_seconds", 0.0)
    executor = SlurmExecutor(**{**slurm, "jobs": 1})
    (outcome,) = run_tasks(sleep_once, [tmp_path / "log"], executor, description="test")
    assert outcome.value == "at the second try"
    (warning,) = (r.message for r in caplog.records if r.levelno >= logging.WARNING)
    assert "its worker came to the end of its lifetime" in warning


def test_jobs_without_work_end_before_the_last_task_is_done(slurm, tmp_path):
    """A job that holds several workers stays as long as one of them is busy."""
    block = {"jobs": 2, "tasks_per_job": 2, "cores": 2, "minimum_jobs": 0}
    todo = tasks(tmp_path, 240.0, 0.1, 0.1, 0.1)
    outcomes = run_tasks(take, todo, SlurmExecutor(**{**slurm, **block}), description="test")
    assert {next(outcomes).value for _ in range(3)} == {"task-1", "task-2", "task-3"}
    deadline = time.monotonic() + 200
    while len(jobs(slurm, "running,pending")) > 1:
        assert time.monotonic() < deadline, "idle jobs stay"
        time.sleep(0.5)
    (job,) = jobs(slurm, "running")
    assert (tmp_path / "task-0").read_text() == f"{job} "
    outcomes.close()


@pytest.mark.parametrize(
    ("block", "message"),
    [
        ({"partition": "nope"}, "invalid partition specified: nope"),
        ({"directives": ["--gres=gpu:1"]}, "Invalid generic resource"),
        ({"memory_gb": 10**4}, "node configuration is not available"),
    ],
)
def test_what_slurm_refuses_is_refused_in_its_own_words_at_no_cost(slurm, block, message):
    before = jobs(slurm, "all")
    with pytest.raises(InputError, match=f"Slurm refuses a job(.|\n)*{message}"):
        SlurmExecutor(**changed(slurm, block)).verify()
    assert jobs(slurm, "all") <= before


def test_an_unknown_network_interface_is_refused(slurm):
    with pytest.raises(InputError, match=r"interface: 'nope' is not .* are: .*'lo'"):
        SlurmExecutor(**{**slurm, "interface": "nope"}).verify()


LIMITED = """#!/bin/sh
# sbatch of a cluster that lets a user have only so many jobs
case "$*" in *--test-only*) exec {sbatch} "$@";; esac
mkdir {folder}/job-1 2> /dev/null && [ {jobs} -ge 1 ] && exec {sbatch} "$@"
echo "sbatch: error: QOSMaxSubmitJobPerUserLimit" >&2
exit 1
"""


@pytest.fixture
def limited(tmp_path, monkeypatch):
    """A function that limits the jobs that Slurm takes."""

    def limit(jobs: int) -> None:
        command = tmp_path / "bin" / "sbatch"
        command.parent.mkdir()
        real = shutil.which("sbatch")
        command.write_text(LIMITED.format(sbatch=real, folder=tmp_path / "bin", jobs=jobs))
        command.chmod(0o755)
        monkeypatch.setenv("PATH", f"{command.parent}:{os.environ['PATH']}")

    return limit


def test_where_only_some_jobs_are_taken_these_do_the_work(slurm, limited, caplog):
    limited(1)
    executor = SlurmExecutor(**slurm)
    outcomes = run_tasks(abs, range(-20, 0), executor, description="test")
    assert sorted(o.value for o in outcomes) == list(range(1, 21))
    assert caplog.text.count("QOSMaxSubmitJobPerUserLimit") == 1


def test_where_no_job_is_taken_the_message_says_why(slurm, limited):
    limited(0)
    with pytest.raises(InputError, match=r"refuses a job(.|\n)*QOSMaxSubmitJobPerUserLimit"):
        list(run_tasks(abs, [1], SlurmExecutor(**slurm), description="test"))


def test_a_slurm_that_does_not_answer_is_refused(slurm, tmp_path, monkeypatch):
    (tmp_path / "slurm.conf").write_text(
        "ClusterName=nobody\nSlurmctldHost=localhost(127.0.0.1)\nSlurmctldPort=1\n"
        "MessageTimeout=2\nNodeName=localhost\nPartitionName=cpu Nodes=ALL\n"
    )
    monkeypatch.setenv("SLURM_CONF", str(tmp_path / "slurm.conf"))
    with pytest.raises(InputError, match=r"Slurm refuses a job(.|\n)*[Uu]nable to contact"):
        SlurmExecutor(**slurm).verify()


@pytest.mark.parametrize(
    ("block", "message"),
    [
        ({"partition": "other", "walltime_hours": 2}, r"PENDING \(PartitionTimeLimit\)"),
        ({"directives": ["--begin=now+1hour"], "start_timeout_minutes": 0.1}, "BeginTime"),
        (
            {"prologue": ["echo no such module >&2", "exit 1"]},
            r"ended before its worker started: FAILED(.|\n)*no such module",
        ),
    ],
    ids=["never", "too late", "broken"],
)
def test_jobs_that_do_not_come_to_work_end_the_run_and_are_cancelled(slurm, block, message):
    with pytest.raises(InputError, match=message):
        list(run_tasks(abs, [1], SlurmExecutor(**changed(slurm, block)), description="test"))
    assert not jobs(slurm, "running,pending")
