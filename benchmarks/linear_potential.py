"""A linear potential, fitted in a second: to compare selection rules before paying for networks.

Energies are linear in moments of the neighbour density (Shapeev, Multiscale Model. Simul. 14, 1153
(2016)), M_k^(l) = Σ_j R_k(r_ij) û_ij^⊗l, contracted in pairs, and these times a density: three- and
four-body terms for a single species. Ridge regression on energies per atom, forces and stresses.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations_with_replacement
from math import factorial

import numpy as np
from ase import Atoms

RADIAL = 6
ORDERS = 4
DENSITIES = 3


@dataclass(frozen=True)
class Design:
    """Rows of a structure: energy per atom (Q,), forces (n, 3, Q), stress (6, Q), atoms (n, F)."""

    energy: np.ndarray
    forces: np.ndarray
    stress: np.ndarray
    atoms: np.ndarray


def _monomials() -> list[tuple[int, tuple[int, int, int], float]]:
    """Order, powers and multiplicity of the components of û^⊗l."""
    found = []
    for order in range(ORDERS):
        for axes in combinations_with_replacement(range(3), order):
            powers = tuple(axes.count(a) for a in range(3))
            times = factorial(order) / np.prod([factorial(p) for p in powers])
            found.append((order, powers, float(times)))
    return found


MONOMIALS = _monomials()


def _radial(r: np.ndarray, cutoff: float) -> tuple[np.ndarray, np.ndarray]:
    """Gaussians times a smooth cutoff, and their derivatives, shape (E, K)."""
    centres = np.linspace(0.25, 0.9, RADIAL) * cutoff
    width = 0.65 * cutoff / (RADIAL - 1)
    x = (r[:, None] - centres) / width
    gauss, slope = np.exp(-0.5 * x**2), None
    slope = -x / width * gauss
    cut = 0.5 * (1 + np.cos(np.pi * r / cutoff))
    cut_slope = -0.5 * np.pi / cutoff * np.sin(np.pi * r / cutoff)
    return gauss * cut[:, None], slope * cut[:, None] + gauss * cut_slope[:, None]


def design(atoms: Atoms, cutoff: float) -> Design:
    """All rows of a structure."""
    from matscipy.neighbours import neighbour_list

    i, j, d = neighbour_list("ijD", atoms, cutoff)
    n, r = len(atoms), np.linalg.norm(d, axis=1)
    radial, slope = _radial(r, cutoff)
    unit = d / r[:, None]
    moments = np.zeros((n, RADIAL, len(MONOMIALS)))
    gradient = np.empty((len(i), RADIAL, len(MONOMIALS), 3))
    for c, (order, powers, _) in enumerate(MONOMIALS):
        value = np.prod(unit ** np.array(powers), axis=1)
        turned = np.zeros((len(i), 3))  # derivative of the monomial with respect to û
        for a in range(3):
            if powers[a]:
                less = np.array(powers) - (np.arange(3) == a)
                turned[:, a] = powers[a] * np.prod(unit**less, axis=1)
        across = (turned - order * value[:, None] * unit) / r[:, None]
        np.add.at(moments[:, :, c], i, radial * value[:, None])
        gradient[:, :, c] = (
            slope[:, :, None] * (value[:, None] * unit)[:, None]
            + radial[:, :, None] * across[:, None]
        )
    features, edges = _contracted(moments, gradient, i)
    forces = np.zeros((n, features.shape[1], 3))
    np.add.at(forces, i, edges)
    np.add.at(forces, j, -edges)
    volume = atoms.get_volume() if atoms.pbc.any() else np.nan
    virial = np.einsum("ea,eqb->qab", d, edges) / volume
    voigt = virial[:, [0, 1, 2, 1, 0, 0], [0, 1, 2, 2, 2, 1]]
    return Design(
        features.mean(axis=0),
        forces.transpose(0, 2, 1).astype(np.float32),
        voigt.T.astype(np.float32),
        features[:, : RADIAL * (RADIAL + 1) // 2 * ORDERS + RADIAL].astype(np.float32),
    )


def _contracted(
    moments: np.ndarray, gradient: np.ndarray, i: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Features of each atom (n, Q), and their derivatives along each edge (E, Q, 3)."""
    order = np.array([o for o, _, _ in MONOMIALS])
    times = np.array([t for _, _, t in MONOMIALS])
    pairs = list(combinations_with_replacement(range(RADIAL), 2))
    first, second = np.array(pairs).T
    parts, slopes = [moments[:, :, 0]], [gradient[:, :, 0]]
    for o in range(ORDERS):
        c = np.flatnonzero(order == o)
        left, right = moments[:, first][:, :, c] * times[c], moments[:, second][:, :, c] * times[c]
        parts.append((left * moments[:, second][:, :, c]).sum(axis=2))
        slopes.append(
            np.einsum("epc,epca->epa", right[i], gradient[:, first][:, :, c])
            + np.einsum("epc,epca->epa", left[i], gradient[:, second][:, :, c])
        )
    pair, pair_slope = np.concatenate(parts, axis=1), np.concatenate(slopes, axis=1)
    densities = range(1, RADIAL, max(1, (RADIAL - 1) // DENSITIES))
    features, edges = [pair], [pair_slope]
    for k in list(densities)[:DENSITIES]:
        rho = moments[:, k, 0]
        features.append(pair * rho[:, None])
        edges.append(
            pair_slope * rho[i, None, None] + pair[i][:, :, None] * gradient[:, None, k, 0]
        )
    return np.concatenate(features, axis=1), np.concatenate(edges, axis=1)
