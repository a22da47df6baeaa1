"""The user's own structures: whatever ASE reads."""

from __future__ import annotations

import fnmatch
import glob
import itertools
from pathlib import Path
from typing import Any

from ase import Atoms
from kedro.io import AbstractDataset, DatasetError
from kedro_datasets._typing import TablePreview

from potwright.datasets.pes import structure_table
from potwright.errors import InputError
from potwright.pes import PESData

NOT_STRUCTURES = ("README*", "*.md", "LICENSE*", ".*")


class StructuresDataset(AbstractDataset[PESData, PESData]):
    """All structures of a folder, a file, or the files that a pattern names; or none.

    Parameters
    ----------
    filepath
        A folder (all its files but README and hidden ones), a file, or a pattern such as
        ``data/01_raw/*.cif``. A file may hold several structures.
    pbc
        Which directions are really periodic, by file name or pattern, for formats that cannot say
        it (CIF and POSCAR always read as periodic in all three):
        ``{"graphene.cif": [true, true, false]}``.
    labels
        Where existing labels are; see :meth:`potwright.pes.PESData.from_atoms`.
    optional
        Whether the folder or pattern may hold no files; no structures are loaded then.
    read_arguments
        What ``ase.io.read`` is told beyond the file, by file name or pattern:
        ``{"*.lammpstrj": {"specorder": ["Mo", "Te"]}}``.
    metadata
        For Kedro-Viz.
    """

    def __init__(
        self,
        *,
        filepath: str,
        pbc: dict[str, list[bool]] | None = None,
        labels: str = "calculator",
        optional: bool = False,
        read_arguments: dict[str, dict[str, Any]] | None = None,
        metadata: dict[str, Any] | None = None,
    ):
        self._filepath = filepath
        self._pbc = pbc or {}
        self._labels = labels
        self._optional = optional
        self._read_arguments = read_arguments or {}
        self.metadata = metadata

    @property
    def filepath(self) -> str:
        """Where the structures are."""
        return self._filepath

    def load(self) -> PESData:
        """Read all files, in the order of their names.

        Raises
        ------
        InputError
            If there are none, or one cannot be read; the message names it.
        """
        files = self.files()
        if not files and self._optional and not self._is_one_file():
            return PESData.empty()
        if not files:
            raise InputError(
                f"no structures found in {self._filepath}; put files that ASE reads there (CIF, "
                "POSCAR, extxyz, …), or change 'filepath' of this dataset in the catalog"
            )
        for key, given in (("pbc", self._pbc), ("read_arguments", self._read_arguments)):
            for pattern in given:
                if not any(self._matches(file, pattern) for file in files):
                    names = ", ".join(map(self._name, files))
                    raise InputError(
                        f"{key} is given for {pattern!r}, but there is no such file among {names}"
                    )
        return PESData.concatenate([self._read(file) for file in files])

    def save(self, data: PESData) -> None:
        """A user's input is never written."""
        raise DatasetError("The user's structures are read-only.")

    def files(self) -> list[Path]:
        """What is read, in the order of names."""
        root = Path(self._filepath)
        found = (
            root.rglob("*")
            if root.is_dir()
            else map(Path, glob.glob(self._filepath, recursive=True))
        )
        return sorted(
            file
            for file in found
            if file.is_file() and not any(fnmatch.fnmatch(file.name, p) for p in NOT_STRUCTURES)
        )

    def _is_one_file(self) -> bool:
        """Whether a file is named, which somebody did who has it."""
        return bool(Path(self._filepath).suffix) and not glob.has_magic(self._filepath)

    def _name(self, file: Path) -> str:
        """The file as sources call it: below the folder, or the part without wildcards."""
        root = Path(self._filepath)
        if not root.is_dir():
            fixed = itertools.takewhile(lambda part: not glob.has_magic(part), root.parts[:-1])
            root = Path(*fixed)
        return file.relative_to(root).as_posix()

    def _matches(self, file: Path, pattern: str) -> bool:
        return any(fnmatch.fnmatch(name, pattern) for name in (file.name, self._name(file)))

    def _read(self, file: Path) -> PESData:
        import ase.io
        from ase.io.formats import UnknownFileTypeError

        given = [a for p, a in self._read_arguments.items() if self._matches(file, p)]
        arguments = {key: value for each in given for key, value in each.items()}
        if "specorder" not in arguments:
            _refuse_unnamed_species(file)
        try:
            images = ase.io.read(file, index=":", **arguments)
        except UnknownFileTypeError as error:
            raise InputError(f"{file}: not a format that ASE knows ({error})") from error
        except Exception as error:  # ASE's parsers raise anything
            reason = f"{type(error).__name__}: {error}"
            raise InputError(
                f"{file}: ASE cannot read this file ({reason}); mend or remove it"
            ) from error
        if not images:
            raise InputError(f"{file}: holds no structure")
        for atoms in images:
            self._set_pbc(atoms, file)
        several, name = len(images) > 1, self._name(file)
        sources = [f"{name}#{i}" if several else name for i in range(len(images))]
        try:
            return PESData.from_atoms(images, labels=self._labels, origin="initial", source=sources)
        except InputError as error:
            raise InputError(f"{file}: {error}") from error

    def _set_pbc(self, atoms: Atoms, file: Path) -> None:
        for pattern, pbc in self._pbc.items():
            if self._matches(file, pattern):
                if not isinstance(pbc, list) or [type(axis) for axis in pbc] != [bool] * 3:
                    raise InputError(f"pbc of {pattern!r}: expected three booleans, got {pbc!r}")
                atoms.pbc = pbc

    def preview(self, nrows: int = 20) -> TablePreview:
        """The first structures as a table."""
        return structure_table(self.load(), nrows)

    def _exists(self) -> bool:
        return bool(self.files())

    def _describe(self) -> dict[str, Any]:
        return {"filepath": self._filepath, "pbc": self._pbc}


def _refuse_unnamed_species(file: Path) -> None:
    """Find LAMMPS dumps that number their species: ASE would take type 1 for hydrogen."""
    with file.open("rb") as content:
        head = content.read(4096)
    if not head.startswith((b"ITEM: TIMESTEP", b"ITEM: UNITS")):
        return
    columns = next((line for line in head.split(b"\n") if line.startswith(b"ITEM: ATOMS")), b"")
    if not {b"element", b"mass"} & set(columns.split()):
        raise InputError(
            f"{file}: a LAMMPS dump that says types, but not which elements they are; write it "
            "with the column `element`, or name the elements of types 1, 2, … under this dataset "
            f"in the catalog: read_arguments: {{{file.name}: {{specorder: [Mo, Te]}}}}"
        )
