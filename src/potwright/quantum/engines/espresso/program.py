"""Running pw.x: which version it is, and one run with a time limit."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from functools import lru_cache
from pathlib import Path

from potwright.errors import InputError
from potwright.quantum.engines.espresso import guard

WHERE = "labelling.engine.command"
PATIENCE_SECONDS = 60.0
PROGRAM = re.compile(r"(^|/)pw[^/]*\.x$")  # the word of a command that is pw.x
HEADER = re.compile(r"Program PWSCF\s+v\.(\d+)\.(\d+)\.?(\S*)")


def run_program(
    command: str,
    arguments: list[str],
    folder: Path,
    output: Path,
    errors: Path,
    *,
    seconds: float | None,
) -> int | None:
    """Run a program to its end.

    Parameters
    ----------
    command, arguments
        What to run; ``command`` is split as a shell would split it.
    folder
        Where it runs.
    output, errors
        Files for what it prints.
    seconds
        After which it is ended; None: never.

    Returns
    -------
    int or None
        Its exit status, as :mod:`guard <potwright.quantum.engines.espresso.guard>` gives it; None
        if it was ended for taking too long.
    """
    # isolated and without site-packages: it starts at once, and no module there is in its way
    line = [sys.executable, "-I", "-S", guard.__file__, str(os.getpid()), str(folder)]
    with output.open("wb") as out, errors.open("wb") as err:
        process = subprocess.Popen(
            [*line, *shlex.split(command), *arguments],
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=err,
            env=environment(),
        )
        try:
            return process.wait(timeout=seconds)
        except subprocess.TimeoutExpired:
            return None
        finally:
            if process.poll() is None:
                process.terminate()
                process.wait()


def environment() -> dict[str, str]:
    """This process's environment, and what makes pw.x tell all, and OpenMPI work for root.

    gfortran's programs keep back the last lines of their output, which are lost if they are killed.
    OpenMPI wants to be told twice that it may work for root.
    """
    wanted = {"GFORTRAN_UNBUFFERED_PRECONNECTED": "y"}
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        wanted |= {"OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1"}
    return {**wanted, **os.environ}


def version_in(output: str) -> str | None:
    """The version that pw.x's header tells, such as ``7.3.1`` (``6.7.MaX`` for v.6.7MaX)."""
    found = HEADER.search(output)
    if found is None:
        return None
    major, minor, rest = found.groups()
    return f"{major}.{minor}.{rest}" if rest else f"{major}.{minor}"


@lru_cache
def installed_version(command: str) -> str:
    """Ask pw.x for its version; it has no option for that, but tells it before it reads its input.

    It is started without its MPI launcher first, which need not work outside a job.

    Raises
    ------
    InputError
        If it is not there, or does not answer.
    """
    words = shlex.split(command)
    needed = [word for i, word in enumerate(words) if i == 0 or PROGRAM.search(word)]
    missing = [word for word in needed if not shutil.which(word)]
    if missing or not words:
        raise InputError(
            f"{WHERE} = {command!r}: {missing[0] if missing else command!r} is not found. Install "
            "Quantum ESPRESSO (Debian: apt-get install quantum-espresso), load its module, or give "
            "the full path. If it is only there where workers run, or inside a container, give its "
            "version in labelling.engine.version"
        )
    told = ""
    for line in ([needed[-1]], words):
        told = _header(line)
        found = version_in(told)
        if found:
            return found
    raise InputError(
        f"{WHERE} = {command!r} does not tell a version of pw.x; it says\n{told[-800:]}\n"
        "Mend the command, or give the version in labelling.engine.version"
    )


def _header(line: list[str]) -> str:
    """What a program prints that has nothing to read."""
    with tempfile.TemporaryDirectory() as folder:
        try:
            done = subprocess.run(
                line,
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                env=environment(),
                timeout=PATIENCE_SECONDS,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            return str(error)
    return done.stdout.decode(errors="replace")
