"""Nodes of the augmentation pipeline: each switches one strategy on or off."""

from __future__ import annotations

import logging

from potwright.pes import PESData
from potwright.pipelines.augmentation import (
    copies,
    inputs,
    isolated_atoms,
    rattle,
    strain,
    supercells,
    vacancies,
)
from potwright.pipelines.augmentation.parameters import AugmentationParameters

logger = logging.getLogger(__name__)


def prepare_inputs(initial_structures: PESData, augmentation: AugmentationParameters) -> PESData:
    """Refuse clear mistakes in the inputs, and give non-periodic axes their vacuum."""
    return inputs.prepare_inputs(initial_structures, augmentation)


def build_supercells(prepared_inputs: PESData, augmentation: AugmentationParameters) -> PESData:
    """Replicate the inputs until their periodic images are far enough apart."""
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
    return rattle.rattle_structures(strained_copies, augmentation.rattle, seed)


def remove_atoms(
    rattled_copies: PESData, augmentation: AugmentationParameters, seed: int
) -> PESData:
    """Take atoms out of some of the copies."""
    if not augmentation.vacancies.enabled:
        return rattled_copies
    return vacancies.remove_atoms(rattled_copies, augmentation.vacancies, seed)


def add_isolated_atoms(prepared_inputs: PESData, augmentation: AugmentationParameters) -> PESData:
    """One isolated atom of each species that occurs in the inputs."""
    if not (augmentation.enabled and augmentation.isolated_atoms.enabled):
        return PESData.empty()
    return isolated_atoms.isolated_atoms(prepared_inputs.species, augmentation.vacuum_angstrom)


def collect_structures(
    supercells: PESData, distorted_copies: PESData, isolated_atoms: PESData
) -> PESData:
    """Put everything together and drop exact duplicates."""
    everything = PESData.concatenate([supercells, distorted_copies, isolated_atoms])
    distinct = everything.drop_duplicates()
    duplicates = len(everything) - len(distinct)
    logger.info(
        "Augmentation: %d structures (%d from inputs, %d copies, %d isolated atoms; "
        "%d exact duplicates dropped)",
        len(distinct),
        len(supercells),
        len(distorted_copies),
        len(isolated_atoms),
        duplicates,
    )
    return distinct
