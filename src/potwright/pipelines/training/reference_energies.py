"""E0: the energy of each species that a potential does not have to learn."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from potwright.errors import InputError
from potwright.pes import PESData


@dataclass(frozen=True)
class ReferenceEnergies:
    """Energy of each species, eV, and where it comes from.

    Attributes
    ----------
    of_atoms
        Species whose energy is that of an isolated atom.
    """

    by_species: dict[int, float]
    source: str
    of_atoms: tuple[int, ...] = ()


def reference_energies(labelled: PESData) -> ReferenceEnergies:
    """Isolated atoms' energies where every species has one, else fitted ones.

    The training structures of the first iteration decide, for the whole campaign; the fit is linear
    least squares of their total energies on composition. A species that enters later gets its own
    in the same way, from the training structures that there are then, and the others keep theirs.

    Raises
    ------
    InputError
        If there is nothing to take them from.
    """
    usable = labelled[labelled.has_labels & (labelled.split == "training")]
    missing = sorted(set(labelled.species) - set(usable.species))
    if missing or not len(usable):
        raise InputError(
            f"no training structure holds the species {missing}; "
            "label structures (or the isolated atoms) of all species"
        )
    known: dict[int, float] = {}
    of_atoms: list[int] = []
    fits: list[str] = []
    for iteration in np.unique(usable.iteration).tolist():
        there = usable[usable.iteration <= iteration]
        new = [z for z in there.species if z not in known]
        lone = there[is_isolated_atom(there)]
        atoms = dict(zip(lone.numbers.tolist(), lone.energy.tolist(), strict=True))
        if not new:
            continue
        if (of_atoms or not known) and all(z in atoms for z in new):
            known |= {z: atoms[z] for z in new}
            of_atoms += new
        else:
            energies, structures = _fit(there, new, known)
            later = f" (Z = {', '.join(map(str, new))})" if known else ""
            fits.append(f"least squares over {structures} training structures{later}")
            known |= energies
    sources = (["isolated atoms"] if of_atoms else []) + fits
    return ReferenceEnergies(
        {z: known[z] for z in sorted(known)}, "; ".join(sources), tuple(sorted(of_atoms))
    )


def _fit(there: PESData, new: list[int], known: dict[int, float]) -> tuple[dict[int, float], int]:
    """E0 of new species beside those that are known, and over how many structures."""
    counts = _composition(there, there.species)
    is_new = np.isin(there.species, new)
    holds = counts[:, is_new].any(axis=1)
    fixed = np.array([known.get(z, 0.0) for z in there.species])
    rest = there.energy - counts @ fixed
    fitted, *_ = np.linalg.lstsq(counts[holds][:, is_new], rest[holds], rcond=None)
    return dict(zip(new, fitted.tolist(), strict=True)), int(holds.sum())


def is_isolated_atom(pes: PESData) -> np.ndarray:
    """Which structures are one atom that has no periodic image, shape (S,)."""
    return (pes.n_atoms == 1) & ~pes.pbc.any(axis=1)


def _composition(pes: PESData, species: list[int]) -> np.ndarray:
    """Number of atoms of each species in each structure, shape (S, species)."""
    counts = np.zeros((len(pes), len(species)))
    np.add.at(counts, (pes.structure_of_atom, np.searchsorted(species, pes.numbers)), 1)
    return counts
