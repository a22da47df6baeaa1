"""A committee as a folder that can be handed to a colleague."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from potwright.errors import InputError
from potwright.files import complete_or_absent
from potwright.potentials.backends import backend_of
from potwright.potentials.card import Provenance, write_card

if TYPE_CHECKING:
    from potwright.potentials.committee import Committee

LAMMPS = "lammps"
CARD = "README.md"


def export_committee(
    committee: Committee, folder: str | Path, provenance: Provenance | None = None
) -> Path:
    """Write members, record, calibration, files for LAMMPS and a card into a new folder.

    Parameters
    ----------
    committee
        With its calibration, if there is one.
    folder
        Where to; it appears completely or not at all.
    provenance
        Where the committee comes from, for the card.

    Returns
    -------
    Path
        The folder, which :func:`~potwright.potentials.load_committee` opens.

    Raises
    ------
    InputError
        If ``folder`` is there already.
    """
    folder = Path(folder)
    if folder.exists():
        raise InputError(f"{folder} is there already; name a folder that is not")
    provenance = provenance or Provenance()
    convert: Callable[[Path, Path], Path | None] = backend_of(committee.backend).for_lammps
    with complete_or_absent(folder) as temporary:
        (temporary / LAMMPS).mkdir(parents=True)
        names = committee.copy_into(temporary)
        for name in names:
            convert(temporary / name, temporary / LAMMPS)
        if not any((temporary / LAMMPS).iterdir()):
            (temporary / LAMMPS).rmdir()
        if not provenance.metrics.empty:
            provenance.metrics.to_csv(temporary / "metrics.csv", index=False)
        (temporary / CARD).write_text(write_card(committee, names, provenance))
    return folder
