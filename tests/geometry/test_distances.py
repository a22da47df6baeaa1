"""Nearest neighbours, periodic images included, against brute force."""

from __future__ import annotations

import numpy as np
import pytest
from ase.build import bulk
from ase.data import covalent_radii
from ase.neighborlist import primitive_neighbor_list
from geometry_strategies import images, structures
from hypothesis import given, settings
from hypothesis import strategies as st

from potwright.geometry import (
    colliding_atoms,
    nearest_neighbour_distances,
    smallest_covalent_ratio,
)

Structure = tuple[np.ndarray, np.ndarray, np.ndarray]


def all_distances(positions: np.ndarray, cell: np.ndarray, pbc: np.ndarray) -> np.ndarray:
    """Smallest distance of every pair (n, n); the diagonal is an atom and its own image."""
    inverse = np.linalg.inv(cell)
    fractional = positions @ inverse
    fractional = np.where(pbc, fractional % 1, fractional)
    wrapped = fractional @ cell
    own_image = np.linalg.norm(cell[pbc], axis=1).min() if pbc.any() else 0.0
    shifts = images(cell, pbc, own_image)
    here = np.linalg.norm(shifts, axis=1) < 1e-9
    vectors = wrapped[None, :, None] - wrapped[:, None, None] + shifts
    distances = np.linalg.norm(vectors, axis=-1)
    n = len(positions)
    distances[np.arange(n), np.arange(n), np.flatnonzero(here)[0]] = np.inf
    return distances.min(axis=-1)


@given(structures(max_atoms=30))
@settings(max_examples=60, deadline=None)
def test_nearest_neighbours_agree_with_brute_force(structure: Structure) -> None:
    expected = all_distances(*structure).min(axis=1)
    assert nearest_neighbour_distances(*structure) == pytest.approx(expected)


@given(structures(max_atoms=20))
@settings(max_examples=60, deadline=None)
def test_the_covalent_ratio_is_the_smallest_of_all_pairs(structure: Structure) -> None:
    numbers = np.resize([55, 1, 8, 6], len(structure[0]))
    radii = covalent_radii[numbers]
    expected = (all_distances(*structure) / (radii[:, None] + radii)).min()
    assert smallest_covalent_ratio(numbers, *structure) == pytest.approx(expected)


@given(structures(max_atoms=200))
@settings(max_examples=10, deadline=None)
def test_large_structures_agree_with_the_neighbour_list_of_ase(structure: Structure) -> None:
    positions, cell, pbc = structure
    found = nearest_neighbour_distances(*structure)
    cutoff = float(found[np.isfinite(found)].max(initial=1.0)) * 1.1
    i, distance = primitive_neighbor_list("id", pbc, cell, positions, cutoff)
    expected = np.full(len(positions), np.inf)
    np.minimum.at(expected, i, distance)
    assert found == pytest.approx(expected)


@given(structures(max_atoms=20), st.floats(0.1, 2))
@settings(max_examples=60, deadline=None)
def test_colliding_atoms_are_those_of_too_close_pairs(structure: Structure, ratio: float) -> None:
    numbers = np.resize([55, 1, 8, 6], len(structure[0]))
    radii = covalent_radii[numbers]
    close = all_distances(*structure) < ratio * (radii[:, None] + radii)
    assert np.array_equal(colliding_atoms(numbers, *structure, ratio), close.any(axis=1))


def test_an_atom_in_a_primitive_cell_is_its_own_neighbour() -> None:
    copper = bulk("Cu", a=3.61)
    distance = nearest_neighbour_distances(copper.positions, copper.cell.array, copper.pbc)
    assert distance == pytest.approx([3.61 / np.sqrt(2)])


def test_an_atom_that_is_alone_has_no_neighbour() -> None:
    positions, pbc = np.zeros((1, 3)), np.array([False] * 3)
    for cell in (np.zeros((3, 3)), np.eye(3) * 2):
        assert nearest_neighbour_distances(positions, cell, pbc) == pytest.approx([np.inf])
        assert smallest_covalent_ratio(np.array([6]), positions, cell, pbc) == np.inf


def test_a_molecule_without_a_cell_has_distances() -> None:
    positions = np.array([[0.0, 0, 0], [0, 0, 0.74], [0, 0, 40.0]])
    pbc = np.array([False] * 3)
    distances = nearest_neighbour_distances(positions, np.zeros((3, 3)), pbc)
    assert distances == pytest.approx([0.74, 0.74, 39.26])
    ratio = smallest_covalent_ratio(np.array([1, 1, 1]), positions, np.zeros((3, 3)), pbc)
    assert ratio == pytest.approx(0.74 / (2 * covalent_radii[1]))


def test_atoms_on_top_of_each_other_have_ratio_zero() -> None:
    positions = np.zeros((2, 3))
    assert (
        smallest_covalent_ratio(np.array([6, 6]), positions, np.eye(3) * 9, np.ones(3, bool)) == 0
    )
