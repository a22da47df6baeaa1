"""What potentials are made with: one line here for each backend.

>>> sorted(BACKENDS)
['mace', 'metatrain']
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from potwright.errors import InputError
from potwright.potentials import mace, mace_export, metatomic, metatomic_export
from potwright.potentials.protocol import Evaluator, Potential


class EvaluatorOf(Protocol):
    """Opens several model files together."""

    def __call__(
        self, paths: Sequence[Path], device: str = "auto", atoms_per_batch: int | None = None
    ) -> Evaluator:
        """Their evaluator on a device, in batches of so many atoms (None: as suits the device)."""


@dataclass(frozen=True)
class Backend:
    """How the models of one kind are opened.

    Attributes
    ----------
    potential
        The potential in a file.
    evaluator
        The evaluator of several files.
    package
        Whose release decides what its models say.
    for_lammps
        Converts a member into a folder, for LAMMPS; None: LAMMPS reads it as it is.
    ase_text, lammps_text
        How to use members without Potwright, from their names (and the symbols of the species).
    """

    potential: Callable[[Path], Potential]
    evaluator: EvaluatorOf
    package: str
    for_lammps: Callable[[Path, Path], Path | None]
    ase_text: Callable[[Sequence[str]], str]
    lammps_text: Callable[[Sequence[str], Sequence[str]], str]


BACKENDS: Mapping[str, Backend] = {
    "mace": Backend(
        mace.MACEPotential,
        mace.evaluator,
        "mace-torch",
        mace_export.for_lammps,
        mace_export.ase_text,
        mace_export.lammps_text,
    ),
    "metatrain": Backend(
        metatomic.MetatomicPotential,
        metatomic.evaluator,
        "metatomic-torch",
        metatomic_export.for_lammps,
        metatomic_export.ase_text,
        metatomic_export.lammps_text,
    ),
}


def backend_of(known: str | Mapping[str, Any]) -> Backend:
    """The backend of that name, or the one that a committee's record names.

    Raises
    ------
    InputError
        If there is no such backend.
    """
    name = known if isinstance(known, str) else str(known.get("backend", "mace"))
    if name not in BACKENDS:
        raise InputError(f"backend {name!r} is not known; there are {', '.join(sorted(BACKENDS))}")
    return BACKENDS[name]
