"""Farthest-point sampling on the committee's own descriptors, relative to what is known.

Each frame taken is the one farthest from all that is known or taken already. Distances are those of
structure means, by scikit-matter (Goscinski et al., Open Research Europe 3, 81 (2023)); or, with
``by: atom``, a frame is as far as its farthest atom is from the nearest known atom: one strange
atom in a large cell then counts as much as in a small one.
"""

from __future__ import annotations

import warnings

import numpy as np

from potwright.pipelines.evaluation.environments import Environments
from potwright.pipelines.evaluation.parameters import FarthestPointSelection
from potwright.pipelines.evaluation.rules import Chosen, Pool

ATOMS_AT_A_TIME = 4096
"""Bounds the memory of a table of distances."""


def farthest(pool: Pool, count: int, generator: np.random.Generator) -> Chosen:
    """The rule; see the module."""
    assert pool.environments is not None
    candidates = np.flatnonzero(pool.uncertain)
    count = min(count, len(candidates))
    if not count:
        return Chosen(candidates[:0])
    environments = pool.environments.standardised()
    by_atom = isinstance(pool.settings, FarthestPointSelection) and pool.settings.by == "atom"
    order, distance = (
        by_atoms(environments, candidates, count)
        if by_atom
        else by_structures(environments, candidates, count, generator)
    )
    name = "distance_of_farthest_atom" if by_atom else "distance"
    notes = [{name: float(d) if np.isfinite(d) else None} for d in distance]
    return Chosen(candidates[order], notes)


def by_structures(
    environments: Environments, candidates: np.ndarray, count: int, generator: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Order of ``candidates``, and the distance of each when it was taken (infinite: the first)."""
    from skmatter.sample_selection import FPS

    frames, known = environments.means()
    points = np.concatenate([known, frames[candidates]])
    if points.shape[1] < 2:  # scikit-matter wants two features
        points = np.column_stack([points, np.zeros((len(points), 2))])
    # without anything known the first one is drawn
    start = np.arange(len(known)) if len(known) else np.array([generator.integers(len(points))])
    if len(points) < 2 or len(start) == count + len(known):
        return start[len(known) :], np.full(len(start) - len(known), np.inf)
    sampler = FPS(n_to_select=len(known) + count, initialize=start)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it warns where all that is left is a duplicate
        sampler.fit(points)
    taken = sampler.selected_idx_[len(known) :]
    squared = sampler.get_select_distance()[len(known) :]
    return taken - len(known), np.sqrt(np.maximum(squared, 0))


def by_atoms(
    environments: Environments, candidates: np.ndarray, count: int
) -> tuple[np.ndarray, np.ndarray]:
    """The same with each frame as far as its farthest atom."""
    offsets = environments.offsets
    parts = [environments.frames[offsets[i] : offsets[i + 1]] for i in candidates]
    atoms = np.concatenate(parts)
    starts = np.concatenate([[0], np.cumsum([len(part) for part in parts])])
    nearest = _nearest(atoms, environments.known, np.full(len(atoms), np.inf))
    taken = np.zeros(len(parts), dtype=bool)
    order, distance = [], []
    for _ in range(count):
        far = np.where(taken, -1.0, np.maximum.reduceat(nearest, starts[:-1]))
        best = int(far.argmax())
        taken[best] = True
        order.append(best)
        distance.append(np.sqrt(far[best]))
        nearest = _nearest(atoms, parts[best], nearest)
    return np.array(order), np.array(distance)


def _nearest(atoms: np.ndarray, others: np.ndarray, squared: np.ndarray) -> np.ndarray:
    """Squared distance of each atom to the nearest of ``others``, or what it was before."""
    norms = (atoms**2).sum(axis=1)
    for start in range(0, len(others), ATOMS_AT_A_TIME):
        block = others[start : start + ATOMS_AT_A_TIME]
        for first in range(0, len(atoms), ATOMS_AT_A_TIME):
            rows = slice(first, first + ATOMS_AT_A_TIME)
            table = norms[rows, None] + (block**2).sum(axis=1) - 2 * atoms[rows] @ block.T
            squared[rows] = np.minimum(squared[rows], np.maximum(table.min(axis=1), 0))
    return squared
