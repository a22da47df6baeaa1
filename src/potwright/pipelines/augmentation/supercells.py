"""Supercells: the smallest one whose periodic images are far enough apart."""

from __future__ import annotations

import logging

import numpy as np

from potwright.geometry import find_supercell, replicate
from potwright.pes import PESData
from potwright.pipelines.augmentation.derivation import Change, Geometry, derive, geometries
from potwright.pipelines.augmentation.parameters import SupercellParameters
from potwright.pipelines.augmentation.vacuum import input_ids, without_input_ids

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
        ``supercell_matrix`` and ``shortest_image_angstrom`` in ``info``.
    """
    changes = [
        _supercell(geometry, str(source) or str(id_), parameters)
        for geometry, source, id_ in zip(geometries(inputs), inputs.source, inputs.id, strict=True)
    ]
    replicated = np.array([change is not None for change in changes], dtype=bool)
    parent = np.where(replicated, input_ids(inputs), inputs.parent)
    return without_input_ids(derive(inputs, changes, origin="supercell").replace(parent=parent))


def _supercell(geometry: Geometry, name: str, parameters: SupercellParameters) -> Change | None:
    n = len(geometry.numbers)
    found = find_supercell(
        geometry.cell,
        geometry.pbc,
        n,
        parameters.min_length_angstrom,
        parameters.max_atoms,
        non_diagonal=parameters.non_diagonal,
    )
    if found.shortest_image < parameters.min_length_angstrom - 1e-6:
        logger.warning(
            "%s: no supercell of at most %d atoms has periodic images %.1f Å apart; one of %d "
            "atoms reaches %.2f Å",
            name,
            parameters.max_atoms,
            parameters.min_length_angstrom,
            found.n_atoms,
            found.shortest_image,
        )
    if found.is_trivial:
        return None
    positions, cell = replicate(geometry.positions, geometry.cell, found.matrix)
    made_by = {
        "supercell_matrix": found.matrix.tolist(),
        "shortest_image_angstrom": round(found.shortest_image, 6),
    }
    return Change(np.tile(np.arange(n), found.n_atoms // n), positions, cell, made_by)
