"""Labels that a campaign begins with: data, not a flag."""

from __future__ import annotations

import logging

from potwright.pes import PESData
from potwright.quantum import LevelOfTheory
from potwright.quantum.foreign_labels import declared

logger = logging.getLogger(__name__)

BEFORE_THE_FIRST = 0
"""The iteration in which they entered."""


def take(initial: PESData, labelled: PESData, level: LevelOfTheory, *, iteration: int) -> PESData:
    """The initial labels that the campaign does not hold yet.

    Parameters
    ----------
    initial
        Structures with labels.
    labelled
        What the campaign holds. If that is nothing, they entered before the first iteration: they
        are not bought, and trajectories may start from them.
    level
        The campaign's. Structures that do not say of which level they are, are of this one.
    iteration
        In which those enter that are new to a campaign under way.

    Raises
    ------
    InputError
        If there are structures but no labels, or if they are of another level.
    """
    where, how = "initial_labels", "say where by `labels` of this entry of the catalog"
    ours = declared(initial, level, where, how).drop_duplicates()
    new = ours[labelled.index_of(ours.id) < 0]
    if len(new):
        logger.info("%d structures come with their labels, taken to be of %s", len(new), level)
    return new.replace(iteration=iteration if len(labelled) else BEFORE_THE_FIRST)
