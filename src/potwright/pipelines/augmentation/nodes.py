"""Nodes of the augmentation pipeline: each switches one strategy on or off."""

from __future__ import annotations

import logging

from ase.data import atomic_numbers

from potwright.pes import PESData
from potwright.pipelines.augmentation import (
    alloys,
    clusters,
    copies,
    inputs,
    isolated_atoms,
    rattle,
    slabs,
    strain,
    substitutions,
    supercells,
    vacancies,
    vacuum,
)
from potwright.pipelines.augmentation.parameters import AugmentationParameters

logger = logging.getLogger(__name__)


def check_inputs(initial_structures: PESData, augmentation: AugmentationParameters) -> PESData:
    """Refuse clear mistakes in the inputs, and warn of likely ones."""
    return inputs.check_inputs(initial_structures, augmentation)


def add_vacuum(checked_inputs: PESData, augmentation: AugmentationParameters) -> PESData:
    """Give axes that are not periodic their empty space."""
    if not augmentation.vacuum.enabled:
        return checked_inputs
    return vacuum.add_vacuum(checked_inputs, augmentation.vacuum)


def build_supercells(prepared_inputs: PESData, augmentation: AugmentationParameters) -> PESData:
    """Replace the inputs by supercells whose periodic images are far enough apart."""
    if not (augmentation.enabled and augmentation.supercells.enabled):
        return prepared_inputs
    return supercells.build_supercells(prepared_inputs, augmentation.supercells)


def make_copies(supercells: PESData, augmentation: AugmentationParameters) -> PESData:
    """Copy each structure as often as it is to be distorted."""
    return copies.make_copies(supercells, augmentation.copies if augmentation.enabled else 0)


def strain_copies(copies: PESData, augmentation: AugmentationParameters, seed: int) -> PESData:
    """Stretch or compress the copies along their periodic directions."""
    if not augmentation.strain.enabled:
        return copies
    return strain.strain_structures(copies, augmentation.strain, seed)


def rattle_copies(
    strained_copies: PESData, augmentation: AugmentationParameters, seed: int
) -> PESData:
    """Displace the atoms of the copies at random."""
    if not augmentation.rattle.enabled:
        return strained_copies
    ratio = augmentation.min_covalent_ratio
    return rattle.rattle_structures(strained_copies, augmentation.rattle, ratio, seed)


def remove_atoms(
    rattled_copies: PESData, augmentation: AugmentationParameters, seed: int
) -> PESData:
    """Take atoms out of some of the copies."""
    if not augmentation.vacancies.enabled:
        return rattled_copies
    return vacancies.remove_atoms(rattled_copies, augmentation.vacancies, seed)


def grow_clusters(
    prepared_inputs: PESData, augmentation: AugmentationParameters, seed: int
) -> PESData:
    """Grow small clusters of the inputs' species."""
    if not (augmentation.enabled and augmentation.clusters.enabled):
        return PESData.empty()
    return clusters.grow_clusters(
        prepared_inputs,
        augmentation.clusters,
        augmentation.min_covalent_ratio,
        augmentation.vacuum.min_gap_angstrom,
        seed,
    )


def cut_slabs(prepared_inputs: PESData, augmentation: AugmentationParameters) -> PESData:
    """Cut slabs from the inputs that are crystals."""
    if not (augmentation.enabled and augmentation.slabs.enabled):
        return PESData.empty()
    return slabs.cut_slabs(
        prepared_inputs,
        augmentation.slabs,
        augmentation.supercells,
        augmentation.vacuum.min_gap_angstrom,
    )


def swap_atoms(
    supercells: PESData,
    distorted_copies: PESData,
    slabs: PESData,
    augmentation: AugmentationParameters,
    seed: int,
) -> PESData:
    """Let unlike atoms change places in some of the supercells, copies and slabs."""
    if not (augmentation.enabled and augmentation.substitutions.enabled):
        return PESData.empty()
    everything = PESData.concatenate([supercells, distorted_copies, slabs]).drop_duplicates()
    ratio = augmentation.min_covalent_ratio
    return substitutions.swap_atoms(everything, augmentation.substitutions, ratio, seed)


def mix_alloys(
    supercells: PESData, distorted_copies: PESData, augmentation: AugmentationParameters, seed: int
) -> PESData:
    """Put the species of an alloy on the sites of distorted copies."""
    if not (augmentation.enabled and augmentation.alloys.is_active):
        return PESData.empty()
    ratio = augmentation.min_covalent_ratio
    return alloys.mix_alloys(distorted_copies, supercells, augmentation.alloys, ratio, seed)


def add_isolated_atoms(prepared_inputs: PESData, augmentation: AugmentationParameters) -> PESData:
    """One isolated atom of each species that occurs in the inputs or in alloys."""
    if not (augmentation.enabled and augmentation.isolated_atoms.enabled):
        return PESData.empty()
    species = set(prepared_inputs.species)
    if augmentation.alloys.is_active:
        species |= {atomic_numbers[symbol] for symbol in augmentation.alloys.alloy_species}
    return isolated_atoms.isolated_atoms(sorted(species), augmentation.vacuum.min_gap_angstrom)


def collect_structures(*strategies: PESData) -> PESData:
    """Put everything together, drop exact duplicates, and count by origin."""
    everything = PESData.concatenate(strategies)
    distinct = everything.drop_duplicates()
    counts = distinct.summary().set_index("origin")["structures"]
    logger.info(
        "Augmentation: %d structures (%s); %d exact duplicates dropped",
        len(distinct),
        ", ".join(f"{n} {origin}" for origin, n in counts.items()),
        len(everything) - len(distinct),
    )
    return distinct
