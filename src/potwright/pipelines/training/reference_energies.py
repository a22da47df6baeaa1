"""E0: the energy of each species that a potential does not have to learn."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from potwright.errors import InputError
from potwright.pes import PESData


@dataclass(frozen=True)
class ReferenceEnergies:
    """Energy of each species, eV, and where it comes from."""

    by_species: dict[int, float]
    source: str


def reference_energies(labelled: PESData) -> ReferenceEnergies:
    """Isolated atoms' energies where every species has one, else fitted ones.

    The fit is linear least squares of total energies on composition over the training structures
    of the first iteration, so that it stays the same throughout a campaign; over all training
    structures if these lack a species.

    Raises
    ------
    InputError
        If there is nothing to take them from.
    """
    usable = labelled[labelled.has_labels & (labelled.split == "training")]
    species = labelled.species
    lone = usable[is_isolated_atom(usable)]
    atoms = dict(zip(lone.numbers.tolist(), lone.energy.tolist(), strict=True))
    if all(z in atoms for z in species):
        return ReferenceEnergies({z: atoms[z] for z in species}, "isolated atoms")
    first = usable[usable.iteration == usable.iteration.min()] if len(usable) else usable
    basis = first if first.species == species else usable
    if basis.species != species:
        raise InputError(
            f"no training structure holds the species {sorted(set(species) - set(basis.species))}; "
            "label structures (or the isolated atoms) of all species"
        )
    composition = _composition(basis, species)
    fitted, *_ = np.linalg.lstsq(composition, basis.energy, rcond=None)
    return ReferenceEnergies(
        dict(zip(species, fitted.tolist(), strict=True)),
        f"least squares over {len(basis)} training structures",
    )


def is_isolated_atom(pes: PESData) -> np.ndarray:
    """Which structures are one atom that has no periodic image, shape (S,)."""
    return (pes.n_atoms == 1) & ~pes.pbc.any(axis=1)


def _composition(pes: PESData, species: list[int]) -> np.ndarray:
    """Number of atoms of each species in each structure, shape (S, species)."""
    counts = np.zeros((len(pes), len(species)))
    np.add.at(counts, (pes.structure_of_atom, np.searchsorted(species, pes.numbers)), 1)
    return counts
