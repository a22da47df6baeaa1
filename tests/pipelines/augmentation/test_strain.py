"""Strain acts along periodic directions and nowhere else."""

from __future__ import annotations

from typing import Literal

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from hypothesis import given, settings
from hypothesis import strategies as st

from potwright.geometry import empty_gaps, plane_heights, plane_normals
from potwright.pes import PESData
from potwright.pipelines.augmentation.copies import make_copies
from potwright.pipelines.augmentation.parameters import StrainParameters
from potwright.pipelines.augmentation.strain import strain_structures

MODES = ("isotropic", "per_axis", "tensor")
Mode = Literal["isotropic", "per_axis", "tensor"]


def stretches(pes: PESData, reference: PESData) -> np.ndarray:
    """Lengths of the periodic cell vectors relative to the parent's, one row per structure."""
    rows = reference.index_of(pes.parent)
    return np.linalg.norm(pes.cell, axis=2) / np.linalg.norm(reference.cell[rows], axis=2)


@pytest.mark.parametrize("mode", MODES)
def test_the_vacuum_is_kept(inputs: PESData, mode: Mode) -> None:
    copies = make_copies(inputs, 5)
    strained = strain_structures(copies, StrainParameters(mode=mode), seed=1)
    for before, after in zip(copies.to_atoms(), strained.to_atoms(), strict=True):
        if before.pbc.any():
            gaps = empty_gaps(before.positions, before.cell.array)[~before.pbc]
            assert empty_gaps(after.positions, after.cell.array)[~before.pbc] == pytest.approx(gaps)
            heights = plane_heights(before.cell.array)[~before.pbc]
            assert plane_heights(after.cell.array)[~before.pbc] == pytest.approx(heights)


@pytest.mark.parametrize("mode", MODES)
def test_atoms_go_with_the_lattice(inputs: PESData, mode: Mode) -> None:
    copies = make_copies(inputs, 3)
    strained = strain_structures(copies, StrainParameters(mode=mode), seed=1)
    for before, after in zip(copies.to_atoms(), strained.to_atoms(), strict=True):
        expected = before.cell.scaled_positions(before.positions)
        if before.pbc.any():
            assert after.cell.scaled_positions(after.positions) == pytest.approx(expected, abs=1e-6)
            assert not np.allclose(after.cell.array, before.cell.array)


@pytest.mark.parametrize("mode", MODES)
def test_molecules_are_not_strained(inputs: PESData, mode: Mode) -> None:
    copies = make_copies(inputs[[3]], 3)
    strained = strain_structures(copies, StrainParameters(mode=mode), seed=1)
    assert strained.id.tolist() == copies.id.tolist()
    assert set(strained.origin) == {"initial"}


def test_isotropic_factors_fill_the_range(inputs: PESData) -> None:
    crystal = inputs[[0]]
    strained = strain_structures(make_copies(crystal, 400), StrainParameters(), seed=1)
    factors = stretches(strained, crystal)
    assert np.ptp(factors, axis=1) == pytest.approx(np.zeros(400), abs=1e-6)
    assert 0.8 <= factors.min() < 0.82
    assert 1.58 < factors.max() <= 1.6
    assert factors.mean() == pytest.approx(1.2, abs=0.05)
    recorded = [info["strain_factors"][0] for info in strained.info]
    assert recorded == pytest.approx(factors[:, 0], abs=1e-6)


def test_per_axis_factors_are_independent_and_keep_directions(inputs: PESData) -> None:
    crystal = inputs[[0]]
    strained = strain_structures(
        make_copies(crystal, 300), StrainParameters(mode="per_axis"), seed=1
    )
    factors = stretches(strained, crystal)
    assert np.abs(np.corrcoef(factors.T) - np.eye(3)).max() < 0.2
    lengths = np.linalg.norm(strained.cell, axis=2, keepdims=True)
    assert strained.cell / lengths == pytest.approx(np.tile(np.eye(3), (300, 1, 1)), abs=1e-9)


def test_tensors_are_symmetric_with_principal_stretches_in_range(inputs: PESData) -> None:
    strained = strain_structures(
        make_copies(inputs[:2], 50), StrainParameters(mode="tensor"), seed=1
    )
    for info, pbc in zip(strained.info, strained.pbc, strict=True):
        deformation = np.array(info["deformation"])
        assert deformation == pytest.approx(deformation.T)
        stretch = np.linalg.eigvalsh(deformation)
        assert np.all((stretch > 0.8 - 1e-9) & (stretch < 1.6 + 1e-9))
        expected = sorted(info["strain_factors"] + [1.0] * int((~pbc).sum()))
        assert stretch == pytest.approx(expected)


def test_the_order_of_axes_changes_nothing(inputs: PESData) -> None:
    (sheet,) = inputs[[1]].to_atoms()
    order = [2, 0, 1]
    turned = sheet.copy()
    turned.set_cell(sheet.cell.array[order])
    turned.pbc = sheet.pbc[order]
    both = PESData.from_atoms([sheet, turned]).replace(parent="same")
    one, other = strain_structures(both, StrainParameters(), seed=3).to_atoms()
    assert other.cell.array == pytest.approx(one.cell.array[order])
    assert other.positions == pytest.approx(one.positions)


def test_primitive_cells_are_strained_as_crystals() -> None:
    crystal = PESData.from_atoms([bulk("Cu")])
    strained = strain_structures(make_copies(crystal, 2), StrainParameters(), seed=1)
    assert set(strained.origin) == {"strain"}


@st.composite
def structures(draw: st.DrawFn) -> PESData:
    """Triclinic structures of 1 to 200 atoms, any orientation and periodicity."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    cell = np.diag(rng.uniform(2, 8, 3))
    cell[1, 0], cell[2, 0], cell[2, 1] = rng.uniform(-3, 3, 3)
    rotation, _ = np.linalg.qr(rng.normal(size=(3, 3)))
    positions = rng.uniform(-1, 2, (draw(st.integers(1, 200)), 3))
    pbc = draw(st.tuples(*[st.booleans()] * 3))
    cell = (cell @ rotation)[rng.permutation(3)]
    return PESData.from_atoms([Atoms("C" * len(positions), positions @ cell, cell=cell, pbc=pbc)])


@given(structures(), st.sampled_from(MODES), st.integers(0, 2**32 - 1))
@settings(max_examples=60, deadline=None)
def test_any_structure_is_strained_along_periodic_directions_only(
    pes: PESData, mode: Mode, seed: int
) -> None:
    strained = strain_structures(pes, StrainParameters(mode=mode), seed)
    before, after, periodic = pes.cell[0], strained.cell[0], pes.pbc[0]
    assert np.array_equal(strained.pbc, pes.pbc)
    if not periodic.any():
        assert strained.id.tolist() == pes.id.tolist()
        return
    # Fractional coordinates stay, and so does what is perpendicular to the periodic vectors.
    fractional = pes.positions @ np.linalg.inv(before)
    assert strained.positions == pytest.approx(fractional @ after, abs=1e-5)
    assert plane_heights(after)[~periodic] == pytest.approx(plane_heights(before)[~periodic])
    if periodic.sum() == 2:
        normal = plane_normals(before)[~periodic]
        assert plane_normals(after)[~periodic] == pytest.approx(normal, abs=1e-6)
    # The stretch of the periodic lattice is within the range.
    deformation = np.linalg.lstsq(before[periodic], after[periodic])[0]
    singular = np.linalg.svd(deformation, compute_uv=False)[: periodic.sum()]
    if mode == "per_axis":  # along vectors that need not be orthogonal
        lengths = np.linalg.norm(after, axis=1) / np.linalg.norm(before, axis=1)
        singular = lengths[periodic]
    assert np.all((singular > 0.8 - 1e-6) & (singular < 1.6 + 1e-6))
    if mode == "isotropic":
        assert np.ptp(singular) < 1e-6
