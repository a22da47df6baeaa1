"""The inputs as augmentation takes them: free of clear mistakes, with vacuum where it belongs."""

from __future__ import annotations

import logging

import numpy as np

from potwright.errors import InputError
from potwright.geometry import empty_gaps, is_degenerate, pad_vacuum
from potwright.pes import PESData
from potwright.pipelines.augmentation.derivation import Change, Geometry, derive, geometries
from potwright.pipelines.augmentation.parameters import AugmentationParameters

logger = logging.getLogger(__name__)

INPUT_ID = "input_id"
"""Key of ``info`` for the id that a padded structure has in ``initial_structures``."""


def prepare_inputs(initial: PESData, parameters: AugmentationParameters) -> PESData:
    """Refuse what cannot be meant, warn of what may not be meant, and pad the vacuum.

    Parameters
    ----------
    initial
        The user's structures.
    parameters
        Vacuum along non-periodic axes, and the gap in a fully periodic cell that gets a warning.

    Raises
    ------
    InputError
        If there are no structures, or a cell has no volume; the message names the source.
    """
    if not len(initial):
        raise InputError(
            "no structures found to augment: 'initial_structures' is empty; put files that ASE "
            "reads into its folder (see conf/base/catalog_augmentation.yml)"
        )
    changes = []
    for i, geometry in enumerate(geometries(initial)):
        name = _name(initial, i)
        _refuse_flat_cell(geometry, name)
        _warn_of_gaps(geometry, name, parameters.suspicious_gap_angstrom)
        changes.append(_padding(geometry, str(initial.id[i]), parameters.vacuum_angstrom))
    padded = np.array([change is not None for change in changes])
    if padded.any():
        logger.info("Vacuum or position changed for %d of %d inputs", padded.sum(), len(initial))
    prepared = derive(initial, changes)
    return prepared.replace(parent=np.where(padded, initial.id, initial.parent))


def input_ids(prepared: PESData) -> np.ndarray:
    """Ids, shape (S,), under which ``initial_structures`` holds the prepared ones."""
    ids = zip(prepared.id, prepared.info, strict=True)
    return np.array([info.get(INPUT_ID, own) for own, info in ids], dtype=str)


def _name(pes: PESData, i: int) -> str:
    return str(pes.source[i] or f"structure {i}")


def _padding(geometry: Geometry, input_id: str, vacuum: float) -> Change | None:
    positions, cell = pad_vacuum(geometry.positions, geometry.cell, geometry.pbc, vacuum)
    if np.array_equal(positions, geometry.positions) and np.array_equal(cell, geometry.cell):
        return None
    return Change(np.arange(len(positions)), positions, cell, {INPUT_ID: input_id})


def _refuse_flat_cell(geometry: Geometry, name: str) -> None:
    if is_degenerate(geometry.cell, geometry.pbc):
        pbc = "".join("FT"[int(periodic)] for periodic in geometry.pbc)
        raise InputError(
            f"{name}: its cell has no volume: {geometry.cell.tolist()} with pbc {pbc}; give each "
            "periodic axis a lattice vector, independent of the others, or set 'pbc' of this file "
            "under initial_structures in the catalog"
        )


def _warn_of_gaps(geometry: Geometry, name: str, suspicious: float) -> None:
    if not geometry.pbc.all():
        return
    gaps = empty_gaps(geometry.positions, geometry.cell)
    for axis in np.flatnonzero(gaps > suspicious):
        logger.warning(
            "%s: periodic along all axes, but %.1f Å along axis %s are empty; if it is a surface, "
            "a sheet, a wire or a molecule, say so by 'pbc' of this file under initial_structures "
            "in the catalog",
            name,
            gaps[axis],
            "abc"[axis],
        )
