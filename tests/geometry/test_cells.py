"""Volumes, planes and periodic images do not depend on how a lattice is written down."""

from __future__ import annotations

import numpy as np
import pytest
from geometry_strategies import cells, images, periodicities
from hypothesis import given
from hypothesis import strategies as st

from potwright.geometry import (
    cell_volume,
    engine_pbc,
    is_degenerate,
    plane_heights,
    plane_normals,
    shortest_image,
)


@given(cells())
def test_a_height_times_its_face_is_the_volume(cell: np.ndarray) -> None:
    faces = [np.linalg.norm(np.cross(cell[(i + 1) % 3], cell[(i + 2) % 3])) for i in range(3)]
    assert plane_heights(cell) * faces == pytest.approx([cell_volume(cell)] * 3)


@given(cells())
def test_normals_are_perpendicular_to_the_other_two_vectors(cell: np.ndarray) -> None:
    projections = plane_normals(cell) @ cell.T
    assert projections == pytest.approx(np.diag(plane_heights(cell)), abs=1e-9)


@given(cells(), periodicities)
def test_the_shortest_image_is_the_shortest_of_all_translations(
    cell: np.ndarray, pbc: np.ndarray
) -> None:
    if not pbc.any():
        assert shortest_image(cell, pbc) == np.inf
        return
    shortest_vector = np.linalg.norm(cell[pbc], axis=1).min()
    lengths = np.linalg.norm(images(cell, pbc, shortest_vector), axis=1)
    assert shortest_image(cell, pbc) == pytest.approx(lengths[lengths > 1e-9].min())


@given(cells(), st.integers(0, 2**32 - 1))
def test_the_shortest_image_knows_only_the_lattice(cell: np.ndarray, seed: int) -> None:
    rng = np.random.default_rng(seed)
    shear = np.eye(3, dtype=int)
    shear[0, 1], shear[0, 2], shear[1, 2] = rng.integers(-3, 4, 3)
    same_lattice = shear[rng.permutation(3)] @ cell
    pbc = np.array([True] * 3)
    assert shortest_image(same_lattice, pbc) == pytest.approx(shortest_image(cell, pbc))


def test_a_skewed_sheet_has_the_image_of_its_hexagonal_lattice() -> None:
    a = 2.46
    skewed = np.array([[a, 0, 0], [5.5 * a, a * np.sqrt(3) / 2, 0], [0, 0, 1.0]])
    assert shortest_image(skewed, np.array([True, True, False])) == pytest.approx(a)


@pytest.mark.parametrize(
    ("cell", "pbc", "flat"),
    [
        (np.eye(3), "TTT", False),
        (np.zeros((3, 3)), "FFF", False),
        (np.diag([2.0, 2.0, 0.0]), "TTF", False),
        (np.diag([2.0, 2.0, 0.0]), "TTT", True),
        (np.array([[1.0, 0, 0], [2, 0, 0], [0, 0, 1]]), "TTT", True),
        (np.array([[1.0, 0, 0], [2, 0, 0], [0, 0, 1]]), "FFF", True),
        (np.array([[1.0, 0, 0], [2, 0, 0], [0, 0, 0]]), "TTF", True),
    ],
)
def test_flat_cells_are_recognised(cell: np.ndarray, pbc: str, flat: bool) -> None:
    assert is_degenerate(cell, np.array([letter == "T" for letter in pbc])) is flat


def test_engines_see_any_periodicity_as_full() -> None:
    pbc = np.array([[True, False, False], [False, False, False], [True, True, True]])
    assert engine_pbc(pbc).tolist() == [[True] * 3, [False] * 3, [True] * 3]
    assert engine_pbc(pbc[0]).tolist() == [True] * 3
