"""Potentials that a campaign begins with: data, not a flag."""

from __future__ import annotations

import logging

from potwright.errors import InputError
from potwright.pes import PESData
from potwright.potentials import Committee
from potwright.potentials.species import refuse_unknown

logger = logging.getLogger(__name__)


def take(initial: Committee, labelled: PESData) -> Committee:
    """The potentials as the committee of the first iteration.

    Parameters
    ----------
    initial
        A committee of any campaign, or of single model files.
    labelled
        What the campaign has labelled. What a committee is known to have trained on stays known.

    Raises
    ------
    InputError
        If there are fewer than two, they lack a species, or they are of another level of theory.
    """
    if len(initial) < 2:
        raise InputError(
            f"initial_committee: {len(initial)} potential; a committee needs two, else there is no "
            "disagreement. Train one on the labels that you have instead (leave the entry out)"
        )
    refuse_unknown(labelled.species, initial.species, "initial_committee")
    levels = set(initial.record.get("level_of_theory", [])) - {""}
    ours = set(labelled.level_of_theory.tolist()) - {""}
    if levels and ours and levels != ours:
        raise InputError(
            f"initial_committee was trained at level of theory {', '.join(sorted(levels))}, and "
            f"labelled_structures holds labels at {', '.join(sorted(ours))}. Its errors would be "
            "those of the level: name the level's own potentials, or train"
        )
    logger.info("The committee of this iteration is initial_committee: nothing is trained")
    unknown = {"trained_on": [], "training": [], "species": labelled.species, "failures": []}
    return Committee(initial.members, {**unknown, **initial.record})
