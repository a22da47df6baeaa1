"""Dask: a scheduler that runs already, what it keeps, and what is refused."""

from __future__ import annotations

import importlib.util
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import cloudpickle
import pytest
from distributed import Client

import potwright
from potwright.errors import InputError
from potwright.execution import DaskExecutor, Outcome, run_tasks
from potwright.execution import dask as dask_module
from potwright.execution.dask_pool import DaskPool

cloudpickle.register_pickle_by_value(sys.modules[__name__])


@dataclass
class Running:
    """A scheduler of Dask that a user started, by the commands that users have."""

    folder: Path
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)
    address: str = ""

    def start(self) -> Running:
        file = self.folder / "scheduler.json"
        options = ["--port", "0", "--dashboard-address", ":0", "--host", "127.0.0.1"]
        self.command("scheduler", "--scheduler-file", str(file), *options)
        with Client(scheduler_file=str(file), timeout=60, set_as_default=False) as client:
            self.address = client.scheduler.address
        return self

    @contextmanager
    def workers(self, count: int, threads: int = 1, **environment: str) -> Iterator[None]:
        several = ["--nworkers", str(count), "--nthreads", str(threads), "--no-dashboard"]
        process = self.command("worker", self.address, *several, **environment)
        with Client(self.address, set_as_default=False) as client:
            client.wait_for_workers(count, timeout=60)
        yield
        process.terminate()
        process.wait(timeout=30)

    def command(self, *arguments: str, **environment: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "dask", *arguments]
        log = (self.folder / f"{arguments[0]}.log").open("ab")
        process = subprocess.Popen(
            command, stdout=log, stderr=log, env={**os.environ, **environment}
        )
        self.processes.append(process)
        return self.processes[-1]

    def held(self) -> tuple[int, int, int]:
        """Tasks that the scheduler knows, and the lengths of the two lists of the ledger."""

        def look(dask_scheduler) -> tuple[int, int, int]:
            ledger = dask_scheduler.plugins["potwright-ledger"]
            return len(dask_scheduler.tasks), len(ledger.begun), len(ledger.values)

        with Client(self.address, set_as_default=False) as client:
            return client.run_on_scheduler(look)


@pytest.fixture(scope="module")
def running(tmp_path_factory) -> Iterator[Running]:
    running = Running(tmp_path_factory.mktemp("dask")).start()
    yield running
    for process in reversed(running.processes):
        process.terminate()
        process.wait(timeout=30)


def die_on_three(x: int) -> int:
    if x == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    return -x


def use(running: Running, **block) -> list[Outcome]:
    executor = DaskExecutor(address=running.address, **block)
    return list(run_tasks(abs, [1], executor, description="test"))


def test_a_scheduler_without_workers_is_not_waited_for_longer_than_said(running):
    started = time.monotonic()
    with pytest.raises(InputError, match=r"has had no workers for 0.02 min(.|\n)*dask worker"):
        use(running, start_timeout_minutes=0.02)
    assert time.monotonic() - started < 30


def test_workers_that_would_mix_tasks_in_one_process_are_refused(running):
    refused = pytest.raises(InputError, match=r"several tasks at a time(.|\n)*--nthreads 1")
    with running.workers(1, threads=2), refused:
        use(running)


def test_workers_with_another_potwright_are_refused(running, tmp_path):
    shutil.copytree(Path(potwright.__file__).parent, tmp_path / "other" / "potwright")
    (tmp_path / "other" / "potwright" / "__init__.py").write_text("__version__ = '0.0.1'")
    said = f"same Potwright.*{potwright.__version__}; found: 0.0.1"
    refused = pytest.raises(InputError, match=said)
    with running.workers(1, PYTHONPATH=str(tmp_path / "other")), refused:
        use(running)


def test_a_running_scheduler_is_used_and_left_as_it_was(running):
    """Its own count of failures, 3, is not the judge; results do not pile up in its memory. When it
    goes in the end, one message says so."""
    executor = DaskExecutor(address=running.address)
    executor.verify()
    with running.workers(2):
        outcomes = run_tasks(die_on_three, range(60), executor, description="test")
        half = [next(outcomes) for _ in range(30)]
        assert all(held <= 4 for held in running.held())
        both = {o.index: o for o in [*half, *outcomes]}
        assert both.pop(3).error.message.startswith("in each of 2 tries: its worker tcp://")
        assert [both[i].value for i in sorted(both)] == [-i for i in range(60) if i != 3]
        assert running.held() == (0, 0, 0)
        with Client(running.address, set_as_default=False) as client:
            assert len(client.scheduler_info()["workers"]) == 2

        outcomes = run_tasks(time.sleep, [0.0, 600.0], executor, description="test")
        assert next(outcomes).error is None
        running.processes[0].kill()
        with pytest.raises(InputError, match="scheduler is gone"):
            next(outcomes)


def test_a_value_outlives_a_worker_that_dies_before_anybody_asked(monkeypatch):
    """Dask says finished, and then lost; the value is in the ledger."""
    settle, statuses = DaskPool._settle, []

    def settle_late(pool, promise, future):
        if not statuses:
            (pid,) = pool._client.run(os.getpid).values()
            os.kill(pid, signal.SIGKILL)
            until = time.monotonic() + 30
            while future.status == "finished" and time.monotonic() < until:
                time.sleep(0.001)
        statuses.append(future.status)
        settle(pool, promise, future)

    monkeypatch.setattr(DaskPool, "_settle", settle_late)
    (outcome,) = run_tasks(abs, [-7], DaskExecutor(workers=1), description="test")
    assert (outcome.value, outcome.error) == (7, None)
    assert statuses == ["lost"]


@pytest.mark.parametrize("address", ["tcp://127.0.0.1:1", "nobody.invalid:8786", "tcp://"])
def test_an_address_where_nobody_answers_is_refused_at_once(address, monkeypatch):
    monkeypatch.setattr(dask_module, "SECONDS_TO_CONNECT", 1)
    with pytest.raises(InputError, match=f"no Dask scheduler answers at {address}"):
        DaskExecutor(address=address).verify()


def test_a_missing_package_is_named_with_the_extra(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"needs distributed: pip install 'potwright\[dask\]'"):
        DaskExecutor().verify()


def test_workers_belong_to_a_cluster_of_ones_own():
    with pytest.raises(InputError, match="workers is for a cluster on this machine"):
        DaskExecutor.model_validate({"type": "dask", "address": "tcp://a:1", "workers": 2})
