"""What a kind of executor provides, and how it says that a worker is gone."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from typing import Protocol


class WorkerLostError(Exception):
    """The worker of a task is gone, and the task with it.

    A pool raises it from the future of the task, starts another worker, and goes on. Who counts
    and decides is :func:`potwright.execution.run_tasks`, for all executors alike.

    Parameters
    ----------
    how
        What is known of the end, for a person to read.
    share
        How much of the blame is the task's: 1 if its worker died of itself while it ran,
        :data:`EVICTION` if the worker was ended from outside. A task that had not begun is no
        matter of this error: the pool gives it to another worker.
    """

    def __init__(self, how: str, share: float):
        super().__init__(how)
        self.how, self.share = how, share


EVICTION = 0.2
"""The share of a task in the end of a job by its time limit or by its owner: five such ends weigh
as much as one worker that died while it ran the task."""


class Pool(Protocol):
    """Workers that run one task at a time each."""

    def slots(self) -> int:
        """How many tasks run at a time when all workers are there."""

    def submit(self, function: Callable[..., bytes], /, *arguments: bytes) -> Future[bytes]:
        """Run a function that does not raise, in a worker.

        The future raises :class:`WorkerLostError` if the worker is gone, and ``InputError`` if the
        pool cannot go on.
        """

    def stop(self, *, at_once: bool) -> None:
        """End all workers: those that are idle, or all at once whatever they do."""


class ExecutorBlock(Protocol):
    """The parameters of a kind of executor."""

    def slots(self) -> int:
        """How many tasks run at a time, as far as is known before anything is started."""

    def verify(self) -> None:
        """Refuse what cannot work, in seconds and at no cost.

        Raises
        ------
        InputError
            What is missing or out of reach.
        """

    def start(self, tasks: int) -> Pool:
        """Workers for ``tasks`` tasks.

        Raises
        ------
        InputError
            If none can be had.
        """
