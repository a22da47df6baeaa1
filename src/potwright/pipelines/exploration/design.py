"""Temperatures and pressures: one pair for each start."""

from __future__ import annotations

from itertools import product

import numpy as np

from potwright.dynamics import Conditions
from potwright.pipelines.exploration.parameters import (
    ListDesign,
    SpaceFillingDesign,
)


def conditions(
    design: SpaceFillingDesign | ListDesign, count: int, rng: np.random.Generator
) -> tuple[Conditions, ...]:
    """``count`` pairs of temperature and pressure by ``design``."""
    if isinstance(design, ListDesign):
        pairs = list(product(design.temperatures_kelvin, design.pressures_kbar))
        return tuple(Conditions(*pairs[i % len(pairs)]) for i in range(count))
    points = latin_hypercube(count, rng)
    temperatures = _between(design.temperature_range_kelvin, points[:, 0])
    pressures = _between(design.pressure_range_kbar, points[:, 1])
    return tuple(
        Conditions(float(t), float(p)) for t, p in zip(temperatures, pressures, strict=True)
    )


def latin_hypercube(count: int, rng: np.random.Generator) -> np.ndarray:
    """Points of the unit square, shape (count, 2): one in each of ``count`` rows and columns.

    Of several such designs the one with the smallest centred discrepancy, which fills the square
    most evenly.
    """
    from scipy.stats import qmc

    if count == 0:
        return np.empty((0, 2))
    candidates = []
    for _ in range(50):
        cells = np.column_stack([rng.permutation(count), rng.permutation(count)])
        candidates.append((cells + rng.random((count, 2))) / count)
    return min(candidates, key=qmc.discrepancy)


def _between(limits: tuple[float, float], fraction: np.ndarray) -> np.ndarray:
    return limits[0] + (limits[1] - limits[0]) * fraction
