"""Exchange with the rest of the world: extended XYZ files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from potwright.errors import InputError
from potwright.files import complete_or_absent
from potwright.pes.data import PESData


def export_extxyz(pes: PESData, path: str | Path) -> None:
    """Write all structures, labels and metadata to an extended XYZ file, atomically."""
    import ase.io

    with complete_or_absent(path) as temporary, temporary.open("w") as file:
        for chunk in pes.chunks(1000):
            ase.io.write(file, chunk.to_atoms(), format="extxyz")


def import_extxyz(path: str | Path, *, labels: str = "calculator", **metadata: Any) -> PESData:
    """Read an extended XYZ file; parameters as for :meth:`PESData.from_atoms`.

    Raises
    ------
    InputError
        If the file cannot be read, or holds what cannot be represented.
    """
    import ase.io

    try:
        atoms = ase.io.read(path, index=":", format="extxyz")
    except (OSError, ValueError, KeyError, IndexError) as error:
        raise InputError(f"{path}: not a readable extended XYZ file ({error})") from error
    return PESData.from_atoms(atoms, labels=labels, **metadata)
