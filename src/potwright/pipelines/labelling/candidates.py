"""Which structures this iteration labels."""

from __future__ import annotations

import logging

import numpy as np

from potwright.errors import InputError
from potwright.pes import PESData
from potwright.quantum import LevelOfTheory

logger = logging.getLogger(__name__)


def choose(augmented: PESData, selected: PESData, labelled: PESData, *, iteration: int) -> PESData:
    """The first iteration labels what was augmented, later ones what was selected.

    Parameters
    ----------
    augmented, selected, labelled
        The augmented structures, the last iteration's selection, and what is labelled already. An
        input that is labelled but for the vacuum around it is not labelled again.
    iteration
        Which one this is; the candidates get its number.

    Returns
    -------
    PESData
        Without what is labelled already, and without labels: one that a structure brings along
        may be of another level of theory, and the label store knows those of this one.
    """
    chosen = augmented if iteration == 1 else selected
    padded = (chosen.origin == "initial") & (labelled.index_of(chosen.parent) >= 0)
    new = chosen[(labelled.index_of(chosen.id) < 0) & ~padded]
    if len(new) < len(chosen):
        logger.info("%d candidates are labelled already", len(chosen) - len(new))
    brought = int(new.has_labels.sum())
    if brought:
        logger.info("%d candidates bring labels of another level; they are relabelled", brought)
    if not len(new):
        logger.info("nothing to label")
        return new
    return without_labels(new).replace(iteration=iteration)


def without_labels(pes: PESData) -> PESData:
    """The structures of ``pes``, as if nothing had labelled them."""
    return pes.replace(energy=np.nan, forces=np.nan, stress=np.nan, level_of_theory="")


def refuse_another_level(labelled: PESData, level: LevelOfTheory) -> None:
    """One dataset holds labels of one level of theory.

    Raises
    ------
    InputError
        If ``labelled`` has labels of a known level that is not ``level``.
    """
    known = set(labelled.level_of_theory.tolist()) - {""}
    if known - {level.hash}:
        raise InputError(
            f"labelled_structures holds labels at level of theory {sorted(known)[0]}, but "
            f"labelling.engine is {level}, which is {level.hash}. One dataset holds one level: "
            "restore the engine's settings, or start another campaign"
        )
    if "" in labelled.level_of_theory.tolist():
        logger.warning(
            "labelled_structures holds labels of unknown level of theory; they are taken to be %s",
            level,
        )
