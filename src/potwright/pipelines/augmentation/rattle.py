"""Rattle: each atom moves in a random direction by a part of its nearest-neighbour distance."""

from __future__ import annotations

import numpy as np

from potwright.geometry import nearest_neighbour_distances
from potwright.pes import PESData
from potwright.pipelines.augmentation.derivation import (
    Change,
    Geometry,
    derive,
    geometries,
    stream,
)
from potwright.pipelines.augmentation.parameters import RattleParameters


def rattle_structures(pes: PESData, parameters: RattleParameters, seed: int) -> PESData:
    """Displace atom i by d_i with |d_i| ~ U(0, f·d_nn,i), in an isotropic direction.

    d_nn,i is the distance to the nearest neighbour under the real periodicity, own images
    included, and f the ``rattle_fraction``. The only atom of a structure is not moved.

    Parameters
    ----------
    pes
        S structures.
    parameters
        The fraction f.
    seed
        The campaign's seed.

    Returns
    -------
    PESData
        S structures; rattled ones have origin ``rattle`` and ``rattle_fraction`` in ``info``.
    """
    changes = [
        _rattled(geometry, parameters.rattle_fraction, stream(seed, "rattle", pes, i))
        for i, geometry in enumerate(geometries(pes))
    ]
    return derive(pes, changes, origin="rattle")


def _rattled(geometry: Geometry, fraction: float, rng: np.random.Generator) -> Change | None:
    n = len(geometry.numbers)
    if n == 1 or fraction == 0:
        return None
    nearest = nearest_neighbour_distances(geometry.positions, geometry.cell, geometry.pbc)
    directions = rng.normal(size=(n, 3))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    lengths = rng.uniform(0, fraction * nearest)
    positions = geometry.positions + directions * lengths[:, None]
    return Change(np.arange(n), positions, geometry.cell, {"rattle_fraction": fraction})
