"""Lattice planes and slabs of crystals: what is cut is the crystal, and symmetry is respected."""

from __future__ import annotations

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from geometry_strategies import cells
from hypothesis import given, settings
from hypothesis import strategies as st

from potwright.geometry import (
    Crystal,
    are_equivalent,
    cell_volume,
    cut_layers,
    find_crystal,
    find_plane,
    find_terminations,
)

indices = st.tuples(*[st.integers(-3, 3)] * 3).filter(any)


def crystal_of(atoms: Atoms) -> Crystal:
    return find_crystal(atoms.numbers, atoms.positions, atoms.cell.array)


@st.composite
def crystals(draw: st.DrawFn) -> Atoms:
    """Triclinic crystals of one to twelve atoms that are some distance apart."""
    cell = draw(cells(max_skew=0.8)) * 1.5
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    fractional = [rng.random(3)]
    for place in rng.random((draw(st.integers(0, 11)), 3)):
        separation = (place - fractional + 0.5) % 1.0 - 0.5
        if np.linalg.norm(separation @ cell, axis=1).min() > 0.5:
            fractional.append(place)
    numbers = rng.choice([6, 14, 8], len(fractional))
    return Atoms(numbers, np.array(fractional) @ cell, cell=cell, pbc=True)


def neighbourhood(atoms: Atoms, atom: int, reach: float) -> np.ndarray:
    """Distances of all neighbours within ``reach``, with their species."""
    from matscipy.neighbours import neighbour_list

    i, j, distance = neighbour_list("ijd", atoms, reach)
    near = i == atom
    found = np.column_stack([distance[near], atoms.numbers[j[near]]])
    return found[np.lexsort(np.round(found, 5).T[::-1])]


@given(crystals(), indices)
@settings(max_examples=40, deadline=None)
def test_planes_are_lattice_planes(atoms: Atoms, miller: tuple[int, int, int]) -> None:
    crystal = crystal_of(atoms)
    plane = find_plane(crystal, miller)
    basis = np.vstack([plane.vectors, plane.step])
    assert cell_volume(basis) == pytest.approx(cell_volume(crystal.primitive))
    combination = basis @ np.linalg.inv(crystal.primitive)
    assert combination == pytest.approx(np.rint(combination), abs=1e-6)
    assert basis @ plane.normal == pytest.approx([0, 0, 1], abs=1e-9)
    # The plane cuts the axes of the conventional cell in the ratio of its indices.
    cuts = crystal.conventional @ plane.normal
    assert np.cross(cuts, miller) == pytest.approx(np.zeros(3), abs=1e-6)
    area = np.linalg.norm(np.cross(*plane.vectors))
    assert area * plane.spacing == pytest.approx(cell_volume(crystal.primitive))


@given(crystals(), indices, st.integers(2, 6))
@settings(max_examples=40, deadline=None)
def test_atoms_inside_a_slab_see_the_crystal(
    atoms: Atoms, miller: tuple[int, int, int], spacings: int
) -> None:
    crystal = crystal_of(atoms)
    plane = find_plane(crystal, miller)
    cut = find_terminations(crystal, plane)[0]
    positions, cell = cut_layers(crystal, plane, cut, spacings)
    heights = positions[:, 2]
    assert np.ptp(heights) < spacings * plane.spacing
    assert cell[:2, 2] == pytest.approx([0, 0])
    # The atom farthest from both surfaces has the crystal's neighbours as far as these reach.
    depth = np.minimum(heights - heights.min(), heights.max() - heights)
    deepest = int(np.argmax(depth))
    gap = spacings * plane.spacing - np.ptp(heights)
    reach = min(depth[deepest] + gap, 6.0) - 1e-3
    if reach < 0.6:
        return
    cell[2, 2] = np.ptp(heights) + 20
    numbers = np.tile(atoms.numbers[crystal.atoms], spacings)
    slab = Atoms(numbers, positions, cell=cell, pbc=[True, True, False])
    original = int(crystal.atoms[deepest % len(crystal.atoms)])
    assert neighbourhood(slab, deepest, reach) == pytest.approx(
        neighbourhood(atoms, original, reach), abs=1e-5
    )


@pytest.mark.parametrize(
    ("atoms", "primitive", "conventional"),
    [
        (bulk("Cu", a=3.61), 3.61**3 / 4, 3.61**3),
        (bulk("Cu", a=3.61, cubic=True).repeat((2, 1, 3)), 3.61**3 / 4, 3.61**3),
        (bulk("Fe", a=2.87), 2.87**3 / 2, 2.87**3),
        (bulk("Ti", a=2.95, c=4.68), 35.27, 35.27),
    ],
)
def test_cells_are_found_whatever_the_input_was(
    atoms: Atoms, primitive: float, conventional: float
) -> None:
    rotation, _ = np.linalg.qr(np.random.default_rng(3).normal(size=(3, 3)))
    atoms.set_cell(atoms.cell.array @ rotation, scale_atoms=True)
    crystal = crystal_of(atoms)
    assert cell_volume(crystal.primitive) == pytest.approx(primitive, abs=0.01)
    assert cell_volume(crystal.conventional) == pytest.approx(conventional, abs=0.01)
    # Every operation maps the lattice onto itself.
    mapped = crystal.primitive @ crystal.rotations @ np.linalg.inv(crystal.primitive)
    assert mapped == pytest.approx(np.rint(mapped), abs=1e-6)
    assert crystal.rotations @ np.swapaxes(crystal.rotations, 1, 2) == pytest.approx(
        np.tile(np.eye(3), (len(crystal.rotations), 1, 1)), abs=1e-6
    )


def test_symmetry_says_which_planes_are_equal() -> None:
    copper = crystal_of(bulk("Cu"))
    cube = find_plane(copper, (1, 0, 0))
    for equal in [(0, 1, 0), (0, 0, -1), (2, 0, 0)]:
        assert are_equivalent(copper, cube, find_plane(copper, equal))
    assert not are_equivalent(copper, cube, find_plane(copper, (1, 1, 0)))
    tetragonal = bulk("In", "bct", a=3.25, c=4.95)
    indium = crystal_of(tetragonal)
    along_a, along_c = find_plane(indium, (1, 0, 0)), find_plane(indium, (0, 0, 1))
    assert are_equivalent(indium, along_a, find_plane(indium, (0, 1, 0)))
    assert not are_equivalent(indium, along_a, along_c)


def test_four_indices_are_three_on_hexagonal_axes() -> None:
    titanium = crystal_of(bulk("Ti"))
    assert titanium.has_hexagonal_axes
    assert not crystal_of(bulk("Cu")).has_hexagonal_axes
    prism = find_plane(titanium, (1, 0, -1, 0))
    assert np.allclose(prism.normal, find_plane(titanium, (1, 0, 0)).normal)
    # The six prism planes are one form; in three indices that does not show.
    for equal in [(0, 1, -1, 0), (-1, 1, 0, 0), (1, -1, 0, 0)]:
        assert are_equivalent(titanium, prism, find_plane(titanium, equal))


@pytest.mark.parametrize(
    ("atoms", "miller", "terminations"),
    [
        (bulk("Cu"), (1, 1, 1), 1),
        (bulk("C", "diamond", a=3.567), (1, 1, 1), 2),  # between the bilayers, and within
        (bulk("C", "diamond", a=3.567), (1, 0, 0), 1),
        (bulk("Ti"), (1, 0, -1, 0), 2),  # wide and narrow
        (bulk("NaCl", "rocksalt", a=5.64), (1, 1, 1), 1),
        (bulk("ZnS", "zincblende", a=5.41), (1, 1, 1), 2),
        (bulk("CsCl", "cesiumchloride", a=4.12), (1, 0, 0), 1),
    ],
)
def test_terminations_are_those_of_the_textbook(
    atoms: Atoms, miller: tuple[int, ...], terminations: int
) -> None:
    crystal = crystal_of(atoms)
    assert len(find_terminations(crystal, find_plane(crystal, miller))) == terminations


def test_the_first_termination_has_the_widest_gap() -> None:
    diamond = crystal_of(bulk("C", "diamond", a=3.567))
    plane = find_plane(diamond, (1, 1, 1))
    cuts = find_terminations(diamond, plane)
    thickness = [np.ptp(cut_layers(diamond, plane, cut, 3)[0][:, 2]) for cut in cuts]
    bond = 3.567 * np.sqrt(3) / 4
    assert thickness == pytest.approx([3 * plane.spacing - bond, 3 * plane.spacing - bond / 3])
