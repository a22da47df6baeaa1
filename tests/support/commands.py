"""Commands and programs of throwaway projects, forked from a process that has imported everything.

That saves the seconds which each would take to import the same.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

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
    """A process that forks one for each command, see ``warm_kedro.py``."""

    def __init__(self, folder: Path):
        self._folder = folder
        self._process = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("warm_kedro.py"))],
            env={**os.environ, **ENVIRONMENT},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def start(self, project: Path, what: dict[str, Any]) -> Command:
        """Start a command or a program in a project."""
        number, output = tempfile.mkstemp(dir=self._folder)
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
        print(json.dumps(order), file=self._process.stdin, flush=True)
        return json.loads(self._process.stdout.readline())


@lru_cache
def _warm_kedro() -> WarmKedro:
    """The one of this process; it ends with it."""
    return WarmKedro(Path(tempfile.mkdtemp()))
