"""Metatomic members for people who have metatomic or LAMMPS and not Potwright."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ase.data import atomic_numbers

from potwright.potentials.metatomic import EXTENSIONS


def for_lammps(member: Path, folder: Path) -> None:
    """LAMMPS reads the file as it is."""


def ase_text(members: Sequence[str]) -> str:
    """How to use a member in ASE with metatomic alone."""
    return f"""from metatomic_ase import MetatomicCalculator

atoms.calc = MetatomicCalculator("{members[0]}", extensions_directory="{EXTENSIONS}")"""


def lammps_text(members: Sequence[str], symbols: Sequence[str]) -> str:
    """How to use one of them in LAMMPS."""
    numbers = " ".join(str(atomic_numbers[symbol]) for symbol in symbols)
    return f"""\
With LAMMPS that has metatomic's pair style, atomic numbers in the order of its atom types:

```text
units metal
atom_style atomic
pair_style metatomic {members[0]} device cpu extensions {EXTENSIONS}
pair_coeff * * {numbers}
```"""
