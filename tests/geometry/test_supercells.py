"""The search for a supercell, against trying every one."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, graphene
from geometry_strategies import cells, periodicities
from hypothesis import given, settings
from hypothesis import strategies as st

from potwright.geometry import Supercell, find_supercell, replicate, shortest_image

ALL = np.array([True] * 3)


def repeats_of(found: Supercell) -> tuple[int, ...]:
    """How often the cell is repeated along each vector."""
    assert np.array_equal(found.matrix, np.diag(np.diag(found.matrix)))
    return tuple(np.diag(found.matrix).tolist())


def test_primitive_copper_is_searched_not_grown() -> None:
    # Growing one axis at a time ends at 432 atoms with 15.3 Å.
    cell = bulk("Cu", a=3.61).cell.array
    found = find_supercell(cell, ALL, 1, min_length=18.0, max_atoms=450)
    assert repeats_of(found) == (7, 7, 7)
    assert found.n_atoms == 343
    assert found.shortest_image == pytest.approx(7 * 3.61 / np.sqrt(2))


@given(cells(), periodicities, st.integers(1, 4), st.floats(2, 25), st.integers(1, 60))
@settings(max_examples=60, deadline=None)
def test_the_search_finds_the_best_of_all_replications(
    cell: np.ndarray, pbc: np.ndarray, n_atoms: int, min_length: float, max_atoms: int
) -> None:
    found = find_supercell(cell, pbc, n_atoms, min_length, max_atoms)
    length = {
        r: shortest_image(cell * np.array(r)[:, None], pbc)
        for r in product(*(range(1, max_atoms + 1 if p else 2) for p in pbc))
        if r == (1, 1, 1) or np.prod(r) * n_atoms <= max_atoms
    }
    repeats = repeats_of(found)
    assert found.shortest_image == pytest.approx(length[repeats])
    assert found.n_atoms == n_atoms * np.prod(repeats)
    fitting = [r for r, reached in length.items() if reached >= min_length - 1e-6]
    if fitting:
        assert repeats in fitting
        assert np.prod(repeats) == min(np.prod(r) for r in fitting)
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
    assert repeats_of(found) == (4, 4, 1)
    molecule = find_supercell(np.eye(3), np.array([False] * 3), 2, 9.0, 200)
    assert molecule.is_trivial
    assert molecule.shortest_image == np.inf


def test_a_cell_beyond_the_limit_stays_as_it_is() -> None:
    assert find_supercell(np.eye(3), ALL, 11, 9.0, 10).is_trivial


def test_large_limits_are_searched_quickly() -> None:
    found = find_supercell(bulk("Cu", a=3.61).cell.array, ALL, 1, 1000.0, 2000)
    assert found.n_atoms <= 2000
    assert found.shortest_image > 28


@given(cells(), st.tuples(*[st.integers(1, 3)] * 3))
@settings(deadline=None)
def test_replication_is_that_of_ase(cell: np.ndarray, repeats: tuple[int, int, int]) -> None:
    positions = np.array([[0.1, 0.2, 0.3], [0.7, 0.4, 0.9]]) @ cell
    expected = Atoms("CO", positions, cell=cell, pbc=True).repeat(repeats)
    replicated, supercell = replicate(positions, cell, np.diag(repeats))
    assert replicated == pytest.approx(expected.positions)
    assert supercell == pytest.approx(expected.cell.array)


def hermite_forms(index: int, dimension: int) -> list[np.ndarray]:
    """All sublattices of this index, one lower triangular matrix each."""
    forms = []
    for diagonal in product(*[range(1, index + 1)] * dimension):
        if np.prod(diagonal) != index:
            continue
        below = [range(diagonal[j]) for i in range(dimension) for j in range(i)]
        for entries in product(*below):
            form = np.diag(diagonal)
            form[np.tril_indices(dimension, -1)] = entries
            forms.append(form)
    return forms


@given(cells(), periodicities, st.floats(2, 12), st.integers(2, 7))
@settings(max_examples=40, deadline=None)
def test_the_non_diagonal_search_finds_the_best_of_all_sublattices(
    cell: np.ndarray, pbc: np.ndarray, min_length: float, most: int
) -> None:
    found = find_supercell(cell, pbc, 1, min_length, most, non_diagonal=True)
    assert found.shortest_image == pytest.approx(shortest_image(found.matrix @ cell, pbc))
    assert found.n_atoms == round(abs(np.linalg.det(found.matrix)))
    if not pbc.any():
        return
    best = []  # of each index
    for index in range(1, most + 1):
        lengths = []
        for form in hermite_forms(index, int(pbc.sum())):
            matrix = np.eye(3, dtype=int)
            matrix[np.ix_(pbc, pbc)] = form
            lengths.append(shortest_image(matrix @ cell, pbc))
        best.append(max(lengths))
    fitting = [index for index, length in enumerate(best, 1) if length >= min_length - 1e-6]
    expected = best[fitting[0] - 1] if fitting else max(best)
    assert found.shortest_image == pytest.approx(expected)
    assert found.n_atoms == (fitting[0] if fitting else 1 + np.argmax(np.round(best, 5)))


@given(cells(), periodicities, st.integers(1, 8), st.floats(5, 25), st.integers(1, 200))
@settings(max_examples=40, deadline=None)
def test_non_diagonal_is_never_worse(
    cell: np.ndarray, pbc: np.ndarray, n_atoms: int, min_length: float, max_atoms: int
) -> None:
    diagonal = find_supercell(cell, pbc, n_atoms, min_length, max_atoms)
    other = find_supercell(cell, pbc, n_atoms, min_length, max_atoms, non_diagonal=True)
    assert other.n_atoms <= max(max_atoms, n_atoms)
    if diagonal.shortest_image >= min_length - 1e-6:
        assert other.shortest_image >= min_length - 1e-6
        assert other.n_atoms <= diagonal.n_atoms
    else:
        assert other.shortest_image >= diagonal.shortest_image - 1e-6
    assert np.array_equal(other.matrix[~pbc], np.eye(3)[~pbc])
    assert np.linalg.det(other.matrix) > 0


def test_non_diagonal_needs_clearly_fewer_atoms() -> None:
    cubic = np.eye(3) * 3.3
    assert find_supercell(cubic, ALL, 1, 18.0, 450).n_atoms == 216
    assert find_supercell(cubic, ALL, 1, 18.0, 450, non_diagonal=True).n_atoms == 128
    sheet = graphene()
    diagonal = find_supercell(sheet.cell.array, sheet.pbc, 2, 18.0, 450)
    other = find_supercell(sheet.cell.array, sheet.pbc, 2, 18.0, 450, non_diagonal=True)
    assert (diagonal.n_atoms, other.n_atoms) == (128, 114)


def test_non_diagonal_copper_reaches_what_no_replication_does() -> None:
    cell = bulk("Cu", a=3.61).cell.array
    found = find_supercell(cell, ALL, 1, 18.0, 450, non_diagonal=True)
    assert found.n_atoms == 364
    assert found.shortest_image == pytest.approx(18.05)


@given(cells(), st.integers(1, 5), st.integers(0, 2**32 - 1))
@settings(max_examples=40, deadline=None)
def test_any_supercell_holds_each_atom_as_often_as_its_volume_says(
    cell: np.ndarray, n_atoms: int, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    matrix = rng.integers(-3, 4, (3, 3))
    if abs(np.linalg.det(matrix)) < 0.5:
        matrix = np.eye(3, dtype=int)
    multiple = round(abs(np.linalg.det(matrix)))
    positions = rng.uniform(-1, 2, (n_atoms, 3)) @ cell
    replicated, supercell = replicate(positions, cell, matrix)
    assert replicated.shape == (multiple * n_atoms, 3)
    assert supercell == pytest.approx(matrix @ cell)
    shifts = (replicated.reshape(multiple, n_atoms, 3) - positions) @ np.linalg.inv(cell)
    assert shifts == pytest.approx(np.rint(shifts), abs=1e-6)
    in_supercell = (np.rint(shifts[:, 0]) @ np.linalg.inv(matrix) + 1e-9) % 1.0
    assert len(np.unique(np.round(in_supercell, 6), axis=0)) == multiple
