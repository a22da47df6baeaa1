"""Vacuum is measured along plane normals, grows to the target and never shrinks."""

from __future__ import annotations

import numpy as np
import pytest
from ase.build import graphene, molecule
from geometry_strategies import cells, periodicities
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from potwright.geometry import (
    complete_cell,
    empty_gaps,
    nearest_neighbour_distances,
    pad_vacuum,
    plane_heights,
    plane_normals,
)

Structure = tuple[np.ndarray, np.ndarray, np.ndarray]


@st.composite
def wholes(draw: st.DrawFn) -> Structure:
    """Structures which lie in less than half of their cell along non-periodic axes."""
    cell = draw(cells())
    pbc = draw(periodicities)
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    extent = np.where(pbc, 1.0, rng.uniform(0.05, 0.45, 3))
    fractional = rng.uniform(0, 1, (draw(st.integers(1, 200)), 3)) * extent
    return fractional @ cell, cell, pbc


def shape(positions: np.ndarray, cell: np.ndarray, pbc: np.ndarray) -> np.ndarray:
    """What a translation cannot change: nearest neighbours under the real periodicity."""
    return nearest_neighbour_distances(positions, cell, pbc)


@given(wholes(), st.floats(0.5, 30))
@settings(deadline=None)
def test_each_open_axis_gets_at_least_the_target(structure: Structure, target: float) -> None:
    positions, cell, pbc = structure
    padded, grown = pad_vacuum(positions, cell, pbc, target)
    gaps = empty_gaps(padded, grown)[~pbc]
    assert np.all(gaps >= target - 1e-6)
    assert np.all(gaps >= empty_gaps(positions, cell)[~pbc] - 1e-6)
    assert gaps == pytest.approx(np.maximum(empty_gaps(positions, cell)[~pbc], target))
    assert grown[pbc] == pytest.approx(cell[pbc])


@given(wholes(), st.floats(0.5, 30))
@settings(deadline=None)
def test_padding_twice_is_padding_once(structure: Structure, target: float) -> None:
    positions, cell, pbc = structure
    once = pad_vacuum(positions, cell, pbc, target)
    twice = pad_vacuum(*once, pbc, target)
    assert np.array_equal(once[0], twice[0])
    assert np.array_equal(once[1], twice[1])


@given(wholes(), st.integers(0, 2**32 - 1))
@settings(deadline=None)
def test_translation_and_wrapping_change_nothing(structure: Structure, seed: int) -> None:
    positions, cell, pbc = structure
    moved = positions + np.random.default_rng(seed).uniform(-20, 20, 3)
    wrapped = (moved @ np.linalg.inv(cell) % 1.0) @ cell
    reference, reference_cell = pad_vacuum(positions, cell, pbc)
    padded, padded_cell = pad_vacuum(wrapped, cell, pbc)
    assert padded_cell == pytest.approx(reference_cell)
    # Along open axes the atoms are where they were relative to each other.
    normals = plane_normals(cell)[~pbc]
    difference = (padded - reference) @ normals.T
    assert difference == pytest.approx(np.broadcast_to(difference[0], difference.shape), abs=1e-7)
    assert shape(padded, padded_cell, pbc) == pytest.approx(
        shape(reference, reference_cell, pbc), abs=1e-7
    )


@given(wholes(), st.permutations(range(3)))
@settings(deadline=None)
def test_the_order_of_axes_changes_nothing(structure: Structure, order: list[int]) -> None:
    positions, cell, pbc = structure
    reference, reference_cell = pad_vacuum(positions, cell, pbc)
    padded, padded_cell = pad_vacuum(positions, cell[order], pbc[order])
    assert padded_cell == pytest.approx(reference_cell[order])
    assert padded == pytest.approx(reference)


@given(wholes())
@settings(deadline=None)
def test_no_atom_is_cut_off_by_the_boundary(structure: Structure) -> None:
    positions, cell, pbc = structure
    wrapped = ((positions - 0.1 * cell.sum(axis=0)) @ np.linalg.inv(cell) % 1.0) @ cell
    padded, grown = pad_vacuum(wrapped, cell, pbc)
    fractional = (padded @ np.linalg.inv(grown))[:, ~pbc]
    assert np.all((fractional >= 0) & (fractional < 1))
    extent = np.ptp(fractional, axis=0) * plane_heights(grown)[~pbc]
    assert extent == pytest.approx(plane_heights(grown)[~pbc] - empty_gaps(padded, grown)[~pbc])


def test_thirty_angstrom_of_vacuum_stay_thirty() -> None:
    sheet = graphene(vacuum=15.0)
    positions, cell = pad_vacuum(sheet.positions, sheet.cell.array, sheet.pbc, 15.0)
    assert np.array_equal(cell, sheet.cell.array)
    assert np.array_equal(positions, sheet.positions)


def test_the_gap_is_measured_along_the_normal_not_the_cell_vector() -> None:
    # A tilted vector of 40 Å, but only 10 Å of space between the images of the sheet.
    cell = np.array([[2.46, 0, 0], [-1.23, 2.13, 0], [np.sqrt(1500.0), 0, 10.0]])
    _, grown = pad_vacuum(np.zeros((1, 3)), cell, np.array([True, True, False]), 15.0)
    assert plane_heights(grown)[2] == pytest.approx(15.0)


def test_periodic_axes_are_left_alone() -> None:
    cell = np.diag([3.0, 3.0, 30.0])
    positions, same = pad_vacuum(np.ones((1, 3)), cell, np.array([True] * 3))
    assert np.array_equal(same, cell)
    assert np.array_equal(positions, np.ones((1, 3)))


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_a_missing_vector_is_completed(axis: int) -> None:
    sheet = graphene()
    order = np.roll(range(3), axis)
    cell, pbc = sheet.cell.array[order], sheet.pbc[order]
    assert not cell[~pbc].any()
    positions, grown = pad_vacuum(sheet.positions, cell, pbc)
    assert empty_gaps(positions, grown)[~pbc] == pytest.approx([15.0])
    assert np.linalg.det(grown) > 0


def test_a_molecule_gets_a_box() -> None:
    water = molecule("H2O")
    positions, cell = pad_vacuum(water.positions, water.cell.array, water.pbc)
    assert cell == pytest.approx(np.diag(15.0 + np.ptp(water.positions, axis=0)))
    assert empty_gaps(positions, cell) == pytest.approx([15.0] * 3)
    shift = positions - water.positions
    assert shift == pytest.approx(np.broadcast_to(shift[0], shift.shape))


def test_a_molecule_larger_than_its_cell_stays_whole() -> None:
    chain = np.array([[0, 0, 1.5 * i] for i in range(10)])
    positions, cell = pad_vacuum(chain, np.eye(3), np.array([False] * 3))
    assert np.diff(positions, axis=0) == pytest.approx(np.diff(chain, axis=0))
    assert cell[2, 2] == pytest.approx(13.5 + 15.0)


@given(cells(), periodicities)
def test_completed_cells_span_space(cell: np.ndarray, kept: np.ndarray) -> None:
    assume(not kept.all())
    completed = complete_cell(np.where(kept[:, None], cell, 0.0))
    assert np.array_equal(completed[kept], cell[kept])
    new = completed[~kept]
    assert np.linalg.norm(new, axis=1) == pytest.approx(np.ones(len(new)))
    assert new @ cell[kept].T == pytest.approx(np.zeros((len(new), int(kept.sum()))), abs=1e-9)
    assert abs(np.linalg.det(completed)) > 1e-6
