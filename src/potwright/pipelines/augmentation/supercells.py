"""Supercells: the smallest replication whose periodic images are far enough apart."""

from __future__ import annotations

import logging

import numpy as np

from potwright.geometry import find_supercell, replicate
from potwright.pes import PESData
from potwright.pipelines.augmentation.derivation import Change, Geometry, derive, geometries
from potwright.pipelines.augmentation.inputs import INPUT_ID, input_ids
from potwright.pipelines.augmentation.parameters import SupercellParameters

logger = logging.getLogger(__name__)


def build_supercells(inputs: PESData, parameters: SupercellParameters) -> PESData:
    """Replace each structure by its supercell; see :func:`potwright.geometry.find_supercell`.

    Structures that need no replication, and those without a periodic axis, stay as they are.

    Parameters
    ----------
    inputs
        S structures.
    parameters
        Least distance of periodic images, and the largest number of atoms.

    Returns
    -------
    PESData
        S structures; replicated ones have origin ``supercell``, the input as parent, and
        ``replication`` and ``shortest_image_angstrom`` in ``info``.
    """
    changes = [
        _supercell(geometry, str(source) or str(id_), parameters)
        for geometry, source, id_ in zip(geometries(inputs), inputs.source, inputs.id, strict=True)
    ]
    replicated = np.array([change is not None for change in changes], dtype=bool)
    parent = np.where(replicated, input_ids(inputs), inputs.parent)
    supercells = derive(inputs, changes, origin="supercell").replace(parent=parent)
    info = [{k: v for k, v in i.items() if k != INPUT_ID} for i in supercells.info]
    return supercells.replace(info=info)


def _supercell(geometry: Geometry, name: str, parameters: SupercellParameters) -> Change | None:
    n = len(geometry.numbers)
    found = find_supercell(
        geometry.cell, geometry.pbc, n, parameters.min_length_angstrom, parameters.max_atoms
    )
    if found.shortest_image < parameters.min_length_angstrom - 1e-6:
        logger.warning(
            "%s: no supercell of at most %d atoms has periodic images %.1f Å apart; %d×%d×%d with "
            "%d atoms reaches %.2f Å",
            name,
            parameters.max_atoms,
            parameters.min_length_angstrom,
            *found.repeats,
            found.n_atoms,
            found.shortest_image,
        )
    if found.repeats == (1, 1, 1):
        return None
    positions, cell = replicate(geometry.positions, geometry.cell, found.repeats)
    made_by = {
        "replication": list(found.repeats),
        "shortest_image_angstrom": round(found.shortest_image, 6),
    }
    return Change(np.tile(np.arange(n), found.n_atoms // n), positions, cell, made_by)
