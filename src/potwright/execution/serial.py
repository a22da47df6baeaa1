"""This process itself, one task after the other: for a debugger, and where work is very small."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from typing import Literal

from potwright.parameters import Parameters


class SerialExecutor(Parameters):
    """No other process: breakpoints work, nothing is imported anew.

    A task that ends its process ends the campaign, which then goes on where it was; with the other
    executors it costs a worker only. Numerical libraries take the threads that this process has.
    """

    type: Literal["serial"] = "serial"

    def slots(self) -> int:
        """One task at a time."""
        return 1

    def verify(self) -> None:
        """Nothing can be missing."""

    def start(self, tasks: int) -> SerialPool:
        """What there is already."""
        return SerialPool()


class SerialPool:
    """Runs a task when it is submitted."""

    def slots(self) -> int:
        """One task at a time."""
        return 1

    def submit(self, function: Callable[..., bytes], /, *arguments: bytes) -> Future[bytes]:
        """Run a function now."""
        done: Future[bytes] = Future()
        done.set_result(function(*arguments))
        return done

    def stop(self, *, at_once: bool) -> None:
        """There is nothing to end."""
