"""Vacuum: empty space along each axis that is not periodic."""

from __future__ import annotations

import logging

import numpy as np

from potwright.geometry import pad_vacuum
from potwright.pes import PESData
from potwright.pipelines.augmentation.derivation import Change, Geometry, derive, geometries
from potwright.pipelines.augmentation.parameters import VacuumParameters

logger = logging.getLogger(__name__)

INPUT_ID = "input_id"
"""Key of ``info`` for the id that a padded structure has in ``initial_structures``."""


def add_vacuum(inputs: PESData, parameters: VacuumParameters) -> PESData:
    """Widen the empty gap along non-periodic axes; see :func:`potwright.geometry.pad_vacuum`.

    Parameters
    ----------
    inputs
        S structures.
    parameters
        The least gap.

    Returns
    -------
    PESData
        S structures; padded ones have the input as parent, and its id as ``input_id`` in ``info``.
    """
    changes = [
        _padding(geometry, str(id_), parameters.min_gap_angstrom)
        for geometry, id_ in zip(geometries(inputs), inputs.id, strict=True)
    ]
    padded = np.array([change is not None for change in changes])
    if padded.any():
        logger.info("Vacuum or position changed for %d of %d inputs", padded.sum(), len(inputs))
    return derive(inputs, changes).replace(parent=np.where(padded, inputs.id, inputs.parent))


def input_ids(prepared: PESData) -> np.ndarray:
    """Ids, shape (S,), under which ``initial_structures`` holds the prepared ones."""
    ids = zip(prepared.id, prepared.info, strict=True)
    return np.array([info.get(INPUT_ID, own) for own, info in ids], dtype=str)


def without_input_ids(pes: PESData) -> PESData:
    """Structures whose parent says already which input they come from."""
    return pes.replace(info=[{k: v for k, v in i.items() if k != INPUT_ID} for i in pes.info])


def _padding(geometry: Geometry, input_id: str, vacuum: float) -> Change | None:
    positions, cell = pad_vacuum(geometry.positions, geometry.cell, geometry.pbc, vacuum)
    if np.array_equal(positions, geometry.positions) and np.array_equal(cell, geometry.cell):
        return None
    return Change(np.arange(len(positions)), positions, cell, {INPUT_ID: input_id})
