"""Processes on this machine: fresh interpreters that are reused from task to task."""

from __future__ import annotations

import os
from concurrent.futures import Executor
from typing import Literal

from pydantic import Field

from potwright.execution.worker import start_worker
from potwright.parameters import Parameters

THREAD_LIMITS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


def usable_cores() -> int:
    """How many cores this process may use, which can be fewer than the machine has."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


class LocalExecutor(Parameters):
    """A pool of processes on this machine.

    Attributes
    ----------
    workers
        Processes at a time; None: as many as the usable cores can feed with threads.
    threads_per_worker
        Threads that numerical libraries may use in each process.
    """

    type: Literal["local"] = "local"
    workers: int | None = Field(default=None, ge=1)
    threads_per_worker: int = Field(default=1, ge=1)

    def slots(self) -> int:
        """How many tasks run at a time."""
        return self.workers or max(1, usable_cores() // self.threads_per_worker)

    def start(self, tasks: int) -> Executor:
        """A pool for ``tasks`` tasks; processes start with the first of them."""
        from loky import ProcessPoolExecutor

        return ProcessPoolExecutor(
            max_workers=min(self.slots(), tasks),
            env=dict.fromkeys(THREAD_LIMITS, str(self.threads_per_worker)),
            initializer=start_worker,
            initargs=(os.getpid(),),
        )

    def stop(self, pool: Executor, *, at_once: bool) -> None:
        """End the pool's processes: when they are idle, or at once whatever they do."""
        pool.shutdown(wait=True, kill_workers=at_once)  # type: ignore[call-arg]  # loky's own
