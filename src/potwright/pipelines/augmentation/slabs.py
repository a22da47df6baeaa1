"""Slabs: pieces of a crystal between two parallel surfaces."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from potwright.geometry import (
    Crystal,
    Plane,
    are_equivalent,
    cut_layers,
    find_crystal,
    find_plane,
    find_supercell,
    find_terminations,
    pad_vacuum,
    replicate,
    shortest_image,
)
from potwright.pes import PESData
from potwright.pipelines.augmentation.derivation import Change, derive, geometries
from potwright.pipelines.augmentation.parameters import SlabParameters, SupercellParameters
from potwright.pipelines.augmentation.vacuum import input_ids, without_input_ids

logger = logging.getLogger(__name__)

PERIODIC = np.array([True, True, False])


def cut_slabs(
    inputs: PESData,
    parameters: SlabParameters,
    supercells: SupercellParameters,
    vacuum_angstrom: float,
) -> PESData:
    """Cut slabs along lattice planes from the inputs that are periodic along all axes.

    Indices are those of the conventional cell. Planes that the crystal's symmetry makes equal are
    cut once. A slab consists of whole spacings of its plane, so it has the crystal's composition:
    as many as make it ``min_thickness_angstrom`` thick from the lowest to the highest atom, or as
    ``max_atoms`` allows. It is cut where the layers of atoms are farthest apart, or, if
    ``all_terminations``, at every place that gives other surfaces. It then gets its vacuum along
    the normal, and is replicated in the plane like any other structure. Planes of which one spacing
    has more than ``max_atoms``, and planes with four indices of crystals without hexagonal axes,
    are skipped and counted.

    Parameters
    ----------
    inputs
        Structures.
    parameters
        Planes, thickness, size and terminations.
    supercells
        How far periodic images have to be apart in the plane.
    vacuum_angstrom
        Empty space along the normal, Å.

    Returns
    -------
    PESData
        Structures of pbc TTF and origin ``slab``, with the input as parent, and in ``info``
        ``miller_indices``, ``termination`` (0 is the one with the widest gap),
        ``thickness_angstrom`` and ``supercell_matrix``.
    """
    rows, changes, skipped = [], [], Counter[str]()
    for row, geometry in enumerate(geometries(inputs)):
        if not geometry.pbc.all():
            continue
        crystal = find_crystal(geometry.numbers, geometry.positions, geometry.cell)
        for miller, plane in _distinct_planes(crystal, parameters, skipped):
            cuts = find_terminations(crystal, plane)
            for termination, cut in enumerate(cuts if parameters.all_terminations else cuts[:1]):
                slab, thickness = _cut(crystal, plane, float(cut), parameters)
                made_by = {
                    "miller_indices": list(miller),
                    "termination": termination,
                    "thickness_angstrom": round(thickness, 6),
                }
                rows.append(row)
                changes.append(
                    _widened(slab, made_by, supercells, parameters.max_atoms, vacuum_angstrom)
                )
    for reason, planes in skipped.items():
        logger.warning("Slabs: %d planes skipped, %s", planes, reason)
    if not rows:
        return PESData.empty()
    cut_from = inputs[np.array(rows)]
    slabs = derive(cut_from, changes, origin="slab").replace(parent=input_ids(cut_from))
    _report(slabs, parameters, supercells)
    return without_input_ids(slabs)


class _Layers(NamedTuple):
    """A slab before replication: indices of its atoms in the input, positions and cell."""

    atoms: np.ndarray
    positions: np.ndarray
    cell: np.ndarray


def _distinct_planes(
    crystal: Crystal, parameters: SlabParameters, skipped: Counter[str]
) -> Iterator[tuple[tuple[int, ...], Plane]]:
    """The planes that can be cut, of equivalent ones the first."""
    seen: list[Plane] = []
    for miller in parameters.miller_indices:
        if len(miller) == 4 and not crystal.has_hexagonal_axes:
            skipped["four indices need hexagonal axes"] += 1
            continue
        plane = find_plane(crystal, miller)
        if any(are_equivalent(crystal, plane, other) for other in seen):
            continue
        seen.append(plane)
        if len(crystal.atoms) > parameters.max_atoms:
            skipped[f"one spacing has more than {parameters.max_atoms} atoms"] += 1
            continue
        yield miller, plane


def _cut(
    crystal: Crystal, plane: Plane, cut: float, parameters: SlabParameters
) -> tuple[_Layers, float]:
    """As many spacings as are wanted, and their thickness from atom to atom, Å."""
    heights = cut_layers(crystal, plane, cut, 1)[0][:, 2]
    # Each further spacing makes the slab thicker by as much.
    missing = parameters.min_thickness_angstrom - np.ptp(heights)
    wanted = 1 + max(0, int(np.ceil(missing / plane.spacing - 1e-9)))
    repeats = min(wanted, parameters.max_atoms // len(crystal.atoms))
    positions, cell = cut_layers(crystal, plane, cut, repeats)
    slab = _Layers(np.tile(crystal.atoms, repeats), positions, cell)
    return slab, float(np.ptp(positions[:, 2]))


def _widened(
    slab: _Layers,
    made_by: dict[str, Any],
    supercells: SupercellParameters,
    max_atoms: int,
    vacuum_angstrom: float,
) -> Change:
    """The slab with its vacuum, replicated in its plane."""
    atoms = slab.atoms
    positions, cell = pad_vacuum(slab.positions, slab.cell, PERIODIC, vacuum_angstrom)
    if supercells.enabled:
        found = find_supercell(
            cell,
            PERIODIC,
            len(atoms),
            supercells.min_length_angstrom,
            max_atoms,
            non_diagonal=supercells.non_diagonal,
        )
        positions, cell = replicate(positions, cell, found.matrix)
        atoms = np.tile(atoms, found.n_atoms // len(atoms))
        made_by = made_by | {"supercell_matrix": found.matrix.tolist()}
    return Change(atoms, positions, cell, made_by, pbc=PERIODIC)


def _report(slabs: PESData, parameters: SlabParameters, supercells: SupercellParameters) -> None:
    """Count what is smaller than wanted."""
    thin = [i["thickness_angstrom"] < parameters.min_thickness_angstrom - 1e-6 for i in slabs.info]
    lengths = np.array([shortest_image(cell, PERIODIC) for cell in slabs.cell])
    narrow = supercells.enabled & (lengths < supercells.min_length_angstrom - 1e-6)
    if any(thin) or narrow.any():
        logger.warning(
            "Slabs: with at most %d atoms %d of %d are thinner than %.1f Å, and %d have periodic "
            "images nearer than %.1f Å, the nearest within %.2f Å",
            parameters.max_atoms,
            sum(thin),
            len(slabs),
            parameters.min_thickness_angstrom,
            narrow.sum(),
            supercells.min_length_angstrom,
            lengths.min(),
        )
