"""The structures that are tested: simple ones by name, others from files."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Self

from pydantic import Field, model_validator

from potwright.errors import InputError
from potwright.geometry import find_supercell, pad_vacuum
from potwright.parameters import Parameters

if TYPE_CHECKING:
    from ase import Atoms

CRYSTALS = ("sc", "fcc", "bcc", "hcp", "diamond", "zincblende", "rocksalt", "cesiumchloride")
MAX_ATOMS = 500
Repeats = tuple[int, int, int]


class Prototype(Parameters):
    """One structure: built, or read from a file.

    Attributes
    ----------
    structure
        What is built, with ``species`` and ``length_angstrom``; None: it is read.
    species
        Symbol, or formula of a compound.
    length_angstrom
        Conventional lattice constant a; of a dimer the distance of its atoms.
    c_angstrom
        Lattice constant c of hcp and graphite.
    file
        Anything that ASE reads, of one structure.
    pbc
        Of the file, which directions are really periodic; None: as the file has it.
    vacuum_angstrom
        Least gap along directions that are not periodic.
    fixed_axes
        Lattice vectors, from 0, that keep their lengths in an equation of state: 2 for the stacking
        of layers.
    repeats
        The supercell in which an engine that samples Γ only computes it; None: the smallest one
        with images at the engine's ``min_length_angstrom``.
    """

    structure: (
        Literal[
            "sc",
            "fcc",
            "bcc",
            "hcp",
            "diamond",
            "zincblende",
            "rocksalt",
            "cesiumchloride",
            "graphene",
            "graphite",
            "dimer",
        ]
        | None
    ) = None
    species: str = ""
    length_angstrom: float | None = Field(default=None, gt=0)
    c_angstrom: float | None = Field(default=None, gt=0)
    file: Path | None = None
    pbc: tuple[bool, bool, bool] | None = None
    vacuum_angstrom: float = Field(default=15.0, gt=0)
    fixed_axes: tuple[Literal[0, 1, 2], ...] = ()
    repeats: Repeats | None = None

    @model_validator(mode="after")
    def _is_built_or_read(self) -> Self:
        if (self.structure is None) == (self.file is None):
            raise ValueError("give structure (what is built) or file (what is read), one of them")
        if self.structure is not None and not (self.species and self.length_angstrom):
            raise ValueError("structure needs species and length_angstrom")
        if self.structure == "graphite" and self.c_angstrom is None:
            raise ValueError("graphite needs c_angstrom: twice the distance of its layers")
        if self.repeats is not None and min(self.repeats) < 1:
            raise ValueError("repeats are counts of at least 1")
        return self

    @cached_property
    def atoms(self) -> Atoms:
        """The structure, with its true periodicity and vacuum along what is not periodic.

        Raises
        ------
        InputError
            If it cannot be built or read.
        """
        atoms = self._read() if self.file is not None else self._built()
        if not atoms.pbc.all():
            atoms.positions, atoms.cell = pad_vacuum(
                atoms.positions, atoms.cell.array, atoms.pbc, self.vacuum_angstrom
            )
        return atoms

    def repeats_at(self, min_length_angstrom: float) -> Repeats:
        """Copies along the lattice vectors that keep periodic images so far apart."""
        if self.repeats is not None:
            return self.repeats
        atoms = self.atoms
        found = find_supercell(
            atoms.cell.array, atoms.pbc, len(atoms), min_length_angstrom, MAX_ATOMS
        )
        first, second, third = found.matrix.diagonal().tolist()
        return first, second, third

    def _built(self) -> Atoms:
        from ase import Atoms
        from ase.build import bulk
        from ase.build import graphene as sheet
        from ase.lattice.hexagonal import Graphite

        a, c = self.length_angstrom, self.c_angstrom
        try:
            if self.structure == "graphene":
                atoms = sheet(self.species * 2 if self._is_element() else self.species, a=a)
                atoms.pbc = (True, True, False)
                return atoms
            if self.structure == "graphite":
                crystal = Graphite(self.species, latticeconstant={"a": a, "c": c})
                return Atoms(crystal.symbols, crystal.positions, cell=crystal.cell.array, pbc=True)
            if self.structure == "dimer":
                pair = self.species * 2 if self._is_element() else self.species
                return Atoms(pair, [[0, 0, 0], [a, 0, 0]], pbc=False)
            return bulk(self.species, self.structure, a=a, c=c)
        except (KeyError, ValueError, RuntimeError, TypeError) as error:
            raise InputError(
                f"validation.prototypes: {self.structure} of {self.species!r} cannot be built "
                f"({type(error).__name__}: {error})"
            ) from error

    def _is_element(self) -> bool:
        from ase.data import atomic_numbers

        return self.species in atomic_numbers

    def _read(self) -> Atoms:
        import ase.io

        try:
            atoms = ase.io.read(self.file)
        except Exception as error:  # ASE's parsers raise anything
            reason = f"{type(error).__name__}: {error}"
            raise InputError(
                f"validation.prototypes: {self.file}: ASE cannot read this file ({reason})"
            ) from error
        assert not isinstance(atoms, list)
        atoms.calc = None
        atoms.pbc = atoms.pbc if self.pbc is None else self.pbc
        return atoms
