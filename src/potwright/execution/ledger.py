"""Which tasks have begun on a Dask cluster, and where; kept by its scheduler.

When a worker is gone, Dask runs its tasks elsewhere, and counts the loss against all of them,
begun or not. Here a task is begun once: a second worker that gets it learns from the ledger how the
first one ended, and gives that back instead of running it. Who counts is ``run_tasks``.
"""

from __future__ import annotations

import time
from collections.abc import Hashable
from typing import Any

from distributed import SchedulerPlugin
from distributed.scheduler import Scheduler

BEGIN = "potwright_begin"


class Ledger(SchedulerPlugin):
    """Notes of beginnings. Several runs on one scheduler share it: their keys differ."""

    name = "potwright-ledger"
    idempotent = True

    def __init__(self) -> None:
        self.begun: dict[str, dict[str, Any]] = {}

    async def start(self, scheduler: Scheduler) -> None:
        """Let workers call :meth:`begin`."""
        scheduler.handlers[BEGIN] = self.begin

    def begin(self, key: str, worker: str, job: str, began: float) -> dict[str, Any] | None:
        """Note that a worker begins a task.

        Parameters
        ----------
        key, worker
            The task's, and the worker's address.
        job
            The cluster's job that the worker runs in; empty if there is none.
        began
            When, in seconds since 1970.

        Returns
        -------
        dict or None
            None if the worker is the first. Else these words of the one before, with ``lost``, when
            it ended, and ``expected``, whether it had announced that.
        """
        if key in self.begun:
            return self.begun[key]
        self.begun[key] = {"worker": worker, "job": job, "began": began}
        return None

    def log_event(self, topic: str, msg: Any) -> None:
        """Note when a worker that goes has announced it."""
        if topic == "all" and isinstance(msg, dict) and msg.get("action") == "remove-worker":
            for key in msg["processing-tasks"]:
                begun = self.begun.get(key)
                if begun and begun["worker"] == msg["worker"]:
                    begun |= {"expected": msg["expected"], "lost": time.time()}

    def transition(
        self, key: Hashable, start: str, finish: str, *args: Any, stimulus_id: str, **kwargs: Any
    ) -> None:
        """Forget what is done. Should its result be lost, it may begin once more."""
        if finish in ("memory", "forgotten"):
            self.begun.pop(key, None)  # type: ignore[call-overload]  # others have other keys
