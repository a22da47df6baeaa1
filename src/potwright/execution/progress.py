"""A progress bar, where someone can see it, and a file for those who look from elsewhere."""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

from potwright.files import complete_or_absent

POLL_SECONDS = 1.0

_kept: dict[str, Any] = {}
"""Where this process keeps its progress, and what it says beside it; see :func:`keep_progress`."""


def keep_progress(path: Path | None, **said: Any) -> None:
    """From now on, keep what every progress bar of this process knows in a JSON file.

    The file is there as long as something goes on, and holds ``description``, ``unit``, ``done``,
    ``total``, ``done_at_first``, ``tasks_done``, ``tasks``, and the times ``began`` and
    ``updated``, in seconds since 1970.

    Parameters
    ----------
    path
        The file; None: nothing is kept any more.
    **said
        What else it holds.
    """
    _kept.clear()
    if path is not None:
        _kept.update(path=path, said=said)


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
    with (
        _written(description, total, gauge) as note,
        _shown(description, total, gauge) as show,
    ):

        def advance() -> None:
            note()
            show()

        yield advance


@contextmanager
def _shown(description: str, total: int, gauge: Gauge | None) -> Iterator[Callable[[], None]]:
    """The bar, if output is a terminal."""
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
def _written(description: str, total: int, gauge: Gauge | None) -> Iterator[Callable[[], None]]:
    """The file, if one is to be kept; written once a second at most."""
    if not _kept:
        yield lambda: None
        return
    path, finished, stop, written = Path(_kept["path"]), 0, threading.Event(), 0.0
    first, began, said = gauge.done() if gauge else 0, time.time(), dict(_kept["said"])

    def write() -> None:
        nonlocal written
        written = time.time()
        record = {
            "description": description,
            "unit": gauge.unit if gauge else "tasks",
            "done": gauge.done() if gauge else finished,
            "total": gauge.total if gauge else total,
            "done_at_first": first,
            "tasks_done": finished,
            "tasks": total,
            "began": began,
            "updated": written,
        }
        with complete_or_absent(path) as temporary:
            temporary.write_text(json.dumps(said | record))

    def poll() -> None:
        while not stop.wait(POLL_SECONDS):
            write()

    def advance() -> None:
        nonlocal finished
        finished += 1
        if gauge is None and time.time() - written >= POLL_SECONDS:
            write()

    write()
    thread = threading.Thread(target=poll, daemon=True)
    if gauge is not None:  # it goes on between the ends of tasks
        thread.start()
    try:
        yield advance
    finally:
        stop.set()
        if gauge is not None:
            thread.join()
        path.unlink(missing_ok=True)


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
