"""What potentials are made with: one line here for each backend.

>>> sorted(BACKENDS)
['mace', 'metatrain']
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from potwright.errors import InputError
from potwright.potentials import mace, mace_export, metatomic, metatomic_export
from potwright.potentials.batching import Models


@dataclass(frozen=True)
class Backend:
    """How the models of one kind are opened.

    Attributes
    ----------
    models
        Loads model files onto a device; :class:`~potwright.errors.InputError` if one is not of this
        kind, or they do not go together.
    package
        Whose release decides what its models say.
    for_lammps
        Converts a member into a folder, for LAMMPS; None: LAMMPS reads it as it is.
    ase_text, lammps_text
        How to use members without Potwright, from their names (and the symbols of the species).
    """

    models: Callable[[Sequence[Path], str], Models]
    package: str
    for_lammps: Callable[[Path, Path], Path | None]
    ase_text: Callable[[Sequence[str]], str]
    lammps_text: Callable[[Sequence[str], Sequence[str]], str]


BACKENDS: Mapping[str, Backend] = {
    "mace": Backend(
        mace.MACEModels,
        "mace-torch",
        mace_export.for_lammps,
        mace_export.ase_text,
        mace_export.lammps_text,
    ),
    "metatrain": Backend(
        metatomic.MetatomicModels,
        "metatomic-torch",
        metatomic_export.for_lammps,
        metatomic_export.ase_text,
        metatomic_export.lammps_text,
    ),
}


def backend_of(name: str) -> Backend:
    """The backend of that name.

    Raises
    ------
    InputError
        If there is no such backend.
    """
    if name not in BACKENDS:
        raise InputError(f"backend {name!r} is not known; there are {', '.join(sorted(BACKENDS))}")
    return BACKENDS[name]
