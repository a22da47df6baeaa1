"""Compositions of alloys: spread over all that are possible, and as numbers of atoms."""

from __future__ import annotations

from itertools import combinations
from math import comb

import numpy as np


def spread_over_simplex(count: int, species: int) -> np.ndarray:
    """Compositions that cover all possible ones evenly, the pure species first.

    The regular grid of fractions i/m with the largest m that has no more than ``count`` points;
    the rest lies between its points, as evenly as a sequence of irrational fractions does.

    Parameters
    ----------
    count
        How many compositions.
    species
        How many species, at least 2.

    Returns
    -------
    np.ndarray
        Fractions that add up to 1, shape (count, species).
    """
    steps = 1
    while comb(steps + species, species - 1) <= count:
        steps += 1
    grid = _grid(steps, species)
    pure = grid.max(axis=1) == 1
    points = np.concatenate([grid[pure], grid[~pure]])[:count]
    if len(points) < count:
        points = np.concatenate([points, _irrational(count - len(points), species)])
    return points


def counts_of(composition: np.ndarray, sites: int) -> np.ndarray:
    """Numbers of atoms by largest remainder.

    Parameters
    ----------
    composition
        Fractions that add up to 1, shape (k,).
    sites
        How many sites the species share.

    Returns
    -------
    np.ndarray
        Integers that add up to ``sites``, each less than 1 from its share, shape (k,).
    """
    shares = np.asarray(composition) / np.sum(composition) * sites
    counts = np.floor(shares + 1e-9).astype(int)
    remainders = shares - counts
    largest = np.argsort(-remainders, kind="stable")[: sites - counts.sum()]
    counts[largest] += 1
    return counts


def _grid(steps: int, species: int) -> np.ndarray:
    """All compositions of multiples of 1/``steps``: the gaps between bars among stars."""
    bars = np.array(list(combinations(range(steps + species - 1), species - 1)))
    ends = np.full((len(bars), 1), -1), np.full((len(bars), 1), steps + species - 1)
    return (np.diff(np.hstack([ends[0], bars, ends[1]]), axis=1) - 1) / steps


def _irrational(count: int, species: int) -> np.ndarray:
    """Compositions that fill the simplex evenly, none of them on a grid.

    Multiples of powers of a generalised golden ratio, modulo 1, spread evenly over a cube; the gaps
    between sorted coordinates spread as evenly over the simplex.
    """
    dimension, ratio = species - 1, 1.5
    for _ in range(50):  # the solution of ratio^(dimension + 1) = ratio + 1
        ratio = (ratio + 1) ** (1 / (dimension + 1))
    steps = ratio ** -np.arange(1.0, dimension + 1)
    numbers = np.outer(np.arange(1, count + 1), steps) % 1.0
    cuts = np.sort(np.column_stack([np.zeros(count), numbers, np.ones(count)]), axis=1)
    return np.diff(cuts, axis=1)
