"""What Slurm says of jobs, and what that says of the tasks that ran in them."""

from __future__ import annotations

import getpass
import logging
import subprocess
import time
from dataclasses import dataclass
from typing import Any

from potwright.execution.pool import EVICTION, WorkerLostError

logger = logging.getLogger(__name__)

NEARLY_ALL = 0.8
LIVING = {"PENDING", "CONFIGURING", "RUNNING", "COMPLETING", "SUSPENDED", "STOPPED", "REQUEUED"}
BY_ITSELF = {"RUNNING", "COMPLETED", "FAILED", "OUT_OF_MEMORY"}
"""States of a job whose worker was not ended from outside."""

NEVER = {
    "AccountNotAllowed",
    "BadConstraints",
    "InvalidAccount",
    "InvalidQOS",
    "JobHeldAdmin",
    "JobHeldUser",
    "PartitionNodeLimit",
    "PartitionTimeLimit",
    "QOSNotAllowed",
}
"""Reasons for which a job does not start, however long one waits."""


@dataclass(frozen=True)
class JobState:
    """What squeue says of a job."""

    state: str
    reason: str

    def __str__(self) -> str:
        return self.state if self.reason in ("", "None") else f"{self.state} ({self.reason})"


def states_of_jobs(name: str) -> dict[str, JobState]:
    """The states of this user's jobs of one name, for some minutes also of those that have ended.

    Nothing if Slurm does not answer; that is logged.
    """
    command = ["squeue", "--noheader", "--states=all", "--format=%i|%T|%r"]
    command += [f"--user={getpass.getuser()}", f"--name={name}"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        logger.warning("squeue: %s", done.stderr.strip())
        return {}
    found = (line.split("|") for line in done.stdout.splitlines())
    return {job: JobState(state, reason) for job, state, reason in found}


def end_of_worker(
    loss: dict[str, Any], state: JobState | None, lifetime_seconds: float
) -> WorkerLostError:
    """What the end of a worker says of the task that it ran.

    Parameters
    ----------
    loss
        The ledger's words.
    state
        Of the worker's job; None if the worker had announced its end, or Slurm does not know.
    lifetime_seconds
        Of a worker.

    Returns
    -------
    WorkerLostError
        All the task's fault if the worker died while nobody ended its job, or if the task had
        (nearly) the whole time that a job can give.
    """
    job, announced = loss["job"], loss.get("expected")
    if not announced and (state is None or state.state in BY_ITSELF):
        return WorkerLostError(f"its process in job {job} died; job {state or 'unknown'}", 1)
    how = f"job {job}: {'its worker came to the end of its lifetime' if announced else state}"
    if loss.get("lost", time.time()) - loss["began"] > NEARLY_ALL * lifetime_seconds:
        return WorkerLostError(f"{how}, all of it for this task; raise walltime_hours", 1)
    return WorkerLostError(how, EVICTION)
