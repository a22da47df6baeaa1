"""Strain: the lattice is stretched or compressed along periodic directions, the atoms with it."""

from __future__ import annotations

import numpy as np

from potwright.pes import PESData
from potwright.pipelines.augmentation.derivation import (
    Change,
    Geometry,
    derive,
    geometries,
    stream,
)
from potwright.pipelines.augmentation.parameters import StrainParameters


def strain_structures(pes: PESData, parameters: StrainParameters, seed: int) -> PESData:
    """Strain each structure that has a periodic axis.

    Stretch factors are drawn from U(1 − max_compressive_strain, 1 + max_tensile_strain). Distances
    perpendicular to the periodic directions do not change, so neither does the vacuum.

    Parameters
    ----------
    pes
        S structures.
    parameters
        Range of the factors, and the mode: ``isotropic`` draws one factor for all periodic
        directions, ``per_axis`` one for each periodic lattice vector, ``tensor`` a symmetric tensor
        whose principal directions are random and whose principal stretches are drawn.
    seed
        The campaign's seed.

    Returns
    -------
    PESData
        S structures; strained ones have origin ``strain`` and ``strain_mode``, ``strain_factors``
        and ``deformation`` (x' = x · deformation) in ``info``.
    """
    changes = [
        _strained(geometry, parameters, stream(seed, "strain", pes, i))
        for i, geometry in enumerate(geometries(pes))
    ]
    return derive(pes, changes, origin="strain")


def _strained(
    geometry: Geometry, parameters: StrainParameters, rng: np.random.Generator
) -> Change | None:
    dimension = int(geometry.pbc.sum())
    if not dimension:
        return None
    low, high = 1 - parameters.max_compressive_strain, 1 + parameters.max_tensile_strain
    factors = rng.uniform(low, high, 1 if parameters.mode == "isotropic" else dimension)
    periodic = geometry.cell[geometry.pbc]
    if parameters.mode == "tensor":
        periodic = _random_axes(periodic, rng)
    deformation = _stretch(periodic, np.broadcast_to(factors, dimension))
    made_by = {
        "strain_mode": parameters.mode,
        "strain_factors": factors.tolist(),
        "deformation": deformation.tolist(),
    }
    atoms = np.arange(len(geometry.numbers))
    return Change(atoms, geometry.positions @ deformation, geometry.cell @ deformation, made_by)


def _stretch(directions: np.ndarray, factors: np.ndarray) -> np.ndarray:
    """The map x ↦ x·D that stretches ``directions`` (k, 3) and leaves what is perpendicular."""
    dual = np.linalg.pinv(directions)
    return np.eye(3) + dual @ ((factors - 1)[:, None] * directions)


def _random_axes(periodic: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Orthonormal directions (k, 3), uniformly random in the space that ``periodic`` spans."""
    basis = np.linalg.svd(periodic, full_matrices=False)[2]
    q, r = np.linalg.qr(rng.normal(size=(len(basis), len(basis))))
    return (q * np.sign(np.diag(r))).T @ basis
