"""Copies of each structure, which the distortions then change."""

from __future__ import annotations

import numpy as np

from potwright.pes import PESData
from potwright.pipelines.augmentation.derivation import LABEL_KEYS, without_labels


def make_copies(structures: PESData, copies: int) -> PESData:
    """``copies`` copies of each structure, with it as their parent and their number in ``info``.

    Parameters
    ----------
    structures
        S structures.
    copies
        How many of each.

    Returns
    -------
    PESData
        S·copies structures, the copies of one standing together.
    """
    rows = np.repeat(np.arange(len(structures)), copies)
    if not len(rows):
        return PESData.empty()
    chosen = structures[rows]
    numbers = np.tile(np.arange(copies), len(structures)).tolist()
    info = [
        {key: value for key, value in info.items() if key not in LABEL_KEYS} | {"copy": number}
        for info, number in zip(chosen.info, numbers, strict=True)
    ]
    unlabelled = without_labels(len(chosen.numbers))
    return chosen.replace(parent=structures.id[rows], info=info, **unlabelled)
