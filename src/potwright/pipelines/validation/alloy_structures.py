"""Special quasirandom structures between the two pure ends of a phase."""

from __future__ import annotations

import numpy as np
from ase import Atoms
from ase.data import atomic_numbers, chemical_symbols
from ase.geometry import get_distances

from potwright.errors import InputError
from potwright.geometry import find_supercell
from potwright.geometry.quasirandom import quasirandom_arrangement
from potwright.pipelines.validation.parameters_disorder import AlloyParameters
from potwright.pipelines.validation.prototypes import MAX_ATOMS
from potwright.randomness import generator

SAME_PLACE_ANGSTROM = 1e-3


def mixed_lattice(first: Atoms, second: Atoms, share: float) -> Atoms:
    """The lattice of a composition: between those of the two ends (Vegard)."""
    apart = second.get_scaled_positions(wrap=False) - first.get_scaled_positions(wrap=False)
    apart -= np.round(apart)
    mixed = first.copy()
    cell = (1 - share) * first.cell.array + share * second.cell.array
    mixed.set_cell(cell, scale_atoms=False)
    mixed.set_scaled_positions(first.get_scaled_positions(wrap=False) + share * apart)
    return mixed


def refuse_other_ends(first: Atoms, second: Atoms, species: tuple[str, str], phase: str) -> None:
    """Refuse two structures between which no alloy lies.

    Raises
    ------
    InputError
        If the first is not pure in the first species or the second in the second, or they are not
        the same atoms in the same order but for that.
    """
    where = f"validation.alloys.phases, {phase!r}"
    pure = [atomic_numbers[symbol] for symbol in species]
    for place, end, own, other in (("first", first, *pure), ("second", second, *pure[::-1])):
        if own not in end.numbers or other in end.numbers:
            raise InputError(
                f"{where}: the {place} end, {end.get_chemical_formula()}, has to contain "
                f"{chemical_symbols[own]} and no {chemical_symbols[other]}, since species are "
                f"{list(species)}; name the ends in the order of the species"
            )
    same = len(first) == len(second) and np.array_equal(first.pbc, second.pbc)
    kinds = np.where(second.numbers == pure[1], pure[0], second.numbers)
    if not (same and np.array_equal(first.numbers, kinds) and _stand_together(first, second)):
        raise InputError(
            f"{where}: {first.symbols} and {second.symbols} with pbc {first.pbc.tolist()} and "
            f"{second.pbc.tolist()} are no ends of one phase: give the same atoms in the same "
            "order, and the same pbc"
        )


def _stand_together(first: Atoms, second: Atoms) -> bool:
    """Whether each atom of the first has none of its kind in the second nearer than its own."""
    cell = (first.cell.array + second.cell.array) / 2
    places = [atoms.get_scaled_positions(wrap=False) for atoms in (first, second)]
    seen = [(one - one[0]) @ cell for one in places]  # wherever the origin is
    _, distances = get_distances(*seen, cell=cell, pbc=first.pbc)
    other_kind = first.numbers[:, None] != first.numbers
    nearest = np.where(other_kind, np.inf, distances).min(axis=1)
    return bool((np.diagonal(distances) <= nearest + SAME_PLACE_ANGSTROM).all())


def quasirandom_alloys(
    first: Atoms, second: Atoms, asked: AlloyParameters, seed: int, phase: int
) -> tuple[dict[tuple[int, int], Atoms], np.ndarray, int]:
    """Quasirandom structures of all compositions, the compositions that they have, and the sites.

    Pure ends are one structure each.
    """
    numbers = [atomic_numbers[symbol] for symbol in asked.species]
    cell = find_supercell(
        first.cell.array, first.pbc, len(first), asked.min_length_angstrom, MAX_ATOMS
    )
    repeats = cell.matrix.diagonal().tolist()
    sites = np.flatnonzero(np.isin(first.repeat(repeats).numbers, numbers))
    structures: dict[tuple[int, int], Atoms] = {}
    shares = []
    for c, wanted in enumerate(asked.compositions):
        count = round(wanted * len(sites))
        share = count / len(sites)
        shares.append(share)
        lattice = mixed_lattice(first, second, share).repeat(repeats)
        occupants = np.repeat(numbers, [len(sites) - count, count])
        for k in range(asked.realisations if 0 < count < len(sites) else 1):
            rng = generator(seed, "validation", "alloys", phase, c, k)
            alloy = lattice.copy()
            geometry = (lattice.positions, lattice.cell.array, lattice.pbc)
            arranged = quasirandom_arrangement(
                *geometry, sites, rng.permutation(occupants), iterations=asked.iterations, rng=rng
            )
            changed = alloy.numbers.copy()
            changed[sites] = arranged
            alloy.numbers = changed
            structures[c, k] = alloy
    return structures, np.array(shares), len(sites)
