"""Processes on this machine: fresh interpreters that are reused from task to task."""

from __future__ import annotations

import os
import re
from collections import deque
from collections.abc import Callable
from concurrent.futures import BrokenExecutor, Executor, Future, ThreadPoolExecutor
from functools import partial
from typing import Literal

from pydantic import Field

from potwright.execution.pool import WorkerLostError
from potwright.execution.worker import start_worker, thread_limits
from potwright.parameters import Parameters


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

    def verify(self) -> None:
        """Nothing can be missing."""

    def start(self, tasks: int) -> LocalPool:
        """Processes for ``tasks`` tasks; they start with the first of them."""
        return LocalPool(min(self.slots(), tasks), self.threads_per_worker)


class LocalPool:
    """Processes, each a loky pool of its own: the end of one is the end of one task alone.

    (In a pool of several processes, loky and the standard library end all of them when one dies,
    and nobody knows whose task it was.)
    """

    def __init__(self, processes: int, threads: int):
        self._processes = processes
        self._threads = threads
        self._idle: deque[Executor] = deque()
        self._all: set[Executor] = set()

    def slots(self) -> int:
        """How many tasks run at a time."""
        return self._processes

    def submit(self, function: Callable[..., bytes], /, *arguments: bytes) -> Future[bytes]:
        """Run a function in an idle process, or in a new one."""
        process = self._idle.popleft() if self._idle else self._start()
        try:
            running = process.submit(function, *arguments)
        except BrokenExecutor:  # it died when it had nothing to do
            process = self._replace(process)
            running = process.submit(function, *arguments)
        promise: Future[bytes] = Future()
        running.add_done_callback(partial(self._settle, promise, process))
        return promise

    def stop(self, *, at_once: bool) -> None:
        """End the processes: when they are idle, or at once whatever they do."""
        end = partial(_end, kill=at_once)
        with ThreadPoolExecutor() as threads:
            list(threads.map(end, self._all))
        self._all.clear()
        self._idle.clear()

    def _start(self) -> Executor:
        from loky import ProcessPoolExecutor

        process = ProcessPoolExecutor(
            max_workers=1,
            env=thread_limits(self._threads),
            initializer=start_worker,
            initargs=(os.getpid(),),
        )
        self._all.add(process)
        return process

    def _replace(self, process: Executor) -> Executor:
        self._all.discard(process)
        _end(process, kill=True)
        return self._start()

    def _settle(self, promise: Future[bytes], process: Executor, done: Future[bytes]) -> None:
        """Pass the result on; called in a thread of loky's."""
        self._idle.append(process)
        error = done.exception()
        if isinstance(error, BrokenExecutor):
            promise.set_exception(WorkerLostError(_how(error), share=1))
        elif error is not None:
            promise.set_exception(error)
        else:
            promise.set_result(done.result())


def _end(process: Executor, *, kill: bool) -> None:
    process.shutdown(wait=True, kill_workers=kill)  # type: ignore[call-arg]  # loky's own


def _how(error: BrokenExecutor) -> str:
    """How a process ended, from loky's message."""
    found = re.search(r"exit codes of the workers are \{(.*)\}", str(error))
    return f"its process ended by {found.group(1)}" if found else f"its process ended: {error}"
