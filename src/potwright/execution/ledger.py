"""Which tasks have begun on a Dask cluster, and what they gave; kept by its scheduler.

When a worker is gone, Dask runs again elsewhere what it ran, and also what it had finished if
nobody had fetched that yet; and it counts the loss against all of its tasks, begun or not. Here a
task is begun once. A second worker that gets it learns from the ledger that it is done, or how the
first worker ended, and leaves it alone. Who counts is ``run_tasks``.
"""

from __future__ import annotations

import time
from collections.abc import Hashable
from typing import Any

from distributed import SchedulerPlugin
from distributed.scheduler import Scheduler

BEGIN, END, TAKE = "potwright_begin", "potwright_end", "potwright_take"


class Ledger(SchedulerPlugin):
    """Notes of tasks by their keys. Several runs on one scheduler share it: their keys differ."""

    name = "potwright-ledger"
    idempotent = True

    def __init__(self) -> None:
        self.begun: dict[Hashable, dict[str, Any]] = {}
        self.values: dict[Hashable, bytes] = {}

    async def start(self, scheduler: Scheduler) -> None:
        """Let workers and clients call the three methods below."""
        scheduler.handlers |= {BEGIN: self.begin, END: self.end, TAKE: self.take}

    def begin(self, key: str, worker: str, job: str) -> bool:
        """Note that a worker begins a task.

        Parameters
        ----------
        key, worker
            The task's, and the worker's address.
        job
            The cluster's job that the worker runs in; empty if there is none.

        Returns
        -------
        bool
            Whether it may: False if another worker had begun.
        """
        if key in self.begun:
            return False
        self.begun[key] = {"worker": worker, "job": job, "began": time.time()}
        return True

    def end(self, key: str, value: bytes) -> None:
        """Keep what a task gave: its worker may not live until somebody asks."""
        self.values[key] = value

    def take(self, key: str) -> tuple[bytes | None, dict[str, Any]]:
        """What a task gave, None if its worker was lost; and what is known of that worker.

        That is its ``worker`` and ``job``, when it ``began``, was ``lost`` (seconds since 1970),
        and whether it had announced its end (``expected``).
        """
        return self.values.pop(key, None), self.begun[key]

    def log_event(self, topic: str, msg: Any) -> None:
        """Note that a worker is gone."""
        if topic == "all" and isinstance(msg, dict) and msg.get("action") == "remove-worker":
            for key in msg["processing-tasks"]:
                begun = self.begun.get(key)
                if begun and begun["worker"] == msg["worker"]:
                    begun |= {"expected": msg["expected"], "lost": time.time()}

    def transition(
        self, key: Hashable, start: str, finish: str, *args: Any, stimulus_id: str, **kwargs: Any
    ) -> None:
        """Forget what nobody wants any more."""
        if finish == "forgotten":
            self.begun.pop(key, None)
            self.values.pop(key, None)
