"""The search for a supercell, against trying every replication."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, graphene
from geometry_strategies import cells, periodicities
from hypothesis import given, settings
from hypothesis import strategies as st

from potwright.geometry import find_supercell, replicate, shortest_image

ALL = np.array([True] * 3)


def test_primitive_copper_is_searched_not_grown() -> None:
    # Growing one axis at a time ends at 432 atoms with 15.3 Å.
    cell = bulk("Cu", a=3.61).cell.array
    found = find_supercell(cell, ALL, 1, min_length=18.0, max_atoms=450)
    assert found.repeats == (7, 7, 7)
    assert found.n_atoms == 343
    assert found.shortest_image == pytest.approx(7 * 3.61 / np.sqrt(2))


@given(cells(), periodicities, st.integers(1, 4), st.floats(2, 25), st.integers(1, 60))
@settings(max_examples=60, deadline=None)
def test_the_search_finds_the_best_of_all_replications(
    cell: np.ndarray, pbc: np.ndarray, n_atoms: int, min_length: float, max_atoms: int
) -> None:
    found = find_supercell(cell, pbc, n_atoms, min_length, max_atoms)
    length = {
        repeats: shortest_image(cell * np.array(repeats)[:, None], pbc)
        for repeats in product(*(range(1, max_atoms + 1 if p else 2) for p in pbc))
        if repeats == (1, 1, 1) or np.prod(repeats) * n_atoms <= max_atoms
    }
    assert found.shortest_image == pytest.approx(length[found.repeats])
    assert found.n_atoms == n_atoms * np.prod(found.repeats)
    fitting = [r for r, reached in length.items() if reached >= min_length - 1e-6]
    if fitting:
        assert found.repeats in fitting
        assert np.prod(found.repeats) == min(np.prod(r) for r in fitting)
    else:
        assert found.shortest_image == pytest.approx(max(length.values()))


@given(cells(), st.permutations(range(3)))
@settings(max_examples=40, deadline=None)
def test_the_order_of_axes_changes_nothing(cell: np.ndarray, order: list[int]) -> None:
    pbc = np.array([True, True, False])
    one = find_supercell(cell, pbc, 1, 12.0, 100)
    other = find_supercell(cell[order], pbc[order], 1, 12.0, 100)
    assert other.shortest_image == pytest.approx(one.shortest_image)
    assert other.n_atoms == one.n_atoms


def test_only_periodic_axes_are_replicated() -> None:
    sheet = graphene(vacuum=7.5)
    found = find_supercell(sheet.cell.array, sheet.pbc, len(sheet), 9.0, 200)
    assert found.repeats == (4, 4, 1)
    molecule = find_supercell(np.eye(3), np.array([False] * 3), 2, 9.0, 200)
    assert molecule.repeats == (1, 1, 1)
    assert molecule.shortest_image == np.inf


def test_a_cell_beyond_the_limit_stays_as_it_is() -> None:
    assert find_supercell(np.eye(3), ALL, 11, 9.0, 10).repeats == (1, 1, 1)


def test_large_limits_are_searched_quickly() -> None:
    found = find_supercell(bulk("Cu", a=3.61).cell.array, ALL, 1, 1000.0, 2000)
    assert found.n_atoms <= 2000
    assert found.shortest_image > 28


@given(cells(), st.tuples(*[st.integers(1, 3)] * 3))
@settings(deadline=None)
def test_replication_is_that_of_ase(cell: np.ndarray, repeats: tuple[int, int, int]) -> None:
    positions = np.array([[0.1, 0.2, 0.3], [0.7, 0.4, 0.9]]) @ cell
    expected = Atoms("CO", positions, cell=cell, pbc=True).repeat(repeats)
    replicated, supercell = replicate(positions, cell, repeats)
    assert replicated == pytest.approx(expected.positions)
    assert supercell == pytest.approx(expected.cell.array)
