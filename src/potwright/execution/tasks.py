"""Many tasks, a bounded number in flight, results as they complete, lost workers survived."""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Executor, Future, wait
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

from potwright.execution.progress import progress_bar
from potwright.execution.worker import TaskFailure, attempt

logger = logging.getLogger(__name__)

T = TypeVar("T")


class ExecutorBlock(Protocol):
    """What a kind of executor provides. A pool that lost a worker raises ``BrokenExecutor``."""

    def slots(self) -> int:
        """How many tasks run at a time."""

    def start(self, tasks: int) -> Executor:
        """A pool for ``tasks`` tasks."""

    def stop(self, pool: Executor, *, at_once: bool) -> None:
        """End the pool: when it is idle, or at once whatever it does."""


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
    retries: int = 2,
) -> Iterator[Outcome]:
    """Run ``function`` on every task in other processes.

    Parameters
    ----------
    function, tasks
        Both picklable. Workers are fresh interpreters, reused from task to task.
    executor
        Where to run: the parameters of an executor, such as :class:`LocalExecutor`.
    description
        What the progress bar says.
    retries
        How often a task whose worker died is tried again. The tasks that were in flight then are
        run one at a time, so that one which kills its worker is told from its neighbours.

    Yields
    ------
    Outcome
        One per task, as they complete. A task that raises, or that keeps losing its worker, has
        an ``error`` and does not stop the rest.
    """
    if not tasks:
        return
    with progress_bar(description, len(tasks)) as advance:
        run = _Run(function, tasks, executor, retries)
        for outcome in run.outcomes():
            advance()
            yield outcome


@dataclass
class _Run:
    """The state of one call of :func:`run_tasks`."""

    function: Callable[[Any], Any]
    tasks: Sequence[Any]
    block: ExecutorBlock
    retries: int
    waiting: deque[int] = field(init=False)
    suspects: deque[int] = field(default_factory=deque)  # in flight when a worker died
    losses: dict[int, int] = field(default_factory=dict)  # workers lost, by task
    in_flight: dict[Future[Any], tuple[int, float]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.waiting = deque(range(len(self.tasks)))

    def outcomes(self) -> Iterator[Outcome]:
        pool = self.block.start(len(self.tasks))
        try:
            while self.waiting or self.suspects or self.in_flight:
                intact = self._submit(pool)
                done = wait(self.in_flight, return_when=FIRST_COMPLETED).done
                intact = intact and not any(_worker_lost(future) for future in done)
                if not intact:  # the pool is broken: everything in flight has ended, too
                    done = wait(self.in_flight).done
                lost = []
                for future in done:
                    index, start = self.in_flight.pop(future)
                    error = future.exception()
                    if isinstance(error, BrokenExecutor):
                        lost.append((index, time.perf_counter() - start, error))
                    else:
                        yield _outcome(index, future, time.perf_counter() - start)
                if not intact:
                    self.block.stop(pool, at_once=True)
                    pool = self.block.start(len(self.tasks))
                    yield from self._after_loss(lost)
        except BaseException:  # Ctrl-C, or the consumer wants no more: nobody waits for the rest
            self.block.stop(pool, at_once=True)
            raise
        self.block.stop(pool, at_once=False)

    def _submit(self, pool: Executor) -> bool:
        """Fill the window; suspects go alone. False if the pool turns out to be broken."""
        source, window = (
            (self.suspects, 1) if self.suspects else (self.waiting, 2 * self.block.slots())
        )
        while source and len(self.in_flight) < window:
            index = source[0]
            try:
                future = pool.submit(attempt, self.function, self.tasks[index])
            except BrokenExecutor:
                return False
            source.popleft()
            self.in_flight[future] = index, time.perf_counter()
        return True

    def _after_loss(self, lost: list[tuple[int, float, BrokenExecutor]]) -> Iterator[Outcome]:
        """Decide what happens to tasks whose worker died."""
        logger.warning(
            "a worker process died while %d task%s in flight; started anew",
            len(lost),
            " was" if len(lost) == 1 else "s were",
        )
        for index, seconds, error in lost:
            self.losses[index] = self.losses.get(index, 0) + 1
            if self.losses[index] > self.retries:
                message = f"in each of {self.losses[index]} tries: {error}"
                failure = TaskFailure("worker lost", message, str(error.__cause__ or ""))
                yield Outcome(index, None, failure, seconds)
            else:
                self.suspects.append(index)


def _worker_lost(future: Future[Any]) -> bool:
    return isinstance(future.exception(), BrokenExecutor)


def _outcome(index: int, future: Future[Any], elapsed: float) -> Outcome:
    error = future.exception()
    if error is not None:  # the task or its value could not be sent between processes
        failure = TaskFailure(type(error).__name__, str(error), str(error.__cause__ or ""))
        return Outcome(index, None, failure, elapsed)
    result = future.result()
    return Outcome(index, result.value, result.error, result.seconds)
