"""Random search: symmetric crystals drawn at random, for what no input suggests."""

from __future__ import annotations

import logging

import numpy as np
from ase import Atoms

from potwright.geometry import smallest_covalent_ratio
from potwright.pes import PESData
from potwright.pipelines.augmentation.parameters import (
    AugmentationParameters,
    RandomSearchParameters,
)
from potwright.pipelines.augmentation.random_compositions import Composition, compositions
from potwright.pipelines.augmentation.relaxation import relax
from potwright.pipelines.augmentation.supercells import build_supercells
from potwright.pipelines.augmentation.symmetric_crystals import symmetric_crystal
from potwright.randomness import generator

logger = logging.getLogger(__name__)

DRAWS = 100
"""Space groups drawn for a structure before it is given up; many cannot hold a few atoms."""

HOPELESS = 5
"""So many structures in a row that could not be made end the search of a composition."""


def random_crystals(inputs: PESData, augmentation: AugmentationParameters, seed: int) -> PESData:
    """Random symmetric crystals without a pair of atoms that is closer than the limit.

    Parameters
    ----------
    inputs
        Where compositions and volumes come from, as far as they are not given.
    augmentation
        Its ``random_search``; and its ``supercells``, if the crystals are to be replicated.
    seed
        The campaign's seed.

    Returns
    -------
    PESData
        At most ``structures`` crystals of origin ``random_search``, each a group of its own, with
        ``formula``, ``space_group`` and ``volume_factor`` in ``info``. What could not be made, or
        collides after its relaxation, is counted.

    Raises
    ------
    InputError
        If nothing says what to search, or there is no committee where one is named.
    """
    parameters = augmentation.random_search
    known = compositions(inputs, parameters, augmentation.suspicious_gap_angstrom)
    made: list[Atoms] = []
    for i, composition in enumerate(known):
        made += _search(
            composition, len(range(i, parameters.structures, len(known))), parameters, seed
        )
    logger.info("Random search: %d of %d crystals made", len(made), parameters.structures)
    if parameters.relaxation.committee is not None:
        made = relax(made, parameters.relaxation)
        sane = [atoms for atoms in made if _smallest_ratio(atoms) >= parameters.min_covalent_ratio]
        if len(sane) < len(made):
            logger.warning("Random search: %d crystals collide once relaxed", len(made) - len(sane))
        made = sane
    crystals = PESData.from_atoms(made, labels="none")
    if parameters.replicate:
        crystals = build_supercells(crystals, augmentation.supercells)
    return crystals.replace(origin="random_search", parent="")


def _search(
    composition: Composition, structures: int, parameters: RandomSearchParameters, seed: int
) -> list[Atoms]:
    """Crystals of one composition; the number of each decides about its random numbers."""
    found: list[Atoms] = []
    in_a_row = 0
    for number in range(structures):
        rng = generator(seed, "augmentation", "random_search", composition.formula, number)
        atoms = _crystal(composition, parameters, rng)
        in_a_row = 0 if atoms else in_a_row + 1
        if atoms:
            found.append(atoms)
        if in_a_row == HOPELESS:
            break
    if len(found) < structures:
        logger.warning(
            "Random search: only %d of %d crystals of %s could be made%s; allow more volume "
            "(%.1f Å³ per atom), other space_groups or formula_units, or a smaller "
            "min_covalent_ratio",
            len(found),
            structures,
            composition.formula,
            f", given up after {HOPELESS} failures in a row" if in_a_row == HOPELESS else "",
            composition.volume,
        )
    return found


def _crystal(
    composition: Composition, parameters: RandomSearchParameters, rng: np.random.Generator
) -> Atoms | None:
    """One crystal, or none if no group drawn can hold the atoms at their distances."""
    counts = composition.counts
    most = parameters.max_atoms // sum(counts.values())
    fitting = [units for units in parameters.formula_units if units <= most]
    for _ in range(DRAWS):
        units = int(rng.choice(fitting))
        group = int(rng.choice(parameters.space_groups or range(1, 231)))
        factor = float(rng.uniform(*parameters.volume_factor_range))
        atoms = {symbol: units * count for symbol, count in counts.items()}
        volume = composition.volume * factor * sum(atoms.values())
        crystal = symmetric_crystal(group, atoms, volume, parameters.min_covalent_ratio, rng)
        if crystal and _smallest_ratio(crystal) >= parameters.min_covalent_ratio:
            crystal.info = {
                "formula": composition.formula,
                "space_group": group,
                "volume_factor": round(factor, 6),
            }
            return crystal
    return None


def _smallest_ratio(atoms: Atoms) -> float:
    return smallest_covalent_ratio(atoms.numbers, atoms.positions, atoms.cell.array, atoms.pbc)
