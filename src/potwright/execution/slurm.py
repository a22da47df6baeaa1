"""Workers in jobs of a Slurm cluster; jobs that end are replaced while there is work."""

from __future__ import annotations

import shlex
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from potwright.errors import InputError
from potwright.execution.dask import DEATH_TIMEOUT_SECONDS, require
from potwright.execution.worker import worker_environment
from potwright.parameters import Parameters

if TYPE_CHECKING:
    from potwright.execution.dask_pool import DaskPool

SECONDS_TO_ANSWER = 60


class SlurmExecutor(Parameters):
    """Jobs of Slurm, each of which serves many tasks.

    Attributes
    ----------
    jobs
        At most this many at a time.
    minimum_jobs
        This many stay even when there is nothing for them to do, the others end; None: all stay
        until the last task is done.
    tasks_per_job
        Tasks that run at a time in one job, each in a process of its own.
    threads_per_worker
        Threads that numerical libraries may use in each of these processes.
    cores, memory_gb, walltime_hours
        Of one job. memory_gb None: the cluster's default.
    partition, account
        None: the cluster's default.
    prologue
        Lines of shell before the workers start, to load modules for example.
    directives, skipped_directives
        More options of sbatch, and parts of those that Potwright writes and that are left out.
    interface
        Network interface between this machine and the nodes; None: what the routing table says.
    scratch
        A folder of the nodes for temporary files; None: Dask's default.
    python
        That runs the workers; None: the one that runs this.
    log_folder
        Where Slurm puts what the jobs print.
    start_timeout_minutes
        How long to wait while no job runs.
    """

    type: Literal["slurm"] = "slurm"
    jobs: int = Field(default=1, ge=1)
    minimum_jobs: int | None = Field(default=None, ge=0)
    tasks_per_job: int = Field(default=1, ge=1)
    threads_per_worker: int = Field(default=1, ge=1)
    cores: int = Field(default=1, ge=1)
    memory_gb: float | None = Field(default=None, gt=0)
    walltime_hours: float = Field(default=1.0, ge=1 / 60)
    partition: str | None = None
    account: str | None = None
    prologue: tuple[str, ...] = ()
    directives: tuple[str, ...] = ()
    skipped_directives: tuple[str, ...] = ()
    interface: str | None = None
    scratch: str | None = None
    python: str | None = None
    log_folder: str = "logs/slurm"
    start_timeout_minutes: float = Field(default=1440.0, gt=0)

    @field_validator("directives")
    @classmethod
    def _without_prefix(cls, lines: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(line.removeprefix("#SBATCH").strip() for line in lines)

    @model_validator(mode="after")
    def _sizes_fit(self) -> Self:
        if self.minimum_jobs is not None and self.minimum_jobs > self.jobs:
            raise ValueError("minimum_jobs must not exceed jobs")
        if self.tasks_per_job * self.threads_per_worker > self.cores:
            raise ValueError(
                f"{self.tasks_per_job} tasks of {self.threads_per_worker} threads need more than "
                f"{self.cores} cores"
            )
        return self

    @property
    def margin_seconds(self) -> float:
        """How long before the walltime the last worker of a job ends by itself."""
        walltime = self.walltime_hours * 3600
        return min(max(0.05 * walltime, 60), 0.1 * walltime, 600)

    @property
    def lifetime_seconds(self) -> float:
        """Of a worker, ± half the margin, so that not all go at once."""
        return self.walltime_hours * 3600 - 1.5 * self.margin_seconds

    def slots(self) -> int:
        """How many tasks run at a time when all jobs do."""
        return self.jobs * self.tasks_per_job

    def verify(self) -> None:
        """Refuse missing packages and commands, and jobs that Slurm would refuse."""
        require("distributed", "dask_jobqueue")
        if shutil.which("sbatch") is None:
            raise InputError(
                "executor slurm: the command sbatch is not found. Run this on a machine that "
                "submits jobs, or choose another executor"
            )
        self._refuse_unknown_interface()
        try:
            done = subprocess.run(
                ["sbatch", "--test-only"],
                input=self.script(),
                capture_output=True,
                text=True,
                timeout=SECONDS_TO_ANSWER,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise InputError(f"Slurm does not answer within {SECONDS_TO_ANSWER} s") from error
        if done.returncode:
            raise InputError(self.refusal(done.stderr))

    def _refuse_unknown_interface(self) -> None:
        from distributed.utils import get_ip_interface

        try:
            if self.interface:
                get_ip_interface(self.interface)
        except ValueError as error:
            raise InputError(f"executor slurm, interface: {error}") from error

    def start(self, tasks: int) -> DaskPool:
        """Jobs for ``tasks`` tasks; returns when the first one runs."""
        self.verify()
        from potwright.execution.dask_pool import DaskPool
        from potwright.execution.slurm_jobs import SlurmJobs

        cluster = SlurmJobs(self, tasks)
        return DaskPool(cluster.client(), cluster, self.threads_per_worker)

    def script(self, scheduler: str = "tcp://SCHEDULER") -> str:
        """What is given to sbatch."""
        job = jobqueue().SLURMJob(scheduler, "potwright-0", **self.job("potwright"))
        return str(job.job_script())

    def refusal(self, said: str) -> str:
        """What a user is told when Slurm will not have a job."""
        tail = "\n".join(f"  {line}" for line in said.strip().splitlines()[-5:])
        asked = (
            f"partition {self.partition or 'by default'}, account {self.account or 'by default'}"
        )
        return (
            f"Slurm refuses a job ({asked}, {self.cores} cores, {self.walltime_hours:g} h); it "
            f"says\n{tail}\nMend this executor's block; `sinfo` lists the partitions"
        )

    def job(self, name: str) -> dict[str, Any]:
        """Arguments for dask-jobqueue."""
        seconds = round(self.walltime_hours * 3600)
        minutes, seconds = divmod(seconds, 60)
        hours, minutes = divmod(minutes, 60)
        return {
            "job_name": name,
            "queue": self.partition,
            "account": self.account,
            # Dask's cores are threads that take tasks; Slurm's follow
            "cores": self.tasks_per_job,
            "processes": self.tasks_per_job,
            "job_cpu": self.cores,
            "memory": "1 GB",
            "job_mem": None if self.memory_gb is None else f"{round(self.memory_gb * 1024)}M",
            "walltime": f"{hours:02d}:{minutes:02d}:{seconds:02d}",
            "interface": self.interface,
            "local_directory": self.scratch,
            "python": self.python or sys.executable,
            "log_directory": str(Path(self.log_folder).absolute()),
            "death_timeout": DEATH_TIMEOUT_SECONDS,
            "job_script_prologue": [*self.prologue, *_exports(self.threads_per_worker)],
            "job_extra_directives": list(self.directives),
            "job_directives_skip": [
                *self.skipped_directives,
                *(["--mem="] if self.memory_gb is None else []),
            ],
            # how much memory a job may take, Slurm judges; Dask would pause workers. No restart
            # after the lifetime: a new worker would run into the end of the job
            "worker_extra_args": [
                *("--memory-limit", "0", "--no-dashboard"),
                *("--lifetime", f"{self.lifetime_seconds:.0f}s", "--no-lifetime-restart"),
                *("--lifetime-stagger", f"{self.margin_seconds / 2:.0f}s"),
            ],
        }


def jobqueue() -> ModuleType:
    """dask-jobqueue's Slurm; its import would make Ctrl-C end this process as if all were well."""
    before = signal.getsignal(signal.SIGINT)
    from dask_jobqueue import slurm

    signal.signal(signal.SIGINT, before)
    return slurm


def _exports(threads: int) -> list[str]:
    """Lines of shell after the user's own, so that modules do not undo them."""
    environment = worker_environment(threads)
    path = shlex.quote(environment.pop("PYTHONPATH"))
    others = [f"export {name}={shlex.quote(value)}" for name, value in environment.items()]
    return [f"export PYTHONPATH={path}${{PYTHONPATH:+:$PYTHONPATH}}", *others]
