"""Nodes of the augmentation pipeline: each switches one strategy on or off."""

from __future__ import annotations

import logging

from potwright.pes import PESData
from potwright.pipelines.augmentation import (
    alloys,
    clusters,
    copies,
    inputs,
    isolated_atoms,
    random_search,
    rattle,
    slabs,
    strain,
    substitutions,
    supercells,
    trajectories,
    vacancies,
    vacuum,
)
from potwright.pipelines.augmentation.parameters import AugmentationParameters

logger = logging.getLogger(__name__)


def check_inputs(
    initial_structures: PESData,
    initial_trajectories: PESData,
    initial_labels: PESData,
    augmentation: AugmentationParameters,
) -> PESData:
    """Refuse clear mistakes in the inputs, and warn of likely ones."""
    inputs.require_a_beginning(
        initial_structures, initial_trajectories, initial_labels, augmentation
    )
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


def search_at_random(
    prepared_inputs: PESData, augmentation: AugmentationParameters, seed: int
) -> PESData:
    """Draw random symmetric crystals of the inputs' compositions, or of given ones."""
    if not (augmentation.enabled and augmentation.random_search.enabled):
        return PESData.empty()
    return random_search.random_crystals(prepared_inputs, augmentation, seed)


def choose_frames(initial_trajectories: PESData, augmentation: AugmentationParameters) -> PESData:
    """Take frames from the user's own trajectories, as they are apart from vacuum."""
    if not augmentation.trajectories.enabled:
        return PESData.empty()
    return trajectories.choose_frames(initial_trajectories, augmentation)


def add_isolated_atoms(
    prepared_inputs: PESData,
    alloys: PESData,
    random_crystals: PESData,
    trajectory_frames: PESData,
    augmentation: AugmentationParameters,
) -> PESData:
    """One isolated atom of each species that occurs in what will be labelled."""
    if not (augmentation.enabled and augmentation.isolated_atoms.enabled):
        return PESData.empty()
    present = [prepared_inputs, alloys, random_crystals, trajectory_frames]
    species = sorted({number for structures in present for number in structures.species})
    return isolated_atoms.isolated_atoms(species, augmentation.vacuum.min_gap_angstrom)


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
