"""Rattling is isotropic and bounded by the distance to the nearest neighbour."""

from __future__ import annotations

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, graphene

from potwright.geometry import nearest_neighbour_distances
from potwright.pes import PESData
from potwright.pipelines.augmentation.copies import make_copies
from potwright.pipelines.augmentation.parameters import RattleParameters
from potwright.pipelines.augmentation.rattle import rattle_structures


@pytest.fixture(scope="module")
def displacements() -> np.ndarray:
    """Displacements of 20 000 atoms of diamond, in units of the nearest-neighbour distance."""
    crystal = PESData.from_atoms([bulk("C", "diamond", a=3.567, cubic=True).repeat(5)])
    copies = make_copies(crystal, 20)
    rattled = rattle_structures(copies, RattleParameters(), seed=5)
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
    rattled = rattle_structures(copies, RattleParameters(rattle_fraction=0.5), seed=5)
    lengths = np.linalg.norm(rattled.positions - copies.positions, axis=1).reshape(200, 3)
    bounds = 0.5 * nearest_neighbour_distances(atoms.positions, atoms.cell.array, atoms.pbc)
    assert bounds[:2] == pytest.approx([0.25, 0.25])
    assert np.all(lengths <= bounds + 1e-7)
    assert np.all(lengths.max(axis=0) > 0.9 * bounds)


def test_the_only_atom_is_not_moved() -> None:
    alone = Atoms("C", cell=np.eye(3) * 15)
    copies = make_copies(PESData.from_atoms([alone, bulk("Cu")]), 2)
    rattled = rattle_structures(copies, RattleParameters(), seed=5)
    assert rattled.id.tolist() == copies.id.tolist()


def test_rattling_leaves_the_cell_and_records_the_fraction() -> None:
    copies = make_copies(PESData.from_atoms([graphene(vacuum=8)]), 2)
    rattled = rattle_structures(copies, RattleParameters(rattle_fraction=0.1), seed=5)
    assert np.array_equal(rattled.cell, copies.cell)
    assert rattled.origin.tolist() == ["rattle"] * 2
    assert [info["rattle_fraction"] for info in rattled.info] == [0.1, 0.1]
