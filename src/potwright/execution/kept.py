"""Workers that stay from one call of :func:`run_tasks` to the next."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from types import TracebackType
from typing import Self

from potwright.execution.pool import ExecutorBlock, Pool


class KeptWorkers:
    """An executor whose workers are started once and used by many calls.

    For work that comes in many small rounds, each of which depends on the one before: starting
    workers and importing what they need would take longer than the tasks.

    >>> from potwright.execution import LocalExecutor, run_tasks
    >>> with KeptWorkers(LocalExecutor(workers=2)) as workers:  # doctest: +SKIP
    ...     for _ in range(100):
    ...         outcomes = list(run_tasks(abs, [-1, -2], workers, description="Rounds"))
    """

    def __init__(self, block: ExecutorBlock):
        self._block = block
        self._pool: Pool | None = None

    def slots(self) -> int:
        """How many tasks run at a time."""
        return self._block.slots()

    def verify(self) -> None:
        """Refuse what cannot work."""
        self._block.verify()

    def start(self, tasks: int) -> Pool:
        """The same workers each time; they begin with the first call."""
        if self._pool is None:
            self._pool = self._block.start(self._block.slots())
        return _Lent(self._pool, self.end)

    def end(self, *, at_once: bool = False) -> None:
        """End the workers; a further call begins with new ones."""
        pool, self._pool = self._pool, None
        if pool is not None:
            pool.stop(at_once=at_once)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        self.end(at_once=error is not None)


class _Lent:
    """The pool as one call sees it: when the call has ended well, the workers stay."""

    def __init__(self, pool: Pool, end: Callable[..., None]):
        self._pool, self._end = pool, end

    def slots(self) -> int:
        return self._pool.slots()

    def submit(self, function: Callable[..., bytes], /, *arguments: bytes) -> Future[bytes]:
        return self._pool.submit(function, *arguments)

    def stop(self, *, at_once: bool) -> None:
        if at_once:
            self._end(at_once=True)
