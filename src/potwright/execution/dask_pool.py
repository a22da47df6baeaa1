"""Tasks on a Dask cluster, whatever it runs on."""

from __future__ import annotations

import logging
import os
import sys
import threading
import time
import uuid
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from itertools import count
from typing import Any, Protocol

import distributed
from distributed import Client, KilledWorker, Worker, WorkerPlugin, get_worker
from distributed.utils import sync

from potwright import __version__
from potwright.errors import InputError
from potwright.execution.ledger import BEGIN, END, TAKE, Ledger
from potwright.execution.pool import EVICTION, WorkerLostError
from potwright.execution.worker import kill_children, thread_limits

logging.getLogger("distributed").setLevel(logging.CRITICAL)  # run_tasks says what there is to say

LOOK_SECONDS, TEND_SECONDS = 0.2, 5.0
DASK_SETTINGS = {
    # who counts lost workers is run_tasks
    "distributed.scheduler.allowed-failures": 10**9,
    # a calculation may hold Python's lock for long; who is gone is known from the connection
    "distributed.scheduler.worker-ttl": None,
    # a nanny may take its time to start its worker anew; what became of jobs, Slurm knows
    "distributed.deploy.lost-worker-timeout": "1 day",
    # models and data sets are sent with their task
    "distributed.admin.large-graph-warning-threshold": "1 TB",
}


class Cluster(Protocol):
    """What a pool asks of the cluster that it runs on."""

    own: bool
    """Whether it serves nobody else, and ends with the pool."""

    patience_seconds: float
    """How long to wait when there are no workers."""

    def slots(self) -> int | None:
        """How many tasks run at a time when all workers are there; None: as many as there are."""

    def tend(self) -> None:
        """Replace what is lost; called every few seconds.

        Raises
        ------
        InputError
            If that is hopeless.
        """

    def absence(self) -> str:
        """Why there are no workers, and what to do."""

    def how_ended(self, loss: dict[str, Any]) -> WorkerLostError:
        """What is known of the end of a worker, from the words of the ledger."""

    def close(self) -> None:
        """End the workers."""


def announced(loss: dict[str, Any]) -> WorkerLostError | None:
    """The end of a worker that had announced it: its lifetime, or fewer workers were wanted."""
    return WorkerLostError("its worker was retired", EVICTION) if loss.get("expected") else None


class Setup(WorkerPlugin):
    """Prepares a worker: importable is what is importable here; threads are limited."""

    def __init__(self, name: str, threads: int, *, own: bool):
        self.name = name
        self._threads, self._own = threads, own
        self._paths = [path for path in sys.path if path]

    def setup(self, worker: Worker) -> None:
        """Called in the worker, before it has tasks."""
        sys.path.extend(path for path in self._paths if path not in sys.path)
        os.environ.update(thread_limits(self._threads))

    def teardown(self, worker: Worker) -> None:
        """Called when the worker ends as it should; what it still runs is done elsewhere."""
        if self._own:
            kill_children(os.getpid())
            os._exit(0)


def _another_potwright(found: str) -> InputError:
    return InputError(
        f"workers need the same Potwright as this process, {__version__}; found: {found}"
    )


def installed_version() -> str:
    """Of Potwright, in a worker."""
    return __version__


def run_in_worker(key: str, function: Callable[..., bytes], arguments: tuple[bytes, ...]) -> None:
    """Run a function, unless another worker has begun with it; the ledger keeps the value."""
    worker = get_worker()
    job = os.environ.get("SLURM_JOB_ID", "")
    if _ask(worker, BEGIN, key=key, worker=worker.address, job=job):
        _ask(worker, END, key=key, value=function(*arguments))


def _ask(of: Worker | Client, what: str, **arguments: Any) -> Any:
    """Call a method of the ledger."""
    assert of.loop is not None
    return sync(of.loop, partial(getattr(of.scheduler, what), **arguments))


class DaskPool:
    """The workers of a Dask cluster.

    Parameters
    ----------
    client
        Connected.
    cluster
        What it is connected to.
    threads
        That numerical libraries may use in each worker.

    Raises
    ------
    InputError
        If there are no workers within the cluster's patience.
    """

    def __init__(self, client: Client, cluster: Cluster, threads: int):
        self._client, self._cluster = client, cluster
        self._run = f"potwright-{uuid.uuid4().hex}"
        self._numbers = count()
        self._in_flight: set[Future[bytes]] = set()
        self._workers, self._seen = 0, time.monotonic()
        self._failure: InputError | None = None
        self._stopped = threading.Event()
        self._detective = ThreadPoolExecutor(1, "potwright-losses")
        try:
            client.register_plugin(Ledger())
            client.register_plugin(Setup(self._run, threads, own=cluster.own))
            self._wait_for_workers()
        except BaseException:
            self.stop(at_once=True)
            raise
        threading.Thread(target=self._tend_on, daemon=True, name="potwright-tend").start()

    def slots(self) -> int:
        """How many tasks run at a time when all workers are there."""
        return max(1, self._cluster.slots() or self._workers)

    def submit(self, function: Callable[..., bytes], /, *arguments: bytes) -> Future[bytes]:
        """Run a function in one of the workers."""
        promise: Future[bytes] = Future()
        self._in_flight.add(promise)
        if self._failure is not None:
            self._fail(self._failure)
            return promise
        key = f"{self._run}-{next(self._numbers)}"
        future = self._client.submit(run_in_worker, key, function, arguments, key=key, pure=False)
        future.add_done_callback(partial(self._settle, promise))
        return promise

    def stop(self, *, at_once: bool) -> None:
        """End the workers; those of somebody else's cluster just get no more tasks."""
        self._stopped.set()
        self._detective.shutdown(wait=False, cancel_futures=True)
        if not self._cluster.own and self._failure is None:
            self._client.unregister_worker_plugin(self._run)
        self._client.close()  # cancels what is in flight
        self._cluster.close()

    def _settle(self, promise: Future[bytes], future: distributed.Future) -> None:
        """Pass a result on and forget it; called in a thread of Dask's."""
        try:
            if future.status in ("finished", "lost"):  # lost by its worker, which died since
                value, worker = _ask(self._client, TAKE, key=future.key)
                if value is None:
                    self._detective.submit(self._investigate, promise, worker)
                else:
                    self._give(promise, value)
            elif future.status == "error":
                self._after_error(promise, future.exception())
            elif not self._stopped.is_set():  # cancelled, lost
                self._fail(InputError("the Dask scheduler is gone. What is finished is kept"))
        except Exception as error:  # noqa: BLE001 - whatever it is, nobody may wait for ever
            self._after_error(promise, error)
        finally:
            future.release()

    def _after_error(self, promise: Future[bytes], error: BaseException) -> None:
        """The function itself does not raise: what surrounds it did."""
        match error:
            case ImportError():
                self._fail(_another_potwright(f"none ({error})"))
            case KilledWorker():  # a scheduler that is not ours counts for itself
                self._give(promise, WorkerLostError(str(error), 1))
            case _:  # a connection, most likely
                self._give(promise, WorkerLostError(f"{type(error).__name__}: {error}", EVICTION))

    def _investigate(self, promise: Future[bytes], worker: dict[str, Any]) -> None:
        self._give(promise, self._cluster.how_ended(worker))

    def _give(self, promise: Future[bytes], result: bytes | Exception) -> None:
        try:
            self._in_flight.remove(promise)
        except KeyError:  # it was given something before
            return
        if isinstance(result, Exception):
            promise.set_exception(result)
        else:
            promise.set_result(result)

    def _fail(self, error: InputError) -> None:
        """End everything: the pool cannot go on."""
        self._failure = error
        for promise in list(self._in_flight):
            self._give(promise, error)

    def _wait_for_workers(self) -> None:
        """Return when a worker has answered, and has the same Potwright."""
        probe = self._client.submit(installed_version, key=f"{self._run}-probe", pure=False)
        while not probe.done():
            self._look()
            time.sleep(LOOK_SECONDS)
        self._refuse_another_potwright(probe)
        probe.release()

    def _refuse_another_potwright(self, probe: distributed.Future) -> None:
        try:
            found = probe.result()
        except ImportError as error:
            found = f"none ({error})"
        if found != __version__:
            raise _another_potwright(found)

    def _tend_on(self) -> None:
        while not self._stopped.wait(TEND_SECONDS):
            try:
                self._look()
            except InputError as error:
                self._fail(error)
                return
            except Exception:  # noqa: BLE001 - the scheduler is busy, or the pool is being stopped
                continue

    def _look(self) -> int:
        """Count the workers, and have lost ones replaced."""
        self._cluster.tend()
        self._workers = len(self._client.scheduler_info()["workers"])
        if self._workers:
            self._seen = time.monotonic()
        elif time.monotonic() - self._seen > self._cluster.patience_seconds:
            raise InputError(self._cluster.absence())
        return self._workers
