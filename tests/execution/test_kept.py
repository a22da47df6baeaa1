"""Workers that stay: one process for many calls, and none left behind."""

from __future__ import annotations

import os

import pytest

from potwright.execution import KeptWorkers, LocalExecutor, run_tasks


def processes(workers: KeptWorkers, count: int = 1) -> set[int]:
    outcomes = run_tasks(lambda _: os.getpid(), range(count), workers, description="Rounds")
    return {outcome.value for outcome in outcomes}


def test_calls_share_workers_until_the_end() -> None:
    with KeptWorkers(LocalExecutor(workers=1)) as workers:
        first, second = processes(workers), processes(workers, 2)
        assert first == second and len(first) == 1
    with pytest.raises(ProcessLookupError):
        os.kill(first.pop(), 0)
