"""A real PostgreSQL server, where its programs are installed."""

from __future__ import annotations

import glob
import os
import shutil
import subprocess
import tempfile
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

REQUIRED = "POTWRIGHT_REQUIRE_POSTGRESQL"


def _programs() -> Path | None:
    found = sorted(glob.glob("/usr/lib/postgresql/*/bin/initdb"))
    path = found[-1] if found else shutil.which("initdb")
    return Path(path).parent if path else None


class Server:
    """A cluster in a folder of its own, which listens on a socket there and nowhere else."""

    def __init__(self, programs: Path, folder: Path):
        self.programs, self.folder = programs, folder
        # the server refuses to be run by root; Debian's package makes this user for it
        self.user = "postgres" if os.getuid() == 0 else None
        self.data = folder / "data"

    def run(self, program: str, *arguments: str) -> None:
        command = [str(self.programs / program), *arguments]
        done = subprocess.run(
            command, user=self.user, cwd=self.folder, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr

    def start(self) -> None:
        options = f"-c listen_addresses='' -k {self.folder} -c fsync=off"
        self.run("pg_ctl", "start", "-w", "-D", str(self.data), "-l", "log", "-o", options)

    def stop(self, mode: str = "fast") -> None:
        self.run("pg_ctl", "stop", "-D", str(self.data), "-m", mode)

    def url(self, database: str, password: str = "") -> str:
        user = f"tester:{password}" if password else "tester"
        return f"postgresql://{user}@/{database}?host={self.folder}"

    def new_database(self) -> str:
        """The URL of an empty database."""
        name = f"db_{uuid.uuid4().hex}"
        self.run(
            "psql",
            "-h",
            str(self.folder),
            "-U",
            "tester",
            "-c",
            f"CREATE DATABASE {name}",
            "postgres",
        )
        return self.url(name)


@pytest.fixture(scope="session")
def postgresql() -> Iterator[Server]:
    """A running server; skipped where there is none, unless the environment demands one."""
    programs = _programs()
    if programs is None:
        if os.environ.get(REQUIRED):
            pytest.fail(f"{REQUIRED} is set, but PostgreSQL's programs are not installed")
        pytest.skip("needs PostgreSQL: apt-get install postgresql")
    # not tmp_path: the server's user must be able to go there
    with tempfile.TemporaryDirectory(prefix="potwright-pg-") as name:
        server = Server(programs, Path(name))
        if server.user:
            shutil.chown(name, server.user)
        locale = ("--locale=C.UTF-8", "--encoding=UTF8")
        server.run("initdb", "-D", str(server.data), "-A", "trust", "-U", "tester", *locale, "-N")
        server.start()
        server.run("psql", "-h", name, "-U", "tester", "-c", "SELECT 1", "postgres")
        try:
            yield server
        finally:
            server.stop("immediate")


@pytest.fixture(params=["sqlite", "postgresql"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where a label store may be made: a file that is not there yet, or an empty database."""
    if request.param == "sqlite":
        return str(tmp_path / "new folder" / "labels.db")
    return request.getfixturevalue("postgresql").new_database()


@pytest.fixture
def python() -> Callable[..., subprocess.Popen[str]]:
    """Starts a Python program in a process of its own; what it prints can be read."""

    def start(code: str, *arguments: str) -> subprocess.Popen[str]:
        import sys

        command = [sys.executable, "-c", code, *arguments]
        return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)

    return start
