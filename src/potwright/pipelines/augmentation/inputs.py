"""The inputs: what cannot be meant is refused, what may not be meant gets a warning."""

from __future__ import annotations

import logging

import numpy as np

from potwright.errors import InputError
from potwright.geometry import empty_gaps, is_degenerate
from potwright.pes import PESData
from potwright.pipelines.augmentation.derivation import Geometry, geometries
from potwright.pipelines.augmentation.parameters import AugmentationParameters

logger = logging.getLogger(__name__)


def require_a_beginning(
    structures: PESData,
    trajectories: PESData,
    labels: PESData,
    parameters: AugmentationParameters,
) -> None:
    """Refuse a campaign that begins with nothing: no structure, no frame, no label, no formula.

    Raises
    ------
    InputError
        If there is nothing; it says where structures are looked for.
    """
    search = parameters.random_search
    searched = parameters.enabled and search.enabled and bool(search.compositions)
    framed = parameters.trajectories.enabled and len(trajectories)
    if not (len(structures) or framed or len(labels) or searched):
        raise InputError(
            "no structures found to begin with: put files that ASE reads (CIF, POSCAR, extxyz, …) "
            "where 'initial_structures' of the catalog says, by default into "
            "data/01_raw/structures; trajectories or labels of your own will do, too "
            "(docs/data.md, Entry points)"
        )


def check_inputs(initial: PESData, parameters: AugmentationParameters) -> PESData:
    """Refuse what cannot be meant, and warn of what may not be meant.

    Parameters
    ----------
    initial
        The user's structures.
    parameters
        The gap in a fully periodic cell that gets a warning.

    Returns
    -------
    PESData
        ``initial``, unchanged.

    Raises
    ------
    InputError
        If a cell has no volume; the message names the source.
    """
    for i, geometry in enumerate(geometries(initial)):
        name = str(initial.source[i] or f"structure {i}")
        _refuse_flat_cell(geometry, name)
        if not parameters.vacuum.enabled:
            _refuse_missing_vectors(geometry, name)
        _warn_of_gaps(geometry, name, parameters.suspicious_gap_angstrom)
    return initial


def _refuse_flat_cell(geometry: Geometry, name: str) -> None:
    if is_degenerate(geometry.cell, geometry.pbc):
        pbc = "".join("FT"[int(periodic)] for periodic in geometry.pbc)
        raise InputError(
            f"{name}: its cell has no volume: {geometry.cell.tolist()} with pbc {pbc}; give each "
            "periodic axis a lattice vector, independent of the others, or set 'pbc' of this file "
            "under initial_structures in the catalog"
        )


def _refuse_missing_vectors(geometry: Geometry, name: str) -> None:
    missing = [axis for axis, vector in zip("abc", geometry.cell, strict=True) if not vector.any()]
    if missing:
        raise InputError(
            f"{name}: its cell has no vector along {', '.join(missing)}; let "
            "augmentation.vacuum.enabled be true, or give it a cell with vacuum"
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
