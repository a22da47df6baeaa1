"""Random structures for the geometry tests, and brute-force answers to compare with."""

from __future__ import annotations

from itertools import product

import numpy as np
from hypothesis import strategies as st

from potwright.geometry import plane_heights


@st.composite
def cells(draw: st.DrawFn, max_skew: float = 1.5) -> np.ndarray:
    """Triclinic cells of any handedness and orientation, sheared but not flat."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    lengths = rng.uniform(1.5, 8.0, 3)
    cell = np.diag(lengths)
    cell[1, 0], cell[2, 0], cell[2, 1] = rng.uniform(-max_skew, max_skew, 3) * lengths[[0, 0, 1]]
    rotation, _ = np.linalg.qr(rng.normal(size=(3, 3)))
    return cell[rng.permutation(3)] @ rotation


periodicities = st.tuples(st.booleans(), st.booleans(), st.booleans()).map(np.array)


@st.composite
def structures(draw: st.DrawFn, max_atoms: int = 200) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Positions, cell and pbc, the atoms spread over several cells."""
    cell = draw(cells())
    pbc = draw(periodicities)
    n = draw(st.integers(1, max_atoms))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    return rng.uniform(-1, 2, (n, 3)) @ cell, cell, pbc


def images(cell: np.ndarray, pbc: np.ndarray, reach: float) -> np.ndarray:
    """All lattice translations that can bring two wrapped atoms within ``reach``."""
    bounds = np.where(pbc, np.ceil(reach / plane_heights(cell)).astype(int) + 3, 0)
    return np.array(list(product(*(range(-b, b + 1) for b in bounds)))) @ cell
