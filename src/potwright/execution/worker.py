"""What happens inside a worker process."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

POLL_SECONDS = 0.2


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
    """One task's run: a value or a failure, and the wall time in the worker."""

    value: Any
    error: TaskFailure | None
    seconds: float


def attempt(function: Callable[[Any], Any], task: Any) -> Attempt:
    """Run one task; what it raises is part of the result.

    An exception that travelled as itself could break the pool: not every one survives pickling.
    """
    start = time.perf_counter()
    value, error = None, None
    try:
        value = function(task)
    except Exception as exception:  # noqa: BLE001 - a task may raise anything; all is recorded
        error = TaskFailure(type(exception).__name__, str(exception), traceback.format_exc())
    return Attempt(value, error, time.perf_counter() - start)


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
    _kill_children(os.getpid())
    os._exit(1)


def _kill_children(process: int) -> None:
    """Programs that a task started would outlive this process (Linux; nothing elsewhere)."""
    for listing in Path(f"/proc/{process}/task").glob("*/children"):
        with contextlib.suppress(OSError):
            for child in map(int, listing.read_text().split()):
                _kill_children(child)
                os.kill(child, signal.SIGKILL)
