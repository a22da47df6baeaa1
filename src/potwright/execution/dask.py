"""Workers of Dask: of a cluster of one's own on this machine, or of one that runs somewhere."""

from __future__ import annotations

import importlib.util
import logging
import os
import socket
import subprocess
import sys
from typing import TYPE_CHECKING, Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, model_validator

from potwright.errors import InputError
from potwright.execution.local import usable_cores
from potwright.execution.pool import WorkerLostError
from potwright.execution.worker import worker_environment
from potwright.parameters import Parameters

if TYPE_CHECKING:
    from potwright.execution.dask_pool import DaskPool

SECONDS_TO_CONNECT = 5
SECONDS_TO_END = 10
DEATH_TIMEOUT_SECONDS = 60  # for workers that do not find their scheduler


class DaskExecutor(Parameters):
    """Workers of Dask.

    Attributes
    ----------
    address
        Of a scheduler that runs, ``tcp://host:port``; None: a cluster on this machine is started.
    workers
        Processes at a time on this machine; None: as many as the usable cores can feed.
    threads_per_worker
        Threads that numerical libraries may use in each process.
    start_timeout_minutes
        How long to wait where there are no workers.
    """

    type: Literal["dask"] = "dask"
    address: str | None = None
    workers: int | None = Field(default=None, ge=1)
    threads_per_worker: int = Field(default=1, ge=1)
    start_timeout_minutes: float = Field(default=5.0, gt=0)

    @model_validator(mode="after")
    def _workers_of_whom(self) -> Self:
        if self.address and self.workers:
            raise ValueError("workers is for a cluster on this machine; the one at address has its")
        return self

    def slots(self) -> int:
        """How many tasks run at a time; 1 for the workers of a scheduler that only it knows."""
        if self.address:
            return 1
        return self.workers or max(1, usable_cores() // self.threads_per_worker)

    def verify(self) -> None:
        """Refuse a missing package and a scheduler that does not answer."""
        require("distributed")
        if self.address:
            _connect(self.address).close()

    def start(self, tasks: int) -> DaskPool:
        """Workers for ``tasks`` tasks."""
        require("distributed")
        from potwright.execution.dask_pool import DaskPool

        if self.address:
            client = _connect(self.address)
            cluster: Any = RunningCluster(self.address, client, self.start_timeout_minutes * 60)
            return DaskPool(client, cluster, self.threads_per_worker)
        workers = min(self.slots(), tasks)
        cluster = OwnCluster(workers, self.threads_per_worker, self.start_timeout_minutes * 60)
        return DaskPool(cluster.client(), cluster, self.threads_per_worker)


def require(*modules: str) -> None:
    """Refuse to go on without packages that are optional."""
    missing = [name for name in modules if importlib.util.find_spec(name) is None]
    if missing:
        raise InputError(
            f"this executor needs {' and '.join(missing)}: pip install 'potwright[dask]'"
        )


def _connect(address: str) -> Any:
    """A client of a scheduler that runs."""
    try:
        place = urlsplit(address)
        socket.create_connection((place.hostname, place.port), SECONDS_TO_CONNECT).close()
        from distributed import Client

        return Client(address, timeout=SECONDS_TO_CONNECT, set_as_default=False)
    except (OSError, ValueError, TypeError, MemoryError) as error:  # something else may answer
        raise InputError(
            f"no Dask scheduler answers at {address} within {SECONDS_TO_CONNECT} s: {error}. Start "
            "one (`dask scheduler`), and give the address that it prints"
        ) from error


class RunningCluster:
    """Somebody else's cluster: it is used as it is."""

    own = False

    def __init__(self, address: str, client: Any, patience_seconds: float):
        self._address = address
        self._client = client
        self.patience_seconds = patience_seconds
        several = [
            worker["name"]
            for worker in client.scheduler_info()["workers"].values()
            if worker["nthreads"] > 1
        ]
        if several:
            client.close()
            raise InputError(
                f"workers of the Dask scheduler at {address} run several tasks at a time in one "
                f"process ({several[0]}, …), which Potwright's cannot share; start them with "
                "`dask worker --nthreads 1 --nworkers N`"
            )

    def slots(self) -> None:
        """As many as there are workers."""

    def tend(self) -> None:
        """Its owner does."""

    def absence(self) -> str:
        """Why there are no workers."""
        minutes = self.patience_seconds / 60
        return (
            f"the Dask scheduler at {self._address} has had no workers for {minutes:g} min "
            "(start_timeout_minutes). Start some: `dask worker --nthreads 1 --nworkers N "
            f"{self._address}`"
        )

    def how_ended(self, loss: dict[str, Any]) -> WorkerLostError:
        """Announced, or of itself."""
        from potwright.execution.dask_pool import announced

        return announced(loss) or WorkerLostError(f"its worker {loss['worker']} died", 1)

    def close(self) -> None:
        """It goes on without us."""


class OwnCluster:
    """A scheduler in this process, and worker processes watched by nannies that replace them.

    The nannies' process is started as on a cluster, by a command: Python's multiprocessing would
    import the main script again in each worker.
    """

    own = True

    def __init__(self, workers: int, threads: int, patience_seconds: float):
        import dask
        from distributed import LocalCluster

        from potwright.execution.dask_pool import DASK_SETTINGS

        self.patience_seconds = patience_seconds
        self._workers, self._threads = workers, threads
        self._settings = dask.config.set(DASK_SETTINGS)
        self._scheduler = LocalCluster(
            n_workers=0, dashboard_address=":0", silence_logs=logging.CRITICAL
        )
        self._nannies = self._start()

    def _start(self) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "distributed.cli.dask_worker"]
        command += [self._scheduler.scheduler_address, "--nworkers", str(self._workers)]
        command += ["--nthreads", "1", "--memory-limit", "0", "--no-dashboard"]
        command += ["--death-timeout", str(DEATH_TIMEOUT_SECONDS)]
        return subprocess.Popen(
            command,
            env={**os.environ, **worker_environment(self._threads)},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,  # Ctrl-C is for the main process
        )

    def client(self) -> Any:
        """A client of it."""
        from distributed import Client

        return Client(self._scheduler, set_as_default=False)

    def slots(self) -> int:
        """As many as there are processes."""
        return self._workers

    def tend(self) -> None:
        """Start the nannies anew if they are gone; workers are theirs to replace."""
        if self._nannies.poll() is not None:
            self._nannies = self._start()

    def absence(self) -> str:
        """Why there are no workers."""
        return f"no worker process of Dask has started in {self.patience_seconds / 60:g} min"

    def how_ended(self, loss: dict[str, Any]) -> WorkerLostError:
        """Announced, or of itself."""
        from potwright.execution.dask_pool import announced

        return announced(loss) or WorkerLostError("its process died", 1)

    def close(self) -> None:
        """End scheduler and processes."""
        self._nannies.terminate()
        try:
            self._nannies.wait(timeout=SECONDS_TO_END)
        except subprocess.TimeoutExpired:
            self._nannies.kill()  # its workers end with it
            self._nannies.wait()
        self._scheduler.close()
        self._settings.__exit__(None, None, None)
