"""Metadynamics, and whatever else Colvars can do to collective variables, inside LAMMPS.

A. Laio, M. Parrinello, PNAS 99, 12562 (2002); G. Fiorin, M. L. Klein, J. Hénin, Mol. Phys. 111,
3345 (2013), https://colvars.github.io.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from string import Template
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from ase.data import chemical_symbols
from pydantic import model_validator

from potwright.dynamics.lammps_library import LammpsError, require_colvars
from potwright.errors import InputError
from potwright.parameters import Parameters

if TYPE_CHECKING:
    from potwright.dynamics.lammps_simulation import Simulation

FIX = "metadynamics"
# Hills beyond Colvars's grid are lost when LAMMPS restarts, but for those that are kept
BLOCK = re.compile(r"^\s*metadynamics\s*\{", re.IGNORECASE | re.MULTILINE)
QUIET = "colvarsTrajFrequency 0\ncolvarsRestartFrequency 0\n"


class Metadynamics(Parameters):
    """Hills where collective variables have been.

    Attributes
    ----------
    enabled
        Whether there are any.
    colvars
        What Colvars reads, in eV, Å and fs. ``$all`` stands for the numbers of all atoms, and
        ``$Mo`` for those of molybdenum.
    """

    enabled: bool = False
    colvars: str | None = None

    @model_validator(mode="after")
    def _is_told_what_to_do(self) -> Self:
        if self.enabled and not (self.colvars or "").strip():
            raise ValueError(
                "metadynamics.enabled, but metadynamics.colvars says nothing; give collective "
                "variables and a metadynamics block, as https://colvars.github.io describes them"
            )
        if not Template(self.colvars or "").is_valid():
            raise ValueError("metadynamics.colvars: a $ is followed by all, or by an element")
        return self

    def text_for(self, numbers: np.ndarray) -> str:
        """What Colvars reads, for a structure with these atomic numbers.

        Raises
        ------
        InputError
            If an element is named that the structure does not have.
        """
        groups = {"all": _numbered(np.arange(len(numbers)))}
        for number in np.unique(numbers):
            groups[chemical_symbols[number]] = _numbered(np.flatnonzero(numbers == number))
        try:
            text = Template(self.colvars or "").substitute(groups)
        except KeyError as missing:
            raise InputError(
                f"exploration.metadynamics.colvars: ${missing.args[0]} names no atoms here; this "
                f"structure has {', '.join(f'${name}' for name in groups)}"
            ) from missing
        if "keephills" not in text.lower():
            text = BLOCK.sub(r"\g<0>\nkeepHills on", text)
        return QUIET + text

    def fix(self, program: Any, numbers: np.ndarray, folder: Path, thermostat: str | None) -> str:
        """The command of LAMMPS.

        Parameters
        ----------
        program
            The running LAMMPS.
        numbers
            Atomic numbers, shape (N,).
        folder
            For files that nobody keeps.
        thermostat
            The fix that knows the temperature, if one does.

        Raises
        ------
        InputError
            If this LAMMPS has no Colvars, or the text does not suit the structure.
        """
        require_colvars(program)
        file = folder / "colvars.in"
        file.write_text(self.text_for(numbers))
        bath = f" tstat {thermostat}" if thermostat else ""
        return f"fix {FIX} all colvars {file} output {folder / 'colvars'}{bath}"


@contextmanager
def explained(simulation: Simulation, folder: Path) -> Iterator[None]:
    """Let LAMMPS tell in a log what Colvars does not like.

    Raises
    ------
    InputError
        With the last words of Colvars.
    """
    log = folder / "log"
    simulation.tell(f"log {log}")
    try:
        yield
    except LammpsError as error:
        if "colvars" not in str(error).lower() and "collective" not in str(error):
            raise
        simulation.tell("log none")  # which writes what is in the buffer
        *_, complaint = log.read_text().partition("Error")
        words = " ".join(complaint.removeprefix(":").split())[:300]
        raise InputError(
            f"exploration.metadynamics.colvars: Colvars does not understand it: {words}"
        ) from error
    finally:
        simulation.tell("log none")


def _numbered(indices: np.ndarray) -> str:
    """Colvars counts from 1, as LAMMPS does."""
    return " ".join(str(i + 1) for i in indices)
