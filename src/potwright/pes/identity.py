"""The content id: the same geometry has the same id, whatever file it came through."""

from __future__ import annotations

import hashlib
from itertools import pairwise

import numpy as np

RESOLUTION_ANGSTROM = 1e-8
"""Coordinates are kept to this resolution, which is what extxyz files hold."""


def round_coordinates(coordinates: np.ndarray) -> np.ndarray:
    """``coordinates`` (Å) at the resolution of the id; applying it twice changes nothing."""
    return np.rint(coordinates / RESOLUTION_ANGSTROM) * RESOLUTION_ANGSTROM


def structure_ids(
    numbers: np.ndarray,
    positions: np.ndarray,
    offsets: np.ndarray,
    cell: np.ndarray,
    pbc: np.ndarray,
) -> np.ndarray:
    """Content ids, shape (S,), 32 hexadecimal digits each.

    blake2b-128 of numbers, pbc, and cell and positions as integers of 1e-8 Å, in the given order.
    """
    z = np.ascontiguousarray(numbers, dtype="<i2")
    x = np.rint(positions / RESOLUTION_ANGSTROM).astype("<i8")
    a = np.rint(cell / RESOLUTION_ANGSTROM).astype("<i8")
    periodic = np.ascontiguousarray(pbc, dtype=np.uint8)
    ids = np.empty(len(cell), dtype="<U32")
    for i, (start, stop) in enumerate(pairwise(offsets)):
        digest = hashlib.blake2b(digest_size=16)
        for part in (z[start:stop], periodic[i], a[i], x[start:stop]):
            digest.update(part.tobytes())
        ids[i] = digest.hexdigest()
    return ids
