"""Commands and programs of throwaway projects, forked from a process that has imported everything.

That saves the seconds which each would take to import the same.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from filelock import FileLock

SECONDS = 900  # patience with one command on a busy machine
ENVIRONMENT = {"OMP_NUM_THREADS": "1", "COLUMNS": "200"}


def start_kedro(project: Path, *arguments: str) -> Command:
    """Start ``kedro ARGUMENTS`` in a project, as the head of a process group."""
    return _warm_kedro().start(project, {"arguments": arguments})


def start_python(project: Path, code: str) -> Command:
    """Start a program in a project, as the head of a process group."""
    return _warm_kedro().start(project, {"code": code})


@dataclass
class Command:
    """A command that runs, the head of a process group, or has ended."""

    kedro: WarmKedro
    pid: int
    output_file: Path
    status: int | None = None

    @property
    def output(self) -> str:
        """What it has printed so far."""
        return self.output_file.read_text()

    def poll(self) -> int | None:
        """Its exit status, negative for a signal; none while it runs."""
        if self.status is None:
            self.status = self.kedro.answer({"poll": self.pid})
        return self.status

    def wait(self, seconds: float = SECONDS, whole_group: bool = False) -> int:
        """Its exit status, when it has ended (and all its children, too)."""
        deadline = time.monotonic() + seconds
        while self.poll() is None or (whole_group and self._group_lives()):
            assert time.monotonic() < deadline, self.output
            time.sleep(0.01)
        return self.status

    def kill(self, only_parent: bool = False) -> None:
        """Kill it and its children, or only itself; all of them have ended then."""
        (os.kill if only_parent else os.killpg)(self.pid, signal.SIGKILL)
        self.wait(60, whole_group=True)

    def _group_lives(self) -> bool:
        try:
            os.killpg(self.pid, 0)
        except ProcessLookupError:
            return False
        return True


class WarmKedro:
    """The process that forks one for each command, see ``warm_kedro.py``.

    All processes of a test run share it. The first that needs it starts it; it ends when nobody is
    connected any more.
    """

    def __init__(self) -> None:
        run = os.environ.get("PYTEST_XDIST_TESTRUNUID", str(os.getpid()))
        place = Path(tempfile.gettempdir()) / f"warm-kedro-{run}"
        self._folder = tempfile.TemporaryDirectory()
        with FileLock(f"{place}.lock"):
            self._connection = _connected(place) or _started(place)
        self._answers = self._connection.makefile()

    def start(self, project: Path, what: dict[str, Any]) -> Command:
        """Start a command or a program in a project."""
        number, output = tempfile.mkstemp(dir=self._folder.name)
        os.close(number)
        order = {
            **what,
            "folder": str(project),
            "output": output,
            "environment": {**os.environ, **ENVIRONMENT},
        }
        return Command(self, self.answer({"start": order}), Path(output))

    def answer(self, order: dict[str, Any]) -> Any:
        """What the process answers."""
        self._connection.sendall(json.dumps(order).encode() + b"\n")
        return json.loads(self._answers.readline())


def _connected(place: Path) -> socket.socket | None:
    connection = socket.socket(socket.AF_UNIX)
    try:
        connection.connect(str(place))
    except (FileNotFoundError, ConnectionRefusedError):
        connection.close()
        return None
    return connection


def _started(place: Path) -> socket.socket:
    place.unlink(missing_ok=True)
    process = subprocess.Popen(
        [sys.executable, str(Path(__file__).with_name("warm_kedro.py")), str(place)],
        env={**os.environ, **ENVIRONMENT},
        stdin=subprocess.DEVNULL,
        start_new_session=True,
    )
    deadline = time.monotonic() + SECONDS
    while (connection := _connected(place)) is None:
        assert process.poll() is None and time.monotonic() < deadline, "no warm process"
        time.sleep(0.05)
    return connection


@lru_cache
def _warm_kedro() -> WarmKedro:
    return WarmKedro()
