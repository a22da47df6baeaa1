"""A family of pseudopotentials: files, checksums and cutoffs, as SSSP publishes them.

The JSON file has an entry per element: ``{"C": {"filename": "C.pbe-….UPF", "md5": "5d2a…",
"cutoff_wfc": 45.0, "cutoff_rho": 360.0}, …}``, cutoffs in Ry; further keys are ignored. SSSP:
Prandini et al., npj Comput. Mater. 4, 72 (2018).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from potwright.errors import InputError

WHERE = "labelling.engine"


@dataclass(frozen=True)
class Pseudopotential:
    """One element's entry.

    Attributes
    ----------
    filename
        In the family's folder.
    md5
        Of that file, 32 hexadecimal digits.
    wavefunction_cutoff_ry, density_cutoff_ry
        Recommended by the family, Ry.
    """

    filename: str
    md5: str
    wavefunction_cutoff_ry: float
    density_cutoff_ry: float


def family_file(folder: Path, given: Path | None) -> Path:
    """The JSON file of a family: the one that is given, or the only one in its folder.

    Raises
    ------
    InputError
        If there is no such file, or more than one.
    """
    if not folder.is_dir():
        raise InputError(f"{WHERE}.pseudopotential_folder = '{folder}': there is no such folder")
    if given is not None:
        if not given.is_file():
            raise InputError(f"{WHERE}.pseudopotential_family = '{given}': there is no such file")
        return given
    found = sorted(folder.glob("*.json"))
    if len(found) != 1:
        names = ", ".join(path.name for path in found) or "none"
        raise InputError(
            f"{WHERE}.pseudopotential_folder = '{folder}': one JSON file of the family is expected "
            f"there, with file names, md5 and cutoffs, found {names}; name it in "
            "pseudopotential_family"
        )
    return found[0]


def read_family(path: Path, species: Iterable[str], folder: Path) -> dict[str, Pseudopotential]:
    """The entries of some elements.

    Raises
    ------
    InputError
        If the file is no such JSON file, or an element is not in it.
    """
    try:
        family = json.loads(path.read_text())
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: not a JSON file ({error})") from error
    if not isinstance(family, dict):
        raise InputError(f"{path}: not a family of pseudopotentials (one entry per element)")
    missing = [symbol for symbol in species if symbol not in family]
    if missing:
        raise InputError(
            f"{WHERE}.species: no pseudopotential of {', '.join(missing)} for {folder}: "
            f"{path.name} has {', '.join(sorted(family))}; add it there, or remove the element"
        )
    return {symbol: _entry(family[symbol], symbol, path) for symbol in species}


def verify_files(entries: dict[str, Pseudopotential], folder: Path) -> None:
    """Compare files with checksums.

    Raises
    ------
    InputError
        Naming the element, the folder, and what was expected and found.
    """
    for symbol, entry in entries.items():
        path = folder / entry.filename
        if not path.is_file():
            raise InputError(
                f"{WHERE}.pseudopotential_folder: {folder} lacks {entry.filename}, the "
                f"pseudopotential of {symbol}; put it there"
            )
        found = hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest()
        if found != entry.md5:
            raise InputError(
                f"{path}, the pseudopotential of {symbol}, has md5 {found}, but the family says "
                f"{entry.md5}; restore the file, or mend the family's JSON file if you mean another"
            )


def cutoffs_ry(
    entries: dict[str, Pseudopotential], wavefunction: float | None, density: float | None
) -> tuple[float, float]:
    """Cutoffs of wavefunctions and density, Ry: as given, else the largest of the family's.

    With a larger cutoff of the wavefunctions, that of the density grows in proportion.
    """
    recommended = max(entry.wavefunction_cutoff_ry for entry in entries.values())
    of_density = max(entry.density_cutoff_ry for entry in entries.values())
    chosen = wavefunction or recommended
    return chosen, density or of_density * chosen / recommended


def refuse_low_cutoffs(
    entries: dict[str, Pseudopotential], wavefunction: float | None, density: float | None
) -> None:
    """Find cutoffs below what the family recommends.

    Raises
    ------
    InputError
        Naming the element that needs more.
    """
    for name, given in (("wavefunction_cutoff_ry", wavefunction), ("density_cutoff_ry", density)):
        least, symbol = max((getattr(entry, name), symbol) for symbol, entry in entries.items())
        if given is not None and given < least:
            raise InputError(
                f"{WHERE}.{name} = {given}: below the {least} Ry that the family of "
                f"pseudopotentials recommends for {symbol}; give at least that, or null to take it"
            )


def _entry(entry: Any, symbol: str, path: Path) -> Pseudopotential:
    try:
        return Pseudopotential(
            str(entry["filename"]),
            str(entry["md5"]).lower(),
            float(entry["cutoff_wfc"]),
            float(entry["cutoff_rho"]),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(
            f"{path}: the entry of {symbol} needs filename, md5, cutoff_wfc and cutoff_rho (Ry), "
            f"found {entry}"
        ) from error
