"""A progress bar, where someone can see it."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Protocol

POLL_SECONDS = 1.0


class Gauge(Protocol):
    """Tells how far work is in something finer than tasks, such as steps."""

    @property
    def total(self) -> int:
        """How much there is to do."""

    @property
    def unit(self) -> str:
        """Of what."""

    def done(self) -> int:
        """How much is done; asked about once a second."""


@contextmanager
def progress_bar(
    description: str, total: int, gauge: Gauge | None = None
) -> Iterator[Callable[[], None]]:
    """Show what is done, what there is in all, and time left; silent unless output is a terminal.

    Parameters
    ----------
    description
        What the bar says.
    total
        Number of tasks.
    gauge
        Something finer; its rate is shown, and tasks are counted beside it.

    Yields
    ------
    Callable
        To be called once per finished task.
    """
    if not (sys.stdout.isatty() and sys.stderr.isatty()):
        yield lambda: None
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(*_columns(gauge), console=Console(file=sys.stderr)) as progress:
        if gauge is None:
            bar = progress.add_task(description, total=total)
            yield lambda: progress.advance(bar)
            return
        with _watched(progress, description, total, gauge) as advance:
            yield advance


@contextmanager
def _watched(
    progress: Any, description: str, tasks: int, gauge: Gauge
) -> Iterator[Callable[[], None]]:
    """A bar that a thread moves to where the gauge is."""
    # what an earlier run has done is no speed of this one
    bar = progress.add_task("", total=gauge.total, completed=gauge.done())
    finished, stop = 0, threading.Event()

    def show() -> None:
        done, text = gauge.done(), f"{description} {finished}/{tasks}"
        progress.update(bar, completed=done, description=text)

    def poll() -> None:
        while not stop.wait(POLL_SECONDS):
            show()

    def advance() -> None:
        nonlocal finished
        finished += 1
        show()

    show()
    thread = threading.Thread(target=poll, daemon=True)
    thread.start()
    try:
        yield advance
    finally:
        stop.set()
        thread.join()


def _columns(gauge: Gauge | None) -> tuple[Any, ...]:
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        ProgressColumn,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )
    from rich.text import Text

    class Speed(ProgressColumn):
        """Of the gauge, per second."""

        def render(self, task: Any) -> Text:
            speed = f"{task.speed:.3g}" if task.speed else "–"
            return Text(f"{speed} {gauge.unit if gauge else ''}/s")

    return (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        *([Speed()] if gauge else []),
        TimeElapsedColumn(),
        TextColumn("left:"),
        TimeRemainingColumn(),
    )
