"""The same structure written otherwise is labelled once; what differs a little is not dropped."""

from __future__ import annotations

import itertools
import time

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, fcc111, graphene, molecule
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from potwright.pes import PESData
from potwright.pipelines.labelling.near_duplicates import near_duplicates
from potwright.pipelines.labelling.parameters import ScreeningParameters

TOLERANCE = ScreeningParameters().near_duplicate_angstrom


def repeated(*atoms, known=0, tolerance=TOLERANCE):
    return near_duplicates(PESData.from_atoms(list(atoms)), tolerance, known).tolist()


def displaced(atoms, random, largest):
    """Each atom moved by at most ``largest``, one of them by as much, without moving the whole."""
    step = random.normal(size=(len(atoms), 3))
    step -= step.mean(axis=0)
    norms = np.linalg.norm(step, axis=1)
    moved = atoms.copy()
    moved.positions += step / (norms.max() or 1.0) * largest
    return moved


def rewritten(atoms, random):
    """Translated, wrapped where anything is periodic, and with its atoms in another order."""
    other = atoms[random.permutation(len(atoms))]
    other.positions += random.normal(0, 3, 3)
    if atoms.pbc.any():
        other.positions += random.integers(-2, 3, (len(atoms), 3)) @ atoms.cell.array
    return other


@st.composite
def structures(draw):
    """1 to 40 atoms of up to 3 species, at least 1 Å apart, in any cell and periodicity."""
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    n, pbc = draw(st.integers(1, 40)), draw(st.tuples(*[st.booleans()] * 3))
    edge = (n * 30.0) ** (1 / 3)
    cell = edge * (np.eye(3) + random.uniform(-0.4, 0.4, (3, 3)))
    assume(np.linalg.det(cell) > 0.3 * edge**3)
    atoms = Atoms(
        random.choice([6, 8, 14], n), random.uniform(0, 1, (n, 3)) @ cell, cell=cell, pbc=pbc
    )
    apart = atoms.get_all_distances(mic=bool(any(pbc))) + 9 * np.eye(n)
    assume(apart.min() > 1.0)
    return atoms, random


@settings(max_examples=60, deadline=None)
@given(structures())
def test_another_origin_order_and_noise_below_the_tolerance_make_no_new_structure(made):
    atoms, random = made
    noisy = displaced(rewritten(atoms, random), random, 0.9 * TOLERANCE)
    assert repeated(atoms, noisy) == [False, True]


@settings(max_examples=60, deadline=None)
@given(structures())
def test_a_displacement_above_the_tolerance_makes_a_new_structure(made):
    atoms, random = made
    assume(len(atoms) > 1)
    other = displaced(rewritten(atoms, random), random, 2.1 * TOLERANCE)
    # two atoms that move apart are the same two atoms moved apart the other way round
    assume(len(atoms) > 2)
    assert repeated(atoms, other) == [False, False]


def test_finite_differences_and_small_rattles_are_kept():
    crystal = bulk("Cu", cubic=True) * (2, 2, 2)
    shifted = [crystal.copy() for _ in range(6)]
    for atoms, (atom, axis) in zip(shifted, itertools.product((0, 7), range(3)), strict=True):
        atoms.positions[atom, axis] += 0.001
    random = np.random.default_rng(0)
    rattled = [displaced(crystal, random, 0.005) for _ in range(40)]
    # in a perfect crystal all atoms are the same one: atom 0 or 7 along an axis is one structure
    assert repeated(crystal, *shifted) == [False] * 4 + [True] * 3
    assert not any(repeated(crystal, *rattled))


def test_vacancies_at_equivalent_sites_are_one_structure():
    crystal = bulk("Cu", cubic=True) * (3, 3, 3)
    holes = [crystal[[i for i in range(len(crystal)) if i != hole]] for hole in (0, 17, 98)]
    assert repeated(*holes) == [False, True, True]
    salt = bulk("NaCl", "rocksalt", a=5.64, cubic=True)
    sodium, chlorine = (salt[[i for i in range(8) if i != hole]] for hole in (0, 1))
    assert repeated(sodium, chlorine) == [False, False]


def test_what_is_swapped_is_another_structure():
    ordered = bulk("NaCl", "rocksalt", a=5.64, cubic=True)
    swapped, inverted = ordered.copy(), ordered.copy()
    swapped.numbers[[0, 1]] = swapped.numbers[[1, 0]]
    inverted.numbers = np.where(ordered.numbers == 11, 17, 11)  # the same, shifted by half a cell
    assert repeated(ordered, swapped, inverted) == [False, False, True]


def test_lattice_and_periodicity_belong_to_the_structure():
    sheet = graphene(vacuum=5.0)
    wider, taller, periodic = sheet.copy(), sheet.copy(), sheet.copy()
    wider.set_cell(sheet.cell * [1.001, 1, 1], scale_atoms=True)
    taller.cell[2, 2] += 0.01
    periodic.pbc = True
    assert not any(repeated(sheet, wider, taller, periodic))
    higher = sheet.copy()
    higher.positions[:, 2] += 2.0
    slightly = sheet.copy()
    slightly.set_cell(sheet.cell * [1 + 1e-5, 1, 1], scale_atoms=True)
    assert repeated(sheet, higher, slightly) == [False, True, True]


def test_molecules_may_be_anywhere_but_not_turned():
    water = molecule("H2O", vacuum=5.0)
    moved, turned = water.copy(), water.copy()
    moved.positions += [30.0, -7.0, 1.0]
    turned.rotate(90, "z")
    turned.cell = water.cell
    assert repeated(water, moved, turned) == [False, True, False]
    assert repeated(Atoms("C"), Atoms("C", [[1, 2, 3]]), Atoms("O")) == [False, True, False]


def test_a_slow_drift_is_not_followed_to_its_beginning():
    """What is dropped is near something that is kept, not near something that is dropped."""
    crystal = bulk("Cu", cubic=True) * (2, 2, 2)
    random = np.random.default_rng(1)
    direction = displaced(crystal, random, 1.0).positions - crystal.positions
    frames = []
    for step in range(8):
        frame = crystal.copy()
        frame.positions += direction * step * 0.6 * TOLERANCE
        frames.append(frame)
    assert repeated(*frames) == [False, True] * 4


def test_known_structures_are_compared_with_and_never_dropped():
    a, b = bulk("Cu", cubic=True), bulk("Ag", cubic=True)
    assert repeated(a, a, b, a, known=2) == [False, False, False, True]
    assert repeated(a, a, known=2) == [False, False]


def test_ten_thousand_structures_take_seconds():
    """Half of them rewritten: the time grows like their number, not like that of their pairs."""
    random = np.random.default_rng(2)
    slab = fcc111("Cu", (3, 3, 3), vacuum=6.0)

    def seconds(count):
        first = [displaced(slab, random, 0.3) for _ in range(count)]
        pes = PESData.from_atoms([*first, *(rewritten(atoms, random) for atoms in first)])
        start = time.process_time()
        assert near_duplicates(pes, TOLERANCE).tolist() == [False] * count + [True] * count
        return time.process_time() - start

    few, many = seconds(250), seconds(1000)
    assert many < 8 * few  # 4 times as many: pairs would take 16 times as long
    assert 10 * many < 30


def test_copies_that_structure_factors_cannot_tell_apart_do_not_take_for_ever():
    random = np.random.default_rng(3)
    crystal = bulk("Cu", cubic=True) * (3, 3, 3)
    copies = PESData.from_atoms([displaced(crystal, random, 0.003) for _ in range(300)])
    start = time.process_time()
    assert not near_duplicates(copies, TOLERANCE).any()
    assert time.process_time() - start < 15


@pytest.mark.parametrize("reverse", [False, True])
def test_which_one_is_kept_is_the_first(reverse):
    random = np.random.default_rng(4)
    crystal = bulk("Si", cubic=True)
    pair = [crystal, rewritten(crystal, random)]
    assert repeated(*(pair[::-1] if reverse else pair)) == [False, True]
