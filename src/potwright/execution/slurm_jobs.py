"""The jobs of a run on a Slurm cluster: submitted, watched, replaced, and cancelled in the end."""

from __future__ import annotations

import getpass
import logging
import math
import subprocess
import time
import uuid
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import dask
from distributed import Client, SchedulerPlugin
from distributed.core import Status
from distributed.scheduler import Scheduler

from potwright.errors import InputError
from potwright.execution.dask_pool import DASK_SETTINGS
from potwright.execution.pool import WorkerLostError
from potwright.execution.slurm import SlurmExecutor, jobqueue
from potwright.execution.slurm_states import LIVING, NEVER, JobState, end_of_worker, states_of_jobs

logger = logging.getLogger(__name__)

POLL_SECONDS, POLL_SECONDS_AT_FIRST = 10.0, 3.0
SECONDS_TO_SETTLE = 90
LOG_LINES = 10
MOST_FAILURES = 3
"""Jobs in a row that may end before their workers arrive."""


class Job(jobqueue().SLURMJob):  # type: ignore[misc]  # dask-jobqueue has no types
    """A job that Slurm may refuse: that is noted, and the others go on."""

    refused = ""

    async def start(self) -> None:
        """Submit it."""
        try:
            await super().start()
        except RuntimeError as error:  # dask-jobqueue's, with all that sbatch said
            self.refused = str(error).rpartition("stderr:")[2]
            self.status = Status.running

    async def close(self) -> None:
        """Cancel it."""
        await super().close()
        self.status = Status.closed


class Arrivals(SchedulerPlugin):
    """Notes which jobs had a worker, if only for a moment."""

    def __init__(self) -> None:
        self.jobs: set[str] = set()
        self.ever = False

    def add_worker(self, scheduler: Scheduler, worker: str) -> None:
        """A worker has come: ``job``, or ``job-0``, ``job-1``, … where a job has several."""
        name = str(scheduler.workers[worker].name)
        self.jobs |= {name, name.rpartition("-")[0]}
        self.ever = True


class SlurmJobs:
    """A scheduler in this process, and jobs that hold its workers."""

    own = True

    def __init__(self, block: SlurmExecutor, tasks: int):
        self.patience_seconds = block.start_timeout_minutes * 60
        self._block = block
        self._name = f"potwright-{uuid.uuid4().hex[:8]}"
        self._wanted = min(block.jobs, math.ceil(tasks / block.tasks_per_job))
        self._states: dict[str, JobState] = {}  # by job, ended ones too
        self._polled = -math.inf
        self._arrivals = Arrivals()
        self._failures = 0
        self._adaptive = False
        self._settings = dask.config.set(DASK_SETTINGS)
        self._told: set[str] = set()
        self._cluster = jobqueue().SLURMCluster(
            job_cls=Job,
            scheduler_options={"dashboard_address": ":0", "interface": block.interface},
            silence_logs=logging.CRITICAL,
            **block.job(self._name),
        )
        self._cluster.scheduler.add_plugin(self._arrivals)
        self._cluster.sync(self._scale, [])
        refused = [job.refused for job in self._cluster.workers.values()]
        if all(refused):
            self.close()
            raise InputError(block.refusal(refused[0]))

    def client(self) -> Client:
        """A client of the scheduler."""
        return Client(self._cluster, set_as_default=False)

    def slots(self) -> int:
        """How many tasks run at a time when all jobs run."""
        return self._wanted * self._block.tasks_per_job

    def tend(self) -> None:
        """Replace jobs that have ended.

        Raises
        ------
        InputError
            If jobs end again and again before their workers arrive, or Slurm will never start one.
        """
        if self._arrivals.ever and not self._adaptive and self._block.minimum_jobs is not None:
            self._adapt(self._block.minimum_jobs)
        pause = POLL_SECONDS if self._arrivals.ever else POLL_SECONDS_AT_FIRST
        if time.monotonic() - self._polled < pause:
            return
        self._polled = time.monotonic()
        self._look()
        if not self._arrivals.ever:
            self._tell_of_waiting()
        jobs = dict(self._cluster.workers)
        ended = {name: job for name, job in jobs.items() if not self._lives(job)}
        for name, job in ended.items():
            self._judge(name, job)
        for job in jobs.values():
            state = self._states.get(job.job_id)
            if state and state.state == "PENDING" and state.reason in NEVER:
                raise InputError(self._block.refusal(f"job {job.job_id}: {state}"))
        self._cluster.sync(self._scale, ended)

    def _adapt(self, minimum: int) -> None:
        """From now on, end jobs that have nothing to do; all were submitted at the start."""
        several = self._block.tasks_per_job > 1
        self._adaptive = True
        self._cluster.adapt(
            minimum_jobs=min(minimum, self._wanted),
            maximum_jobs=self._wanted,
            # no task is shorter: as many workers as there are tasks, up to all
            target_duration="1 ms",
            # workers of one job go together
            worker_key=_job_of if several else None,
        )

    def absence(self) -> str:
        """Why there are no workers."""
        living = [f"  job {job}: {s}" for job, s in self._states.items() if s.state in LIVING]
        minutes = self._block.start_timeout_minutes
        return (
            f"no job has run for {minutes:g} min (start_timeout_minutes); squeue says\n"
            + "\n".join(living or ["  no jobs"])
            + "\nAsk for less, name another partition, or wait longer"
        )

    def how_ended(self, loss: dict[str, Any]) -> WorkerLostError:
        """From what Slurm says of the worker's job."""
        self._polled = -math.inf  # a new one may be needed
        state = None if loss.get("expected") else self._final(loss["job"])
        return end_of_worker(loss, state, self._block.lifetime_seconds)

    def close(self) -> None:
        """Cancel the jobs."""
        self._cluster.close()
        command = ["scancel", f"--user={getpass.getuser()}", f"--name={self._name}"]
        subprocess.run(command, capture_output=True, check=False)  # those that were just submitted
        self._settings.__exit__(None, None, None)

    async def _scale(self, ended: Iterable[str]) -> None:
        """Forget jobs that have ended, and submit as many as are missing."""
        for name in ended:  # names are used again
            self._cluster.worker_spec.pop(name, None)
            if job := self._cluster.workers.pop(name, None):
                job.status = Status.closed
            self._arrivals.jobs.discard(name)
        if not self._adaptive:
            self._cluster.scale(jobs=self._wanted)
        await self._cluster

    def _look(self) -> None:
        """Ask Slurm; what it does not say keeps its last state."""
        self._states.update(states_of_jobs(self._name))

    def _lives(self, job: Job) -> bool:
        known = self._states.get(job.job_id)
        return not job.refused and (known is None or known.state in LIVING)

    def _final(self, job: str) -> JobState | None:
        """The state of a job when it no longer changes."""
        end = time.monotonic() + SECONDS_TO_SETTLE
        while time.monotonic() < end:
            known = self._states.get(job)
            if known and known.state not in LIVING:
                return known
            self._look()
            known = self._states.get(job)
            if known is None or known.state != "COMPLETING":
                return known
            time.sleep(1)
        return self._states.get(job)

    def _judge(self, name: str, job: Job) -> None:
        """Say that a job has ended; too many that ended without a worker are hopeless."""
        state = self._states.get(job.job_id)
        if job.refused:
            # perhaps only as long as the others are there
            self._failed(self._block.refusal(job.refused), hopeful=self._any_lives())
        elif name in self._arrivals.jobs:
            logger.info("Slurm job %s has ended: %s; another is submitted", job.job_id, state)
        elif state is None or state.state != "CANCELLED":
            end = f"job {job.job_id} ended before its worker started: {state}"
            self._failed(f"{end}\n{self._log(job.job_id)}")

    def _failed(self, message: str, *, hopeful: bool = False) -> None:
        """Go on while there are workers, or some hope."""
        working = hopeful or bool(self._cluster.scheduler.workers)
        self._failures = 0 if working else self._failures + 1
        if self._failures >= MOST_FAILURES:
            raise InputError(message)
        if message not in self._told:
            logger.warning("Slurm: %s", message)
            self._told.add(message)

    def _tell_of_waiting(self) -> None:
        counts = Counter(str(s) for s in self._states.values() if s.state in LIVING)
        said = ", ".join(f"{n} {state}" for state, n in sorted(counts.items()))
        if said and said not in self._told:
            logger.info("Slurm jobs: %s", said)
            self._told.add(said)

    def _any_lives(self) -> bool:
        return any(map(self._lives, self._cluster.workers.values()))

    def _log(self, job: str) -> str:
        """The last lines that a job printed."""
        for log in Path(self._block.log_folder).glob(f"{self._name}-{job}*.err"):
            if lines := log.read_text(errors="replace").splitlines()[-LOG_LINES:]:
                return "\n".join(["Its last lines:", *(f"  {line}" for line in lines)])
        return f"It printed nothing into {self._block.log_folder}"


def _job_of(worker: Any) -> str:
    """The name of a worker's job, which has several."""
    return str(worker.name).rpartition("-")[0]
