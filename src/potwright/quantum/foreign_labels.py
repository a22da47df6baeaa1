"""Labels that were made elsewhere: whether they are there, and of which level of theory."""

from __future__ import annotations

import logging
from typing import Any

import numpy as np

from potwright.errors import InputError
from potwright.pes import PESData
from potwright.quantum.label import Label
from potwright.quantum.level_of_theory import LevelOfTheory

logger = logging.getLogger(__name__)

MANY_KEYS = 12


def declared(pes: PESData, level: LevelOfTheory, where: str, how: str) -> PESData:
    """Those of ``pes`` that are labelled, as labels of ``level``.

    Parameters
    ----------
    pes
        Structures that bring labels along. Without an energy or without forces a structure is
        left out, with a warning.
    level
        What they are declared to be.
    where, how
        For messages: where the structures come from, and how to say where labels are.

    Raises
    ------
    InputError
        If none has labels, with the keys that there are; or if one says that it is of another
        level.
    """
    labelled = pes.has_labels
    bad_atoms = np.isnan(pes.forces).any(axis=1)
    labelled[pes.structure_of_atom[bad_atoms]] = False
    if len(pes) and not labelled.any():
        raise InputError(
            f"{where}: none of {len(pes)} structures has an energy and forces where they are "
            f"looked for; {how}. The keys there are: {', '.join(_keys(pes)) or 'none at all'}"
        )
    chosen = pes[labelled]
    if len(chosen) < len(pes):
        logger.warning(
            "%s: %d of %d structures have no energy or no forces, and are left out",
            where,
            len(pes) - len(chosen),
            len(pes),
        )
    others = sorted(set(chosen.level_of_theory.tolist()) - {"", level.hash})
    if others:
        raise InputError(
            f"{where}: holds labels at level of theory {others[0]}, which is not {level} "
            f"({level.hash}); declare the level that they are of, or take the labels away"
        )
    return chosen.replace(level_of_theory=level.hash)


def labels_of(pes: PESData) -> list[Label]:
    """The labels of structures that all have one."""
    bounds = zip(pes.offsets[:-1], pes.offsets[1:], strict=True)
    return [
        Label(
            energy=float(pes.energy[i]),
            forces=pes.forces[start:stop].copy(),
            stress=None if np.isnan(pes.stress[i]).any() else pes.stress[i].copy(),
            seconds=0.0,
        )
        for i, (start, stop) in enumerate(bounds)
    ]


def _keys(pes: PESData) -> list[str]:
    """What structures bring along, by name."""
    names: dict[str, Any] = {}
    for info in pes.info[:MANY_KEYS]:
        inner = {**info.get("arrays", {}), **info.get("results", {})}
        names |= dict.fromkeys((*(k for k in info if k not in ("arrays", "results")), *inner))
    if pes.has_labels.any():
        names["energy, as a calculator's result"] = None
    return sorted(names)[: 3 * MANY_KEYS]
