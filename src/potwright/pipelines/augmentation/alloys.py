"""Alloys: species of an alloy on the sites of other structures."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from itertools import cycle, islice

import numpy as np
from ase.data import atomic_numbers, chemical_symbols

from potwright.errors import InputError
from potwright.geometry import colliding_atoms
from potwright.pes import PESData
from potwright.pipelines.augmentation.compositions import counts_of, spread_over_simplex
from potwright.pipelines.augmentation.derivation import (
    Change,
    Geometry,
    derive,
    geometries,
    roots,
)
from potwright.pipelines.augmentation.parameters import AlloyParameters, QuasirandomArrangement
from potwright.pipelines.augmentation.quasirandom import Quasirandom
from potwright.randomness import generator

logger = logging.getLogger(__name__)

TRIES = 20
"""How many structures are tried as the lattice of one alloy."""


def mix_alloys(
    copies: PESData,
    supercells: PESData,
    parameters: AlloyParameters,
    min_covalent_ratio: float,
    seed: int,
) -> PESData:
    """New structures, in which the species of an alloy share the sites of others.

    Sites that are not of ``fixed_species`` are re-assigned, in structures that hold one of
    ``alloy_species`` at least. Compositions are those given, in turn, or spread evenly over all
    possible ones with the pure species included; numbers of atoms follow by largest remainder. The
    structures are drawn in turn from those of all inputs. One that would come out unchanged, twice,
    or with atoms too close to each other is replaced by the next; alloys for which that does not
    help are counted.

    Parameters
    ----------
    copies
        Distorted copies, whose sites are used.
    supercells
        What they are copies of: used themselves if there are no copies, and for special
        quasirandom arrangements, which need a lattice without distortion.
    parameters
        Species, compositions, arrangement and number of alloys.
    min_covalent_ratio
        Least distance of two atoms over the sum of their covalent radii.
    seed
        The campaign's seed.

    Returns
    -------
    PESData
        Structures of origin ``alloy``, with the structure whose sites they have as parent, in its
        group, and ``composition`` and ``arrangement`` in ``info``.

    Raises
    ------
    InputError
        If an alloy species or a fixed species occurs in no structure.
    """
    if not parameters.is_active:
        return PESData.empty()
    _refuse_unknown_species(supercells.species, parameters)
    lattices = _Lattices(copies if len(copies) else supercells, supercells, parameters, seed)
    compositions = _compositions(parameters)
    order = generator(seed, "augmentation", "alloys").permutation(len(compositions))
    made: dict[tuple[int, bytes], Change] = {}
    for k, composition in zip(order, compositions[order], strict=True):
        rng = generator(seed, "augmentation", "alloys", int(k))
        for row in lattices.next_rows():
            geometry = lattices.geometries[row]
            numbers = lattices.mixed(row, composition, rng)
            if (row, numbers.tobytes()) in made or np.array_equal(numbers, geometry.numbers):
                continue
            if colliding_atoms(numbers, *geometry[1:], min_covalent_ratio).any():
                continue
            made[row, numbers.tobytes()] = _change(geometry, numbers, composition, parameters)
            break
    if len(made) < parameters.count:
        logger.warning(
            "Alloys: %d of %d not made: on the sites of %d structures each they came out "
            "unchanged, twice or with atoms too close",
            parameters.count - len(made),
            parameters.count,
            TRIES,
        )
    return lattices.derived(made)


class _Lattices:
    """The structures whose sites alloys may have, and the species' places on them."""

    def __init__(self, pes: PESData, supercells: PESData, parameters: AlloyParameters, seed: int):
        self.parameters = parameters
        self.species = np.array([atomic_numbers[s] for s in parameters.alloy_species])
        self.fixed = [atomic_numbers[s] for s in parameters.fixed_species]
        self.quasirandom = None
        usable = np.array([self._is_usable(g) for g in geometries(pes)], dtype=bool)
        if isinstance(parameters.arrangement, QuasirandomArrangement):
            self.quasirandom = Quasirandom(supercells, parameters.arrangement.iterations)
            usable &= self.quasirandom.has_lattice_of(pes)
        if not usable.any():
            raise InputError(
                "augmentation.alloys: no structure has a site for alloy_species = "
                f"{list(parameters.alloy_species)}, fixed_species = "
                f"{list(parameters.fixed_species)}; give other species, or set "
                "augmentation.alloys.enabled: false"
            )
        if not usable.all():
            logger.info("Alloys: %d of %d structures are no use", (~usable).sum(), len(usable))
        self.pes = pes[usable]
        self.geometries = list(geometries(self.pes))
        self._rows = cycle(_in_turn(self.pes, seed))

    def next_rows(self) -> Iterator[int]:
        """The structures to be tried for one alloy."""
        return islice(self._rows, TRIES)

    def mixed(self, row: int, composition: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Atomic numbers of structure ``row`` with the alloy's species on its open sites."""
        numbers = self.geometries[row].numbers.copy()
        sites = np.flatnonzero(~np.isin(numbers, self.fixed))
        occupants = np.repeat(self.species, counts_of(composition, len(sites)))
        if self.quasirandom is None:
            numbers[sites] = rng.permutation(occupants)
        else:
            numbers[sites] = self.quasirandom.arranged(self.pes, row, sites, occupants, rng)
        return numbers

    def derived(self, made: dict[tuple[int, bytes], Change]) -> PESData:
        """The alloys as structures."""
        if not made:
            return PESData.empty()
        chosen = self.pes[np.array([row for row, _ in made])]
        alloys = derive(chosen, list(made.values()), origin="alloy", keeps_coordinates=True)
        return alloys.replace(parent=chosen.id)

    def _is_usable(self, geometry: Geometry) -> bool:
        known = self.parameters.allow_new_species or np.isin(geometry.numbers, self.species).any()
        return bool(known and not np.isin(geometry.numbers, self.fixed).all())


def _change(
    geometry: Geometry, numbers: np.ndarray, composition: np.ndarray, parameters: AlloyParameters
) -> Change:
    wanted = zip(parameters.alloy_species, np.round(composition, 6).tolist(), strict=True)
    made_by = {"composition": dict(wanted), "arrangement": parameters.arrangement.type}
    atoms = np.arange(len(numbers))
    return Change(atoms, geometry.positions, geometry.cell, made_by, numbers=numbers)


def _compositions(parameters: AlloyParameters) -> np.ndarray:
    """Fractions of the alloy's species for each alloy, shape (count, species)."""
    species = parameters.alloy_species
    if not parameters.compositions:
        return spread_over_simplex(parameters.count, len(species))
    given = [[c.get(symbol, 0.0) for symbol in species] for c in parameters.compositions]
    return np.array(list(islice(cycle(given), parameters.count)))


def _in_turn(pes: PESData, seed: int) -> list[int]:
    """All rows in an order that takes the inputs in turn and the structures of each at random."""
    root = roots(pes)
    place = generator(seed, "augmentation", "alloys", "lattices").permutation(len(pes))
    turn = np.empty(len(pes), dtype=int)
    for input_id in np.unique(root):
        rows = np.flatnonzero(root == input_id)
        turn[rows[np.argsort(place[rows])]] = np.arange(len(rows))
    return np.lexsort((place, turn)).tolist()


def _refuse_unknown_species(known: list[int], parameters: AlloyParameters) -> None:
    present = [chemical_symbols[z] for z in known]
    groups = [("fixed_species", parameters.fixed_species, "leave it out")]
    if not parameters.allow_new_species:
        remedy = "set augmentation.alloys.allow_new_species: true"
        groups.append(("alloy_species", parameters.alloy_species, remedy))
    for key, symbols, remedy in groups:
        unknown = [symbol for symbol in symbols if symbol not in present]
        if unknown:
            raise InputError(
                f"augmentation.alloys.{key}: {', '.join(unknown)} occurs in none of the initial "
                f"structures, which hold {', '.join(present)}; add a structure with it, or {remedy}"
            )
