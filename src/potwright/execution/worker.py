"""What happens inside a worker process."""

from __future__ import annotations

import contextlib
import os
import pickle
import signal
import sys
import sysconfig
import threading
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import cloudpickle

POLL_SECONDS = 0.2
THREAD_LIMITS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


@dataclass(frozen=True)
class TaskFailure:
    """Why a task has no value.

    Attributes
    ----------
    kind
        Name of the exception's class, or ``"worker lost"``.
    message
        What the exception says.
    traceback
        Where it was raised, in the worker.
    """

    kind: str
    message: str
    traceback: str


@dataclass(frozen=True)
class Attempt:
    """One task's run.

    Attributes
    ----------
    value
        What the function returned.
    error
        Why there is no value; None if there is one.
    seconds
        Wall time in the worker.
    loaded
        Whether the worker could load the function, which is the same for all tasks.
    """

    value: Any
    error: TaskFailure | None
    seconds: float
    loaded: bool = True


def attempt(function: bytes, task: bytes) -> bytes:
    """Run one task; what it raises is part of the result.

    Only bytes travel: whatever cannot be unpickled at the other end, an exception for example,
    could otherwise break the pool that carries it.

    Parameters
    ----------
    function, task
        Pickled.

    Returns
    -------
    bytes
        A pickled :class:`Attempt`.
    """
    start = time.perf_counter()
    value, error, call = None, None, None
    try:
        call = _loaded(function)
        value = call(pickle.loads(task))
    except Exception as exception:  # noqa: BLE001 - a task may raise anything; all is recorded
        error = failure(exception)
    seconds = time.perf_counter() - start
    try:
        return cloudpickle.dumps(Attempt(value, error, seconds, loaded=call is not None))
    except Exception as exception:  # noqa: BLE001 - a value that cannot travel is a failure, too
        return cloudpickle.dumps(Attempt(None, failure(exception), seconds))


@lru_cache(maxsize=1)
def _loaded(function: bytes) -> Callable[[Any], Any]:
    call: Callable[[Any], Any] = pickle.loads(function)
    return call


def failure(exception: Exception) -> TaskFailure:
    """An exception as text."""
    lines = traceback.format_exception(exception)
    return TaskFailure(type(exception).__name__, str(exception), "".join(lines))


def thread_limits(threads: int) -> dict[str, str]:
    """Environment variables that limit the threads of numerical libraries."""
    return dict.fromkeys(THREAD_LIMITS, str(threads))


def worker_environment(threads: int) -> dict[str, str]:
    """What a new Python needs to import what is importable here, and the limits of threads.

    Installed packages are left out: that Python has its own.
    """
    own = sysconfig.get_paths()
    installed = (own["stdlib"], own["platstdlib"], own["purelib"], own["platlib"])
    known = (path for path in sys.path if path and Path(path).exists())
    here = [path for path in known if not path.startswith(installed)]
    return {"PYTHONPATH": os.pathsep.join(here), **thread_limits(threads)}


def start_worker(parent: int) -> None:
    """Make this process end with its parent, and leave Ctrl-C to it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    end_with_parent(parent)


def end_with_parent(parent: int) -> None:
    """End this process, and the programs that it started, when process ``parent`` is gone."""
    threading.Thread(target=_end_with, args=(parent,), daemon=True, name="watchdog").start()


def _end_with(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(POLL_SECONDS)
    kill_children(os.getpid())
    os._exit(1)


def kill_children(process: int) -> None:
    """End the programs that a task started (Linux; nothing elsewhere): they would outlive it."""
    for listing in Path(f"/proc/{process}/task").glob("*/children"):
        with contextlib.suppress(OSError):
            for child in map(int, listing.read_text().split()):
                kill_children(child)
                os.kill(child, signal.SIGKILL)
