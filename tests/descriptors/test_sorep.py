"""The kinetic SOREP: invariances, a known integral, and what is kept."""

from __future__ import annotations

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, molecule

from potwright.descriptors.sorep import (
    Spectrum,
    kinetic_levels,
    kinetic_sorep,
    valence_basis,
    valence_shells,
)
from potwright.descriptors.storage import kept
from potwright.pes import PESData

pytest.importorskip("pyscf")


def described(*images: Atoms) -> np.ndarray:
    return kinetic_sorep(PESData.from_atoms(list(images), labels="none"))


@pytest.mark.parametrize(
    ("number", "shells"),
    [
        (1, {0: 1}),
        (6, {0: 2, 1: 1}),
        (14, {0: 3, 1: 2}),
        (29, {0: 4, 2: 1}),  # 3d belongs to the valence of copper
        (31, {0: 4, 1: 3}),  # and to the core of gallium
        (42, {0: 5, 2: 2}),
        (52, {0: 5, 1: 4}),
        (58, {0: 6, 3: 1}),
        (74, {0: 6, 2: 3}),
    ],
)
def test_the_valence_is_that_of_the_periodic_table(number, shells):
    assert valence_shells(number) == shells


def test_a_lone_hydrogen_atom_has_the_kinetic_energy_of_its_orbital():
    """⟨T⟩ of a contraction of normalised s functions: S_ij · 3 α_i α_j / (α_i + α_j)."""
    (_, *primitives) = valence_basis("H")[0]
    exponents, coefficients = np.array(primitives).T
    total = exponents[:, None] + exponents
    product = np.multiply.outer(exponents, exponents)
    overlap = (2 * np.sqrt(product) / total) ** 1.5
    weights = np.multiply.outer(coefficients, coefficients)
    expected = (weights * overlap * 3 * product / total).sum() / (weights * overlap).sum()
    (level,) = kinetic_levels(PESData.from_atoms([Atoms("H")], labels="none"))
    assert level == pytest.approx(expected, abs=1e-6)


def test_it_is_invariant_and_per_atom():
    """Rotation, translation, order of atoms; a second molecule that is far away."""
    water = molecule("H2O")
    turned = water.copy()
    turned.rotate(73, (1, 2, 3))
    turned.translate((0.3, 4.0, -2.0))
    pair = water + Atoms(water.symbols, water.positions + np.array([0, 0, 40]))
    rows = described(water, turned, water[[2, 0, 1]], pair)
    for row in rows[1:]:
        np.testing.assert_allclose(row, rows[0], atol=1e-4 * rows[0].max())


def test_it_is_invariant_and_per_atom_in_crystals():
    """A turned cell, other atoms first; a supercell, where no orbital reaches a neighbouring cell.

    In a denser crystal Γ of the supercell has more of the bands.
    """
    crystal = Atoms("CO", [(0.5, 1, 2), (0.5, 1, 3.15)], cell=(14, 15, 16), pbc=True)
    turned = crystal[[1, 0]]
    turned.rotate(73, (1, 2, 3), rotate_cell=True)
    turned.translate((0.3, 4.0, -2.0))
    alone = Atoms("CO", crystal.positions)
    rows = described(crystal, turned, crystal * (2, 1, 1), alone)
    for row in rows[1:]:
        np.testing.assert_allclose(row, rows[0], atol=1e-4 * rows[0].max())
    aluminium = described(bulk("Al"), bulk("Al") * 2)
    assert np.abs(aluminium[1] - aluminium[0]).max() > 0.1 * aluminium.max()


def test_it_counts_orbitals_and_sees_compression():
    cell = bulk("Al", cubic=True) * (2, 2, 2)
    dense = cell.copy()
    dense.set_cell(cell.cell * 0.9, scale_atoms=True)
    wide = Spectrum(largest_hartree=40, points=8001)
    one, other = kinetic_sorep(PESData.from_atoms([cell, dense], labels="none"), wide)
    step = wide.energies[1]
    assert step * one.sum() == pytest.approx(4, rel=0.01)  # one s, three p on each atom
    mean = [(row @ wide.energies) * step / 4 for row in (one, other)]
    assert mean[1] > 1.05 * mean[0]  # orbitals that are pressed together oscillate more


def test_what_was_computed_is_kept_by_id(tmp_path):
    pes = PESData.from_atoms([bulk("Cu"), bulk("Al"), bulk("Ag")], labels="none")
    asked: list[str] = []

    def describe(new: PESData) -> np.ndarray:
        asked.extend(new.id.tolist())
        return new.numbers.reshape(-1, 1).astype(float)

    path = tmp_path / "kept.npz"
    assert kept(path, pes[:2], describe, 1).tolist() == [[29.0], [13.0]]
    assert kept(path, pes[[2, 1, 0]], describe, 1).tolist() == [[47.0], [13.0], [29.0]]
    assert asked == pes.id.tolist()
    assert kept(path, pes[:0], describe, 1).shape == (0, 1)
