"""Many tasks, a bounded number in flight, results as they complete, lost workers survived."""

from __future__ import annotations

import logging
import pickle
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from queue import SimpleQueue
from typing import Any, TypeVar

import cloudpickle

from potwright.errors import InputError
from potwright.execution.pool import ExecutorBlock, Pool, WorkerLostError
from potwright.execution.progress import Gauge, progress_bar
from potwright.execution.worker import Attempt, TaskFailure, attempt, failure

logger = logging.getLogger(__name__)

T = TypeVar("T")

HOPELESS = 20
"""So many workers lost, and two for each that runs at a time, before any task has ended: it is not
the tasks."""


@dataclass(frozen=True)
class Outcome:
    """What became of one task.

    Attributes
    ----------
    index
        Which task.
    value
        What the function returned, None if it failed.
    error
        Why it failed, None if it did not.
    seconds
        Wall time in the worker.
    """

    index: int
    value: Any | None
    error: TaskFailure | None
    seconds: float


def run_tasks(
    function: Callable[[T], Any],
    tasks: Sequence[T],
    executor: ExecutorBlock,
    *,
    description: str,
    retries: int = 1,
    gauge: Gauge | None = None,
) -> Iterator[Outcome]:
    """Run ``function`` on every task, where the executor says.

    Parameters
    ----------
    function, tasks
        Both picklable. Workers run one task after the other.
    executor
        Where to run: the parameters of an executor, such as :class:`LocalExecutor`.
    description
        What the progress bar says.
    retries
        How often a task whose worker died is tried again. A worker runs one task at a time, so
        that nothing else can be blamed for its death. Where the worker was ended from outside,
        by the time limit of a cluster for example, that weighs a fifth.
    gauge
        For the progress bar, where tasks are long.

    Yields
    ------
    Outcome
        One per task, as they complete. A task that raises, or that keeps losing its worker, has
        an ``error`` and does not stop the rest.

    Raises
    ------
    InputError
        If there are no workers, they cannot load the function, or all of them die.
    """
    if not tasks:
        return
    with progress_bar(description, len(tasks), gauge) as advance:
        run = _Run(cloudpickle.dumps(function), tasks, executor, retries)
        for outcome in run.outcomes():
            advance()
            yield outcome


@dataclass
class _Run:
    """The state of one call of :func:`run_tasks`."""

    function: bytes
    tasks: Sequence[Any]
    block: ExecutorBlock
    retries: int
    waiting: deque[int] = field(init=False)
    in_flight: dict[Future[bytes], tuple[int, float]] = field(default_factory=dict)
    done: SimpleQueue[Future[bytes]] = field(default_factory=SimpleQueue)
    losses: dict[int, list[WorkerLostError]] = field(default_factory=dict)  # by task
    ended: int = 0  # tasks that a worker came back from

    def __post_init__(self) -> None:
        self.waiting = deque(range(len(self.tasks)))

    def outcomes(self) -> Iterator[Outcome]:
        pool = self.block.start(len(self.tasks))
        try:
            yield from self._submit(pool)
            while self.in_flight:
                outcomes = [*self._settle(self.done.get())]
                self._refuse_hopeless(pool)
                outcomes += self._submit(pool)  # no worker waits for the consumer
                yield from outcomes
        except BaseException:  # Ctrl-C, or the consumer wants no more: nobody waits for the rest
            pool.stop(at_once=True)
            raise
        pool.stop(at_once=False)

    def _submit(self, pool: Pool) -> Iterator[Outcome]:
        """Give every worker a task; those that cannot be sent have failed."""
        while self.waiting and len(self.in_flight) < pool.slots():
            index = self.waiting.popleft()
            try:
                task = cloudpickle.dumps(self.tasks[index])
            except Exception as exception:  # noqa: BLE001 - whatever it is, the rest goes on
                yield Outcome(index, None, failure(exception), 0.0)
                continue
            future = pool.submit(attempt, self.function, task)
            self.in_flight[future] = index, time.perf_counter()
            future.add_done_callback(self.done.put)

    def _settle(self, future: Future[bytes]) -> Iterator[Outcome]:
        index, start = self.in_flight.pop(future)
        error = future.exception()
        if isinstance(error, WorkerLostError):
            yield from self._after_loss(index, error, time.perf_counter() - start)
            return
        if error is not None:  # the pool cannot go on
            raise error
        self.ended += 1
        try:
            result: Attempt = pickle.loads(future.result())
        except Exception as exception:  # noqa: BLE001 - a value that only its worker understands
            yield Outcome(index, None, failure(exception), time.perf_counter() - start)
            return
        if not result.loaded and result.error is not None:
            raise InputError(
                "workers cannot load what they are to run: "
                f"{result.error.kind}: {result.error.message}. They need what is installed here, "
                "and every module that the configuration names"
            )
        yield Outcome(index, result.value, result.error, result.seconds)

    def _after_loss(self, index: int, loss: WorkerLostError, seconds: float) -> Iterator[Outcome]:
        """Try a task again whose worker is gone, or give it up."""
        losses = self.losses.setdefault(index, [])
        losses.append(loss)
        given_up = sum(one.share for one in losses) > self.retries + 1 - 1e-6
        next_ = "it is given up" if given_up else "it is tried again"
        logger.warning("A worker was lost with task %d (%s); %s", index, loss.how, next_)
        if given_up:
            hows = "; ".join(dict.fromkeys(one.how for one in losses))
            message = f"in each of {len(losses)} tries: {hows}"
            yield Outcome(index, None, TaskFailure("worker lost", message, ""), seconds)
        else:
            self.waiting.appendleft(index)

    def _refuse_hopeless(self, pool: Pool) -> None:
        lost = [loss for losses in self.losses.values() for loss in losses]
        if lost and not self.ended and len(lost) >= HOPELESS + 2 * pool.slots():
            raise InputError(
                f"{len(lost)} workers were lost before any task had ended; the last: "
                f"{lost[-1].how}. Look at memory and at the programs that the tasks start"
            )
