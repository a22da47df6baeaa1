"""Rattling is isotropic and bounded by the distance to the nearest neighbour."""

from __future__ import annotations

import logging

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, graphene
from hypothesis import given, settings
from hypothesis import strategies as st

from potwright.geometry import (
    colliding_atoms,
    nearest_neighbour_distances,
    smallest_covalent_ratio,
)
from potwright.pes import PESData
from potwright.pipelines.augmentation.copies import make_copies
from potwright.pipelines.augmentation.derivation import geometries
from potwright.pipelines.augmentation.parameters import RattleParameters
from potwright.pipelines.augmentation.rattle import rattle_structures


@pytest.fixture(scope="module")
def displacements() -> np.ndarray:
    """Displacements of 20 000 atoms of diamond, in units of the nearest-neighbour distance."""
    crystal = PESData.from_atoms([bulk("C", "diamond", a=3.567, cubic=True).repeat(5)])
    copies = make_copies(crystal, 20)
    rattled = rattle_structures(copies, RattleParameters(), 0.45, seed=5)
    return (rattled.positions - copies.positions) / (3.567 * np.sqrt(3) / 4)


def test_the_mean_displacement_vanishes(displacements: np.ndarray) -> None:
    spread = displacements.std(axis=0) / np.sqrt(len(displacements))
    assert np.all(np.abs(displacements.mean(axis=0)) < 5 * spread)


def test_all_octants_are_equally_filled(displacements: np.ndarray) -> None:
    octants = np.bincount((displacements > 0) @ [1, 2, 4], minlength=8)
    expected = len(displacements) / 8
    chi_squared = ((octants - expected) ** 2 / expected).sum()
    assert chi_squared < 30  # seven degrees of freedom: exceeded once in 10⁴


def test_lengths_are_uniform_up_to_the_fraction(displacements: np.ndarray) -> None:
    lengths = np.linalg.norm(displacements, axis=1)
    assert lengths.max() <= 0.3
    quantiles = np.quantile(lengths, [0.1, 0.25, 0.5, 0.75, 0.9])
    assert quantiles == pytest.approx(0.3 * np.array([0.1, 0.25, 0.5, 0.75, 0.9]), abs=0.005)


def test_directions_have_no_preferred_axis(displacements: np.ndarray) -> None:
    unit = displacements / np.linalg.norm(displacements, axis=1, keepdims=True)
    assert unit.T @ unit / len(unit) == pytest.approx(np.eye(3) / 3, abs=0.01)


def test_each_atom_has_its_own_bound_under_the_real_periodicity() -> None:
    # The hydrogen pair is close across the periodic boundary only; helium is farther away.
    atoms = Atoms("H2He", [[0.2, 0, 0], [7.7, 0, 0], [4, 2, 0]], cell=[8.0, 8, 8], pbc=[1, 0, 0])
    copies = make_copies(PESData.from_atoms([atoms]), 200)
    rattled = rattle_structures(copies, RattleParameters(rattle_fraction=0.5), 0.0, seed=5)
    lengths = np.linalg.norm(rattled.positions - copies.positions, axis=1).reshape(200, 3)
    bounds = 0.5 * nearest_neighbour_distances(atoms.positions, atoms.cell.array, atoms.pbc)
    assert bounds[:2] == pytest.approx([0.25, 0.25])
    assert np.all(lengths <= bounds + 1e-7)
    assert np.all(lengths.max(axis=0) > 0.9 * bounds)


def test_the_only_atom_is_not_moved() -> None:
    alone = Atoms("C", cell=np.eye(3) * 15)
    copies = make_copies(PESData.from_atoms([alone, bulk("Cu")]), 2)
    rattled = rattle_structures(copies, RattleParameters(), 0.45, seed=5)
    assert rattled.id.tolist() == copies.id.tolist()


def test_rattling_leaves_the_cell_and_records_the_fraction() -> None:
    copies = make_copies(PESData.from_atoms([graphene(vacuum=8)]), 2)
    rattled = rattle_structures(copies, RattleParameters(rattle_fraction=0.1), 0.45, seed=5)
    assert np.array_equal(rattled.cell, copies.cell)
    assert rattled.origin.tolist() == ["rattle"] * 2
    assert [info["rattle_fraction"] for info in rattled.info] == [0.1, 0.1]


@st.composite
def structures(draw: st.DrawFn) -> PESData:
    """Triclinic structures of 1 to 200 atoms and any periodicity, on a distorted grid."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    repeats = draw(st.tuples(*[st.integers(1, 6)] * 3).filter(lambda r: np.prod(r) <= 200))
    cell = np.diag(rng.uniform(2.5, 4.0, 3))
    cell[1, 0], cell[2, 0], cell[2, 1] = rng.uniform(-0.5, 0.5, 3) * 2.5
    rotation, _ = np.linalg.qr(rng.normal(size=(3, 3)))
    atoms = Atoms("C", cell=(cell @ rotation)[rng.permutation(3)], pbc=True).repeat(repeats)
    atoms.numbers = rng.choice([6, 14], len(atoms))
    atoms.pbc = draw(st.tuples(*[st.booleans()] * 3))
    return PESData.from_atoms([atoms])


@given(structures(), st.floats(0, 1), st.integers(0, 2**32 - 1))
@settings(max_examples=40, deadline=None)
def test_displacements_are_bounded_and_nothing_comes_too_close(
    pes: PESData, fraction: float, seed: int
) -> None:
    (geometry,) = geometries(pes)
    nearest = nearest_neighbour_distances(*geometry[1:])
    rattled = rattle_structures(pes, RattleParameters(rattle_fraction=fraction), 0.45, seed)
    lengths = np.linalg.norm(rattled.positions - pes.positions, axis=1)
    assert np.all(lengths <= fraction * np.where(np.isinf(nearest), 0, nearest) + 1e-7)
    assert rattled.pbc.tolist() == pes.pbc.tolist()
    assert np.array_equal(rattled.cell, pes.cell)
    (after,) = geometries(rattled)
    # Half a covalent bond is far from what the undistorted grid has, so it can be kept.
    assert smallest_covalent_ratio(*after) >= 0.45 - 1e-7


def test_only_atoms_that_came_too_close_are_displaced_again() -> None:
    diamond = bulk("C", "diamond", a=3.567 * 0.8, cubic=True).repeat(2)
    copies = make_copies(PESData.from_atoms([diamond]), 100)
    free = rattle_structures(copies, RattleParameters(), 0.0, seed=5)
    kept = rattle_structures(copies, RattleParameters(), 0.5, seed=5)
    collisions = np.concatenate([colliding_atoms(*g, 0.5) for g in geometries(free)])
    assert 10 < collisions.sum() < 0.1 * len(collisions)
    assert not any(colliding_atoms(*g, 0.5).any() for g in geometries(kept))
    moved_again = np.any(free.positions != kept.positions, axis=1)
    assert np.all(moved_again[collisions])
    # Hardly any but those: an atom that was displaced again may meet a third one.
    assert moved_again.sum() < 1.2 * collisions.sum()


def test_what_cannot_be_kept_apart_is_counted(caplog: pytest.LogCaptureFixture) -> None:
    squeezed = Atoms("C2", [[0, 0, 0], [0.5, 0, 0]])
    with caplog.at_level(logging.WARNING):
        rattled = rattle_structures(
            PESData.from_atoms([squeezed]), RattleParameters(rattle_fraction=0.01), 0.45, seed=5
        )
    assert rattled.origin.tolist() == ["rattle"]
    assert "in 1 of 1 structures atoms are closer than 0.45" in caplog.text
