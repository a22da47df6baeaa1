"""Pair styles of a LAMMPS build of one's own, which then needs no help from Python."""

from __future__ import annotations

import string
import tempfile
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, Self

from ase.data import chemical_symbols
from pydantic import Field, model_validator

from potwright.dynamics.lammps_pairs import PairStyle
from potwright.errors import InputError
from potwright.parameters import Parameters

PLACEHOLDERS = ("model", "lammps_model", "elements", "numbers")


class NativePotential(Parameters):
    """A template of LAMMPS input, in which these stand for what belongs to a trajectory:

    ``{model}``, the file of the driving member; ``{lammps_model}``, what its backend converts it
    to for LAMMPS; ``{elements}`` and ``{numbers}``, chemical symbols and atomic numbers of LAMMPS's
    atom types, in their order. A brace that is meant is doubled.

    Attributes
    ----------
    pair_style, pair_coeff
        What follows these commands; of the second there may be several.
    commands
        Whole commands that come after these, such as ``pair_modify shift yes``.
    """

    pair_style: str = Field(min_length=1)
    pair_coeff: tuple[str, ...] = Field(min_length=1)
    commands: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _is_a_template(self) -> Self:
        for text in (self.pair_style, *self.pair_coeff, *self.commands):
            unknown = {name for _, name, _, _ in string.Formatter().parse(text) if name is not None}
            unknown -= set(PLACEHOLDERS)
            if unknown:
                raise ValueError(
                    f"{text!r}: {{{min(unknown)}}} stands for nothing; there are "
                    f"{', '.join(f'{{{name}}}' for name in PLACEHOLDERS)}"
                )
        for text in self.pair_coeff:
            if len(text.split()) < 2:
                raise ValueError(f"pair_coeff {text!r}: begins with two atom types, such as * *")
        return self

    @property
    def name(self) -> str:
        """The first word of the pair style."""
        return self.pair_style.split()[0]

    def pair_style_for(self, species: Sequence[int], potential: Any) -> PairStyle:
        """Fill the template for atom types of these atomic numbers, driven by ``potential``.

        Raises
        ------
        InputError
            If the template wants a file, and the potential has none.
        """
        wanted = _wanted((self.pair_style, *self.pair_coeff, *self.commands))
        values = {
            "elements": " ".join(chemical_symbols[z] for z in species),
            "numbers": " ".join(map(str, species)),
        }
        if {"model", "lammps_model"} & wanted and not hasattr(potential, "path"):
            raise InputError(
                "engine.native wants the model's file, and this potential is in no file"
            )
        if "model" in wanted:
            values["model"] = str(Path(potential.path).resolve())
        if "lammps_model" in wanted:
            path = Path(potential.path).resolve()
            values["lammps_model"] = str(
                _converted(path, path.stat().st_mtime_ns, potential.backend)
            )
        coefficients = []
        for text in self.pair_coeff:
            first, second, *rest = text.format(**values).split()
            coefficients.append((f"{first} {second}", " ".join(rest)))
        return PairStyle(
            self.pair_style.format(**values),
            tuple(coefficients),
            commands=tuple(text.format(**values) for text in self.commands),
        )


def _wanted(texts: Sequence[str]) -> set[str]:
    parser = string.Formatter()
    return {name for text in texts for _, name, _, _ in parser.parse(text) if name is not None}


@lru_cache(maxsize=8)
def _folder() -> tempfile.TemporaryDirectory[str]:
    """Of this process, and gone with it."""
    return tempfile.TemporaryDirectory(prefix="potwright-lammps-")


@lru_cache(maxsize=8)
def _converted(path: Path, _: int, backend: str) -> Path:
    """The model file as LAMMPS wants it; converted once in each process."""
    from potwright.potentials.backends import backend_of

    # one folder each: members of several campaigns may have one name
    folder = Path(tempfile.mkdtemp(dir=_folder().name))
    converted = backend_of(backend).for_lammps(path, folder)
    return path if converted is None else converted
